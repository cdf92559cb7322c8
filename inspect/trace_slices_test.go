package inspect

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ev makes events of one thread, 7, of process 5.
func ev(ns int64, kind TraceKind, state TraceState, cpu, other int) TraceEvent {
	return TraceEvent{NS: ns, PID: 5, TID: 7, Kind: kind, State: state, CPU: cpu, Other: other}
}

// other is the same event of another thread.
func (e TraceEvent) of(tid int) TraceEvent { e.TID = tid; return e }

// sl is a slice of thread 7.
func sl(since, from, to int64, state TraceState, cpu int, cause TraceCause, by int) TraceSlice {
	return TraceSlice{PID: 5, TID: 7, Since: since, From: from, To: to, State: state, CPU: cpu, Cause: cause, By: by}
}

func (s TraceSlice) of(tid int) TraceSlice { s.TID = tid; return s }

func TestSlicer(t *testing.T) {
	const run, ready, blocked, disk, dead, unknown = TraceRunning, TraceReady, TraceBlocked, TraceDisk, TraceDead, TraceUnknown
	for _, tc := range []struct {
		name   string
		events []TraceEvent
		end    int64
		want   []TraceSlice
		gaps   uint64
	}{
		{"born, runs, is preempted, blocks, is woken, ends", []TraceEvent{
			ev(10, TraceNew, ready, 0, 6), ev(20, TraceIn, run, 0, 1), ev(50, TraceOut, ready, 0, 8), ev(60, TraceIn, run, 1, 8),
			ev(70, TraceOut, disk, 1, 0), ev(100, TraceWake, ready, 1, 9), ev(105, TraceIn, run, 1, 0), ev(110, TraceOut, dead, 1, 0),
		}, 200, []TraceSlice{
			sl(10, 10, 20, ready, -1, CauseBorn, 6), sl(10, 20, 50, run, 0, CauseNone, 0), sl(10, 50, 60, ready, -1, CausePreempt, 8),
			sl(10, 60, 70, run, 1, CauseNone, 0), sl(10, 70, 100, disk, -1, CauseNone, 0), sl(10, 100, 105, ready, -1, CauseWoken, 9),
			sl(10, 105, 110, run, 1, CauseNone, 0),
		}, 0},
		{"seeded asleep, goes on sleeping", []TraceEvent{ev(10, TraceSeed, blocked, 1, 0)}, 40, []TraceSlice{sl(10, 10, 40, blocked, -1, CauseNone, 0)}, 0},
		{"an event before the seed wins", []TraceEvent{
			ev(10, TraceIn, run, 0, 0), ev(9, TraceSeed, blocked, 0, 0), ev(30, TraceOut, blocked, 0, 0),
		}, 30, []TraceSlice{sl(10, 10, 30, run, 0, CauseNone, 0)}, 0},
		{"woken before it has left its CPU", []TraceEvent{
			ev(10, TraceSeed, run, 0, 0), ev(20, TraceWake, ready, 0, 3), ev(25, TraceOut, ready, 0, 8),
		}, 30, []TraceSlice{sl(10, 10, 25, run, 0, CauseNone, 0), sl(10, 25, 30, ready, -1, CausePreempt, 8)}, 0},
		{"leaves a CPU it was not seen to enter", []TraceEvent{
			ev(10, TraceSeed, blocked, 0, 0), ev(20, TraceWake, ready, 0, 3), ev(40, TraceOut, blocked, 0, 0),
		}, 50, []TraceSlice{
			sl(10, 10, 20, blocked, -1, CauseNone, 0), sl(10, 20, 40, unknown, -1, CauseNone, 0), sl(10, 40, 50, blocked, -1, CauseNone, 0),
		}, 1},
		{"enters a CPU without having been seen to leave the other", []TraceEvent{
			ev(10, TraceSeed, run, 0, 0), ev(30, TraceIn, run, 1, 0),
		}, 40, []TraceSlice{sl(10, 10, 30, unknown, -1, CauseNone, 0), sl(10, 30, 40, run, 1, CauseNone, 0)}, 1},
		{"another one takes its CPU", []TraceEvent{
			ev(10, TraceSeed, run, 0, 0), ev(30, TraceIn, run, 0, 0).of(9), ev(40, TraceOut, blocked, 0, 0).of(9),
		}, 50, []TraceSlice{
			sl(10, 10, 30, unknown, -1, CauseNone, 0), sl(10, 30, 50, unknown, -1, CauseNone, 0),
			sl(30, 30, 40, run, 0, CauseNone, 0).of(9), sl(30, 40, 50, blocked, -1, CauseNone, 0).of(9),
		}, 1},
		{"its number is used again", []TraceEvent{
			ev(10, TraceSeed, blocked, 0, 0), ev(30, TraceNew, ready, 0, 6), ev(35, TraceIn, run, 0, 0),
		}, 40, []TraceSlice{
			sl(10, 10, 30, unknown, -1, CauseNone, 0), sl(30, 30, 35, ready, -1, CauseBorn, 6), sl(30, 35, 40, run, 0, CauseNone, 0),
		}, 1},
		{"executes from a thread that is not the leader", []TraceEvent{
			ev(10, TraceSeed, run, 1, 0), ev(20, TraceExec, run, 1, 7).of(5), ev(30, TraceOut, blocked, 1, 0).of(5),
		}, 30, []TraceSlice{sl(10, 10, 20, run, 1, CauseNone, 0), sl(20, 20, 30, run, 1, CauseNone, 0).of(5)}, 0},
		{"outside our PID namespace", []TraceEvent{ev(10, TraceIn, run, 0, 0).of(0)}, 30, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []TraceSlice
			s := newSlicer(func(x *TraceSlice) { got = append(got, *x) })
			for i := range tc.events {
				s.add(&tc.events[i])
			}
			s.finish(tc.end)
			slices.SortStableFunc(got, func(a, b TraceSlice) int { return int(b.TID%5 - a.TID%5) })
			slices.SortStableFunc(tc.want, func(a, b TraceSlice) int { return int(b.TID%5 - a.TID%5) })
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
			if s.gaps != tc.gaps {
				t.Errorf("%d gaps, want %d", s.gaps, tc.gaps)
			}
		})
	}
}

