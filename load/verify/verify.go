// Package verify compares what a load promised and reported with what the
// inspector saw. It is pure: (manifest, samples) → verdicts. It is the only
// package that sees both load and inspect.
package verify

import (
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

// Sample is one snapshot with the phase of the run in which it was taken.
type Sample struct {
	Phase load.When
	*inspect.Snapshot
}

// Check is one judged promise. Expected, SelfReported and Observed are
// float64, string, or nil when not known.
type Check struct {
	Subject      string  `json:"subject"`
	Field        string  `json:"field"`
	Scope        string  `json:"scope"`
	Kind         string  `json:"kind"`
	Expected     any     `json:"expected"`
	SelfReported any     `json:"self_reported"`
	Observed     any     `json:"observed"`
	Tolerance    float64 `json:"tolerance"` // absolute, in the field's unit
	Verdict      Verdict `json:"verdict"`
	Because      string  `json:"because"`
	Why          string  `json:"why,omitempty"`
	Source       string  `json:"source"`
}

// LeftBehind is what the run left, as the runner counted it.
type LeftBehind struct {
	Processes int `json:"processes"`
	Files     int `json:"files"`
	Cgroups   int `json:"cgroups"`
}

// NoisyTask is somebody else's task that used the CPUs meanwhile.
type NoisyTask struct {
	PID        int     `json:"pid"`
	Comm       string  `json:"comm"`
	CPUPercent float64 `json:"cpu_percent"`
}

// Noise is the CPU others used during the measured phase, of one CPU.
type Noise struct {
	OtherCPUPercent *float64    `json:"other_cpu_percent"`
	Tasks           []NoisyTask `json:"tasks,omitempty"`
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
}

// Judge judges every promise of the manifest's plan against the samples.
// left is nil while the run is still going: then promises whose phase has not
// come are Pending.
func Judge(m *load.Manifest, samples []Sample, left *LeftBehind) *Result { return &Result{} }
