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
		c := Check{
			Subject: j.subject(q.Process, q.Thread), Field: q.Field, Scope: q.Scope, Kind: string(q.Kind), Relation: RelationEqual,
			When: string(q.When), Expected: strings.ReplaceAll(q.ExpectText, "t", "T"), Because: q.Because, Source: inspect.TraceExact,
		}
		seen, why := j.statesOf(q)
		if why != "" {
			if note.LeftOut++; note.Why == "" {
				note.Why = c.Subject + ": " + c.Field + ": " + why
			}
			continue
		}
		c.Observed, c.Verdict = strings.Join(seen, ","), Pass
		if !slices.ContainsFunc(alternatives(c.Expected.(string)), func(a []string) bool { return slices.Equal(a, seen) }) {
			c.Verdict, c.Why = Fail, fmt.Sprintf("observed %q, expected %q", c.Observed, c.Expected)
		}
		out = append(out, c)
	}
	return out
}

// statesOf are the states of a promise's thread from the opening of the gate on,
// each once as long as it lasted, or why they are not known.
func (j *judge) statesOf(q *load.Promise) (seen []string, why string) {
	if j.history.Why != "" {
		return nil, j.history.Why
	}
	tid, waits, gaps := j.m.Processes[q.Process].Threads[q.Thread].TID, 0, 0
	for _, s := range j.history.Slices {
		if s.TID != tid || s.To <= j.m.GateMonoNS && s.State != inspect.TraceDead {
			continue
		}
		letter := letterOf(s.State)
		if letter == "?" {
			gaps++
			continue
		}
		if letter != "R" && letter != "Z" && s.From >= j.m.GateMonoNS {
			waits++
		}
		if len(seen) == 0 || seen[len(seen)-1] != letter {
			seen = append(seen, letter)
		}
	}
	switch {
	case len(seen) == 0:
		return nil, "the tracer has not followed it"
	case gaps > 0 && !j.waited(q, waits):
		return nil, "the kernel did not show the tracer all of its switches"
	}
	return seen, ""
}

// waited tells whether the kernel has counted just as many waits of a thread:
// then it did not wait in the gaps of what the tracer saw, but was running or
// ready.
func (j *judge) waited(q *load.Promise, times int) bool {
	count := load.Promise{Process: q.Process, Thread: q.Thread, Field: "voluntary_switches", When: load.WhenDelta}
	r := j.observe(&count)
	return r.ok && r.num == float64(times)
}
