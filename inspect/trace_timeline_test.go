package inspect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// batch delivers slices; those of open go on.
func batch(open []TraceSlice, ended ...TraceSlice) *TraceBatch {
	return &TraceBatch{Slices: ended, open: func(dst []TraceSlice) []TraceSlice { return append(dst, open...) }}
}

func TestTimeline(t *testing.T) {
	l := NewTimeline(1000, 1000)
	b := batch([]TraceSlice{sl(10, 60, 60, TraceReady, -1, CauseWoken, 9)},
		sl(10, 10, 20, TraceBlocked, -1, CauseNone, 0), sl(10, 20, 30, TraceBlocked, -1, CauseNone, 0), sl(10, 30, 60, TraceRunning, 1, CauseNone, 0))
	b.Names = []ThreadName{{PID: 5, TID: 7, Comm: "worker"}}
	l.Add(b)
	want := []Track{{PID: 5, TID: 7, Since: 10, Kept: 10, Comm: "worker", Alive: true, Spans: []Span{
		{From: 10, To: 30, CPU: -1, State: TraceBlocked},
		{From: 30, To: 60, CPU: 1, State: TraceRunning},
		{From: 60, To: 80, CPU: -1, By: 9, State: TraceReady, Cause: CauseWoken, Open: true},
	}}}
	if d := cmp.Diff(want, l.Tracks(0, 80)); d != "" {
		t.Error(d)
	}
	for _, tc := range []struct {
		from, to int64
		n        int
	}{{0, 10, 0}, {0, 11, 1}, {29, 31, 2}, {30, 60, 1}, {60, 61, 1}, {25, 70, 3}} {
		got := l.Tracks(tc.from, tc.to)
		if len(got) != 1 || len(got[0].Spans) != tc.n {
			t.Errorf("from %d to %d: %+v, want %d spans", tc.from, tc.to, got, tc.n)
		}
	}
	// It ends; another thread takes its number.
	l.Add(batch([]TraceSlice{sl(90, 95, 95, TraceRunning, 0, CauseNone, 0)},
		sl(10, 60, 70, TraceReady, -1, CauseWoken, 9), sl(90, 90, 95, TraceReady, -1, CauseBorn, 1)))
	got := l.Tracks(0, 100)
	if len(got) != 2 || got[0].Alive || !got[1].Alive || got[0].Since != 10 || got[1].Since != 90 {
		t.Errorf("%+v", got)
	}
	if l.Newest() != 95 {
		t.Errorf("newest %d", l.Newest())
	}
	// Long after, the thread that has ended is forgotten.
	l.Add(batch([]TraceSlice{sl(90, 5000, 5000, TraceReady, -1, CauseNone, 0)}, sl(90, 95, 5000, TraceRunning, 0, CauseNone, 0)))
	if got := l.Tracks(0, 6000); len(got) != 1 || got[0].Since != 90 {
		t.Errorf("%+v", got)
	}
}

// TestTimelineLimit: the busiest thread loses its oldest spans, and says so.
func TestTimelineLimit(t *testing.T) {
	l := NewTimeline(1e9, 100)
	quiet := sl(1, 1, 2, TraceBlocked, -1, CauseNone, 0).of(8)
	l.Add(batch(nil, quiet))
	at := int64(10)
	for range 1000 {
		l.Add(batch([]TraceSlice{sl(10, at+2, at+2, TraceBlocked, -1, CauseNone, 0)},
			sl(10, at, at+1, TraceRunning, 0, CauseNone, 0), sl(10, at+1, at+2, TraceBlocked, -1, CauseNone, 0)))
		at += 2
	}
	tracks := l.Tracks(0, at)
	if len(tracks) != 2 || len(tracks[1].Spans) != 1 {
		t.Fatalf("%d tracks: %+v", len(tracks), tracks)
	}
	busy := tracks[0]
	if n := len(busy.Spans); n > 100 || n < 25 {
		t.Errorf("%d spans kept", n)
	}
	if busy.Kept != busy.Spans[0].From || busy.Kept <= 10 || busy.Spans[len(busy.Spans)-1].To != at {
		t.Errorf("kept from %d, spans from %d to %d, now %d", busy.Kept, busy.Spans[0].From, busy.Spans[len(busy.Spans)-1].To, at)
	}
	for i := range busy.Spans[1:] {
		if busy.Spans[i].To != busy.Spans[i+1].From {
			t.Fatalf("a hole after %+v", busy.Spans[i])
		}
	}
	if d := cmp.Diff(tracks, l.Tracks(0, at), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}
