package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/proc"
)

// The mean time between two readings of the sampled source.
const (
	sampleDefault = 20 * time.Millisecond
	sampleMin     = 10 * time.Millisecond
	sampleMax     = 50 * time.Millisecond
	// sampleShare bounds the part of a CPU that reading may take: a process
	// with many threads is read less often.
	sampleShare = 0.1
)

// sampled follows the threads of one process by reading their schedstat and
// state now and then, at jittered moments, so that its rhythm cannot match
// theirs.
//
// Between two readings it is known exactly for how long a thread ran and was
// ready, and not when. The slices made of an interval have those lengths; a
// thread that was not blocked at one end of the interval has its run and ready
// time at that end.
type sampled struct {
	id      ID
	every   time.Duration
	fs      *proc.FS
	pool    *proc.Pool
	scanner *proc.Scanner[processReading]
	batch   TraceBatch
	round   int
	cost    time.Duration // of the newest reading

	mu      sync.Mutex // guards what follows
	start   int64
	last    int64 // newest reading
	threads map[int]*sampledThread
	gone    []ThreadTrace // exited ones
	samples uint64
	missed  uint64
}

type sampledThread struct {
	trace               ThreadTrace
	run, ready          uint64 // schedstat
	voluntary, involunt uint64 // status
	seen                int    // round
	at                  int64  // of the newest reading
	switches            bool   // status could be read from the first time on
}

func openSampled(o TraceOptions) (*sampled, error) {
	if o.Descendants {
		return nil, &TraceError{Reason: "sampling follows one process only, not its descendants"}
	}
	fs, err := proc.Open(o.ProcRoot)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	every := min(max(cmp.Or(o.Every, sampleDefault), sampleMin), sampleMax)
	s := &sampled{id: o.ID, every: every, fs: fs, threads: map[int]*sampledThread{}}
	s.pool = proc.NewPool(fs, proc.PoolOptions{})
	s.scanner = proc.NewScanner[processReading](s.pool, 1)
	return s, nil
}

func (s *sampled) Close() error {
	if errors.Is(s.pool.Close(), proc.ErrStuck) {
		// A read that hangs in the kernel still uses the root's descriptor.
		return nil
	}
	return s.fs.Close()
}

// Start makes the first reading.
func (s *sampled) Start() error {
	start := clockNS(unix.CLOCK_MONOTONIC)
	p, err := s.look()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start, s.last = start, start
	if p == nil {
		return &TraceError{Reason: "reading the process stands still in the kernel"}
	}
	return s.take(p)
}

// Run reads until ctx ends or the process has.
func (s *sampled) Run(ctx context.Context, fn func(*TraceBatch)) error {
	s.batch.open = s.open
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for {
		// Between half and one and a half of the mean.
		wait := s.every/2 + rand.N(s.every)
		wait = max(wait, time.Duration(float64(s.cost)/sampleShare))
		pause.Reset(wait)
		ended := false
		select {
		case <-ctx.Done():
			ended = true
		case <-pause.C:
		}
		err := s.step(fn)
		switch {
		case errors.Is(err, ErrNoProcess):
			return ErrTraceEnded
		case err != nil, ended:
			return err
		}
	}
}

// step makes one reading and delivers it.
func (s *sampled) step(fn func(*TraceBatch)) error {
	p, err := s.look()
	if err != nil {
		return err
	}
	s.mu.Lock()
	before := s.last
	if p != nil {
		err = s.take(p)
	}
	if p == nil || s.last-before > 4*int64(s.every) {
		s.missed++
	}
	s.mu.Unlock()
	b := &s.batch
	fn(b)
	b.Slices, b.Names = b.Slices[:0], b.Names[:0]
	return err
}

func (s *sampled) open(dst []TraceSlice) []TraceSlice {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := clockNS(unix.CLOCK_MONOTONIC)
	for tid, t := range s.threads {
		dst = append(dst, TraceSlice{
			PID: s.id.PID, TID: tid, Since: t.trace.SinceNS, From: t.at, To: max(now, t.at),
			CPU: t.cpuIfRunning(), State: t.trace.State,
		})
	}
	return dst
}

func (t *sampledThread) cpuIfRunning() int {
	if t.trace.State == TraceRunning {
		return t.trace.CPU
	}
	return -1
}

// take books one reading of all threads.
func (s *sampled) take(p *processReading) error {
	now := p.at
	if p.err == nil && len(p.threads) == 0 || errors.Is(p.err, proc.ErrGone) {
		s.bury(now, s.round+1)
		return fmt.Errorf("trace: process %d: %w", s.id.PID, ErrNoProcess)
	}
	if p.err != nil {
		return fmt.Errorf("trace: %w", p.err)
	}
	s.round++
	s.samples++
	for i := range p.threads {
		if err := s.takeThread(&p.threads[i], len(p.threads)); err != nil {
			if errors.Is(err, ErrNoProcess) {
				s.bury(now, s.round+1)
			}
			return err
		}
	}
	s.last = clockNS(unix.CLOCK_MONOTONIC)
	s.bury(now, s.round)
	return nil
}

