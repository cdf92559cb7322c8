package inspect

import (
	"cmp"
	"slices"
	"sync"
)

// Timeline keeps the newest slices of every thread of a trace. Feed it with
// Tracer.Run (its Add fits there); it may be read meanwhile from anywhere.
type Timeline struct {
	mu      sync.Mutex
	keep    int64 // ns
	limit   int   // slices of all tracks
	tracks  map[int][]*track
	total   int
	newest  int64
	cleared int64 // newest, when old slices were dropped last
	scratch []TraceSlice
}

// Span is a stretch of time that a thread spent in one state.
type Span struct {
	From, To int64 // CLOCK_MONOTONIC, ns
	By       int32 // TID; see Cause
	CPU      int16 // where it ran, -1 when it did not run or that is not known
	State    TraceState
	Cause    TraceCause
	// Open: it still went on at the last news. It ends at To at the earliest.
	Open bool
}

// Track is the history of one thread.
type Track struct {
	PID, TID int
	Since    int64  // from when on the thread was followed
	Comm     string // raw bytes, the newest known; "" when not known
	Alive    bool
	// Kept is from when on nothing has been forgotten for lack of room.
	Kept  int64
	Spans []Span // in order, without overlap
}

// track is a Track with a ring of slices.
type track struct {
	Track
	ring  []Span
	first int // index of the oldest
	n     int
	open  Span
}

// NewTimeline makes an empty timeline of at most that many slices (32 bytes
// each) over keep nanoseconds. When there are more, the busiest thread forgets
// its oldest ones.
func NewTimeline(keep int64, limit int) *Timeline {
	return &Timeline{keep: keep, limit: max(limit, 64), tracks: map[int][]*track{}}
}

// Add takes what Tracer.Run delivers.
func (l *Timeline) Add(b *TraceBatch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range b.Slices {
		s := &b.Slices[i]
		if t := l.track(s); !t.extend(s) {
			t.push(compact(s))
			l.total++
		}
		l.newest = max(l.newest, s.To)
		if l.total > l.limit {
			l.shed()
		}
	}
	if len(b.Slices) > 0 || len(b.Events) > 0 || len(b.Names) > 0 {
		l.reopen(b)
	}
	for _, n := range b.Names {
		if t := l.living(n.TID); t != nil {
			t.Comm = n.Comm
		}
	}
	l.forget()
}

func compact(s *TraceSlice) Span {
	return Span{From: s.From, To: s.To, By: int32(s.By), CPU: int16(s.CPU), State: s.State, Cause: s.Cause}
}

// track is that of a slice, made if it is new.
func (l *Timeline) track(s *TraceSlice) *track {
	list := l.tracks[s.TID]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Since == s.Since {
			return list[i]
		}
	}
	t := &track{Track: Track{PID: s.PID, TID: s.TID, Since: s.Since, Kept: s.Since}}
	l.tracks[s.TID] = append(list, t)
	return t
}

// living is the newest track of a number.
func (l *Timeline) living(tid int) *track {
	if list := l.tracks[tid]; len(list) > 0 {
		return list[len(list)-1]
	}
	return nil
}

// reopen replaces the slices that go on.
func (l *Timeline) reopen(b *TraceBatch) {
	for _, list := range l.tracks {
		for _, t := range list {
			t.Alive = false
		}
	}
	l.scratch = b.Open(l.scratch[:0])
	for i := range l.scratch {
		s := &l.scratch[i]
		t := l.track(s)
		t.open, t.Alive = compact(s), true
		t.open.Open = true
		l.newest = max(l.newest, s.To)
	}
}

// forget drops what is too old: slices, and tracks of threads that have exited.
func (l *Timeline) forget() {
	if l.newest-l.cleared < l.keep/64 {
		return
	}
	l.cleared = l.newest
	horizon := l.newest - l.keep
	for tid, list := range l.tracks {
		kept := list[:0]
		for _, t := range list {
			for t.n > 0 && t.ring[t.first].To < horizon {
				t.drop()
				l.total--
			}
			if t.Alive || t.n > 0 {
				kept = append(kept, t)
			}
		}
		clear(list[len(kept):])
		if len(kept) == 0 {
			delete(l.tracks, tid)
			continue
		}
		l.tracks[tid] = kept
	}
}

// shed makes room: the track with the most slices loses the older half.
func (l *Timeline) shed() {
	var most *track
	for _, list := range l.tracks {
		for _, t := range list {
			if most == nil || t.n > most.n {
				most = t
			}
		}
	}
	for range (most.n + 1) / 2 {
		most.drop()
		l.total--
	}
}

// extend makes the newest span longer where a slice only continues it.
func (t *track) extend(s *TraceSlice) bool {
	if t.n == 0 || s.Cause != CauseNone {
		return false
	}
	last := &t.ring[(t.first+t.n-1)%len(t.ring)]
	if last.To != s.From || last.State != s.State || int(last.CPU) != s.CPU {
		return false
	}
	last.To = s.To
	return true
}

func (t *track) push(s Span) {
	if t.n == len(t.ring) {
		grown := make([]Span, max(16, 2*len(t.ring)))
		for i := range t.n {
			grown[i] = t.ring[(t.first+i)%len(t.ring)]
		}
		t.ring, t.first = grown, 0
	}
	t.ring[(t.first+t.n)%len(t.ring)] = s
	t.n++
}

// drop forgets the oldest slice.
func (t *track) drop() {
	t.Kept = t.ring[t.first].To
	t.first = (t.first + 1) % len(t.ring)
	t.n--
}

// Tracks copies what lies between two moments (CLOCK_MONOTONIC, ns), by PID, TID
// and age. News is up to 100 ms late: the open slices, drawn up to the moment
// to, may turn out to have ended before.
func (l *Timeline) Tracks(from, to int64) []Track {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Track
	for _, list := range l.tracks {
		for _, t := range list {
			c := t.Track
			c.Spans = t.between(from, to)
			if len(c.Spans) > 0 || t.Alive {
				out = append(out, c)
			}
		}
	}
	slices.SortFunc(out, func(a, b Track) int {
		return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.TID, b.TID), cmp.Compare(a.Since, b.Since))
	})
	return out
}

// between copies the slices that overlap [from, to), whole ones.
func (t *track) between(from, to int64) []Span {
	at := func(i int) *Span { return &t.ring[(t.first+i)%len(t.ring)] }
	lo, hi := 0, t.n
	for lo < hi { // the first that ends after from
		if mid := (lo + hi) / 2; at(mid).To <= from {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	var out []Span
	for i := lo; i < t.n && at(i).From < to; i++ {
		out = append(out, *at(i))
	}
	if t.Alive && t.open.From < to && to > from {
		open := t.open
		open.To = max(open.From, to)
		out = append(out, open)
	}
	return out
}

// Newest is the moment of the last news (CLOCK_MONOTONIC, ns), 0 before any.
func (l *Timeline) Newest() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}
