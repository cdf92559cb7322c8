package load

import "time"

func scGIL() Scenario {
	return Scenario{
		Name:  "gil",
		Title: "Threads of an interpreter that has one global lock",
		Teaches: "Under a global interpreter lock only the thread that holds the lock computes; the others wait for it in a futex call, so all together never use more than one CPU. " +
			"A thread that waits for input or output gives the lock back first, so waits do overlap. " +
			"With lock=off, or with processes that have a lock each, the same work uses as many CPUs as there are.",
		Params: []Param{
			asParam(), workersParam("2", 1, 60),
			{Name: "work", Kind: ParamEnum, Default: "cpu", Enum: []string{"cpu", "io"}, Doc: "whether the workers compute or wait"},
			{Name: "amount", Kind: ParamDuration, Default: "1s", Min: 1e6, Max: 3600e9, Doc: "how long each worker computes, in CPU time, or waits"},
			{Name: "lock", Kind: ParamEnum, Default: "on", Enum: []string{"on", "off"}, Doc: "whether there is a global lock"},
			{Name: "switch", Kind: ParamDuration, Default: "5ms", Min: 1e5, Max: 1e9, Doc: "how long a thread computes before it hands the lock on"},
			stayParam(), cpusParam(""),
		},
		Quick: []string{"amount=300ms", "seconds=1s"},
		Build: buildGIL,
	}
}

// gilTouch is how much an I/O-bound worker computes before it waits and after.
const gilTouch = time.Millisecond

func buildGIL(v Values) (*Plan, error) {
	n, amount := v.Int("workers"), v.Duration("amount")
	locked, threads := v.Text("lock") == "on", v.Text("as") == asThreads
	p := newPlan("gil", v)
	compute := func(i int, d time.Duration) Op {
		if !locked {
			return Op{Kind: OpSpinCPU, A: uint64(d)}
		}
		l := 0
		if !threads {
			l = i // an interpreter of its own
		}
		return Op{Kind: OpTurns, Object: l, A: uint64(d), B: uint64(v.Duration("switch"))}
	}
	workers := p.crew(v.Text("as"), n, func(i int) ThreadPlan {
		if locked && (i == 0 || !threads) {
			p.object(Object{Kind: ObjectLock, Role: "interpreter lock"})
		}
		t := ThreadPlan{CPUs: v.CPUs("cpus")}
		if v.Text("work") == "cpu" {
			t.Ops = []Op{compute(i, amount)}
		} else {
			t.Ops = []Op{compute(i, gilTouch), {Kind: OpSleepRel, A: 1, B: uint64(amount)}, compute(i, gilTouch)}
		}
		return t
	})
	p.thenStay(v, workers)
	p.onlyCountedWaits("a worker blocks only while another holds the lock, while it waits for its input, and once more when it parks")
	if v.Text("work") == "cpu" {
		p.gilComputes(v, workers, locked && threads)
	} else {
		p.gilWaits(workers, amount)
	}
	return p.finish(), nil
}

func (p *Plan) gilComputes(v Values, workers []site, oneAtATime bool) {
	amount, n := v.Duration("amount"), len(workers)
	for _, s := range workers {
		p.runTime(s, float64(amount), "it computes until its own CPU clock says so, however long it had to wait")
		p.booking(s)
	}
	cores, why := parallel(v, n), "no more threads compute at once than there are workers or CPUs"
	if oneAtATime {
		cores, why = 1, "only the owner of the lock computes"
		if n > 1 {
			p.seenIn("most_in_futex", 0, 1, time.Duration(n)*amount, "who does not own the lock waits for it in a futex call")
		}
		p.toldAtLeast(wholeTree, "elapsed_ns", Exactly(float64(n)*float64(amount)), jobSpan(), "the turns come one after the other")
	}
	span := amount * time.Duration(n) / time.Duration(cores)
	tolerance := p.coresTolerance(span)
	if oneAtATime {
		// Whoever hands the lock on is still on its CPU when the next begins.
		tolerance += gilOverlap
	}
	p.coresAtMost(cores, tolerance, why)
	p.atLeast(span)
	p.Budget.CPUs = float64(cores)
}

// gilOverlap is how much of a CPU the hand-over of the lock may use beside the
// next owner.
const gilOverlap = 0.02

func (p *Plan) gilWaits(workers []site, amount time.Duration) {
	p.toldAtLeast(wholeTree, "elapsed_ns", Exactly(float64(amount)), jobSpan(), "no wait is shorter than asked for")
	if len(workers) > 1 {
		p.told(wholeTree, "elapsed_ns", Bound, Exactly(2*float64(amount)), jobSpan(),
			"had two of the waits come one after the other, it would have taken twice as long as one")
	}
	p.atLeast(amount)
	p.Budget.CPUs = 1
}
