package load

import (
	"errors"
	"time"
)

func scPreempt() Scenario {
	return Scenario{
		Name:  "preempt",
		Title: "A waker that takes the CPU from a spinner",
		Teaches: "A thread that wakes up takes its CPU at once from one that matters less: the spinner is preempted, which for it is an involuntary switch, while the waker's own waits are voluntary. " +
			"One of the two counts its sleeps, the other how often the CPU was taken from it, and the numbers meet.",
		Params: []Param{
			asParam(),
			{Name: "rate", Kind: ParamRate, Default: "200Hz", Min: 0.1, Max: 1000, Also: []string{"hz"}, Doc: "wake-ups per second"},
			{Name: "waker", Kind: ParamEnum, Default: "other", Enum: []string{"other", "fifo"}, Doc: "policy of the waker: a normal one beside an idle spinner, or fifo (with --realtime) beside a normal one"},
			secondsParam("how long the waker does so; the spinner ends with it"),
			{Name: "cpus", Kind: ParamCPUs, Default: "0", Doc: "the one CPU they share"},
		},
		Quick:    []string{"seconds=1s"},
		Realtime: []string{"seconds=1s", "waker=fifo"},
		Build:    buildPreempt,
	}
}

func buildPreempt(v Values) (*Plan, error) {
	cpus := v.CPUs("cpus")
	if len(cpus) != 1 {
		return nil, errOneCPU
	}
	period := time.Duration(float64(time.Second) / v.Rate("rate"))
	wakes := uint64(v.Duration("seconds") / period)
	if wakes == 0 {
		return nil, errors.New("seconds is shorter than one period of rate")
	}
	p := newPlan("preempt", v)
	waker := ThreadPlan{Name: "waker", CPUs: cpus, Ops: []Op{{Kind: OpSleepRel, A: wakes, B: uint64(period)}}}
	spinner := ThreadPlan{Name: "spinner", CPUs: cpus, Policy: policyIdle}
	if v.Text("waker") == "fifo" {
		waker.Policy, waker.RTPrio, spinner.Policy = policyFIFO, 10, policyOther
	}
	// In either shape the waker is the second thread of the plan: the spinner
	// looks at its report.
	spinner.Ops = []Op{{Kind: OpSpinFollow, A: 1, B: uint64(4*v.Duration("seconds") + time.Minute)}}
	sites := p.crew(v.Text("as"), 2, func(i int) ThreadPlan { return []ThreadPlan{waker, spinner}[i] })
	p.voluntary("one blocking sleep per wake-up of the waker, none of the spinner, and one final park each", func(s site) Formula {
		if s == sites[0] {
			return Exactly(float64(wakes))
		}
		return Formula{}
	})
	for _, s := range sites {
		p.scheduled(s)
	}
	p.slices(sites[0])
	p.wakerLosses(sites[1], float64(wakes))
	p.Budget.CPUs = 1
	return p.finish(), nil
}

// wakerLosses promises how often the spinner lost its CPU. The spinner itself
// sees that the waker has been awake since it last looked: each time, it must
// have lost the CPU in between. That is exact on any machine; that it was
// running at every single wake-up takes a CPU nobody else uses.
func (p *Plan) wakerLosses(s site, wakes float64) {
	own := Formula{}.Plus(1, "involuntary_switches")
	p.promise(Promise{
		Process: s.process, Thread: s.thread, Field: "involuntary_switches", Scope: "thread", Kind: Bound, AtLeast: true, When: WhenDelta,
		Expect: Formula{}.Plus(1, "acquisitions"), Self: &own,
		Because: "the spinner has seen the waker's count move that often, and the waker runs on the same CPU",
	})
	p.promise(Promise{
		Process: s.process, Thread: s.thread, Field: "involuntary_switches", Scope: "thread", Kind: Bound, AtLeast: true, When: WhenDelta,
		Expect: Exactly(wakes), Self: &own, Because: "every wake-up takes the CPU from the spinner",
	})
	p.promise(Promise{
		Process: s.process, Thread: s.thread, Field: "state_all", Scope: "thread", Kind: Equality, When: WhenLive,
		ExpectText: "R", Because: "it never waits for anything but a CPU",
	})
	p.preempted(s)
	p.booking(s)
}
