package load

import "time"

func scLock() Scenario {
	return Scenario{
		Name:  "lock",
		Title: "One lock that all workers want: a bottleneck",
		Teaches: "A lock lets one worker at a time into a critical section; the others wait, blocked in a futex call until the owner wakes one. " +
			"However many workers there are, the job takes at least as long as all critical sections one after the other. " +
			"A worker that finds the lock free does not enter the kernel at all.",
		Params: []Param{
			asParam(), workersParam("4", 1, 256),
			{Name: "hold", Kind: ParamDuration, Default: "200us", Min: 1e3, Max: 1e9, Doc: "CPU time that a worker spends with the lock"},
			{Name: "think", Kind: ParamDuration, Default: "200us", Min: 0, Max: 1e9, Doc: "CPU time that it spends without the lock, in between"},
			secondsParam("how long they do so when the lock is all that limits them"), cpusParam(""),
		},
		Quick: []string{"seconds=500ms"},
		Build: buildLock,
	}
}

func buildLock(v Values) (*Plan, error) {
	n, hold, think := v.Int("workers"), v.Duration("hold"), v.Duration("think")
	round := max(time.Duration(n)*hold, hold+think) // of one worker, when the lock is the bottleneck
	rounds := uint64(max(1, v.Duration("seconds")/round))
	p := newPlan("lock", v)
	l := p.object(Object{Kind: ObjectLock, Role: "lock"})
	workers := p.crew(v.Text("as"), n, func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{{Kind: OpLock, Object: l, A: rounds, B: uint64(hold), C: uint64(think)}}}
	})
	p.onlyCountedWaits("a worker blocks only when the lock is held by another, and once more when it parks")
	for _, s := range workers {
		p.told(s, "acquisitions", Equality, Exactly(float64(rounds)), Formula{}.Plus(1, "acquisitions"), "one per round")
		p.booking(s)
	}
	total := float64(rounds) * float64(n)
	p.told(wholeTree, "value", Equality, Exactly(total), Formula{}.Plus(1, objectKey(l)),
		"each owner adds one without any other protection: had there been two owners at once, some would be lost")
	p.toldAtLeast(wholeTree, "elapsed_ns", Exactly(total*float64(hold)), jobSpan(), "the critical sections come one after the other")
	p.told(wholeTree, "lock_utilisation_percent", Bound, Exactly(100), Formula{}, "the lock has one owner at a time")
	p.Budget.CPUs = float64(n) * float64(hold+think) / float64(round)
	return p.finish(), nil
}
