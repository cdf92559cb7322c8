// Package spawn starts what a load.Plan describes, lets it run, and leaves
// nothing behind. It knows nothing of the inspector.
//
//	Plan → validate, budget → arena (memfd) ─┐
//	image (memfd) → root process ────────────┴→ forks and clones the plan
//	  → every task ready, seen asleep at the gate      Start returns
//	  → Release opens the gate; operations; self-report
//	  → every task parked, seen asleep                 Wait returns
//	  → Stop: release, SIGKILL through pidfds, reap, count what is left
//
// # What ends a run
//
// Stop; the death of the controller, by three guards: parent-death signals down
// the tree; a cgroup, which a process outside of it empties and removes; and end
// of file on a liveness pipe, which waiting and busy tasks notice. Besides these
// a deadline in every wait and every loop; a CPU limit; and a kernel timer that
// kills each process a little after the deadline.
//
// The cgroup alone ends everything, and so do the other two without it. Each of
// those alone has a gap, until the deadline: a process that is to be adopted has
// no death signal before, and who is stopped or in a vfork looks at no pipe. Sweep
// ends by hand what would outlive all of that.
//
// A PID namespace would be one guard more, but is not used: in it the workers
// know themselves by other numbers than the controller and the observer, so that
// neither the manifest nor what is counted as left behind would be right.
//
// # What the counters mean
//
// Report counters are about the operations only, except Bytes and Slots, which
// include the set-up. Waits counts every sleep and hold that blocked, and one
// for each spurious return of a park: so the voluntary switches that an
// observer sees between "ready" and "parked" are Waits + 1. A sleep need not
// block: a preempted task, or a preempted virtual CPU, can find its timer
// expired before it is off the CPU. The worker notices by its own count:
// OpSleepRel repeats such a sleep (and counts it in Late), so that exactly A
// block; for OpSleepAbs and OpDuty the edge counts as Late, so that
// Waits + Late = A. While operations run, Loops, Late, Waits, Bytes and (for
// OpDuty) CPUNS are live; the others appear when the thread parks.
//
// # Deaths
//
// A process that ends is a failure of the run, unless the plan says that it
// ends, and how (load.End). Wait returns when all others are parked and those
// have ended; the manifest keeps them, with their wait status. A process that
// outlives its parent by plan has no parent-death signal until it has been
// adopted, and the other guards all the time. Processes that the plan does not
// name die with the one that started them, and are reaped by it or by us.
//
// # Order of set-up
//
// A process runs its leader's set-up operations, then forks its children in
// plan order (they inherit what the leader mapped), then clones its threads,
// each of which runs its own set-up; scheduling attributes come last.
//
// # Concurrency
//
// A Run may be used from several goroutines. Its workers are tied to a
// goroutine owned by the package, locked to a thread that lives as long as the
// run (parent-death signals are per thread). While any run is alive, the
// process is a child subreaper, so that it can reap workers whose parent died.
package spawn

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"time"

	"taskscope/load"
	"taskscope/load/spawn/native"
)

// Limits bound what a run may use; zero values mean the defaults computed from
// this machine.
type Limits struct {
	MaxTasks  int
	MaxMemory uint64 // bytes
	// Realtime permits the policies FIFO and RR, on one CPU only.
	Realtime bool
	// ForkStorm permits more than 200 short-lived processes per second.
	ForkStorm bool
	// Disk permits files on a disk.
	Disk bool
}

// Options of a run.
type Options struct {
	RunID  string // generated when empty; letters, digits and "-"
	Tier   string // "native", "go"; empty: as the plan says, else native where an image exists
	Limits Limits
	// Lifetime bounds the run beyond the plan's duration; 0 means one hour.
	Lifetime time.Duration

	// without switches guards off, so that tests prove the others on their own.
	without guards
}

// guards is a set of what ends a run whose controller is killed.
type guards uint

const (
	guardDeathSignal guards = 1 << iota // = FLAG_NO_DEATH_SIGNAL in native/arena.h
	guardCgroup
	guardPipe
)

// The tiers.
const (
	TierNative = load.TierNative
	TierGo     = load.TierGo
)

// LeftBehind counts what a finished run left; all zero is the only good answer.
type LeftBehind struct {
	Processes int `json:"processes"`
	Files     int `json:"files"`
	Cgroups   int `json:"cgroups"`
}

var runIDPattern = regexp.MustCompile(`^[a-zA-Z0-9-]{1,48}$`)

// Start starts the plan and returns when every task is parked at the gate.
// Errors wrap ErrBudget for refusals; whatever had been started is gone again.
func Start(ctx context.Context, p *load.Plan, o Options) (*Run, error) {
	tier, err := chooseTier(p, o)
	if err != nil {
		return nil, err
	}
	if o.RunID == "" {
		o.RunID = newRunID()
	}
	if !runIDPattern.MatchString(o.RunID) {
		return nil, fmt.Errorf("%w: run id %q: want letters, digits and \"-\", at most 48", load.ErrUsage, o.RunID)
	}
	if o.Lifetime <= 0 {
		o.Lifetime = defaultLifetime
	}
	if insideRun() {
		return nil, fmt.Errorf("%w: this process belongs to another run", load.ErrUsage)
	}
	if err := check(p, o, tier); err != nil {
		return nil, err
	}
	if err := checkRisks(p, o.Limits); err != nil {
		return nil, err
	}
	plan := *p
	plan.Tier = tier
	r := newRun(&plan, o, tier)
	if err := r.start(ctx); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Scenario, err)
	}
	return r, nil
}

// Check says why Start would refuse a plan on this machine, nil if it would not.
func Check(p *load.Plan, o Options) error {
	tier, err := chooseTier(p, o)
	if err != nil {
		return err
	}
	return check(p, o, tier)
}

func check(p *load.Plan, o Options, tier string) error {
	if err := validate(p); err != nil {
		return err
	}
	if tier == TierGo {
		if err := goSupports(p); err != nil {
			return err
		}
	}
	if err := checkNeeds(p); err != nil {
		return err
	}
	return checkBudget(p, o.Limits, hostLimits())
}

func chooseTier(p *load.Plan, o Options) (string, error) {
	tier := o.Tier
	if tier == "" {
		tier = p.Tier
	}
	switch tier {
	case "":
		if native.Image() == nil {
			return TierGo, nil
		}
		return TierNative, nil
	case TierGo:
		return tier, nil
	case TierNative:
		if p.Tier == TierGo {
			return "", fmt.Errorf("%w: tier native: %s is about the Go runtime, which only tier go has", load.ErrUsage, p.Scenario)
		}
		if native.Image() == nil {
			return "", fmt.Errorf("%w: tier native: no worker image for this architecture; use tier=go", load.ErrUsage)
		}
		return tier, nil
	}
	return "", fmt.Errorf("%w: tier %q: want native or go", load.ErrUsage, tier)
}

func newRunID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
