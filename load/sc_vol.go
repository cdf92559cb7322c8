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
			{Name: "rate", Kind: ParamRate, Default: "200Hz", Min: 0.1, Max: 1000, Doc: "sleeps per second of each worker"},
			secondsParam("how long they do so"), cpusParam(""),
		},
		Quick: []string{"seconds=1s", "rate=200Hz"},
		Build: buildVol,
	}
}

func buildVol(v Values) (*Plan, error) {
	period := time.Duration(float64(time.Second) / v.Rate("rate"))
	periods := uint64(v.Duration("seconds") / period)
	if periods == 0 {
		return nil, errors.New("seconds is shorter than one period of rate")
	}
	p := newPlan("vol", v)
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{{Kind: OpSleepAbs, A: periods, B: uint64(period)}}}
	})
	p.voluntary("one blocking sleep per period, less the periods whose edge was missed, and one final park", p.periodic(float64(periods)))
	for _, s := range workers {
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: "slices_minus_switches", Scope: "thread", Kind: Identity, When: WhenDelta,
			Because: "a task that is given a CPU leaves it again, by blocking or by being preempted",
		})
	}
	p.Budget.CPUs = float64(len(workers)) * v.Rate("rate") * 50e-6
	return p.finish(), nil
}

// periodic gives the voluntary switches of workers that sleep once per period;
// threads without operations have none.
func (p *Plan) periodic(periods float64) func(site) Formula {
	return func(s site) Formula {
		if len(p.Processes[s.process].Threads[s.thread].Ops) == 0 {
			return Formula{}
		}
		return Exactly(periods).Plus(-1, "late")
	}
}
