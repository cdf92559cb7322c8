package inspect

import (
	"cmp"
	"slices"
	"time"
)

// levels adds up for how long exactly k threads ran at once.
type levels struct {
	running map[int]bool
	spent   []time.Duration
	last    int64
}

// add takes one event. Events of different CPUs may come a few microseconds out
// of order; one that is older than the newest counts as of the newest.
func (l *levels) add(e *TraceEvent) {
	if e.NS > l.last {
		for len(l.spent) <= len(l.running) {
			l.spent = append(l.spent, 0)
		}
		if l.last != 0 {
			l.spent[len(l.running)] += time.Duration(e.NS - l.last)
		}
		l.last = e.NS
	}
	switch {
	case e.Kind == TraceIn, e.Kind == TraceSeed && e.State == TraceRunning:
		if l.running == nil {
			l.running = map[int]bool{}
		}
		l.running[e.TID] = true
	case e.Kind == TraceOut:
		delete(l.running, e.TID)
	}
}

// at is the time with exactly k threads running at index k, as of now.
func (l *levels) at(now int64) []time.Duration {
	out := make([]time.Duration, max(len(l.spent), len(l.running)+1))
	copy(out, l.spent)
	if l.last != 0 && now > l.last {
		out[len(l.running)] += time.Duration(now - l.last)
	}
	return out
}

// maxWaits bounds how many threads have a histogram of their own; beyond it
// they count for their process only.
const maxWaits = 16384

// waitTable counts how long threads were ready.
type waitTable struct {
	threads   map[waitKey]*Histogram
	processes map[int]*Histogram
}

type waitKey struct {
	tid   int
	since int64
}

func newWaitTable() waitTable {
	return waitTable{threads: map[waitKey]*Histogram{}, processes: map[int]*Histogram{}}
}

func (w *waitTable) add(s *TraceSlice) {
	ns := uint64(s.To - s.From)
	p := w.processes[s.PID]
	if p == nil {
		p = &Histogram{}
		w.processes[s.PID] = p
	}
	p.Add(ns)
	k := waitKey{s.TID, s.Since}
	t := w.threads[k]
	if t == nil {
		if len(w.threads) >= maxWaits {
			return
		}
		t = &Histogram{}
		w.threads[k] = t
	}
	t.Add(ns)
}

// fill gives every thread and process its histogram. A thread of the slicer is
// the last one of that number that the kernel knew by then.
func (w *waitTable) fill(s *TraceSums) {
	byTID := map[int][]*ThreadTrace{}
	for i := range s.Threads {
		t := &s.Threads[i]
		t.Waits = Know(Histogram{})
		byTID[t.ID.TID] = append(byTID[t.ID.TID], t)
	}
	for k, h := range w.threads {
		list := byTID[k.tid]
		slices.SortFunc(list, func(a, b *ThreadTrace) int { return cmp.Compare(a.SinceNS, b.SinceNS) })
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].SinceNS <= k.since || i == 0 {
				list[i].Waits.V.Merge(h)
				break
			}
		}
	}
	for i := range s.Processes {
		p := &s.Processes[i]
		p.Waits = Know(Histogram{})
		if h := w.processes[p.PID]; h != nil {
			p.Waits.V = *h
		}
	}
}
