package load

import "errors"

func scMigrate() Scenario {
	return Scenario{
		Name:  "migrate",
		Title: "A known number of moves between two CPUs",
		Teaches: "A thread runs on one CPU at a time but need not stay there: the scheduler may move it, or the thread itself changes the set of CPUs it may use. " +
			"Each worker flips its own affinity between two CPUs, so the number of its moves and the CPU on which it ends are known. " +
			"A move costs a switch and the warmth of the caches.",
		Params: []Param{
			asParam(), workersParam("1", 1, 64),
			{Name: "flips", Kind: ParamInt, Default: "1000", Min: 1, Max: 1_000_000, Also: []string{"k"}, Doc: "moves of each worker"},
			secondsParam("how long the workers then wait, counted from the gate"),
			{Name: "cpus", Kind: ParamCPUs, Default: "0,1", Doc: "the two CPUs"},
		},
		Quick: []string{"flips=500", "seconds=800ms"},
		Build: buildMigrate,
	}
}

func buildMigrate(v Values) (*Plan, error) {
	cpus := v.CPUs("cpus")
	if len(cpus) != 2 {
		return nil, errors.New("cpus must name exactly two CPUs (example: cpus=0,1)")
	}
	flips := uint64(v.Int("flips"))
	p := newPlan("migrate", v)
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		return ThreadPlan{
			// It begins on the second CPU, so that the first flip is a move.
			CPUs: cpus[1:],
			Ops:  []Op{{Kind: OpMigrate, A: flips, B: uint64(cpus[0]), C: uint64(cpus[1])}, hold(v)},
		}
	})
	last := cpus[(flips+1)%2]
	for _, s := range workers {
		p.moves(s, float64(flips), last)
	}
	p.switches(Identity, "the kernel tells the worker itself the same number, before the final park", func(s site) Formula {
		return Formula{}.Plus(1, "voluntary_switches")
	})
	p.Budget.CPUs = 1
	return p.finish(), nil
}

// moves promises where a worker has been. Whether a flip costs a voluntary or
// an involuntary switch depends on how the kernel preempts itself, so only
// their sum has a bound.
func (p *Plan) moves(s site, flips float64, last int) {
	at := func(q Promise) {
		q.Process, q.Thread, q.Scope = s.process, s.thread, "thread"
		p.promise(q)
	}
	self := Exactly(-1).Plus(1, "loops") // the wait afterwards is one loop
	at(Promise{
		Field: "exact_migrations", Kind: Equality, When: WhenDelta, Expect: Exactly(flips), Self: &self, Needs: "/proc/PID/task/TID/sched",
		Because: "each flip forbids the CPU on which the worker runs, and nothing else may move it",
	})
	at(Promise{
		Field: "cpu_last", Kind: Equality, When: WhenParked, Expect: Exactly(float64(last)), Because: "the last flip leaves it there",
	})
	at(Promise{
		Field: "cpus_allowed", Kind: Equality, When: WhenParked, ExpectText: CPUList([]int{last}), Because: "the last flip allows no other CPU",
	})
	sum := Exactly(finalPark).Plus(1, "voluntary_switches").Plus(1, "involuntary_switches")
	at(Promise{
		Field: "switches", Kind: Bound, AtLeast: true, When: WhenDelta, Expect: Exactly(flips + finalPark), Self: &sum,
		Because: "a thread that is moved while it runs is switched out once",
	})
	p.slices(s)
	p.preempted(s)
}
