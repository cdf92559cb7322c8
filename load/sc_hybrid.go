package load

import "fmt"

func scHybrid() Scenario {
	return Scenario{
		Name:  "hybrid",
		Title: "Several processes with several threads each",
		Teaches: "Both at once, as servers and browsers do it: the threads of one process share its memory and fail together, the processes do not. " +
			"Every worker adds to the variable of its process, so each finds what the threads of its own process have added, and nothing of the others.",
		Params: []Param{
			{Name: "processes", Kind: ParamInt, Default: "2", Min: 1, Max: 500, Doc: "number of processes below the root"},
			{Name: "threads", Kind: ParamInt, Default: "3", Min: 1, Max: 1000, Doc: "working threads of each process, its main thread included"},
			{Name: "each", Kind: ParamInt, Default: "1000", Min: 1, Max: 1e8, Doc: "how often each worker adds 1"},
			stayParam(), cpusParam(""),
		},
		Quick: []string{"seconds=800ms"},
		Build: buildHybrid,
	}
}

func buildHybrid(v Values) (*Plan, error) {
	processes, threads, each := v.Int("processes"), v.Int("threads"), uint64(v.Int("each"))
	if processes*threads > maxWorkers {
		return nil, fmt.Errorf("processes=%d threads=%d makes more than %d workers", processes, threads, maxWorkers)
	}
	p := newPlan("hybrid", v)
	barrier := p.object(Object{Kind: ObjectBarrier, Role: "all have added"})
	var workers []site
	for i := range processes {
		q := ProcessPlan{Role: fmt.Sprintf("process-%03d", i), Parent: 0}
		for j := range threads {
			name := fmt.Sprintf("p%03d-t%03d", i, j)
			q.Threads = append(q.Threads, ThreadPlan{
				Role: name, Name: name, CPUs: v.CPUs("cpus"), Ops: ownVariable(each, barrier, processes*threads),
			})
			workers = append(workers, site{i + 1, j})
		}
		p.Processes = append(p.Processes, q)
	}
	p.thenStay(v, workers)
	for _, s := range workers {
		p.told(s, "result", Equality, Exactly(float64(each)*float64(threads)), Formula{}.Plus(1, "result"),
			"what the threads of its own process have added")
	}
	p.sameAddress(workers)
	p.addressSpaces()
	p.onlyCountedWaits("a worker waits for the others, stays, and parks")
	p.Budget.CPUs = float64(parallel(v, len(workers)))
	return p.finish(), nil
}
