package verify

import (
	"slices"
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/load"
)

func TestPartOf(t *testing.T) {
	for _, tt := range []struct {
		planned, seen string
		want          bool
	}{
		{"S,R,T,R,S", "S,T,S", true},
		{"S,R,T,R,S", "S,R,T,R,S", true},
		{"S,R,T,R,S", "S", true},
		{"S,R,T,R,S", "S,T,R,T,S", false}, // twice
		{"S,R,T,R,S", "S,D,S", false},
		{"S,R,T,R,S", "T,S", false},
		{"S,R,T,R,S", "S,T", false},
		{"S,R,D,R,[S,R],S", "S,D,S", true},
		{"S,R,D,R,[S,R],S", "S,D,R,S", true},
		{"S,R,D,R,[S,R],S", "S,D,S,R,S", true},
		{"S,R,D,R,[S,R],S", "S,D,S,R,S,R,S", false},
		{"S,R,Z", "S,Z", true},
		{"S,R,Z", "Z,S", false},
	} {
		if got := partOf(words(tt.planned), words(tt.seen)); got != tt.want {
			t.Errorf("%s of %s: %v", tt.seen, tt.planned, got)
		}
	}
}

// history gives the last sample of a run what a tracer would have seen of
// threads that did as planned.
func (w *world) history() *History {
	h := &History{}
	for i := range w.m.Plan.Promises {
		q := &w.m.Plan.Promises[i]
		if q.Field != "transitions" {
			continue
		}
		at, waits := gateNS-1000, uint64(0)
		all := alternatives(strings.ReplaceAll(q.ExpectText, "t", "T"))
		for k, letter := range all[i%len(all)] {
			state := map[string]inspect.TraceState{
				"S": inspect.TraceBlocked, "R": inspect.TraceReady, "D": inspect.TraceDisk, "T": inspect.TraceStopped, "Z": inspect.TraceDead,
			}[letter]
			tid := w.m.Processes[q.Process].Threads[q.Thread].TID
			h.Slices = append(h.Slices, inspect.TraceSlice{TID: tid, From: at, To: at + 2000, State: state})
			if letter != "R" && k > 0 {
				waits++
			}
			if at += 2000; k == 0 { // before the gate
				first := inspect.TraceSlice{TID: tid, From: 1, To: gateNS - 1000, State: inspect.TraceRunning}
				h.Slices = slices.Insert(h.Slices, len(h.Slices)-1, first)
			}
		}
		if p := w.last(load.WhenParked).ByPID(w.m.Processes[q.Process].PID); p != nil { // the kernel counts them too
			p.Threads[q.Thread].Voluntary = inspect.Know(10 + waits)
		}
	}
	for i := range w.samples {
		if w.samples[i].Phase == load.WhenParked && w.samples[i].Reach == ReachTree {
			w.samples[i].History = h
		}
	}
	return h
}

func TestTracerSeesTheOrderOfStates(t *testing.T) {
	w := pretend(t, "states", otherBusy).traced()
	h := w.history()
	r := w.judge()
	expectVerdict(t, r, Pass)
	if n := len(byTracer(r)); n != 6 || r.Trace.Checks != n {
		t.Errorf("%d checks of the tracer (%+v), want one per process below the root", n, r.Trace)
	}
	for i := range h.Slices {
		if h.Slices[i].State == inspect.TraceStopped { // it waits uninterruptibly instead
			h.Slices[i].State = inspect.TraceDisk
			break
		}
	}
	expectVerdict(t, w.judge(), Fail)
	// A wait of which neither end was seen: the kernel has counted it.
	lost := slices.IndexFunc(h.Slices, func(s inspect.TraceSlice) bool { return s.State == inspect.TraceDisk })
	one := h.Slices[lost]
	h.Slices[lost].State = inspect.TraceReady
	r = w.judge()
	expectVerdict(t, r, Pass)
	if r.Trace.LeftOut != 1 {
		t.Errorf("a wait that was not seen: %+v", r.Trace)
	}
	h.Slices[lost] = one
	for i := range h.Slices {
		if h.Slices[i].State == inspect.TraceDisk {
			h.Slices[i].State = inspect.TraceUnknown
		}
	}
	r = w.judge()
	expectVerdict(t, r, Pass)
	if r.Trace.LeftOut == 0 || r.Trace.Why == "" {
		t.Errorf("a gap in what the tracer saw is not told: %+v", r.Trace)
	}
	w = pretend(t, "states", otherBusy).traced()
	h = w.history()
	sleeps := w.m.Processes[1].Threads[0].TID
	at := slices.IndexFunc(h.Slices, func(s inspect.TraceSlice) bool {
		return s.TID == sleeps && s.State == inspect.TraceReady && s.From > gateNS
	})
	gap := h.Slices[at]
	gap.State = inspect.TraceUnknown
	h.Slices = slices.Insert(h.Slices, at+1, gap, h.Slices[at])
	r = w.judge()
	expectVerdict(t, r, Pass)
	if r.Trace.LeftOut != 0 {
		t.Errorf("a gap in which it cannot have waited: %+v", r.Trace)
	}
	h.Why = "it was late"
	if r = w.judge(); len(byTracer(r)) != 0 || r.Trace.LeftOut != 6 {
		t.Errorf("%+v", r.Trace)
	}
}
