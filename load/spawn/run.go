package spawn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"taskscope/load"
	"taskscope/load/spawn/native"

	"golang.org/x/sys/unix"
)

// Run is one started workload.
type Run struct {
	id       string
	tier     string
	plan     *load.Plan
	lifetime time.Duration
	without  guards
	fds      channels
	keeper   *keeper

	ready  chan struct{} // every task is asleep at the gate
	parked chan struct{} // every task is asleep after its operations
	failed chan struct{} // err is set
	done   chan struct{} // nothing is alive, everything is closed

	mu       sync.Mutex
	arena    *arena         // nil once unmapped
	last     *load.Manifest // what Manifest returned when the arena went
	released bool
	stopping bool
	parkedNS int64
	startNS  int64                   // when the root was about to be started
	readyNS  int64                   // when every task had been seen asleep at the gate
	image    *load.Image             // nil in the Go tier
	exits    map[int]unix.WaitStatus // of processes whose end the keeper has seen
	err      error                   // the first failure
	left     LeftBehind
}

func newRun(p *load.Plan, o Options, tier string) *Run {
	r := &Run{
		id: o.RunID, tier: tier, plan: p, lifetime: p.Duration + o.Lifetime, without: o.without,
		ready: make(chan struct{}), parked: make(chan struct{}),
		failed: make(chan struct{}), done: make(chan struct{}),
	}
	if tier == TierNative {
		r.image = imageSizes(native.Image(), uint64(unix.Getpagesize()))
	}
	return r
}

// start brings the plan up to its gate, or leaves nothing.
func (r *Run) start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	r.keeper = newKeeper(r)
	r.startNS = monotonic()
	go r.keeper.run()
	var err error
	select {
	case <-r.ready:
		r.mu.Lock()
		r.readyNS = monotonic()
		r.mu.Unlock()
		return nil
	case <-r.failed:
		err = r.failure()
	case <-r.done:
		err = r.failure()
	case <-ctx.Done():
		err = ctx.Err()
	}
	// The caller's context may be over; what was started must go all the same.
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if left, stopErr := r.Stop(clean); stopErr != nil || left != (LeftBehind{}) {
		err = errors.Join(err, stopErr, fmt.Errorf("left behind: %+v", left))
	}
	return err
}

// open makes the arena and the channels between controller and workers.
func (r *Run) open() error {
	if err := r.fds.open(r.id); err != nil {
		return err
	}
	if r.without&guardPipe != 0 {
		if err := r.fds.deafen(); err != nil {
			r.fds.close()
			return err
		}
	}
	a, err := newArena(r.fds.arena, r.plan)
	if err != nil {
		r.fds.close()
		return err
	}
	now := monotonic()
	a.head.deadlineNS = now + int64(r.lifetime)
	a.head.killNS = a.head.deadlineNS + int64(killGrace)
	a.head.controllerPID = uint32(unix.Getpid())
	a.head.filesLimit = uint32(32 + r.plan.Budget.Files + planDescriptors(r.plan))
	a.nameQueues(r.id)
	a.head.flags = uint32(r.without & guardDeathSignal)
	if !startsTasks(r.plan) {
		a.head.flags |= flagNoMoreTasks
	}
	r.arena = a
	return nil
}

// ID is the run id, which every process of the run carries in its arguments.
func (r *Run) ID() string { return r.id }

// Tier is "native" or "go".
func (r *Run) Tier() string { return r.tier }

// RootPID is the root of the tree.
func (r *Run) RootPID() int { return int(r.keeper.rootPID.Load()) }

// Manifest is a copy of the manifest as of now (reports are re-read).
func (r *Run) Manifest() *load.Manifest {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.arena == nil {
		m := *r.last
		return &m
	}
	return r.manifest()
}

