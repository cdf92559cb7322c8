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
		p.readyWorker(s, n, cpus[0])
	}
	p.oneCore()
	p.Budget.CPUs = 1
	return p.finish(), nil
}

// longestSliceNS bounds how long a normal thread keeps its CPU while others
// are ready: its slice (at most 2.8 ms × (1+log2 CPUs) ≤ 12 ms here; 100 ms is
// the largest a slice can be set to) is checked at the ticks.
const longestSliceNS = 100_000_000 + TickNS

func (p *Plan) readyWorker(s site, n, cpu int) {
	at := func(q Promise) {
		q.Process, q.Thread, q.Scope = s.process, s.thread, "thread"
		p.promise(q)
	}
	at(Promise{
		Field: "state_all", Kind: Equality, When: WhenLive, ExpectText: "R",
		Because: "it never waits for anything but a CPU",
	})
	for _, when := range []When{WhenLive, WhenParked} {
		at(Promise{
			Field: "cpu_last", Kind: Equality, When: when, Expect: Exactly(float64(cpu)),
			Because: "its affinity allows no other CPU",
		})
	}
	own := Formula{}.Plus(1, "involuntary_switches")
	at(Promise{
		Field: "involuntary_switches", Kind: Bound, AtLeast: true, When: WhenDelta,
		Expect: Formula{Const: -1}.Plus(1.0/longestSliceNS, "cpu_ns"), Self: &own,
		Because: "each time slice but the last ends by preemption, and none is longer than 110 ms",
	})
	at(Promise{
		Field: "involuntary_switches", Kind: Identity, When: WhenDelta,
		Expect: own, Self: &own, TolAbs: parkPreemptions,
		Because: "the kernel counts the same switches for the worker itself; one may fall between its last reading and its park",
	})
	span := Formula{}.Plus(1, "since_gate_ns")
	at(Promise{
		Field: "run_plus_ready_ns", Kind: Statistical, When: WhenDelta, Expect: span, Self: &span,
		TolRel: 0.01, TolAbs: TickNS,
		Because: "from the gate to its end it is either running or ready",
	})
	// Of the workers' time, not of the CPU's: what others take of the CPU they
	// take from all workers alike, so this holds on a busy machine too, where
	// "each gets 1/n of the CPU" does not (13 % missing beside a compiler).
	at(Promise{
		Field: "share_percent", Kind: Statistical, When: WhenDelta, Expect: Exactly(100 / float64(n)),
		TolAbs: 2, Because: "equal weights share what they get equally",
	})
	at(Promise{
		Field: "share_percent", Kind: Statistical, When: WhenLiveDelta, Expect: Exactly(100 / float64(n)),
		TolAbs: 4, Because: "equal weights share what they get equally; a time slice may begin or end outside the window",
	})
	p.booking(s)
}

// parkPreemptions are the switches that may hit a worker between the gate and
// its first reading of its own counters, and between its last and its park.
const parkPreemptions = 2

// oneCore promises that the workers of a plan that share one CPU use no more
// than that CPU. That they use all of it is not promised: it is not theirs
// alone.
func (p *Plan) oneCore() {
	span := Formula{}.with(Term{Key: "end_mono_ns", Factor: 1, Agg: AggMax}).
		with(Term{Key: "start_mono_ns", Factor: -1, Agg: AggMin})
	cpu := Formula{}.Plus(1, "cpu_ns")
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "run_ns", Scope: "subtree", Kind: Bound, When: WhenDelta,
		Expect: span, Self: &cpu, TolAbs: TickNS, Because: "one CPU runs one thread at a time",
	})
}