// takeThread books a thread's state and counters. One that has vanished
// meanwhile is left for bury; other failures are of the process.
func (s *sampled) takeThread(r *threadReading, of int) error {
	t := s.threads[r.tid]
	switch {
	case errors.Is(r.err, proc.ErrGone):
		return nil
	case errors.Is(r.err, proc.ErrStuck): // booked with the next reading
		if t != nil {
			t.seen = s.round
		}
		return nil
	case r.err != nil:
		return fmt.Errorf("trace: thread %d: %w", r.tid, r.err)
	}
	if r.tid == s.id.PID {
		if s.id.Start == 0 {
			s.id.Start = r.start
		}
		if r.start != 0 && r.start != s.id.Start || r.state == 'Z' && of == 1 {
			return fmt.Errorf("trace: process %s: %w", s.id, ErrNoProcess)
		}
	}
	if t != nil && t.trace.ID.Start == 0 {
		t.trace.ID.Start = r.start
	}
	if t != nil && r.start != 0 && t.trace.ID.Start != r.start {
		s.end(t, r.at)
		t = nil
	}
	state := sampledState(r.state)
	if t == nil {
		t = s.newThread(r)
		if !t.trace.Born {
			t.voluntary, t.involunt, t.trace.State = r.voluntary, r.involuntary, state
		}
		s.threads[r.tid] = t
	}
	t.seen = s.round
	s.interval(t, &r.sched, state, r.at)
	if t.trace.Comm != string(r.comm) {
		t.trace.Comm = string(r.comm)
		s.batch.Names = append(s.batch.Names, ThreadName{PID: s.id.PID, TID: r.tid, Comm: t.trace.Comm})
	}
	if r.cpu >= 0 {
		t.trace.CPU = r.cpu
	}
	if t.switches && r.switches {
		t.trace.Voluntary = Know(r.voluntary - t.voluntary)
		t.trace.Involuntary = Know(r.involuntary - t.involunt)
	}
	return nil
}

// newThread begins with a thread. One that was born since tracing began has
// its whole past in its counters.
func (s *sampled) newThread(r *threadReading) *sampledThread {
	t := &sampledThread{trace: ThreadTrace{
		PID: s.id.PID, ID: ThreadID{TID: r.tid, Start: r.start}, CPU: -1, SinceNS: r.at,
	}, at: r.at, run: r.sched.RunNS, ready: r.sched.WaitNS, switches: r.switches}
	if s.round > 1 {
		t.trace.Born, t.trace.SinceNS, t.at, t.run, t.ready = true, s.last, s.last, 0, 0
	}
	zero := Know(uint64(0))
	c := &t.trace.TraceCounts
	c.RunNS, c.ReadyNS, c.BlockedNS, c.DiskNS, c.StoppedNS, c.UnknownNS = zero, zero, zero, zero, zero, zero
	for _, k := range []*Known[uint64]{&c.SeenRunNS, &c.SeenReadyNS, &c.Voluntary, &c.Involuntary, &c.Wakes, &c.Migrations} {
		*k = Unknown[uint64](SourceLacks)
	}
	c.Latency, c.Waits = Unknown[Histogram](SourceLacks), Unknown[Histogram](SourceLacks)
	c.CPUs = Unknown[[]int](SourceLacks)
	return t
}

// sampledState: R is both running and ready; the counters tell them apart.
func sampledState(letter byte) TraceState {
	switch letter {
	case 'R':
		return TraceRunning
	case 'D':
		return TraceDisk
	case 'T', 't':
		return TraceStopped
	case 'Z', 'X', 'x':
		return TraceDead
	}
	return TraceBlocked
}

// interval accounts for the time since the reading before.
func (s *sampled) interval(t *sampledThread, sc *proc.Schedstat, state TraceState, now int64) {
	whole := uint64(now - t.at)
	run, ready := sc.RunNS-t.run, sc.WaitNS-t.ready
	if sc.RunNS < t.run || sc.WaitNS < t.ready { // execve by another thread
		run, ready = 0, 0
	}
	t.run, t.ready = sc.RunNS, sc.WaitNS
	c := &t.trace.TraceCounts
	c.RunNS.V += run
	c.ReadyNS.V += ready
	from := t.at
	for _, p := range divide(whole, run, ready, t.trace.State, state) {
		if p.ns == 0 {
			continue
		}
		slice := TraceSlice{
			PID: s.id.PID, TID: t.trace.ID.TID, Since: t.trace.SinceNS, From: from, To: from + int64(p.ns), CPU: -1, State: p.state,
		}
		if p.state == TraceRunning {
			slice.CPU = t.trace.CPU
		}
		from = slice.To
		s.batch.Slices = append(s.batch.Slices, slice)
		if p.state != TraceRunning && p.state != TraceReady { // those are counted above
			c.of(p.state).V += p.ns
		}
	}
	t.at, t.trace.State = now, state
}

