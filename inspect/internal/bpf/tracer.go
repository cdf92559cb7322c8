package bpf

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
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
	// every task of the machine except this process.
	Targets []int
	// Descendants traces the processes below the targets too, those that
	// exist and those to come. Processes that have been given to another
	// parent because theirs died are not found.
	Descendants bool
	Aggregates  bool // keep sums: ReadAggregates
	Events      bool // deliver every event: Events
	Births      bool // without Events: deliver Fork and Exec all the same
	Pairs       bool // count who preempts and who wakes whom
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

// Steps of the seed program.
const (
	seedIdentify = iota
	seedRoot
	seedTree
	seedThreads
)

// NewTracer loads the programs without attaching them, which costs the traced
// system nothing yet. The error is an *Error, or that of ctx.
func NewTracer(ctx context.Context, opt TracerOptions) (*Tracer, error) {
	return newTracerFor(ctx, opt, false)
}

func newTracerFor(ctx context.Context, opt TracerOptions, oldKernel bool) (*Tracer, error) {
	if !opt.Aggregates && !opt.Events && !opt.Pairs {
		return nil, errors.New("trace: neither aggregates nor events nor pairs asked for")
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
	t := &Tracer{opt: opt, oldKernel: oldKernel, folded: map[uint32]*ProcessStats{}}
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

// configure sets constants and sizes and drops the programs that are not
// needed.
func (t *Tracer) configure(spec *ebpf.CollectionSpec, types *Types) error {
	ringBytes := t.ringBytes()
	consts := map[string]uint32{
		tracerVarMode:         t.mode,
		tracerVarFollow:       flag(t.opt.Descendants),
		tracerVarDoAggregates: flag(t.opt.Aggregates),
		tracerVarDoEvents:     flag(t.opt.Events),
		tracerVarDoBirths:     flag(t.opt.Births),
		tracerVarDoPairs:      flag(t.opt.Pairs),
		tracerVarWatermark:    uint32(min(ringWatermark, ringBytes/4)),
	}
	for name, v := range consts {
		if err := spec.Variables[name].Set(v); err != nil {
			return err
		}
	}
	spec.Maps[tracerMapEvents].MaxEntries = uint32(ringBytes)
	spec.Maps[tracerMapThreads].MaxEntries = uint32(t.maxThreads())
	spec.Maps[tracerMapPairs].MaxEntries = 1
	if t.opt.Pairs {
		spec.Maps[tracerMapPairs].MaxEntries = uint32(orDefault(t.opt.MaxPairs, defaultPairs))
	}
	if t.mode != modeSet {
		spec.Maps[tracerMapTgids].MaxEntries = 1
	}
	// Since 5.18 sched_switch passes the state of the thread that leaves,
	// since 6.16 sched_process_exit whether it is the last of its process.
	for _, v := range []struct {
		point      string
		args       int
		newer, old string
	}{
		{"sched_switch", 4, tracerProgOnSwitch, tracerProgOnSwitchOld},
		{"sched_process_exit", 2, tracerProgOnExit, tracerProgOnExitOld},
	} {
		args, err := countArgs(types, v.point)
		if err != nil {
			return err
		}
		if args >= v.args && !t.oldKernel {
			delete(spec.Programs, v.old)
		} else {
			delete(spec.Programs, v.newer)
		}
	}
	if !t.opt.Events && !t.opt.Pairs {
		delete(spec.Programs, tracerProgOnWaking)
	}
	return nil
}

// countArgs is the number of arguments of a tracepoint. Its type in the kernel's
// type information has one more, for the tracepoint itself.
func countArgs(types *Types, point string) (int, error) {
	kernel, err := types.cache.Kernel()
	if err != nil {
		return 0, missingBTF(err)
	}
	var def *btf.Typedef
	if err := kernel.TypeByName("btf_trace_"+point, &def); err != nil {
		return 0, &Error{Reason: NotSupported, Op: "find tracepoint " + point, Err: err}
	}
	if ptr, ok := def.Type.(*btf.Pointer); ok {
		if proto, ok := ptr.Target.(*btf.FuncProto); ok {
			return len(proto.Params) - 1, nil
		}
	}
	return 0, &Error{Reason: NotSupported, Op: "find tracepoint " + point, Detail: "unexpected type"}
}

func (t *Tracer) ringBytes() int {
	n := t.opt.RingBytes
	switch {
	case n > 0:
	case !t.opt.Events:
		n = ringExits
	case runtime.NumCPU() > 8:
		n = 2 * ringEvents
	default:
		n = ringEvents
	}
	n = max(n, os.Getpagesize())
	return 1 << bits.Len(uint(n-1)) // the kernel wants a power of two
}

func (t *Tracer) maxThreads() int { return orDefault(t.opt.MaxThreads, defaultThreads) }

func orDefault(v, def int) int {
	if v > 0 {
		return v
	}
	return def
}

func flag(on bool) uint32 {
	if on {
		return 1
	}
	return 0
}

// Start finds the targets, attaches the programs, lets them run all at once,
// and then tells them about the threads that exist, of which they would
// otherwise know nothing until these move. ErrNoProcess: a target is not there.
func (t *Tracer) Start() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if t.started != 0 {
		return errors.New("trace: already started")
	}
	self := iterFilter{tid: uint32(os.Getpid())}
	if found, err := t.seed(seedIdentify, self); err != nil {
		return explain("identify tracer", err)
	} else if !found {
		return mismatch("identify tracer", "the iterator does not show our own process")
	}
	for _, pid := range t.opt.Targets {
		if err := t.set(tracerVarSeedRoot, uint32(pid)); err != nil {
			return err
		}
		found, err := t.seed(seedRoot, iterFilter{tid: uint32(pid)})
		if err != nil {
			return explain("find target", err)
		}
		if !found {
			return fmt.Errorf("trace: process %d: %w", pid, ErrNoProcess)
		}
	}
	if err := t.attach(); err != nil {
		return err
	}
	t.started = monotonic()
	if err := t.set(tracerVarEnabled, 1); err != nil {
		return err
	}
	return t.seedLiving()
}

// attach attaches every program that is left but the iterator.
func (t *Tracer) attach() error {
	for name, prog := range t.coll.Programs {
		if name == tracerProgSeed {
			continue
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: prog})
		if err != nil {
			return explain("attach "+name, err)
		}
		t.links = append(t.links, l)
	}
	return nil
}

