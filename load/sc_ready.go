package load

func scReady() Scenario {
	return Scenario{
		Name:  "ready",
		Title: "More runnable threads than CPUs: one runs, the others are ready",
		Teaches: "Several workers that never wait share one CPU. All of them are in state R, but only one runs at a time; the others are ready and wait for their time slice. " +
			"The scheduler preempts each in turn: these switches are involuntary.",
		Params: []Param{
			asParam(), workersParam("3", 2, 64), secondsParam("how long they spin"),
			{Name: "cpus", Kind: ParamCPUs, Default: "0", Doc: "the one CPU they share"},
		},
		Quick: []string{"seconds=1500ms"},
		Build: buildReady,
	}
}

func buildReady(v Values) (*Plan, error) {
	cpus := v.CPUs("cpus")
	if len(cpus) != 1 {
		return nil, errOneCPU
	}
	n := v.Int("workers")
	p := newPlan("ready", v)
	workers := p.crew(v.Text("as"), n, func(int) ThreadPlan {
		return ThreadPlan{CPUs: cpus, Ops: []Op{{Kind: OpSpinWall, A: uint64(v.Duration("seconds"))}}}
	})
	p.voluntary("a worker that never waits never gives up its CPU; only the final park is left", func(site) Formula { return Formula{} })
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "ready_tasks", Scope: "subtree", Kind: Equality, When: WhenLive,
		Expect: Exactly(float64(n)), Because: "every worker is in state R all the time: running or ready",
	})
	for _, s := range workers {
		p.spinner(s, cpus[0])
		p.share(s, 100/float64(n), 2, "equal weights share what they get equally")
	}
	p.oneCore()
	p.Budget.CPUs = 1
	return p.finish(), nil
}
