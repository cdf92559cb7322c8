package inspect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/bpf"
)

// exact follows threads through the scheduler's tracepoints.
//
//	kernel sums ─────────────────────────────→ Sums
//	kernel events → slicer → waits, levels ──↗
//	                   └───→ batch → fn of Run
type exact struct {
	o      TraceOptions
	tracer *bpf.Tracer
	exits  exitLog

	start   int64 // CLOCK_MONOTONIC, set by Start
	deliver sync.Mutex

	// Of Run, under deliver.
	slicer *slicer
	batch  TraceBatch
	fn     func(*TraceBatch)
	execs  map[int]int // PID → programs executed
	names  map[int]string

	mu     sync.Mutex // guards what events add to the sums
	waits  waitTable
	levels levels
}

func openExact(ctx context.Context, o TraceOptions) (*exact, error) {
	if err := liveProc(o.ProcRoot); err != nil {
		return nil, err
	}
	t, err := bpf.NewTracer(ctx, bpf.TracerOptions{
		Targets: []int{o.ID.PID}, Descendants: o.Descendants,
		Aggregates: true, Pairs: o.Pairs, Events: o.Events, Births: true,
		MaxThreads: o.MaxThreads, RingBytes: o.RingBytes,
	})
	if err != nil {
		return nil, traceError(err)
	}
	x := &exact{o: o, tracer: t, execs: map[int]int{}, names: map[int]string{}, waits: newWaitTable()}
	x.slicer = newSlicer(x.sliceDone)
	return x, nil
}

// Start attaches. That the process is the one that was meant can be seen only
// afterwards, in what the kernel says of it.
func (x *exact) Start() error {
	before := clockNS(unix.CLOCK_MONOTONIC)
	if err := x.tracer.Start(); err != nil {
		return traceError(err)
	}
	x.start = before
	a, err := x.tracer.ReadAggregates()
	if err != nil {
		return traceError(err)
	}
	if len(a.Threads) == 0 { // it has exited and is only to be reaped
		return fmt.Errorf("trace: process %s: %w", x.o.ID, ErrNoProcess)
	}
	for i := range a.Threads {
		t := &a.Threads[i]
		if int(t.TID) == x.o.ID.PID && x.o.ID.Start != 0 && ticksOf(t.Start) != x.o.ID.Start {
			return fmt.Errorf("trace: process %s: %w", x.o.ID, ErrNoProcess)
		}
	}
	return nil
}

// ticksOf converts a start time as /proc does: USER_HZ is 100 everywhere.
func ticksOf(bootNS uint64) uint64 { return bootNS / 1e7 }

func (x *exact) Close() error { return x.tracer.Close() }

// tracePause is how often threads that have exited are collected and the end of
// all traced processes is looked for.
const tracePause = 100 * time.Millisecond

// Run has a second goroutine, which collects and ends.
func (x *exact) Run(ctx context.Context, fn func(*TraceBatch)) error {
	x.fn = fn
	x.batch.open = func(dst []TraceSlice) []TraceSlice {
		return x.slicer.open(dst, clockNS(unix.CLOCK_MONOTONIC))
	}
	drained, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		err := x.collect(ctx)
		// No more events from here on; those under way are still delivered.
		ended <- errors.Join(err, x.tracer.Stop())
		cancel()
	}()
	err := x.tracer.Events(drained, x.take)
	cancel()
	if err != nil { // only when it was closed under our hands
		return traceError(err)
	}
	err = <-ended
	return errors.Join(err, x.finish())
}

// finish ends the slices that go on at the moment when tracing ended.
func (x *exact) finish() error {
	a, err := x.tracer.ReadAggregates()
	if err != nil {
		return traceError(err)
	}
	x.deliver.Lock()
	defer x.deliver.Unlock()
	x.mu.Lock()
	x.slicer.finish(max(x.slicer.last, int64(a.At)))
	x.mu.Unlock()
	x.flush()
	return nil
}

