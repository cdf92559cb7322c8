package load

import (
	"errors"
	"fmt"
	"strings"
)

func scPolicy() Scenario {
	return Scenario{
		Name:  "policy",
		Title: "One waiting thread per scheduling policy",
		Teaches: "A scheduling policy decides which ready thread runs: normal threads (other, batch, idle) share by weight, real-time threads (fifo, rr) go first by priority, deadline threads before all. " +
			"It is an attribute of a thread, not of a process. " +
			"Every thread here only waits, so that no policy can take a CPU from anybody.",
		Params: []Param{
			{Name: "policies", Kind: ParamText, Default: "other,batch,idle", Max: 128, Doc: "policy of each worker: other, batch, idle; with a privilege and --realtime also fifo, rr, deadline"},
			{Name: "priority", Kind: ParamInt, Default: "10", Min: 1, Max: 99, Doc: "real-time priority of the workers with fifo and rr"},
			{Name: "nice", Kind: ParamInt, Default: "3", Min: -20, Max: 19, Doc: "nice value of the workers with other and batch; a negative one needs a privilege"},
			secondsParam("how long they wait"), cpusParam(""),
		},
		Quick:    []string{"seconds=800ms", "cpus=0"},
		Realtime: []string{"seconds=800ms", "cpus=0", "policies=other,batch,idle,fifo,rr"},
		Build:    buildPolicy,
	}
}

var errNoPolicy = errors.New("policies must name other, batch, idle, fifo, rr or deadline (example: policies=other,batch)")

func parsePolicy(name string) (int, error) {
	for _, p := range []int{policyOther, policyFIFO, policyRR, policyBatch, policyIdle, policyDeadline} {
		if policyName(p) == name {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%w: not %q", errNoPolicy, name)
}

func buildPolicy(v Values) (*Plan, error) {
	var policies []int
	for name := range strings.SplitSeq(v.Text("policies"), ",") {
		policy, err := parsePolicy(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		policies = append(policies, policy)
	}
	p := newPlan("policy", v)
	workers := p.crew(asThreads, len(policies), func(i int) ThreadPlan {
		t := ThreadPlan{Name: fmt.Sprintf("%s-%d", policyName(policies[i]), i), Policy: policies[i], CPUs: v.CPUs("cpus"), Ops: []Op{hold(v)}}
		switch policies[i] {
		case policyFIFO, policyRR:
			t.RTPrio = v.Int("priority")
		case policyOther, policyBatch:
			t.Nice = v.Int("nice")
		}
		return t
	})
	for _, s := range workers {
		p.scheduled(s)
	}
	// A thread with the policy idle may get no CPU before the end where others want
	// it all the time (1 run of 20 on a busy machine), and then has nothing to wait for.
	p.onlyCountedWaits("one wait for the end, unless it came before the thread was given a CPU; one final park")
	p.standStill()
	return p.finish(), nil
}
