package load

import "fmt"

func scForkstorm() Scenario {
	return Scenario{
		Name:  "forkstorm",
		Title: "Many processes that live for a moment",
		Teaches: "One process starts another again and again, like a shell script does. Whoever looks at the process table from time to time sees only those few that live at that instant; " +
			"the counters of the kernel tell how many there were. The check tells how many the observer saw.",
		Params: []Param{
			{Name: "n", Kind: ParamInt, Default: "400", Min: 1, Max: 100000, Doc: "how many are started"},
			{Name: "life", Kind: ParamDuration, Default: "20ms", Min: 0, Max: 1e9, Doc: "how long each of them lives"},
			{Name: "most", Kind: ParamInt, Default: "4", Min: 1, Max: 64, Also: []string{"max"}, Doc: "how many live at a time"},
			secondsParam("how long it waits after that, from the beginning"), cpusParam(""),
		},
		Quick: []string{"n=200", "seconds=1500ms"},
		Build: buildForkstorm,
	}
}

// maxForkRate is the most processes per second that a storm may ask for.
const maxForkRate = 1000

func buildForkstorm(v Values) (*Plan, error) {
	n, life, most := v.Int("n"), v.Duration("life"), v.Int("most")
	if float64(most) > maxForkRate*life.Seconds() && n > maxForkRate {
		return nil, fmt.Errorf("more than %d processes at more than %d per second: raise life, lower most or n", maxForkRate, maxForkRate)
	}
	p := newPlan("forkstorm", v)
	maker := &p.Processes[0].Threads[0]
	maker.CPUs = v.CPUs("cpus")
	maker.Ops = []Op{{Kind: OpStorm, A: uint64(n), B: uint64(life), C: uint64(most)}, hold(v)}
	p.made(0, n, "as many as were asked for")
	p.reaps(0, n)
	p.forks(n)
	self := Formula{}.Plus(1, slotKey(0))
	p.promise(Promise{
		Process: 0, Thread: 0, Field: "most_at_a_time", Scope: "process", Kind: Bound, When: WhenParked,
		Expect: Exactly(float64(most)), Self: &self, Because: "it waits for one to end before it starts the next",
	})
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "seen_besides_plan", Scope: "subtree", Kind: Bound, When: WhenLive,
		Expect: Exactly(float64(n)), Because: "who looks from time to time sees only those that live at that instant: never more than there were",
	})
	p.Budget.Tasks = most
	p.Budget.MemoryBytes = uint64(most) * processBytes
	p.Budget.CPUs = 1
	p.remains()
	return p.finish(), nil
}