// collect returns when ctx ends (nil) or no traced thread is left.
func (x *exact) collect(ctx context.Context) error {
	tick := time.NewTicker(tracePause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		a, err := x.tracer.ReadAggregates()
		if err != nil {
			return traceError(err)
		}
		x.tellNames(a)
		if x.over(a) {
			return ErrTraceEnded
		}
	}
}

// over reports whether every traced thread has exited.
func (x *exact) over(a *bpf.Aggregates) bool {
	if a.Drops.ThreadsFull+a.Drops.ProcessesFull+a.Drops.Missed > 0 {
		return errors.Is(unix.Kill(x.o.ID.PID, 0), unix.ESRCH)
	}
	for i := range a.Threads {
		if a.Threads[i].State != bpf.Dead {
			return false
		}
	}
	return true
}

// tellNames delivers names that are new or have changed.
func (x *exact) tellNames(a *bpf.Aggregates) {
	x.deliver.Lock()
	defer x.deliver.Unlock()
	for i := range a.Threads {
		t := &a.Threads[i]
		if t.State == bpf.Dead {
			delete(x.names, int(t.TID))
			continue
		}
		if name, ok := x.names[int(t.TID)]; ok && name == t.Comm {
			continue
		}
		x.names[int(t.TID)] = t.Comm
		x.batch.Names = append(x.batch.Names, ThreadName{PID: int(t.TGID), TID: int(t.TID), Comm: t.Comm})
	}
	x.flush()
}

// take is called with what the kernel delivers.
func (x *exact) take(b bpf.Batch) {
	x.deliver.Lock()
	defer x.deliver.Unlock()
	x.mu.Lock()
	for i := range b.Events {
		x.event(&b.Events[i])
	}
	x.mu.Unlock()
	for i := range b.Exits {
		e := x.exit(&b.Exits[i])
		x.exits.add(e)
		x.batch.Exits = append(x.batch.Exits, e)
	}
	x.flush()
}

// flush hands the batch over and empties it.
func (x *exact) flush() {
	b := &x.batch
	x.fn(b)
	b.Events, b.Slices, b.Exits, b.Names = b.Events[:0], b.Slices[:0], b.Exits[:0], b.Names[:0]
}

func (x *exact) event(raw *bpf.Event) {
	e := TraceEvent{
		NS: int64(raw.TS), PID: int(raw.TGID), TID: int(raw.TID), Other: int(raw.Other),
		CPU: int(raw.CPU), Kind: TraceKind(raw.Kind), State: TraceState(raw.State),
	}
	switch e.Kind {
	case TraceFork, TraceExit:
		e.Process, e.State = raw.State != 0, TraceUnknown
	case TraceExec:
		x.execs[e.PID]++
	}
	x.batch.Events = append(x.batch.Events, e)
	if x.o.Events {
		x.levels.add(&e)
		x.slicer.add(&e)
	}
}

func (x *exact) sliceDone(s *TraceSlice) {
	x.batch.Slices = append(x.batch.Slices, *s)
	if s.State == TraceReady {
		x.waits.add(s)
	}
}

func (x *exact) exit(e *bpf.Exit) ProcessExit {
	pid := int(e.TGID)
	code, signal, core := e.Status()
	out := ProcessExit{
		ID: ID{PID: pid, Start: ticksOf(e.Start)}, PPID: int(e.PPID), UID: e.UID, Comm: e.Comm(),
		NS: int64(e.TS), Lifetime: e.Lifetime, ExitCode: code, Signal: signal, CoreDumped: core,
		RunNS: e.ExecNS, Voluntary: e.Voluntary, Involuntary: e.Involuntary,
		BornInTrace: int64(e.TS)-int64(e.Lifetime) >= x.start,
		Execs:       x.execs[pid],
	}
	delete(x.execs, pid)
	return out
}

