package load

func scCPU() Scenario {
	return Scenario{
		Name:  "cpu",
		Title: "Workers that compute without a pause, on all CPUs",
		Teaches: "Threads of a language without a global lock run on as many CPUs as there are: eight busy threads on two CPUs use two, on eight CPUs eight. " +
			"Those that find no CPU are ready and wait for their turn; none is ever blocked.",
		Params: []Param{
			asParam(), workersParam("8", 1, 256), secondsParam("how long they compute"), cpusParam(""),
		},
		Quick: []string{"seconds=1s"},
		Build: buildCPU,
	}
}

// cpuShortfall is how much of the CPUs' busy time may be missing: it is counted
// by the tick, and workers begin and end one after the other.
const cpuShortfall = 0.1

func buildCPU(v Values) (*Plan, error) {
	n, seconds := v.Int("workers"), v.Duration("seconds")
	p := newPlan("cpu", v)
	workers := p.crew(v.Text("as"), n, func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{{Kind: OpSpinWall, A: uint64(seconds)}}}
	})
	p.voluntary("a worker that never waits never gives up its CPU; only the final park is left", func(site) Formula { return Formula{} })
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "ready_tasks", Scope: "subtree", Kind: Equality, When: WhenLive,
		Expect: Exactly(float64(n)), Because: "every worker is running or ready",
	})
	span := Formula{}.Plus(1, "since_gate_ns")
	for _, s := range workers {
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: "run_plus_ready_ns", Scope: "thread", Kind: Statistical, When: WhenDelta,
			Expect: span, Self: &span, TolRel: 0.01, TolAbs: TickNS,
			Because: "from the gate to its end it is either running or ready",
		})
		p.booking(s)
	}
	cores := parallel(v, n)
	p.coresAtMost(cores, p.coresTolerance(seconds), "no more threads run at once than there are workers or CPUs")
	// Of the CPUs, not of the workers: what others take of them meanwhile is
	// not idle either, so this holds on a busy machine too.
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "cores_busy", Scope: "host", Kind: Bound, AtLeast: true, When: WhenDelta,
		Expect: Exactly(float64(cores)), TolRel: cpuShortfall, Because: "a CPU never idles while a worker is ready for it",
	})
	p.Budget.CPUs = float64(cores)
	return p.finish(), nil
}
