package load

import (
	"errors"
	"time"
)

func scVol() Scenario {
	return Scenario{
		Name:  "vol",
		Title: "A known number of voluntary context switches",
		Teaches: "A thread that waits gives up its CPU of its own accord: that is a voluntary switch. " +
			"Each worker sleeps once per period, so the number of its voluntary switches is known before it starts, and is counted per thread; " +
			"the number of the process is the sum over its threads.",
		Params: []Param{
			asParam(), workersParam("4", 1, 2000),
			{Name: "rate", Kind: ParamRate, Default: "200Hz", Min: 0.1, Max: 1000, Also: []string{"hz"}, Doc: "sleeps per second of each worker; a little less in truth, as each begins when the last has ended"},
			secondsParam("how long they do so"), cpusParam(""),
		},
		Quick: []string{"seconds=1s", "rate=200Hz"},
		Build: buildVol,
	}
}

// buildVol uses relative sleeps. Sleeping to absolute edges would keep the rate
// better, but then a sleep need not block: a worker that is preempted between
// reading the clock and sleeping finds its edge over (2 of 130 sleeps at a load
// average of 40). A relative sleep begins inside the kernel.
func buildVol(v Values) (*Plan, error) {
	period := time.Duration(float64(time.Second) / v.Rate("rate"))
	sleeps := uint64(v.Duration("seconds") / period)
	if sleeps == 0 {
		return nil, errors.New("seconds is shorter than one period of rate")
	}
	p := newPlan("vol", v)
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{{Kind: OpSleepRel, A: sleeps, B: uint64(period)}}}
	})
	p.voluntary("one blocking sleep per period and one final park", func(s site) Formula {
		if len(p.Processes[s.process].Threads[s.thread].Ops) == 0 {
			return Formula{}
		}
		return Exactly(float64(sleeps))
	})
	for _, s := range workers {
		p.slices(s)
	}
	p.Budget.CPUs = float64(len(workers)) * v.Rate("rate") * sleepCost.Seconds()
	return p.finish(), nil
}

// sleepCost is the CPU time of one sleep and wake-up, generously.
const sleepCost = 50 * time.Microsecond
