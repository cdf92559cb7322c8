package bpf

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
)

// ReadAggregates returns everything added up since Start. Threads that have
// exited are taken out of the kernel's table here and remembered, so that the
// table has room for new ones: with many short-lived threads, call it now and
// then. The result is the caller's.
func (t *Tracer) ReadAggregates() (*Aggregates, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrClosed
	}
	a := &Aggregates{}
	if t.started == 0 {
		return a, nil
	}
	// States last until now, the same moment for all. An entry that changes
	// while the table is read is newer, by less than the reading takes; if
	// it were the other way round, sums could go back at the next reading.
	a.At = t.now()
	live, err := t.readThreads(a.At)
	if err != nil {
		return nil, fmt.Errorf("read threads: %w", err)
	}
	a.Elapsed = duration(a.At - t.started)
	a.Threads = append(live, t.dead...)
	a.FoldedThreads = t.nFolded
	if err := t.readPairs(a); err != nil {
		return nil, fmt.Errorf("read pairs: %w", err)
	}
	if a.Drops, err = t.drops(); err != nil {
		return nil, err
	}
	t.sumProcesses(a)
	return a, nil
}

// now is the moment up to which states last.
func (t *Tracer) now() uint64 {
	if t.stopped != 0 {
		return t.stopped
	}
	return monotonic()
}

// readThreads returns the living and moves the dead to t.dead.
func (t *Tracer) readThreads(now uint64) ([]ThreadStats, error) {
	const batch = 1024
	m := t.coll.Maps[tracerMapThreads]
	keys, recs := make([]uint32, batch), make([]aggRec, batch)
	var cursor ebpf.MapBatchCursor
	var live []ThreadStats
	var gone []uint32
	for {
		n, err := m.BatchLookup(&cursor, keys, recs, nil)
		end := errors.Is(err, ebpf.ErrKeyNotExist)
		if err != nil && !end {
			return nil, err
		}
		for i := range n {
			s, ok := t.stats(m, keys[i], &recs[i], now)
			switch {
			case !ok:
			case s.State == Dead:
				gone = append(gone, keys[i])
				t.bury(s)
			default:
				live = append(live, s)
			}
		}
		if end {
			break
		}
	}
	for _, k := range gone {
		// Not there any more: nothing to do.
		if err := m.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil, err
		}
	}
	return live, nil
}

// stats converts one entry. Entries that were caught while being changed are
// read again; ok is false for those not filled in yet.
func (t *Tracer) stats(m *ebpf.Map, key uint32, r *aggRec, now uint64) (s ThreadStats, ok bool) {
	for range 8 {
		if r.SeqBegin == r.SeqEnd {
			break
		}
		if err := m.Lookup(key, r); err != nil {
			return s, false
		}
	}
	if r.Since == 0 {
		return s, false
	}
	s = r.stats(key, now, t.boot)
	t.floor(&s)
	return s, true
}

// shown is what was said of a thread last.
type shown struct {
	start      uint64
	run, ready time.Duration
}

// floor keeps Run and Ready from going back when the kernel's account of a stay
// turns out some microseconds smaller than the tracepoints said while it lasted.
func (t *Tracer) floor(s *ThreadStats) {
	last := t.shown[s.KernelTID]
	if last.start == s.Start {
		s.Run, s.Ready = max(s.Run, last.run), max(s.Ready, last.ready)
	}
	if s.State == Dead {
		delete(t.shown, s.KernelTID)
		return
	}
	t.shown[s.KernelTID] = shown{s.Start, s.Run, s.Ready}
}

