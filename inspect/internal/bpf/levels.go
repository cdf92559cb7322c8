package bpf

import "time"

// Levels adds up for how long exactly k threads were running at the same
// moment: concurrency taken apart into parallelism. Feed it all events of a
// trace in the order of delivery. The zero Levels is empty.
//
// Events of different CPUs may arrive a few microseconds out of order; an event
// older than the newest one counts as of the newest.
type Levels struct {
	running map[uint32]bool
	at      []time.Duration
	last    uint64
}

// Add takes one event.
func (l *Levels) Add(e Event) {
	if l.running == nil {
		l.running = map[uint32]bool{}
	}
	l.advance(e.TS)
	switch {
	case e.Kind == In, e.Kind == Seed && e.State == Running:
		l.running[e.TID] = true
	case e.Kind == Out:
		delete(l.running, e.TID)
	}
}

// advance books the time up to ts.
func (l *Levels) advance(ts uint64) {
	if ts <= l.last {
		return
	}
	n := len(l.running)
	for len(l.at) <= n {
		l.at = append(l.at, 0)
	}
	if l.last != 0 {
		l.at[n] += duration(ts - l.last)
	}
	l.last = ts
}

// At returns, up to the moment now (CLOCK_MONOTONIC, ns), the time with exactly
// k threads running at index k. Their sum is the time since the first event.
func (l *Levels) At(now uint64) []time.Duration {
	l.advance(now)
	return append([]time.Duration(nil), l.at...)
}

// Mean is the mean number of threads running at once.
func Mean(levels []time.Duration) float64 {
	var sum, all float64
	for k, d := range levels {
		sum += float64(k) * float64(d)
		all += float64(d)
	}
	if all == 0 {
		return 0
	}
	return sum / all
}
