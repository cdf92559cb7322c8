package load

func scOrphans() Scenario {
	return Scenario{
		Name:  "orphans",
		Title: "Processes whose parent ends before them",
		Teaches: "A process always has a parent. When that ends, the nearest process above that has declared itself willing (a subreaper), or else process 1, becomes the parent. " +
			"The orphan keeps its session and goes on as before; only its PPID changes. Services are started like this.",
		Params: []Param{workersParam("3", 1, 500), secondsParam("how long the orphans go on")},
		Quick:  []string{"seconds=1500ms"},
		Build:  buildOrphans,
	}
}

func buildOrphans(v Values) (*Plan, error) {
	n := v.Int("workers")
	p := newPlan("orphans", v)
	p.Processes[0].Subreaper = true
	for i := range n {
		middle := len(p.Processes)
		p.Processes = append(p.Processes,
			ProcessPlan{
				Role: numbered("parent", i), End: &End{Reaped: true},
				Threads: []ThreadPlan{{Role: "leader", Name: numbered("parent", i), Ops: []Op{{Kind: OpExit}}}},
			},
			ProcessPlan{
				Role: numbered("orphan", i), Parent: middle,
				Threads: []ThreadPlan{{Role: "leader", Name: numbered("orphan", i), Ops: []Op{
					{Kind: OpAdopted}, {Kind: OpMark, A: MarkFrom}, hold(v),
				}}},
			})
		p.orphan(middle + 1)
	}
	p.Processes[0].Threads[0].Ops = append([]Op{{Kind: OpReap}}, meanwhile(v)...)
	p.reaps(0, n)
	for _, when := range []When{WhenLive, WhenParked} {
		p.promise(Promise{
			Process: 0, Thread: -1, Field: "children", Scope: "process", Kind: Equality, When: when,
			Expect: Exactly(float64(n)), Because: "the root has waited for its own children and adopted theirs",
		})
	}
	p.remains()
	return p.finish(), nil
}

func (p *Plan) orphan(process int) {
	at := func(q Promise) {
		q.Process, q.Thread, q.Scope, q.Kind = process, -1, "process", Equality
		p.promise(q)
	}
	for _, when := range []When{WhenLive, WhenParked} {
		at(Promise{Field: "ppid", When: when, Because: "the nearest subreaper above, which is the root, becomes its parent"})
	}
	at(Promise{Field: "session", When: WhenDelta, Because: "an orphan stays in its session"})
	at(Promise{Field: "pgid", When: WhenDelta, Because: "and in its process group"})
	at(Promise{Field: "state_all", When: WhenLive, ExpectText: "S", Because: "it goes on as before"})
}
