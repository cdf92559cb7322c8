// Package verify compares what a load promised and reported with what the
// inspector saw. It is pure: (manifest, samples) → verdicts. It is the only
// package that sees both load and inspect.
//
// # The observers
//
// Samples of the kernel's counters judge every promise. Where the scheduler was
// traced too, promises about run time, ready time, switches and migrations are
// judged once more by the tracer's own sums: the Source of a check says by whom.
//
// # How a check is decided
//
// Every promise has up to three sources: the expected value (computed before
// the run, or from the worker's report where the promise says so), what the
// worker reports of itself, and what was observed from outside. A check passes
// when observation and self-report both lie within the tolerance.
//
//   - A missed equality or identity fails, however busy the machine is.
//   - A missed statistical or bound check about CPU time fails, unless the
//     time that others had on the CPUs the load runs on explains it, or that
//     time is not known: then it is undecided, and names who it was. Too much
//     CPU time is excused only by interrupts and the hypervisor. More of it than
//     there can be always fails.
//   - Any other missed statistical or bound check fails, unless others used
//     more than [NoiseGatePercent] of those CPUs; of preemptions, unless they
//     used as large a part of them as is missing.
//   - A task that is missing from a sample in which it must be fails its checks.
//   - A value the inspector does not know leaves the check skipped when a
//     capability or permission is lacking, and undecided otherwise, with the
//     inspector's reason.
//
// # What a run is measured by
//
// [FiguresOf] measures a run between two moments at which nothing of it moves:
// at the gate, and when its job is done. [Compare] puts the figures of two jobs
// side by side. Neither judges: a figure says what was, a check what had to be.
//
// # The verdict
//
// The verdict of a run is its worst check: fail, undecided, skipped, pass.
// Processes and threads are known by (pid, start): a reused number is not the
// task that was promised.
package verify

import (
	"fmt"

	"taskscope/inspect"
	"taskscope/load"
)

// Verdict of a check or a run.
type Verdict string

// The verdicts. Pending exists only while a run is still going (the lab page).
const (
	Pass      Verdict = "pass"
	Fail      Verdict = "fail"
	Undecided Verdict = "undecided"
	Skipped   Verdict = "skipped"
	Pending   Verdict = "pending"
)

// severity orders verdicts; the worst check decides a run.
func (v Verdict) severity() int {
	switch v {
	case Fail:
		return 4
	case Pending:
		return 3
	case Undecided:
		return 2
	case Skipped:
		return 1
	}
	return 0
}

// Reach says what a sample covers.
type Reach uint8

// The reaches.
const (
	ReachTree Reach = iota // every process of the run, with its threads
	ReachHost              // the whole host with few values of each process: who else used the CPUs, who is still alive
	ReachOne               // one process with its segments, good for nothing else
)

// Sample is one snapshot with the phase of the run in which it was taken.
type Sample struct {
	Phase load.When
	Reach Reach
	*inspect.Snapshot
	// Trace is what the tracer had added up at that moment, nil when nobody
	// traces.
	Trace *inspect.TraceSums
	// History is what the tracer saw of states, in the last sample of the tree;
	// nil when nobody asked for it or nobody traces.
	History *History
}

// Check is one judged promise. Expected, SelfReported and Observed are
// float64, string, or nil when not known.
type Check struct {
	Subject      string  `json:"subject"`
	Field        string  `json:"field"`
	Scope        string  `json:"scope"`
	Kind         string  `json:"kind"`
	Relation     string  `json:"relation"` // how the observed value has to be to the expected: RelationEqual, …
	When         string  `json:"when"`
	Expected     any     `json:"expected"`
	SelfReported any     `json:"self_reported"`
	Observed     any     `json:"observed"`
	Tolerance    float64 `json:"tolerance"` // absolute, in the field's unit
	Verdict      Verdict `json:"verdict"`
	Because      string  `json:"because"`
	Why          string  `json:"why,omitempty"`
	Source       string  `json:"source"`
}

// The relations of a Check. All of them leave room for the tolerance.
const (
	RelationEqual   = "equal"
	RelationAtLeast = "at_least"
	RelationAtMost  = "at_most"
	// RelationPart: of a promised sequence any part may be seen, in its order.
	RelationPart = "part_of"
)

