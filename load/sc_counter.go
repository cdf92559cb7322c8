package load

func scCounter() Scenario {
	return Scenario{
		Name:  "counter",
		Title: "Many workers add to one number, with a lock or without",
		Teaches: "Adding one is three steps: read, add, write. Without a lock another worker may come between them, and its addition is lost; how many are lost is different each time. " +
			"With a lock, or with an atomic addition, none is: 10,000 workers that add 1 make exactly 10,000.",
		Params: []Param{
			asParam(), workersParam("10000", 1, maxWorkers),
			{Name: "mode", Kind: ParamEnum, Default: "locked", Enum: []string{"racy", "locked", "atomic"}, Doc: "how they add"},
			{Name: "each", Kind: ParamInt, Default: "1", Min: 1, Max: 1e8, Doc: "how often each worker adds 1"},
			stayParam(), cpusParam(""),
		},
		Quick: []string{"workers=32", "each=300", "seconds=800ms"},
		Build: buildCounter,
	}
}

func buildCounter(v Values) (*Plan, error) {
	ways := map[string]uint64{"racy": AddRacy, "locked": AddLocked, "atomic": AddAtomic}
	p := newPlan("counter", v)
	counter := p.object(Object{Kind: ObjectCounter, Role: "counter"})
	l := p.object(Object{Kind: ObjectLock, Role: "lock"})
	each := uint64(v.Int("each"))
	workers := p.crew(v.Text("as"), v.Int("workers"), func(i int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{
			{Kind: OpAdd, Object: counter, A: each, B: ways[v.Text("mode")], C: uint64(l)},
		}}
	})
	p.onlyThreadsThatAdd(workers, each)
	p.thenStay(v, workers)
	p.onlyCountedWaits("a worker blocks only when the lock is held by another, while it stays, and once more when it parks")
	total := float64(each) * float64(len(workers))
	value := Formula{}.Plus(1, objectKey(counter))
	lost := Exactly(total).Plus(-1, objectKey(counter))
	if v.Text("mode") == "racy" {
		p.told(wholeTree, "value", Bound, Exactly(total), value, "an addition may be lost, none is done twice")
		p.toldAtLeast(wholeTree, "lost_updates", Exactly(0), lost, "how many are lost is chance: this is what it was")
	} else {
		p.told(wholeTree, "value", Equality, Exactly(total), value, "nobody comes between reading and writing")
		p.told(wholeTree, "lost_updates", Equality, Exactly(0), lost, "nobody comes between reading and writing")
	}
	p.Budget.CPUs = float64(parallel(v, len(workers)))
	return p.finish(), nil
}

// onlyThreadsThatAdd promises that every worker does its part.
func (p *Plan) onlyThreadsThatAdd(workers []site, each uint64) {
	for _, s := range workers {
		p.told(s, "increments", Equality, Exactly(float64(each)), Formula{}.Plus(1, "done"), "each worker adds that often")
	}
	p.told(wholeTree, "increments", Equality, Exactly(float64(each)*float64(len(workers))), Formula{}.Plus(1, "done"),
		"all additions together, whether or not they are lost")
}