// stats converts an entry as of now.
func (r *aggRec) stats(key uint32, now uint64, boot int64) ThreadStats {
	ns := r.NS
	state := State(r.State)
	if r.Flags&aggDead != 0 {
		state = Dead
	} else if now > r.Since {
		ns[r.State%stateClasses] += now - r.Since
	}
	s := ThreadStats{
		TID: r.TID, TGID: r.TGID, KernelTID: key,
		Start: r.Start + uint64(boot), Since: r.First,
		Comm: cString(r.Comm[:]), State: state, CPU: int(r.CPU),
		Seeded: r.Flags&aggSeeded != 0, Born: r.Flags&aggBorn != 0,
		Counts: Counts{
			Run: duration(r.Run + ns[Running] - r.RunSeen), Ready: duration(r.Ready + ns[Ready] - r.ReadySeen),
			SeenRun: duration(ns[Running]), SeenReady: duration(ns[Ready]),
			Sleep: duration(ns[Sleeping]), Disk: duration(ns[Disk]), Stopped: duration(ns[Stopped]), Unknown: duration(ns[Unknown]),
			Voluntary: r.NVCSw, Involuntary: r.NIvCSw, Wakes: r.Wakes, Migrations: r.Migrations,
			MissedIns: r.MissedIn, MissedOuts: r.MissedOut, MissedWakes: r.MissedWake,
			Latency: Latency{Count: r.LatCount, Sum: duration(r.LatSum), Max: duration(r.LatMax)},
			CPUs:    CPUSet{Bits: r.CPUs, More: r.Flags&aggMoreCPUs != 0},
		},
	}
	for i, n := range r.Hist {
		s.Latency.Hist[i] = uint64(n)
	}
	return s
}

// bury remembers a dead thread, up to a limit one by one, beyond it in the sum
// of its process.
func (t *Tracer) bury(s ThreadStats) {
	if len(t.dead) < t.maxThreads() {
		t.dead = append(t.dead, s)
		return
	}
	p := t.folded[s.TGID]
	if p == nil {
		p = &ProcessStats{TGID: s.TGID}
		t.folded[s.TGID] = p
	}
	p.Add(&s.Counts)
	p.Exited++
	t.nFolded++
}

func (t *Tracer) sumProcesses(a *Aggregates) {
	slices.SortFunc(a.Threads, func(x, y ThreadStats) int {
		return cmp.Or(cmp.Compare(x.TGID, y.TGID), cmp.Compare(x.TID, y.TID), cmp.Compare(x.Start, y.Start))
	})
	sums := map[uint32]*ProcessStats{}
	for tgid, p := range t.folded {
		c := *p
		sums[tgid] = &c
	}
	for i := range a.Threads {
		s := &a.Threads[i]
		p := sums[s.TGID]
		if p == nil {
			p = &ProcessStats{TGID: s.TGID}
			sums[s.TGID] = p
		}
		p.Add(&s.Counts)
		if s.State == Dead {
			p.Exited++
		} else {
			p.Live++
		}
	}
	for _, p := range sums {
		if a.Elapsed > 0 {
			p.Parallelism = float64(p.Run) / float64(a.Elapsed)
		}
		a.Parallelism += p.Parallelism
		a.Processes = append(a.Processes, *p)
	}
	slices.SortFunc(a.Processes, func(x, y ProcessStats) int { return cmp.Compare(x.TGID, y.TGID) })
}

// readPairs fills in who did it to whom.
func (t *Tracer) readPairs(a *Aggregates) error {
	if !t.opt.Pairs {
		return nil
	}
	const batch = 1024
	m := t.coll.Maps[tracerMapPairs]
	keys, recs := make([]pairKey, batch), make([]pairRec, batch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, recs, nil)
		end := errors.Is(err, ebpf.ErrKeyNotExist)
		if err != nil && !end {
			return err
		}
		for i := range n {
			if keys[i].Kind == pairPreempt {
				a.Preemptions = append(a.Preemptions, recs[i].pair())
			} else {
				a.WakeUps = append(a.WakeUps, recs[i].pair())
			}
		}
		if end {
			break
		}
	}
	slices.SortFunc(a.Preemptions, morePairs)
	slices.SortFunc(a.WakeUps, morePairs)
	return nil
}

func (r *pairRec) pair() Pair {
	return Pair{
		WhoTID: r.WhoTID, WhoTGID: r.WhoTGID, WhomTID: r.WhomTID, WhomTGID: r.WhomTGID,
		WhoComm: cString(r.WhoComm[:]), WhomComm: cString(r.WhomComm[:]), Count: r.Count,
	}
}

func morePairs(x, y Pair) int {
	return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.WhoTID, y.WhoTID), cmp.Compare(x.WhomTID, y.WhomTID))
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
	d.TracedBreaks += c.BreaksTraced
	d.CPUs = append(d.CPUs, CPUChain{Switches: c.Switches, Breaks: c.Breaks, Traced: c.BreaksTraced})
}
