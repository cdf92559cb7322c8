package verify

import (
	"fmt"
	"math"

	"taskscope/inspect"
	"taskscope/load"
)

// The tracer is a second observer of what a run did: it saw each switch, where
// the samples see counters of the kernel. Each promise about the difference
// between two phases that it can tell is judged a second time with its sums, as
// a check of its own.

// TraceNote says how much of a run the tracer could judge.
type TraceNote struct {
	Checks int `json:"checks"`
	// LeftOut are checks that the tracer says itself it cannot judge.
	LeftOut int    `json:"left_out"`
	Why     string `json:"why,omitempty"` // of the first one left out
}

func runTime(c *inspect.TraceCounts) inspect.Known[uint64]   { return c.RunNS }
func readyTime(c *inspect.TraceCounts) inspect.Known[uint64] { return c.ReadyNS }
func voluntary(c *inspect.TraceCounts) inspect.Known[uint64] { return c.Voluntary }
func preempted(c *inspect.TraceCounts) inspect.Known[uint64] { return c.Involuntary }
func moved(c *inspect.TraceCounts) inspect.Known[uint64]     { return c.Migrations }

type counter = func(*inspect.TraceCounts) inspect.Known[uint64]

// tracedFieldOf is what a tracer adds up for a field of promises, nil for what
// it cannot tell.
func tracedFieldOf(field string) []counter {
	switch field {
	case "run_ns":
		return []counter{runTime}
	case "ready_ns":
		return []counter{readyTime}
	case "run_plus_ready_ns":
		return []counter{runTime, readyTime}
	case "voluntary_switches":
		return []counter{voluntary}
	case "involuntary_switches":
		return []counter{preempted}
	case "switches":
		return []counter{voluntary, preempted}
	case "migrations", "exact_migrations":
		return []counter{moved}
	}
	return nil
}

// traceChecks are the checks by the tracer, and what was left out of them; nil
// when nobody traced.
func (j *judge) traceChecks() ([]Check, *TraceNote) {
	if len(j.traces) == 0 {
		return nil, nil
	}
	var out []Check
	note := &TraceNote{}
	for i := range j.m.Plan.Promises {
		q := &j.m.Plan.Promises[i]
		f := tracedFieldOf(q.Field)
		if f == nil || j.m.Plan.Tier == "go" && !q.HoldsWithRuntime() {
			continue
		}
		before, after, ok := j.tracedPhases(q)
		if !ok {
			continue
		}
		c, why := j.traceCheck(q, f, before, after)
		if why != "" {
			if note.LeftOut++; note.Why == "" {
				note.Why = c.Subject + ": " + c.Field + ": " + why
			}
			continue
		}
		out = append(out, c)
	}
	out = append(out, j.transitionChecks(note)...)
	note.Checks = len(out)
	return out, note
}

// tracedPhases are the sums at both ends of what a promise is about.
func (j *judge) tracedPhases(q *load.Promise) (before, after *inspect.TraceSums, ok bool) {
	first, last := j.narrow[load.WhenReady], j.narrow[load.WhenParked]
	switch q.When {
	case load.WhenDelta:
		if len(first) > 0 {
			first = first[len(first)-1:]
		}
	case load.WhenLiveDelta:
		first, last = j.narrow[load.WhenLive], j.narrow[load.WhenLive]
		if len(first) < 2 {
			return nil, nil, false
		}
	default:
		return nil, nil, false
	}
	if len(first) == 0 || len(last) == 0 {
		return nil, nil, false
	}
	before, after = j.traces[first[0]], j.traces[last[len(last)-1]]
	return before, after, before != nil && after != nil
}

// traceCheck judges a promise by the tracer, or says why it cannot.
func (j *judge) traceCheck(q *load.Promise, f []counter, before, after *inspect.TraceSums) (Check, string) {
	c := Check{
		Subject: j.subject(q.Process, q.Thread), Field: q.Field, Scope: q.Scope, Kind: string(q.Kind), Relation: relation(q), When: string(q.When),
		Because: q.Because, Source: inspect.TraceExact,
	}
	if lost := lostBetween(&before.Drops, &after.Drops); lost > 0 {
		return c, fmt.Sprintf("the tracer lost %d events", lost)
	}
	a, b := j.counted(before, q), j.counted(after, q)
	if b == nil {
		return c, "the tracer has not followed it"
	}
	value := 0.0
	for _, get := range f {
		now, ok := get(b).Get()
		if !ok {
			return c, get(b).Why.Text()
		}
		value += float64(now)
		if a != nil {
			value -= float64(get(a).V)
		}
	}
	exp, self, obs := j.expected(q), j.selfReported(q), number(value)
	if !exp.ok {
		return c, exp.why
	}
	obs.source = c.Source
	c.Expected, c.SelfReported, c.Observed = exp.value(), self.value(), obs.value()
	c.Tolerance = q.TolAbs + q.TolRel*math.Abs(exp.num)
	j.decide(&c, q, exp, self, obs)
	if c.Verdict == Fail && after.Drops.ChainBreaks > before.Drops.ChainBreaks {
		return c, fmt.Sprintf("%s, and the kernel did not show the tracer %d switches", c.Why, after.Drops.ChainBreaks-before.Drops.ChainBreaks)
	}
	return c, ""
}

// lostBetween is what makes sums too small. Events are not asked for.
func lostBetween(before, after *inspect.TraceDrops) uint64 {
	sum := func(d *inspect.TraceDrops) uint64 {
		return d.ThreadsFull + d.ProcessesFull + d.Reused + d.ProgramMisses
	}
	return sum(after) - sum(before)
}

// counted is what the tracer has of the subject of a promise, nil when it has
// not seen it.
func (j *judge) counted(s *inspect.TraceSums, q *load.Promise) *inspect.TraceCounts {
	switch {
	case q.Process < 0:
		return j.countedTree(s)
	case q.Process >= len(j.ids):
		return nil
	case q.Thread < 0:
		if p := s.Process(j.ids[q.Process].PID); p != nil {
			return &p.TraceCounts
		}
	case q.Thread < len(j.tids[q.Process]):
		if t := s.Thread(j.tids[q.Process][q.Thread]); t != nil {
			return &t.TraceCounts
		}
	}
	return nil
}

// countedTree sums the processes of the run that do not end by plan.
func (j *judge) countedTree(s *inspect.TraceSums) *inspect.TraceCounts {
	var sum inspect.TraceCounts
	add := func(to *inspect.Known[uint64], k inspect.Known[uint64]) { *to = inspect.Know(to.V + k.V) }
	found := false
	for i := range j.m.Processes {
		p := s.Process(j.ids[i].PID)
		if p == nil || i < len(j.m.Plan.Processes) && j.m.Plan.Processes[i].End != nil {
			continue
		}
		found = true
		add(&sum.RunNS, p.RunNS)
		add(&sum.ReadyNS, p.ReadyNS)
		add(&sum.Voluntary, p.Voluntary)
		add(&sum.Involuntary, p.Involuntary)
		add(&sum.Migrations, p.Migrations)
	}
	if !found {
		return nil
	}
	return &sum
}
