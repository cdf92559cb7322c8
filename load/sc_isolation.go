package load

func scIsolation() Scenario {
	return Scenario{
		Name:  "isolation",
		Title: "Every worker adds to a variable: one for all threads, one for each process",
		Teaches: "The workers run the same program, and its variable has the same address in all of them. Threads mean the same variable, so each of them finds what all have added. " +
			"Processes have a copy each since they were started, so each finds only what it has added itself.",
		Params: []Param{
			asParam(), workersParam("4", 1, 1000),
			{Name: "each", Kind: ParamInt, Default: "1000", Min: 1, Max: 1e8, Doc: "how often each worker adds 1"},
			stayParam(), cpusParam(""),
		},
		Quick: []string{"seconds=800ms"},
		Build: buildIsolation,
	}
}

// ownVariable are the operations of a worker that adds to the variable of its
// process, waits for all others, and looks at it.
func ownVariable(each uint64, barrier, all int) []Op {
	return []Op{
		{Kind: OpAddOwn, A: each, C: ownSlot},
		{Kind: OpMeet, Object: barrier, A: uint64(all)},
		{Kind: OpReadOwn},
	}
}

// ownSlot is where the address of the variable is reported.
const ownSlot = 0

func buildIsolation(v Values) (*Plan, error) {
	n, each := v.Int("workers"), uint64(v.Int("each"))
	p := newPlan("isolation", v)
	barrier := p.object(Object{Kind: ObjectBarrier, Role: "all have added"})
	workers := p.crew(v.Text("as"), n, func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: ownVariable(each, barrier, n)}
	})
	p.thenStay(v, workers)
	expect, because := float64(each), "a process sees what it has added itself"
	if v.Text("as") == asThreads {
		expect, because = float64(each)*float64(n), "a thread sees what all threads of its process have added"
	}
	for _, s := range workers {
		p.told(s, "result", Equality, Exactly(expect), Formula{}.Plus(1, "result"), because)
	}
	p.sameAddress(workers)
	p.onlyCountedWaits("a worker waits for the others, stays, and parks")
	p.Budget.CPUs = float64(parallel(v, n))
	return p.finish(), nil
}

// sameAddress promises that the variable lies at one address in all workers.
func (p *Plan) sameAddress(workers []site) {
	for _, s := range workers {
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: "same_address", Scope: "thread", Kind: Equality, When: WhenParked, Slot: ownSlot,
			Expect: Exactly(1), Because: "the program is the same in all workers: only the memory behind the address differs",
		})
	}
}
