package load

import "fmt"

// The scheduling policies, as the kernel numbers them.
const (
	policyOther    = 0
	policyFIFO     = 1
	policyRR       = 2
	policyBatch    = 3
	policyIdle     = 5
	policyDeadline = 6
)

// policyName is the name of a policy in the inspector's field "policy".
func policyName(policy int) string {
	switch policy {
	case policyOther:
		return "other"
	case policyFIFO:
		return "fifo"
	case policyRR:
		return "rr"
	case policyBatch:
		return "batch"
	case policyIdle:
		return "idle"
	case policyDeadline:
		return "deadline"
	}
	return fmt.Sprintf("policy %d", policy)
}

// Real reports whether the thread runs under a real-time policy.
func (t *ThreadPlan) Real() bool {
	return t.Policy == policyFIFO || t.Policy == policyRR || t.Policy == policyDeadline
}

// priority is what the kernel shows as the thread's priority (field 18 of
// stat): 20 + nice for the normal policies, below zero for the others.
func (t *ThreadPlan) priority() int {
	switch t.Policy {
	case policyFIFO, policyRR:
		return -1 - t.RTPrio
	case policyDeadline:
		return -101
	}
	return 20 + t.Nice
}

// scheduled promises a thread's scheduling attributes as the plan has them, from
// the gate to the end.
func (p *Plan) scheduled(s site) {
	t := &p.Processes[s.process].Threads[s.thread]
	for _, when := range []When{WhenReady, WhenParked} {
		at := func(q Promise) {
			q.Process, q.Thread, q.Scope, q.Kind, q.When = s.process, s.thread, "thread", Equality, when
			p.promise(q)
		}
		at(Promise{Field: "policy", ExpectText: policyName(t.Policy), Because: "the thread sets its own policy before the gate"})
		at(Promise{
			Field: "priority", Expect: Exactly(float64(t.priority())),
			Because: "20 + nice for the normal policies, -1 - real-time priority for FIFO and RR",
		})
		at(Promise{Field: "rt_priority", Expect: Exactly(float64(t.RTPrio)), Because: "0 for every policy but FIFO and RR"})
		at(Promise{Field: "nice", Expect: Exactly(float64(t.Nice)), Because: "the thread sets its own nice value before the gate"})
	}
}

// longestSliceNS bounds how long a normal thread keeps its CPU while others
// are ready: its slice (at most 2.8 ms × (1+log2 CPUs) ≤ 12 ms here; 100 ms is
// the largest a slice can be set to) is checked at the ticks.
const longestSliceNS = 100_000_000 + TickNS

// parkPreemptions are the switches that may hit a worker between the gate and
// its first reading of its own counters, and between its last and its park.
const parkPreemptions = 2

// spinner promises what is true of a thread that spins on one CPU from the
// gate to its end, beside others that do the same.
func (p *Plan) spinner(s site, cpu int) {
	at := func(q Promise) {
		q.Process, q.Thread, q.Scope = s.process, s.thread, "thread"
		p.promise(q)
	}
	at(Promise{
		Field: "state_all", Kind: Equality, When: WhenLive, ExpectText: "R",
		Because: "it never waits for anything but a CPU",
	})
	for _, when := range []When{WhenLive, WhenParked} {
		at(Promise{
			Field: "cpu_last", Kind: Equality, When: when, Expect: Exactly(float64(cpu)),
			Because: "its affinity allows no other CPU",
		})
	}
	own := Formula{}.Plus(1, "involuntary_switches")
	at(Promise{
		Field: "involuntary_switches", Kind: Bound, AtLeast: true, When: WhenDelta,
		Expect: Formula{Const: -1}.Plus(1.0/longestSliceNS, "cpu_ns"), Self: &own,
		Because: "each time slice but the last ends by preemption, and none is longer than 110 ms",
	})
	p.preempted(s)
	span := Formula{}.Plus(1, "since_gate_ns")
	at(Promise{
		Field: "run_plus_ready_ns", Kind: Statistical, When: WhenDelta, Expect: span, Self: &span,
		TolRel: 0.01, TolAbs: TickNS,
		Because: "from the gate to its end it is either running or ready",
	})
	p.booking(s)
}

// preempted promises that the kernel counts the same involuntary switches for
// an observer as for the worker itself. Those that the worker has seen are there
// on any machine; how many may fall outside its two readings depends on how many
// others want the CPU (three at a load average of 200).
func (p *Plan) preempted(s site) {
	own := Formula{}.Plus(1, "involuntary_switches")
	at := func(q Promise) {
		q.Process, q.Thread, q.Field, q.Scope, q.When = s.process, s.thread, "involuntary_switches", "thread", WhenDelta
		q.Expect, q.Self = own, &own
		p.promise(q)
	}
	at(Promise{Kind: Identity, AtLeast: true, Because: "the kernel counts the same switches for the worker itself"})
	at(Promise{
		Kind: Bound, TolAbs: parkPreemptions,
		Because: "one may fall before the worker's first reading, and one between its last and its park",
	})
}

// share promises a thread's part of the CPU time of all workers. Of the
// workers' time, not of the CPU's: what others take of the CPU they take from
// all workers alike, so this holds on a busy machine too, where "each gets 1/n
// of the CPU" does not (13 % missing beside a compiler).
func (p *Plan) share(s site, percent, tolerance float64, because string) {
	at := func(when When, tolerance float64, because string) {
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: "share_percent", Scope: "thread", Kind: Statistical, When: when,
			Expect: Exactly(percent), TolAbs: tolerance, Because: because,
		})
	}
	at(WhenDelta, tolerance, because)
	at(WhenLiveDelta, 2*tolerance, because+"; a time slice may begin or end outside the window")
}

// oneCore promises that the workers of a plan that share one CPU use no more
// than that CPU. That they use all of it is not promised: it is not theirs
// alone.
func (p *Plan) oneCore() {
	span := Formula{}.with(Term{Key: "end_mono_ns", Factor: 1, Agg: AggMax}).
		with(Term{Key: "start_mono_ns", Factor: -1, Agg: AggMin})
	cpu := Formula{}.Plus(1, "cpu_ns")
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "run_ns", Scope: "subtree", Kind: Bound, When: WhenDelta,
		Expect: span, Self: &cpu, TolAbs: TickNS, Because: "one CPU runs one thread at a time",
	})
}
