package verify

import (
	"fmt"
	"slices"
	"strings"

	"taskscope/inspect"
	"taskscope/load"
)

// History is what a tracer saw of the states of all threads of a run, or why
// there is nothing of it.
type History struct {
	Slices []inspect.TraceSlice // of one thread in order; running and ready may be one
	Why    string
}

// transitionFields are about the order of states.
func transitionFields() []DerivedField {
	return []DerivedField{{
		ID: "transitions", Doc: "State letters that a thread went through from the gate to its park, R for running and ready alike; what is in brackets may be missing. " +
			"Samples see a part of them, in this order; a tracer sees each, but both stops as T.",
		history: true, relation: RelationPart, get: stateAll, all: seenStates, fits: partOf,
	}}
}

// alternatives are the sequences that a promise permits: with what is in
// brackets, and without.
func alternatives(text string) [][]string {
	before, rest, optional := strings.Cut(text, "[")
	if !optional {
		return [][]string{strings.Split(text, ",")}
	}
	middle, after, _ := strings.Cut(rest, "]")
	var out [][]string
	for _, m := range []string{middle + ",", ""} {
		out = append(out, strings.Split(before+m+strings.TrimPrefix(after, ","), ","))
	}
	return out
}

// partOf tells whether all states that were seen come in the promised order,
// from the first, which lasts until the gate opens, to the last, which stays.
func partOf(exp, got reading) bool {
	for _, planned := range alternatives(exp.str) {
		seen := strings.Split(got.str, ",")
		if seen[0] != planned[0] || seen[len(seen)-1] != planned[len(planned)-1] {
			continue
		}
		for _, state := range planned {
			if len(seen) > 0 && seen[0] == state {
				seen = seen[1:]
			}
		}
		if len(seen) == 0 {
			return true
		}
	}
	return false
}

// seenStates are the states of a thread in the samples, one after the other.
func seenStates(j *judge, q *load.Promise) reading {
	var seen []string
	source := ""
	for _, when := range []load.When{load.WhenReady, load.WhenLive, load.WhenParked} {
		for _, s := range j.narrow[when] {
			if j.reaped(s, q.Process) {
				continue
			}
			r := j.row(s, q.Process, q.Thread, func(row inspect.Row) reading { return words(row.Thread.State.Letter()) })
			if !r.ok {
				return r
			}
			source = s.Source
			if len(seen) == 0 || seen[len(seen)-1] != r.str {
				seen = append(seen, r.str)
			}
		}
	}
	if len(seen) == 0 {
		return unknown(noSample(load.WhenLive))
	}
	r := words(strings.Join(seen, ","))
	r.source = source
	return r
}

// letterOf is the state letter of /proc for what a tracer saw.
func letterOf(s inspect.TraceState) string {
	switch s {
	case inspect.TraceRunning, inspect.TraceReady:
		return "R"
	case inspect.TraceBlocked:
		return "S"
	case inspect.TraceDisk:
		return "D"
	case inspect.TraceStopped:
		return "T"
	case inspect.TraceDead:
		return "Z"
	}
	return "?"
}

// transitionChecks judge the promised orders once more, by every switch.
func (j *judge) transitionChecks(note *TraceNote) []Check {
	var out []Check
	for i := range j.m.Plan.Promises {
		q := &j.m.Plan.Promises[i]
		if d := j.derived[q.Field]; d == nil || !d.history || j.history == nil || j.m.Plan.Tier == "go" {
			continue
		}
		c, why := j.transitionCheck(q)
		if why != "" {
			if note.LeftOut++; note.Why == "" {
				note.Why = c.Subject + ": " + c.Field + ": " + why
			}
			continue
		}
		out = append(out, c)
	}
	return out
}

// transitionCheck judges one of them, or says why that cannot be done.
func (j *judge) transitionCheck(q *load.Promise) (Check, string) {
	planned := strings.ReplaceAll(q.ExpectText, "t", "T")
	c := Check{
		Subject: j.subject(q.Process, q.Thread), Field: q.Field, Scope: q.Scope, Kind: string(q.Kind), Relation: RelationEqual,
		When: string(q.When), Expected: planned, Because: q.Because, Source: inspect.TraceExact, Verdict: Pass,
	}
	if j.history.Why != "" {
		return c, j.history.Why
	}
	h := j.statesOf(q)
	if len(h.letters) == 0 {
		return c, "the tracer has not followed it"
	}
	as := slices.ContainsFunc(alternatives(planned), func(a []string) bool { return slices.Equal(a, h.letters) })
	if (h.gap || !as) && !j.waited(q, h.waits) {
		return c, "the kernel did not show the tracer all of its switches"
	}
	c.Observed = strings.Join(h.letters, ",")
	if !as {
		c.Verdict, c.Why = Fail, fmt.Sprintf("observed %q, expected %q", c.Observed, planned)
	}
	return c, ""
}

// states are what a thread went through, each once as long as it lasted.
type states struct {
	letters []string
	waits   int  // that began after the gate had opened
	gap     bool // in what the tracer saw
}

// statesOf are those of a promise's thread, from the opening of the gate on.
func (j *judge) statesOf(q *load.Promise) (h states) {
	tid := j.m.Processes[q.Process].Threads[q.Thread].TID
	for _, s := range j.history.Slices {
		if s.TID != tid || s.To <= j.m.GateMonoNS && s.State != inspect.TraceDead {
			continue
		}
		letter := letterOf(s.State)
		if letter == "?" {
			h.gap = true
			continue
		}
		if letter != "R" && letter != "Z" && s.From >= j.m.GateMonoNS {
			h.waits++
		}
		if len(h.letters) == 0 || h.letters[len(h.letters)-1] != letter {
			h.letters = append(h.letters, letter)
		}
	}
	return h
}

// waited tells whether the kernel has counted just as many waits of a thread:
// then the tracer has seen all of them, and in what it did not see the thread was
// running or ready.
func (j *judge) waited(q *load.Promise, times int) bool {
	count := load.Promise{Process: q.Process, Thread: q.Thread, Field: "voluntary_switches", When: load.WhenDelta}
	r := j.observe(&count)
	return r.ok && r.num == float64(times)
}
