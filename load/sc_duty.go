package load

import (
	"errors"
	"time"
)

func scDuty() Scenario {
	return Scenario{
		Name:  "duty",
		Title: "A known share of CPU time",
		Teaches: "In every period each worker computes for a fixed share of it and sleeps for the rest, so its CPU time is known to a fraction of a percent. " +
			"It measures the work by its own CPU clock: being preempted makes it late, not less busy.",
		Params: []Param{
			asParam(), workersParam("1", 1, 256),
			{Name: "percent", Kind: ParamPercent, Default: "30%", Min: 1, Max: 95, Also: []string{"pct"}, Doc: "share of one CPU that each worker uses"},
			{Name: "period", Kind: ParamDuration, Default: "20ms", Min: 1e6, Max: 10e9, Doc: "length of one period"},
			secondsParam("how long they do so"), cpusParam(""),
		},
		Quick: []string{"seconds=1500ms"},
		Build: buildDuty,
	}
}

func buildDuty(v Values) (*Plan, error) {
	period, percent := v.Duration("period"), v.Percent("percent")
	periods := uint64(v.Duration("seconds") / period)
	if periods == 0 {
		return nil, errors.New("seconds is shorter than one period")
	}
	burn := time.Duration(float64(period) * percent / 100)
	p := newPlan("duty", v)
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{{Kind: OpDuty, A: periods, B: uint64(period), C: uint64(burn)}}}
	})
	p.dutySwitches(workers, float64(periods))
	// Only the CPU time is promised, not when it is used: beside other work the
	// worker is late (7 % instead of 30 % in a second at a load average of 40)
	// and catches up. And it is statistical: a virtual CPU that is stopped while
	// the worker runs adds that time to the worker's account (once 480 ms for
	// 450), and what comes in the last period cannot be made up for. The kernel's
	// account and the worker's stay equal all the same: see booking.
	cpu := float64(periods) * float64(burn)
	for _, s := range workers {
		self := Formula{}.Plus(1, "cpu_ns")
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: "run_ns", Scope: "thread", Kind: Statistical, When: WhenDelta,
			Expect: Exactly(cpu), Self: &self, TolRel: dutyPrecision, TolAbs: bookingSlackNS,
			Because: "the worker burns its share of every period by its own CPU clock, however often it is preempted",
		})
		p.booking(s)
	}
	p.Budget.CPUs = float64(len(workers)) * percent / 100
	return p.finish(), nil
}

// dutySwitches promises the switches of workers that sleep to the end of each
// period. How many there are is not known to the last one before the run: an
// edge may be over before the worker gets there, which it reports as late, or
// while it is preempted between reading the clock and sleeping, which only the
// preemption itself tells (2 of 130 sleeps at a load average of 40). So there
// are two bounds, that meet when nobody preempts it, and an identity with what
// the kernel tells the worker itself.
func (p *Plan) dutySwitches(workers []site, periods float64) {
	p.switches(Identity, "the kernel tells the worker itself the same number, before the final park", func(site) Formula {
		return Formula{}.Plus(1, "voluntary_switches")
	})
	for _, s := range workers {
		most := Exactly(periods+finalPark).Plus(-1, "late")
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: "voluntary_switches", Scope: "thread", Kind: Bound, When: WhenDelta,
			Expect: most, Self: selfVoluntary(1),
			Because: "at most one blocking sleep at the end of each period that was not over yet, and one final park",
		})
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: "voluntary_switches", Scope: "thread", Kind: Bound, AtLeast: true, When: WhenDelta,
			Expect: most.Plus(-1, "involuntary_switches"), Self: selfVoluntary(1),
			Because: "a sleep that does not block takes a preemption between reading the clock and sleeping",
		})
	}
}

// dutyPrecision is the largest relative error of a duty cycle that is measured
// against the thread's CPU clock from the start, so that errors do not add up
// (reference: +0.001 … +0.023 %).
const dutyPrecision = 0.001
