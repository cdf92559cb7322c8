package load

import (
	"errors"
	"fmt"
	"time"
)

func scThrottle() Scenario {
	return Scenario{
		Name:  "throttle",
		Title: "A CPU quota: a control group that may not run all the time",
		Teaches: "A control group can have a quota of CPU time per period, as containers do. " +
			"When its tasks have used it up, all of them are taken off their CPUs until the next period, even if the machine is idle: they stay in state R and do not run. " +
			"So a container can be slow on a machine with nothing else to do.",
		Params: []Param{
			asParam(), workersParam("1", 1, 64),
			{Name: "quota", Kind: ParamPercent, Default: "25%", Min: 2, Max: 90, Doc: "CPU time of all workers together, in percent of one CPU"},
			{Name: "period", Kind: ParamDuration, Default: "100ms", Min: 10e6, Max: 1e9, Doc: "after which the quota is given again"},
			secondsParam("how long they spin"), cpusParam(""),
		},
		Needs: []string{"cgroup_cpu"},
		Quick: []string{"seconds=1500ms", "quota=5%"}, // little enough to get on a busy machine
		Build: buildThrottle,
	}
}

func buildThrottle(v Values) (*Plan, error) {
	period, span := v.Duration("period"), v.Duration("seconds")
	if span < 5*period {
		return nil, errors.New("seconds must be at least five periods")
	}
	quota := time.Duration(v.Percent("quota") / 100 * float64(period)).Truncate(time.Microsecond)
	if quota < leastQuota {
		return nil, fmt.Errorf("quota is %v per period: the kernel takes no less than %v", quota, leastQuota)
	}
	p := newPlan("throttle", v)
	p.Quota = &Quota{Time: quota, Period: period}
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{{Kind: OpSpinWall, A: uint64(span)}}}
	})
	p.voluntary("to be taken off the CPU is not a wait: only the final park is one", func(site) Formula { return Formula{} })
	for _, s := range workers {
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: "state_all", Scope: "thread", Kind: Equality, When: WhenLive,
			ExpectText: "R", Because: "a task that may not run because its group has no quota left is ready all the same",
		})
		p.preempted(s)
		p.slices(s)
	}
	p.quotaUsed(float64(quota), float64(period))
	p.Budget.CPUs = v.Percent("quota") / 100
	return p.finish(), nil
}

// leastQuota is the smallest quota of the kernel.
const leastQuota = time.Millisecond

// quotaUsed promises the CPU time of the whole group: the quota of each period
// that was begun. One more quota falls on either end, where the periods do not
// begin with the run, and a CPU may keep a slice of 5 ms it was given.
func (p *Plan) quotaUsed(quota, period float64) {
	rate := quota / period
	used := func(slack float64) Formula {
		return Exactly(slack).
			with(Term{Key: "end_mono_ns", Factor: rate, Agg: AggMax}).
			with(Term{Key: "start_mono_ns", Factor: -rate, Agg: AggMin})
	}
	self := Formula{}.Plus(1, "cpu_ns")
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "run_ns", Scope: "subtree", Kind: Bound, When: WhenDelta,
		Expect: used(2*quota + TickNS), Self: &self, Because: "the group has its quota in each period and not more",
	})
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "run_ns", Scope: "subtree", Kind: Bound, AtLeast: true, When: WhenDelta,
		Expect: used(-quota - TickNS), Self: &self, Because: "the workers use all of the quota they are given",
	})
}
