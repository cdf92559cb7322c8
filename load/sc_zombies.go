package load

func scZombies() Scenario {
	return Scenario{
		Name:  "zombies",
		Title: "Processes that have ended and that nobody has waited for",
		Teaches: "A process that ends leaves its exit status for its parent. Until the parent fetches it, a zombie remains: a number in the table, without memory, without a command line, without use of a CPU. " +
			"It cannot be killed, for it is dead already. Here the parent looks away for a while, and then waits for all of them.",
		Params: []Param{workersParam("8", 1, 1000), secondsParam("when the parent waits for them")},
		Quick:  []string{"seconds=1500ms"},
		Build:  buildZombies,
	}
}

func buildZombies(v Values) (*Plan, error) {
	p := newPlan("zombies", v)
	dead := p.crew(asProcesses, v.Int("workers"), func(i int) ThreadPlan {
		return ThreadPlan{Ops: []Op{{Kind: OpExit, A: uint64(i % 256)}}}
	})
	root := &p.Processes[0].Threads[0]
	for i, s := range dead {
		p.Processes[s.process].End = &End{Code: i % 256, Reaped: true}
		root.Ops = append(root.Ops, awaitState(s.process, 'Z'))
		p.zombie(s.process)
	}
	root.Ops = append(root.Ops, meanwhile(v)...)
	root.Ops = append(root.Ops, Op{Kind: OpReap})
	p.reaps(0, len(dead))
	p.promise(Promise{
		Process: 0, Thread: -1, Field: "children", Scope: "process", Kind: Equality, When: WhenLive,
		Expect: Exactly(float64(len(dead))), Because: "a zombie is still its parent's child",
	})
	p.promise(Promise{
		Process: 0, Thread: -1, Field: "children", Scope: "process", Kind: Equality, When: WhenParked,
		Because: "the parent has waited for all of them",
	})
	p.remains()
	return p.finish(), nil
}

func awaitState(process int, letter byte) Op {
	return Op{Kind: OpAwaitState, A: uint64(process), B: uint64(letter)}
}

// meanwhile holds what has been brought about for observers to see.
func meanwhile(v Values) []Op {
	return []Op{{Kind: OpMark, A: MarkFrom}, hold(v), {Kind: OpMark, A: MarkUntil}}
}

// zombie promises what is left of a process between its end and its parent's
// wait.
func (p *Plan) zombie(process int) {
	at := func(q Promise) {
		q.Process, q.Thread, q.Scope, q.Kind, q.When = process, -1, "process", Equality, WhenLive
		p.promise(q)
	}
	at(Promise{Field: "state_all", ExpectText: "Z", Because: "it has ended and nobody has waited for it"})
	at(Promise{Field: "ppid", Because: "its parent lives"})
	at(Promise{Field: "memory_left_bytes", Because: "its memory was given back when it ended"})
	at(Promise{Field: "command_words", Because: "with its memory its command line has gone"})
}

// reaps promises how many children a process waits for.
func (p *Plan) reaps(process, n int) {
	self := Formula{}.Plus(1, "acquisitions")
	p.promise(Promise{
		Process: process, Thread: -1, Field: "reaped", Scope: "process", Kind: Equality, When: WhenParked,
		Expect: Exactly(float64(n)), Self: &self, Because: "the parent waits for each of them once",
	})
}
