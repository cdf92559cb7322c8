package load

func scStates() Scenario {
	return Scenario{
		Name:  "states",
		Title: "One process in each state there is",
		Teaches: "R runs or is ready. S waits and can be woken by a signal. D waits and cannot: here a parent whose child borrows its place (vfork). " +
			"T was stopped by a signal, as Ctrl-Z does; t by a debugger. Z has ended and waits for its parent to ask how. " +
			"Between any two of the others there is always R: who has waited must get a CPU to come to anything else. " +
			"The kernel also tells in which of its functions a task waits.",
		Params: []Param{secondsParam("how long they stay in these states"), cpusParam("")},
		Quick:  []string{"seconds=2s"},
		Build:  buildStates,
	}
}

const signalContinue = 18 // SIGCONT

// The processes of the scenario, in the order of the plan.
const (
	stateSleeps = 1 + iota
	stateRuns
	stateStopped
	stateTraced
	stateDisk
	stateZombie
)

// stateOf is a process of the scenario and the state that it is held in.
type stateOf struct {
	name   string
	op     Op
	letter string
	waits  string // derived field waits_in
	why    string
	// order is what it goes through, from the gate to the park, both of them S.
	order, orderWhy string
}

// stateParts are all of them, in the order of the plan.
func stateParts(v Values) []stateOf {
	until := uint64(v.Duration("seconds"))
	return []stateOf{
		{"sleeps", hold(v), "S", "wait", "it waits for the end", "S,R,S,R,S", "it runs only to wait again, and to park"},
		{"runs", Op{Kind: OpSpinWall, A: until}, "R", "", "it never waits", "S,R,S", "it is running or ready from the gate to its park"},
		{"stopped", Op{Kind: OpStopSelf}, "T", "stop", "it has sent itself SIGSTOP", "S,R,T,R,S", "it must run to stop itself, and again once it is continued"},
		// It waits at its park: a timed wait begins anew when the debugger lets go.
		{
			"traced",
			Op{},
			"t", "trace", "the root has stopped it as a debugger does",
			"S,R,[S,R],t,R,S", "it may have come to its park before it is stopped, or not; to stop it must run",
		},
		{
			"uninterruptible",
			Op{Kind: OpVfork, A: until},
			"D", "vfork", "its child runs in its place",
			"S,R,D,R,[S,R],S", "its child has left its place when it goes on, but may not have ended yet: then it waits for that",
		},
		{"zombie", Op{Kind: OpExit}, "Z", "", "it has ended and nobody has waited for it", "S,R,Z", "it must run to end"},
	}
}

func buildStates(v Values) (*Plan, error) {
	p := newPlan("states", v)
	root := &p.Processes[0].Threads[0]
	root.Ops = []Op{{Kind: OpTrace, A: stateTraced}}
	for i, s := range stateParts(v) {
		p.crew(asProcesses, 1, func(int) ThreadPlan {
			t := ThreadPlan{Name: s.name, CPUs: v.CPUs("cpus")}
			if s.op != (Op{}) {
				t.Ops = []Op{s.op}
			}
			return t
		})
		root.Ops = append(root.Ops, awaitState(i+1, s.letter[0]))
		at := func(field, text string) {
			p.promise(Promise{
				Process: i + 1, Thread: -1, Field: field, Scope: "process", Kind: Equality, When: WhenLive,
				ExpectText: text, Because: s.why,
			})
		}
		at("state_all", s.letter)
		if s.waits != "" {
			at("waits_in", s.waits)
		}
		p.promise(Promise{
			Process: i + 1, Thread: 0, Field: "transitions", Scope: "thread", Kind: Identity, When: WhenDelta,
			ExpectText: s.order, Because: s.orderWhy,
		})
	}
	p.Processes[stateZombie].End = &End{Reaped: true}
	root.Ops = append(root.Ops, meanwhile(v)...)
	root.Ops = append(root.Ops, Op{Kind: OpUntrace, A: stateTraced}, Op{Kind: OpSignal, A: signalContinue, B: stateStopped}, Op{Kind: OpReap})
	p.promise(Promise{
		Process: stateTraced, Thread: -1, Field: "traced_by", Scope: "process", Kind: Equality, When: WhenLive,
		Because: "the root is its tracer",
	})
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "ready_tasks", Scope: "subtree", Kind: Equality, When: WhenLive,
		Expect: Exactly(1), Because: "one of them is runnable",
	})
	p.reaps(0, 1)
	p.Budget.CPUs = 1
	p.Budget.Tasks = 1
	p.remains()
	return p.finish(), nil
}