// FuzzSlicer: whatever comes, the slices of a thread follow each other
// without a hole, and two threads are never on one CPU at the same time.
func FuzzSlicer(f *testing.F) {
	f.Add([]byte("\x01\x12\x23\x34\x45\x56\x67\x78\x89\x9a"))
	f.Add([]byte("aaaaaaaaaabbbbbbbbbbbbcccccc"))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := map[[2]int64]int64{}
		cpus := map[int]int64{}
		s := newSlicer(func(x *TraceSlice) {
			k := [2]int64{int64(x.TID), x.Since}
			if at, ok := last[k]; ok && at != x.From || !ok && x.From != x.Since || x.To <= x.From {
				t.Fatalf("slice %+v after %d", *x, last[k])
			}
			last[k] = x.To
			if x.State == TraceRunning {
				if x.From < cpus[x.CPU] {
					t.Fatalf("slice %+v overlaps another one until %d", *x, cpus[x.CPU])
				}
				cpus[x.CPU] = x.To
			}
		})
		now := int64(1)
		for i := 0; i+1 < len(data); i += 2 {
			now += int64(data[i+1] % 8)
			e := ev(now, TraceKind(data[i]%10), TraceState(data[i+1]%7), int(data[i]>>6), int(data[i+1]>>4)).of(1 + int(data[i]>>4&3))
			s.add(&e)
		}
		s.finish(now + 10)
	})
}

func TestLevels(t *testing.T) {
	var l levels
	add := func(ns int64, tid int, kind TraceKind) {
		e := ev(ns, kind, TraceRunning, 0, 0).of(tid)
		l.add(&e)
	}
	add(10, 1, TraceSeed)
	add(20, 2, TraceIn)
	add(50, 1, TraceOut)
	want := []time.Duration{0, 10 + 50, 30}
	for range 2 { // reading changes nothing
		if d := cmp.Diff(want, l.at(100)); d != "" {
			t.Error(d)
		}
	}
	add(60, 2, TraceOut)
	if d := cmp.Diff([]time.Duration{40, 20, 30}, l.at(100)); d != "" {
		t.Error(d)
	}
}