// seedLiving adds the descendants that exist, until a pass finds no more, and
// then the threads. Whoever is born meanwhile is seen by the programs.
func (t *Tracer) seedLiving() error {
	if t.opt.Descendants {
		for range seedPasses {
			found, err := t.seed(seedTree, iterFilter{})
			if err != nil {
				return explain("find descendants", err)
			}
			if !found {
				break
			}
		}
	}
	filter := iterFilter{}
	if t.mode == modeOne {
		filter.tgid = uint32(t.opt.Targets[0])
	}
	_, err := t.seed(seedThreads, filter)
	return explain("find living threads", err)
}

// seed runs the seed program over the tasks of a filter.
func (t *Tracer) seed(step uint32, filter iterFilter) (found bool, err error) {
	if err := errors.Join(t.set(tracerVarStep, step), t.set(tracerVarSeedFound, 0)); err != nil {
		return false, err
	}
	// The program writes nothing; reading is what makes it run.
	_, err = runFiltered(t.coll.Programs[tracerProgSeed], filter, newBuffer(4096), []uint64(nil))
	if err != nil {
		return false, err
	}
	var n uint32
	err = t.coll.Variables[tracerVarSeedFound].Get(&n)
	return n != 0, err
}

func (t *Tracer) set(name string, v uint32) error {
	if err := t.coll.Variables[name].Set(v); err != nil {
		return explain("set "+name, err)
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

// Batch is what Events delivers: valid during the call only.
type Batch struct {
	Events []Event // empty unless asked for
	Exits  []Exit  // processes that ended, always
}

// Events calls fn with what happened, in batches at most 100 ms late, until ctx
// ends or the tracer is closed; before it returns it delivers what is left. It
// must be running while tracing with Events, or the ring fills up and events are
// dropped. The error is nil when ctx ended, ErrClosed when the tracer was
// closed. One call at a time.
func (t *Tracer) Events(ctx context.Context, fn func(Batch)) error {
	t.reading.Lock()
	defer t.reading.Unlock()
	if t.isClosed() {
		return ErrClosed
	}
	defer t.wait.rearm()
	defer t.wait.wakeOn(ctx)()
	b := Batch{Events: make([]Event, 0, batchSize)}
	for {
		ended := ctx.Err() != nil || t.isClosed()
		t.deliver(&b, fn)
		if ended {
			if t.isClosed() {
				return ErrClosed
			}
			return nil
		}
		if err := t.wait.wait(pollTime); err != nil {
			return fmt.Errorf("wait for events: %w", err)
		}
	}
}

// deliver empties the ring as it is now; what comes in meanwhile at full speed
// must not keep it here for ever.
func (t *Tracer) deliver(b *Batch, fn func(Batch)) {
	rounds := int(t.ring.mask+1)/(ringHeader+int(unsafe.Sizeof(Event{})))/batchSize + 1
	for range rounds {
		b.Events, b.Exits = b.Events[:0], b.Exits[:0]
		n := t.ring.drain(batchSize, func(sample []byte) { t.decode(b, sample) })
		if len(b.Events)+len(b.Exits) > 0 {
			fn(*b)
		}
		if n < batchSize {
			return
		}
	}
}

// decode tells the two kinds of record by their length.
func (t *Tracer) decode(b *Batch, sample []byte) {
	switch len(sample) {
	case int(unsafe.Sizeof(Event{})):
		b.Events = append(b.Events, *(*Event)(unsafe.Pointer(unsafe.SliceData(sample))))
	case int(unsafe.Sizeof(exitRec{})):
		e := *(*exitRec)(unsafe.Pointer(unsafe.SliceData(sample)))
		e.Start += uint64(t.boot)
		b.Exits = append(b.Exits, e)
	}
}

func (t *Tracer) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// Drops tells what was lost so far.
func (t *Tracer) Drops() (Drops, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return Drops{}, ErrClosed
	}
	return t.drops()
}

func (t *Tracer) drops() (Drops, error) {
	var d Drops
	var cpus []cpuState
	if err := t.coll.Maps[tracerMapCpus].Lookup(uint32(0), &cpus); err != nil {
		return d, fmt.Errorf("read counters: %w", err)
	}
	for i := range cpus {
		d.add(&cpus[i])
	}
	for name, p := range t.coll.Programs {
		s, err := p.Stats()
		if err != nil {
			return d, fmt.Errorf("read counters of %s: %w", name, err)
		}
		d.Missed += s.RecursionMisses
	}
	return d, nil
}

func (d *Drops) add(c *cpuState) {
	for k := range c.Emitted {
		d.Emitted += c.Emitted[k]
		d.Dropped += c.Dropped[k]
		d.ThreadsFull += c.NoThread[k]
	}
	d.PairsFull += c.NoPair[0] + c.NoPair[1]
	d.ProcessesFull += c.NoProcess
	d.ExitsEmitted += c.ExitsEmitted
	d.ExitsDropped += c.ExitsDropped
	d.Reused += c.Reused
	d.Switches += c.Switches
	d.ChainBreaks += c.Breaks
	d.CPUs = append(d.CPUs, CPUChain{Switches: c.Switches, Breaks: c.Breaks})
}

// Close detaches the programs and frees everything. A running Events returns
// ErrClosed first.
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
