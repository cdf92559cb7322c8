package load

import "errors"

func scNvolYield() Scenario {
	return Scenario{
		Name:  "nvol-yield",
		Title: "A known number of involuntary context switches",
		Teaches: "A thread that gives way with sched_yield stays ready: the kernel counts the switch to the next thread as involuntary, since nothing blocked. " +
			"The workers share one CPU and give way to each other in turn, so each loses the CPU as often as it yields. " +
			"With the real-time policy fifo the turns are exact; normal threads may be given the CPU back at once.",
		Params: []Param{
			asParam(), workersParam("3", 2, 64),
			{Name: "yields", Kind: ParamInt, Default: "2000", Min: 1, Max: 100_000, Also: []string{"k"}, Doc: "how often each worker gives way"},
			{Name: "policy", Kind: ParamEnum, Default: "other", Enum: []string{"other", "batch", "fifo"}, Doc: "policy of the workers; fifo takes --realtime"},
			secondsParam("how long the workers then wait, counted from the gate"),
			{Name: "cpus", Kind: ParamCPUs, Default: "0", Doc: "the one CPU they share"},
		},
		Quick:    []string{"seconds=800ms"},
		Realtime: []string{"seconds=800ms", "policy=fifo"},
		Build:    buildNvolYield,
	}
}

func buildNvolYield(v Values) (*Plan, error) {
	cpus := v.CPUs("cpus")
	if len(cpus) != 1 {
		return nil, errOneCPU
	}
	policy, err := parsePolicy(v.Text("policy"))
	if err != nil {
		return nil, err
	}
	n, yields := v.Int("workers"), v.Int("yields")
	if policy == policyFIFO && n*yields > maxRealtimeYields {
		return nil, errors.New("workers × yields is too much for a real-time burst: at most 100000")
	}
	p := newPlan("nvol-yield", v)
	// All begin together: whoever were alone on the CPU would yield to nobody.
	start := p.object(Object{Kind: ObjectBarrier, Role: "all are there"})
	workers := p.crew(v.Text("as"), n, func(int) ThreadPlan {
		t := ThreadPlan{
			CPUs: cpus, Policy: policy,
			Ops: []Op{{Kind: OpMeet, Object: start, A: uint64(n)}, {Kind: OpYield, A: uint64(yields)}, hold(v)},
		}
		if policy == policyFIFO {
			t.RTPrio = yieldPriority
		}
		return t
	})
	p.switches(Identity, "the waits it counts itself: to meet the others and for the end; and one final park", func(s site) Formula {
		if s == (site{}) {
			return Formula{}
		}
		return Formula{}.Plus(1, "waits")
	})
	for _, s := range workers {
		p.scheduled(s)
		p.slices(s)
		p.yields(s, float64(yields), policy)
	}
	p.Budget.CPUs = 1
	p.Budget.Realtime = policy == policyFIFO
	return p.finish(), nil
}

const (
	// yieldPriority is above that of interrupt threads: only the kernel's own
	// emergencies go before the workers.
	yieldPriority = 60
	// maxRealtimeYields keeps a burst far below a second: a yield takes a
	// microsecond or two.
	maxRealtimeYields = 100_000
)

// yieldPrecision is how many of their yields normal threads may make in vain.
const yieldPrecision = 0.01

// yields promises the involuntary switches of a worker that yields. It sees
// itself at which yields nobody else ran (late), and which switches came
// besides; so what others take of the CPU does not disturb the count (2003 to
// 2006 switches for 2000 yields at a load average of 40). With fifo there is
// always a next worker; the normal scheduler may give the CPU back now and then
// (never on a quiet machine, at 3 of 2000 yields at a load average of 40, when
// the other workers have had more than their part).
func (p *Plan) yields(s site, yields float64, policy int) {
	own := Formula{}.Plus(1, "involuntary_switches")
	q := Promise{
		Process: s.process, Thread: s.thread, Field: "involuntary_switches", Scope: "thread", Kind: Identity, When: WhenDelta,
		// yields + (involuntary - (loops - late)): the wait afterwards is a loop too.
		Expect:  Exactly(yields+1).Plus(1, "involuntary_switches").Plus(-1, "loops").Plus(1, "late"),
		Self:    &own,
		Because: "each yield gives the CPU to the next worker, and what else took it the worker has counted",
	}
	if policy != policyFIFO {
		p.preempted(s)
		q.TolRel, q.TolAbs = yieldPrecision, parkPreemptions
	}
	p.promise(q)
}