// Sums reads the kernel's sums.
func (x *exact) Sums() (*TraceSums, error) {
	a, err := x.tracer.ReadAggregates()
	if err != nil {
		return nil, traceError(err)
	}
	s := &TraceSums{
		Source: TraceExact, MonoNS: int64(a.At), Elapsed: a.Elapsed, FoldedThreads: a.FoldedThreads,
		Parallelism: Know(a.Parallelism), Drops: traceDrops(&a.Drops),
	}
	if x.o.Pairs {
		s.Preemptions, s.WakeUps = Know(tracePairs(a.Preemptions)), Know(tracePairs(a.WakeUps))
	}
	for i := range a.Threads {
		s.Threads = append(s.Threads, threadTrace(&a.Threads[i]))
	}
	for i := range a.Processes {
		p := &a.Processes[i]
		out := ProcessTrace{
			PID: int(p.TGID), Live: p.Live, Exited: p.Exited,
			Parallelism: Know(p.Parallelism), TraceCounts: traceCounts(&p.Counts),
		}
		if leader := s.Thread(ThreadID{TID: out.PID}); leader != nil {
			out.Comm = leader.Comm
		}
		s.Processes = append(s.Processes, out)
	}
	if x.o.Events {
		x.mu.Lock()
		s.Levels = Know(x.levels.at(int64(a.At)))
		s.Drops.Gaps = x.slicer.gaps
		x.waits.fill(s)
		x.mu.Unlock()
	}
	x.exits.fill(s)
	return s, nil
}

func threadTrace(t *bpf.ThreadStats) ThreadTrace {
	return ThreadTrace{
		PID: int(t.TGID), ID: ThreadID{TID: int(t.TID), Start: ticksOf(t.Start)}, Comm: t.Comm,
		State: TraceState(t.State), CPU: t.CPU, SinceNS: int64(t.Since), Born: t.Born,
		TraceCounts: traceCounts(&t.Counts),
	}
}

func traceCounts(c *bpf.Counts) TraceCounts {
	ns := func(d time.Duration) Known[uint64] { return Know(uint64(d)) }
	var cpus []int
	for cpu := range 64 * len(c.CPUs.Bits) {
		if c.CPUs.Has(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return TraceCounts{
		RunNS: ns(c.Run), ReadyNS: ns(c.Ready), SeenRunNS: ns(c.SeenRun), SeenReadyNS: ns(c.SeenReady), BlockedNS: ns(c.Sleep), DiskNS: ns(c.Disk),
		StoppedNS: ns(c.Stopped), UnknownNS: ns(c.Unknown),
		Voluntary: Know(c.Voluntary), Involuntary: Know(c.Involuntary),
		Wakes: Know(c.Wakes), Migrations: Know(c.Migrations), MissedIns: c.MissedIns, MissedOuts: c.MissedOuts, MissedWakes: c.MissedWakes,
		Latency: Know(Histogram{
			Count: c.Latency.Count, SumNS: uint64(c.Latency.Sum), MaxNS: uint64(c.Latency.Max), Buckets: c.Latency.Hist,
		}),
		CPUs: Know(cpus),
	}
}

func tracePairs(list []bpf.Pair) []TracePair {
	out := make([]TracePair, len(list))
	for i, p := range list {
		out[i] = TracePair{
			WhoTID: int(p.WhoTID), WhoPID: int(p.WhoTGID), WhomTID: int(p.WhomTID), WhomPID: int(p.WhomTGID),
			WhoComm: p.WhoComm, WhomComm: p.WhomComm, Count: p.Count,
		}
	}
	return out
}

func traceDrops(d *bpf.Drops) TraceDrops {
	out := TraceDrops{
		Events: d.Emitted, EventsDropped: d.Dropped, ExitsDropped: d.ExitsDropped,
		ThreadsFull: d.ThreadsFull, PairsFull: d.PairsFull, ProcessesFull: d.ProcessesFull,
		Reused: d.Reused, Switches: d.Switches, ChainBreaks: d.ChainBreaks, TracedBreaks: d.TracedBreaks, ProgramMisses: d.Missed,
	}
	for cpu, c := range d.CPUs {
		if c.Switches > 0 {
			out.CPUs = append(out.CPUs, CPUChain{CPU: cpu, Switches: c.Switches, Breaks: c.Breaks, Traced: c.Traced})
		}
	}
	return out
}
