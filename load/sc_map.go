package load

import "time"

func scMap() Scenario {
	return Scenario{
		Name:  "map",
		Title: "An array worked on in chunks, by all workers at once",
		Teaches: "A pool splits an array into chunks, and every worker takes the next chunk when it is done with the last, so a slow worker does not hold up the others. " +
			"Each element is worked on exactly once, whoever does it. How many CPUs were used at once is how much faster it was than one worker.",
		Params: []Param{
			asParam(), workersParam("2", 1, 256),
			{Name: "items", Kind: ParamInt, Default: "50000", Min: 1, Max: 50e6, Doc: "elements of the array; each takes some microseconds"},
			{Name: "chunk", Kind: ParamInt, Default: "500", Min: 1, Max: 1e6, Doc: "elements that a worker takes at a time"},
			stayParam(), cpusParam(""),
		},
		Quick: []string{"items=20000", "seconds=800ms"},
		Build: buildMap,
	}
}

// elementCost is about what one element costs, for the estimate of how long
// the job takes.
const elementCost = 5 * time.Microsecond

func buildMap(v Values) (*Plan, error) {
	items, chunk, n := uint64(v.Int("items")), uint64(v.Int("chunk")), v.Int("workers")
	p := newPlan("map", v)
	array := p.object(Object{Kind: ObjectShared, Role: "array", Bytes: items})
	next := p.object(Object{Kind: ObjectCounter, Role: "next chunk"})
	workers := p.crew(v.Text("as"), n, func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{{Kind: OpChunks, Object: array, A: items, B: chunk, C: uint64(next)}}}
	})
	p.thenStay(v, workers)
	p.onlyCountedWaits("a worker that computes does not wait; staying and parking are all that is left")
	tell := func(field, key string, expect float64, because string) {
		p.told(wholeTree, field, Equality, Exactly(expect), Formula{}.Plus(1, key), because)
	}
	tell("items", "done", float64(items), "the chunks cover the array")
	tell("duplicates", "late", 0, "no element is worked on twice")
	tell("chunks", "acquisitions", float64((items+chunk-1)/chunk), "every chunk is taken by one worker")
	tell("result", "result", sumBelow(items), "the numbers of all elements added up: each of them, once")
	for _, s := range workers {
		p.booking(s)
	}
	job := time.Duration(items) * elementCost / time.Duration(parallel(v, n))
	p.coresAtMost(parallel(v, n), 0.1+p.coresTolerance(job/4), "the speed-up is at most the number of workers, or of CPUs")
	p.atLeast(job)
	p.Budget.MemoryBytes += items
	p.Budget.CPUs = float64(parallel(v, n))
	return p.finish(), nil
}
