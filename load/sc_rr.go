package load

import "time"

func scRR() Scenario {
	return Scenario{
		Name:  "rr",
		Title: "Round robin: real-time threads take turns by time slices",
		Teaches: "Real-time threads with the policy rr and the same priority take turns on a CPU, each for a full time slice, and normal threads get what is left. " +
			"The kernel keeps a little of each second back for normal threads, so that a runaway real-time thread does not take the machine. " +
			"Needs the privilege of real-time policies, runs in short bursts, and never on all CPUs.",
		Params: []Param{
			asParam(), workersParam("2", 2, 16),
			{Name: "priority", Kind: ParamInt, Default: "10", Min: 1, Max: 40, Doc: "real-time priority of the workers"},
			{Name: "slice", Kind: ParamDuration, Default: "100ms", Min: 1e6, Max: 1e9, Doc: "the kernel's time slice of this policy (kernel.sched_rr_timeslice_ms); the run is refused when it is another"},
			{Name: "seconds", Kind: ParamDuration, Default: "2s", Min: 1e6, Max: float64(realtimeBurst), Doc: "how long they spin"},
			{Name: "cpus", Kind: ParamCPUs, Default: "0", Doc: "the one CPU they share"},
		},
		Needs: []string{NeedRealtime},
		Quick: []string{"seconds=1500ms"},
		Build: buildRR,
	}
}

// realtimeBurst is the longest that real-time threads may keep a CPU busy.
const realtimeBurst = 10 * time.Second

func buildRR(v Values) (*Plan, error) {
	cpus := v.CPUs("cpus")
	if len(cpus) != 1 {
		return nil, errOneCPU
	}
	n, slice, span := v.Int("workers"), float64(v.Duration("slice")), v.Duration("seconds")
	p := newPlan("rr", v)
	workers := p.crew(v.Text("as"), n, func(int) ThreadPlan {
		return ThreadPlan{
			CPUs: cpus, Policy: policyRR, RTPrio: v.Int("priority"),
			Ops: []Op{{Kind: OpCheckSlice, A: uint64(slice)}, {Kind: OpSpinWall, A: uint64(span)}},
		}
	})
	p.voluntary("a worker that never waits never gives up its CPU; only the final park is left", func(site) Formula { return Formula{} })
	for _, s := range workers {
		p.scheduled(s)
		p.spinner(s, cpus[0])
		p.rrSlices(s, slice)
		p.share(s, 100/float64(n), 100*slice/float64(span), "they take turns by equal slices; the last round may be cut short")
	}
	p.oneCore()
	p.mostOfTheCPU()
	p.Budget.CPUs = 1
	p.Budget.Realtime = true
	return p.finish(), nil
}

// rrSlices promises how often a worker loses its CPU at least: it keeps it for
// a whole slice, and one more tick at the most. More switches come from the time
// that the kernel keeps back for normal threads, which they may use in many
// small pieces (17 and 25 switches for 8 and 9 slices beside a busy machine), so
// there is a bound on that time, not on the switches.
func (p *Plan) rrSlices(s site, slice float64) {
	own := Formula{}.Plus(1, "involuntary_switches")
	p.promise(Promise{
		Process: s.process, Thread: s.thread, Field: "involuntary_switches", Scope: "thread", Kind: Bound, AtLeast: true, When: WhenDelta,
		Expect: Formula{Const: -1}.Plus(1/(slice+TickNS), "cpu_ns"), Self: &own,
		Because: "each slice but the last ends by preemption",
	})
}

// fairShare and fairBurst are what the kernel keeps back for normal threads:
// the fair server's 50 ms of each second, or with RT throttling 5 % of it. In
// the worst case one burst falls on either end of the run.
const (
	fairShare = 0.05
	fairBurst = 50 * time.Millisecond
)

// mostOfTheCPU promises that real-time workers get their CPU but for what the
// kernel keeps back.
func (p *Plan) mostOfTheCPU() {
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "run_ns", Scope: "subtree", Kind: Bound, AtLeast: true, When: WhenDelta,
		Expect: Exactly(-2 * float64(fairBurst)).
			with(Term{Key: "end_mono_ns", Factor: 1 - fairShare, Agg: AggMax}).
			with(Term{Key: "start_mono_ns", Factor: fairShare - 1, Agg: AggMin}),
		Because: "real-time threads go before all normal ones; the kernel keeps one part in twenty back for those",
	})
}