// of is the time spent in one of the states without a CPU and without a wish
// for one.
func (c *TraceCounts) of(state TraceState) *Known[uint64] {
	switch state {
	case TraceBlocked:
		return &c.BlockedNS
	case TraceDisk:
		return &c.DiskNS
	case TraceStopped:
		return &c.StoppedNS
	}
	return &c.UnknownNS
}

type part struct {
	state TraceState
	ns    uint64
}

// divide takes an interval apart. Ready time is booked when a wait ends, so
// more of it may come to light than the interval is long; and a thread in state
// R that neither ran nor waited by its counters is waiting still.
func divide(whole, run, ready uint64, before, after TraceState) []part {
	run = min(run, whole)
	ready = min(ready, whole-run)
	rest := whole - run - ready
	if before == TraceRunning && after == TraceRunning {
		// In state R at both ends. The kernel's figures of one that runs are
		// up to a tick old: what is missing is one or the other.
		if run > 0 {
			return []part{{TraceReady, ready}, {TraceRunning, run + rest}}
		}
		return []part{{TraceReady, ready + rest}}
	}
	idle := after
	if after == TraceRunning || before == TraceUnknown {
		idle = before // before its birth nothing is known
	}
	if before == TraceRunning {
		return []part{{TraceReady, ready}, {TraceRunning, run}, {idle, rest}}
	}
	return []part{{idle, rest}, {TraceReady, ready}, {TraceRunning, run}}
}

// bury ends the threads that were not seen in this round.
func (s *sampled) bury(now int64, round int) {
	for tid, t := range s.threads {
		if t.seen != round {
			s.end(t, now)
			delete(s.threads, tid)
		}
	}
}

// end: what a thread did between its last reading and its end is unknown.
func (s *sampled) end(t *sampledThread, now int64) {
	if now > t.at {
		t.trace.UnknownNS.V += uint64(now - t.at)
		s.batch.Slices = append(s.batch.Slices, TraceSlice{
			PID: s.id.PID, TID: t.trace.ID.TID, Since: t.trace.SinceNS, From: t.at, To: now, CPU: -1,
		})
	}
	t.trace.State = TraceDead
	if len(s.gone) < maxWaits {
		s.gone = append(s.gone, t.trace)
	}
}

// Sums is what the readings so far add up to.
func (s *sampled) Sums() (*TraceSums, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &TraceSums{
		Source: TraceSampled, MonoNS: s.last, Elapsed: time.Duration(s.last - s.start), Resolution: s.every,
		Levels:      Unknown[[]time.Duration](SourceLacks),
		Preemptions: Unknown[[]TracePair](SourceLacks), WakeUps: Unknown[[]TracePair](SourceLacks),
		Drops: TraceDrops{Samples: s.samples, SamplesMissed: s.missed},
	}
	if s.samples > 1 {
		out.Resolution = out.Elapsed / time.Duration(s.samples-1)
	}
	p := ProcessTrace{PID: s.id.PID, Live: len(s.threads), Exited: len(s.gone)}
	out.Threads = slices.Clone(s.gone)
	for _, t := range s.threads {
		out.Threads = append(out.Threads, t.trace)
	}
	slices.SortFunc(out.Threads, func(a, b ThreadTrace) int { return a.ID.Compare(b.ID) })
	for i := range out.Threads {
		t := &out.Threads[i]
		if t.ID.TID == p.PID {
			p.Comm = t.Comm
		}
		p.add(&t.TraceCounts, i == 0)
	}
	if out.Elapsed > 0 && p.RunNS.OK() {
		p.Parallelism = Know(float64(p.RunNS.V) / float64(out.Elapsed))
	}
	out.Parallelism = p.Parallelism
	out.Processes = []ProcessTrace{p}
	return out, nil
}

// add sums what the sampled source knows of a thread; unknown as soon as one
// is.
func (p *ProcessTrace) add(c *TraceCounts, first bool) {
	if first {
		p.TraceCounts = *c
		return
	}
	sum := func(to *Known[uint64], k Known[uint64]) {
		if !to.OK() || !k.OK() {
			*to = Unknown[uint64](SourceLacks)
			return
		}
		to.V += k.V
	}
	sum(&p.RunNS, c.RunNS)
	sum(&p.ReadyNS, c.ReadyNS)
	sum(&p.BlockedNS, c.BlockedNS)
	sum(&p.DiskNS, c.DiskNS)
	sum(&p.StoppedNS, c.StoppedNS)
	sum(&p.UnknownNS, c.UnknownNS)
	sum(&p.Voluntary, c.Voluntary)
	sum(&p.Involuntary, c.Involuntary)
}
