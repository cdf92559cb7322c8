// Package spawn starts what a load.Plan describes, lets it run, and leaves
// nothing behind. It knows nothing of the inspector.
//
// # Concurrency
//
// A Run may be used from several goroutines. Its workers are tied to a
// goroutine owned by the package, locked to a thread that lives as long as the
// run (parent-death signals are per thread).
package spawn

import (
	"context"
	"errors"

	"taskscope/load"
)

// Limits bound what a run may use; zero values mean the defaults computed from
// this machine.
type Limits struct {
	MaxTasks  int
	MaxMemory uint64
}

// Options of a run.
type Options struct {
	RunID  string // generated when empty
	Tier   string // "native", "go"; empty: native where an image exists
	Limits Limits
}

// ErrBudget wraps a refusal: the plan wants more than the limits allow.
var ErrBudget = errors.New("above the limit")

// LeftBehind counts what a finished run left; all zero is the only good answer.
type LeftBehind struct {
	Processes int `json:"processes"`
	Files     int `json:"files"`
	Cgroups   int `json:"cgroups"`
}

var errNotBuilt = errors.New("spawn: under construction")

// Run is one started workload.
type Run struct{}

// Start starts the plan and returns when every task is parked at the gate.
// Errors wrap ErrBudget for refusals; whatever had been started is gone again.
func Start(ctx context.Context, p *load.Plan, o Options) (*Run, error) { return nil, errNotBuilt }

// ID is the run id; RootPID the root of the tree.
func (r *Run) ID() string   { return "" }
func (r *Run) RootPID() int { return 0 }

// Manifest is a copy of the manifest as of now (reports are re-read).
func (r *Run) Manifest() *load.Manifest { return nil }

// Release opens the gate.
func (r *Run) Release() error { return errNotBuilt }

// Wait returns when every worker is parked after its operations, ctx ended, or
// a worker died early (an error that says which and how).
func (r *Run) Wait(ctx context.Context) error { return errNotBuilt }

// Done is closed when no task of the run is alive any more.
func (r *Run) Done() <-chan struct{} { return nil }

// Stop ends the run: release, SIGTERM, then SIGKILL through pidfds, reap all,
// and count what is left. It may be called at any time and more than once.
func (r *Run) Stop(ctx context.Context) (LeftBehind, error) { return LeftBehind{}, errNotBuilt }

// Sweep removes what a killed run left, by run id ("" for every run whose
// controller is dead): through pidfds, never by name.
func Sweep(ctx context.Context, runID string) (removed []int, err error) { return nil, errNotBuilt }

// WorkerMain is the body of the Go tier's worker process (a hidden command of
// the binary). It returns the exit code.
func WorkerMain(args []string) int { return 2 }