func TestWaits(t *testing.T) {
	w := newWaitTable()
	for _, s := range []TraceSlice{
		sl(10, 10, 20, TraceReady, -1, CauseBorn, 1), sl(10, 30, 1030, TraceReady, -1, CausePreempt, 1),
		sl(500, 500, 600, TraceReady, -1, CauseBorn, 1),
	} {
		w.add(&s)
	}
	s := &TraceSums{
		Threads:   []ThreadTrace{{PID: 5, ID: ThreadID{7, 1}, SinceNS: 10}, {PID: 5, ID: ThreadID{7, 2}, SinceNS: 500}, {PID: 5, ID: ThreadID{8, 1}}},
		Processes: []ProcessTrace{{PID: 5}},
	}
	w.fill(s)
	for i, want := range []uint64{2, 1, 0} {
		if h := s.Threads[i].Waits; !h.OK() || h.V.Count != want {
			t.Errorf("thread %d: %+v, want %d waits", i, h, want)
		}
	}
	if h := s.Processes[0].Waits.V; h.Count != 3 || h.SumNS != 1110 || h.MaxNS != 1000 {
		t.Errorf("process: %+v", h)
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	if _, ok := h.MeanNS(); ok {
		t.Error("a mean of nothing")
	}
	if _, ok := h.QuantileNS(0.5); ok {
		t.Error("a median of nothing")
	}
	for _, ns := range []uint64{0, 1, 2, 3, 1000, 1 << 40} {
		h.Add(ns)
	}
	if h.Buckets[0] != 2 || h.Buckets[1] != 2 || h.Buckets[9] != 1 || h.Buckets[31] != 1 {
		t.Errorf("%+v", h.Buckets)
	}
	for q, want := range map[float64]uint64{0: 2, 0.5: 4, 0.7: 1024, 1: 1 << 40} {
		if got, _ := h.QuantileNS(q); got != want {
			t.Errorf("quantile %v: %d, want %d", q, got, want)
		}
	}
	sum := h
	sum.Merge(&h)
	if sum.Count != 12 || sum.SumNS != 2*h.SumNS || sum.Buckets[9] != 2 {
		t.Errorf("%+v", sum)
	}
}

func TestDivide(t *testing.T) {
	const run, ready, blocked, disk, unknown = TraceRunning, TraceReady, TraceBlocked, TraceDisk, TraceUnknown
	for _, tc := range []struct {
		name              string
		whole, run, ready uint64
		before, after     TraceState
		want              []part
	}{
		{"slept", 100, 0, 0, blocked, blocked, []part{{blocked, 100}}},
		{"woke up in between", 100, 20, 5, blocked, blocked, []part{{blocked, 75}, {ready, 5}, {run, 20}}},
		{"runs now", 100, 20, 5, blocked, run, []part{{blocked, 75}, {ready, 5}, {run, 20}}},
		{"ran then", 100, 20, 5, run, disk, []part{{ready, 5}, {run, 20}, {disk, 75}}},
		{"runs all the time, the kernel is a tick late", 100, 96, 0, run, run, []part{{run, 100}}},
		{"waits all the time", 100, 0, 0, run, run, []part{{ready, 100}}},
		{"a long wait ended", 100, 10, 5000, blocked, blocked, []part{{ready, 90}, {run, 10}}},
		{"more than the interval", 100, 200, 300, run, run, []part{{run, 100}}},
		{"born in between", 100, 20, 5, unknown, blocked, []part{{unknown, 75}, {ready, 5}, {run, 20}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []part
			sum := uint64(0)
			for _, p := range divide(tc.whole, tc.run, tc.ready, tc.before, tc.after) {
				sum += p.ns
				if p.ns > 0 {
					got = append(got, p)
				}
			}
			if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(part{})); d != "" || sum != tc.whole {
				t.Errorf("sum %d: %s", sum, d)
			}
		})
	}
}