// LeftBehind is what the run left, as the runner counted it.
type LeftBehind struct {
	Processes int `json:"processes"`
	Files     int `json:"files"`
	Cgroups   int `json:"cgroups"`
}

// Result of one run: the JSON of `load verify`.
type Result struct {
	RunID      string            `json:"run_id"`
	Scenario   string            `json:"scenario"`
	Parameters map[string]string `json:"parameters"`
	Tier       string            `json:"tier"`
	Verdict    Verdict           `json:"verdict"`
	Why        string            `json:"why,omitempty"`
	Manifest   *load.Manifest    `json:"manifest"`
	Checks     []Check           `json:"checks"`
	LeftBehind *LeftBehind       `json:"left_behind"`
	Noise      Noise             `json:"noise"`
	Trace      *TraceNote        `json:"trace,omitempty"` // nil: nobody traced
}

// Judge judges every promise of the manifest's plan against the samples.
// left is nil while the run is still going: then promises whose phase has not
// come are Pending. Pure; the manifest and the samples are only read.
func Judge(m *load.Manifest, samples []Sample, left *LeftBehind) *Result {
	r := &Result{RunID: m.RunID, Verdict: Undecided, Why: "there is no plan to judge by", Manifest: m, LeftBehind: left}
	if m.Plan == nil {
		return r
	}
	r.Scenario, r.Parameters, r.Tier = m.Plan.Scenario, m.Plan.Parameters, m.Plan.Tier
	j := newJudge(m, samples, left)
	r.Noise = j.noise.Noise
	for i := range m.Plan.Promises {
		r.Checks = append(r.Checks, j.check(&m.Plan.Promises[i]))
	}
	traced, note := j.traceChecks()
	r.Checks, r.Trace = append(r.Checks, traced...), note
	r.Checks = append(r.Checks, j.errors()...)
	if left != nil {
		r.Checks = append(r.Checks, nothingLeft(left))
	}
	r.Verdict, r.Why = worst(r.Checks)
	return r
}

// worst is the verdict of a run with these checks, and the reason of its first
// check with that verdict.
func worst(checks []Check) (Verdict, string) {
	if len(checks) == 0 {
		return Undecided, "nothing was promised"
	}
	w := &checks[0]
	n := 0
	for i := range checks {
		if checks[i].Verdict.severity() > w.Verdict.severity() {
			w, n = &checks[i], 0
		}
		if checks[i].Verdict == w.Verdict {
			n++
		}
	}
	if w.Verdict == Pass {
		return Pass, ""
	}
	why := fmt.Sprintf("%s: %s: %s", w.Subject, w.Field, w.Why)
	if n > 1 {
		why += fmt.Sprintf(" (and %d more)", n-1)
	}
	return w.Verdict, why
}

// nothingLeft is the last check of every run.
func nothingLeft(l *LeftBehind) Check {
	n := l.Processes + l.Files + l.Cgroups
	c := Check{
		Subject: "run", Field: "left_behind", Scope: "subtree", Kind: string(load.Equality), Relation: RelationEqual, When: string(load.WhenGone),
		Expected: 0.0, Observed: float64(n), Verdict: Pass, Because: "a run leaves nothing behind", Source: "runner",
	}
	if n != 0 {
		c.Verdict = Fail
		c.Why = fmt.Sprintf("left behind: %d processes, %d files, %d control groups", l.Processes, l.Files, l.Cgroups)
	}
	return c
}

// errors adds a failed check for every worker that reports an error.
func (j *judge) errors() []Check {
	var out []Check
	for i := range j.m.Processes {
		for k := range j.m.Processes[i].Threads {
			t := &j.m.Processes[i].Threads[k]
			if t.Report.Errno == 0 {
				continue
			}
			out = append(out, Check{
				Subject: j.subject(i, k), Field: "errno", Scope: "thread", Kind: string(load.Equality), Relation: RelationEqual, When: string(load.WhenParked),
				Expected: 0.0, SelfReported: float64(t.Report.Errno), Verdict: Fail,
				Because: "no operation of the worker fails", Why: fmt.Sprintf("the worker reports error number %d", t.Report.Errno), Source: "report",
			})
		}
	}
	return out
}