// manifest needs mu and the arena.
func (r *Run) manifest() *load.Manifest {
	a := r.arena
	m := &load.Manifest{
		RunID: r.id, Plan: r.plan, Image: r.image, Phase: r.phase(),
		StartMonoNS: r.startNS, ReadyMonoNS: r.readyNS,
		GateMonoNS: atomic.LoadInt64(&a.head.gateNS), ParkedMonoNS: r.parkedNS,
		Processes: make([]load.ManifestProcess, len(a.procs)), Objects: a.objectValues(r.plan),
	}
	if m.ReadyMonoNS != 0 {
		m.StartNS = m.ReadyMonoNS - m.StartMonoNS
	}
	thread := 0
	for i := range m.Processes {
		p := &m.Processes[i]
		pp := &r.plan.Processes[i]
		p.Role = pp.Role
		p.PID = int(atomic.LoadUint32(&a.procs[i].pid))
		p.PPID = int(atomic.LoadUint32(&a.procs[i].ppid))
		p.AdopterPID = int(atomic.LoadUint32(&a.procs[i].adopter))
		p.Exit = r.exit(i)
		p.Threads = make([]load.ManifestThread, len(pp.Threads))
		for j := range p.Threads {
			p.Threads[j] = load.ManifestThread{
				Role: pp.Threads[j].Role, Name: pp.Threads[j].Name,
				TID: int(atomic.LoadUint32(&a.slots[thread].tid)), Report: a.report(thread),
			}
			thread++
		}
	}
	return m
}

// exit is how process i ended, by its parent's account, else by the keeper's.
func (r *Run) exit(i int) *load.Exit {
	p := &r.arena.procs[i]
	by, status, ok := "parent", unix.WaitStatus(0), atomic.LoadUint32(&p.ended) != 0
	if ok {
		status = unix.WaitStatus(atomic.LoadUint32(&p.waitStatus))
	} else {
		by = "runner"
		if status, ok = r.exits[i]; !ok {
			return nil
		}
	}
	if status.Signaled() {
		return &load.Exit{Signal: int(status.Signal()), By: by}
	}
	return &load.Exit{Code: status.ExitStatus(), By: by}
}

func (r *Run) phase() string {
	switch {
	case r.stopping || isClosed(r.done):
		return "ended"
	case r.parkedNS != 0:
		return "parked"
	case r.released:
		return "running"
	}
	return "ready"
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Release opens the gate. Only the first call does anything.
func (r *Run) Release() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.arena == nil || r.stopping {
		return ErrEnded
	}
	if r.released {
		return nil
	}
	r.released = true
	atomic.StoreInt64(&r.arena.head.gateNS, monotonic())
	atomic.StoreUint32(&r.arena.head.gate, 1)
	return signalFD(r.fds.gate)
}

// Wait returns when every worker is parked after its operations (those that end
// by plan have ended), ctx ended, a worker died early or failed (an error that
// says which and how), or the run was stopped (ErrEnded).
func (r *Run) Wait(ctx context.Context) error {
	select {
	case <-r.failed:
		return r.failure()
	default:
	}
	select {
	case <-r.parked:
		return nil
	case <-r.failed:
		return r.failure()
	case <-r.done:
		return r.failure()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failure is the first failure, or ErrEnded.
func (r *Run) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return ErrEnded
	}
	return r.err
}

// fail records the first failure of a run that is not being stopped.
func (r *Run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && !r.stopping {
		r.err = err
		close(r.failed)
	}
}

// Done is closed when no task of the run is alive any more.
func (r *Run) Done() <-chan struct{} { return r.done }

// stopTimeout is how long killed tasks may take to disappear.
const stopTimeout = 10 * time.Second

// Stop ends the run: release, then SIGKILL through pidfds, reap all, and count
// what is left. It may be called at any time and more than once. SIGTERM is
// not tried: the workers block it.
func (r *Run) Stop(ctx context.Context) (LeftBehind, error) {
	r.mu.Lock()
	if !r.stopping && r.arena != nil {
		r.stopping = true
		// Parked tasks leave by themselves; the keeper kills the rest.
		atomic.StoreUint32(&r.arena.head.stop, 1)
		atomic.StoreUint32(&r.arena.head.gate, 1)
		r.err = errors.Join(r.err, signalFD(r.fds.gate), signalFD(r.fds.release), signalFD(r.fds.command))
	}
	r.mu.Unlock()
	select {
	case <-r.done:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.left, nil
	case <-ctx.Done():
		return countLeft(r.id), fmt.Errorf("stop run %s: %w", r.id, ctx.Err())
	}
}
