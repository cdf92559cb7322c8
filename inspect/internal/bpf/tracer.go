package bpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Defaults and limits of TracerOptions.
const (
	defaultThreads = 16384
	defaultPairs   = 8192
	ringEvents     = 4 << 20 // twice that on more than 8 CPUs
	ringExits      = 1 << 20 // without events
	ringWatermark  = 64 << 10
	pollTime       = 100 // ms
	batchSize      = 4096
	seedPasses     = 64 // bounds the depth of a tree of processes
)

// TracerOptions say what is traced and how.
type TracerOptions struct {
	// Targets are processes, as our PID namespace numbers them; none means
	// every task of the machine. This process is never traced.
	Targets []int
	// Descendants traces the processes below the targets too, those that
	// exist and those to come. Processes that have been given to another
	// parent because theirs died are not found.
	Descendants bool
	Aggregates  bool // keep sums: ReadAggregates
	Pairs       bool // count who preempts and who wakes whom: ReadAggregates
	Events      bool // deliver every event: Events
	Births      bool // without Events: deliver Fork and Exec all the same
	// MaxThreads, MaxPairs and RingBytes bound kernel memory: about 400 bytes
	// per thread, 120 per pair. Zero means 16384, 8192, and 4 MiB (8 MiB on
	// more than 8 CPUs; 1 MiB without Events). What does not fit is counted in
	// Drops.
	MaxThreads, MaxPairs, RingBytes int
	Types                           *Types // may be nil
}

// Tracer follows the scheduler. NewTracer loads it, Start begins, Close ends.
type Tracer struct {
	opt   TracerOptions
	mode  uint32
	coll  *ebpf.Collection
	ring  *ring
	wait  *waiter
	boot  int64
	links []link.Link

	oldKernel bool // use the programs for old kernels: for tests

	mu      sync.Mutex // below, and all but Events
	started uint64     // CLOCK_MONOTONIC, 0: not yet
	stopped uint64     // when Stop was called, 0: still running
	closed  bool
	dead    []ThreadStats
	shown   map[uint32]shown // by KernelTID, of the living
	folded  map[uint32]*ProcessStats
	nFolded int

	reading sync.Mutex // held by Events
}

// The modes of tracer.bpf.c.
const (
	modeAll = iota
	modeOne
	modeSet
)

// NewTracer loads the programs without attaching them, which costs the traced
// system nothing yet. The error is an *Error, or that of ctx.
func NewTracer(ctx context.Context, opt TracerOptions) (*Tracer, error) {
	return newTracerFor(ctx, opt, false)
}

// newTracerFor can be made to use the programs for old kernels.
func newTracerFor(ctx context.Context, opt TracerOptions, oldKernel bool) (*Tracer, error) {
	if !opt.Aggregates && !opt.Pairs && !opt.Events && !opt.Births {
		return nil, errors.New("trace: nothing asked for")
	}
	for _, pid := range opt.Targets {
		if pid == os.Getpid() {
			return nil, errors.New("trace: a tracer cannot trace itself")
		}
		if pid <= 0 {
			return nil, fmt.Errorf("trace: process %d: %w", pid, ErrNoProcess)
		}
	}
	if opt.Descendants && len(opt.Targets) == 0 {
		opt.Descendants = false // everything is traced anyway
	}
	t := &Tracer{opt: opt, oldKernel: oldKernel, folded: map[uint32]*ProcessStats{}, shown: map[uint32]shown{}}
	switch {
	case len(opt.Targets) == 1 && !opt.Descendants:
		t.mode = modeOne
	case len(opt.Targets) > 0:
		t.mode = modeSet
	}
	if err := t.load(ctx, orNew(opt.Types)); err != nil {
		_ = t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Tracer) load(ctx context.Context, types *Types) error {
	spec, err := loadTracer()
	if err != nil {
		return explain("read object tracer", err)
	}
	if err := types.ready(ctx); err != nil {
		return err
	}
	if err := t.configure(spec, types); err != nil {
		return explain("set up tracer", err)
	}
	if t.boot, err = boottimeOffset(); err != nil {
		return explain("read time namespace", err)
	}
	if t.coll, err = types.load(ctx, "load tracer", spec); err != nil {
		return err
	}
	events := t.coll.Maps[tracerMapEvents]
	if t.ring, err = mapRing(events); err != nil {
		return explain("map ring buffer", err)
	}
	if t.wait, err = newWaiter(events.FD()); err != nil {
		return explain("set up poll", err)
	}
	return nil
}

// Stop ends tracing but keeps what was gathered: ReadAggregates, Drops and what
// Events has not delivered yet stay readable. Durations no longer grow.
func (t *Tracer) Stop() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stop()
}

func (t *Tracer) stop() error {
	if t.started == 0 || t.stopped != 0 {
		return nil
	}
	err := t.set(tracerVarEnabled, 0)
	t.stopped = monotonic()
	for _, l := range t.links {
		err = errors.Join(err, l.Close())
	}
	t.links = nil
	return err
}

// Close detaches the programs and frees everything. A running Events returns
// ErrClosed first; do not call it from the function that Events calls.
func (t *Tracer) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	var err error
	if t.coll != nil {
		err = t.stop()
		// Start may have failed half-way.
		for _, l := range t.links {
			err = errors.Join(err, l.Close())
		}
		t.links = nil
	}
	if t.wait != nil {
		t.wait.wake()
	}
	t.mu.Unlock()

	t.reading.Lock()
	defer t.reading.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wait != nil {
		err = errors.Join(err, t.wait.close())
	}
	if t.ring != nil {
		err = errors.Join(err, t.ring.close())
	}
	if t.coll != nil {
		t.coll.Close()
	}
	return err
}

// monotonic is the clock of bpf_ktime_get_ns.
func monotonic() uint64 {
	var ts unix.Timespec
	// It cannot fail for this clock.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return uint64(ts.Nano())
}

func duration(ns uint64) time.Duration { return time.Duration(ns) }
