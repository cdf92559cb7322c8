package verify

import (
	"testing"

	"taskscope/inspect"
	"taskscope/load"
)

// stall has the run's control group wait for memory while it works.
func (w *world) stall(ns uint64) {
	w.eachDetail(load.WhenParked, func(d *inspect.Detail) { d.Pressure.V.StallNS += ns })
}

// everybodyStalls has the whole machine do so.
func (w *world) everybodyStalls(ns uint64) {
	for _, s := range w.samples {
		if s.Phase == load.WhenParked && s.Reach == ReachHost {
			s.Host.MemoryStallNS.V += ns
		}
	}
}

// unknownGroup takes away what is known of the run's control group.
func (w *world) unknownGroup(k inspect.Known[inspect.GroupPressure]) {
	for _, s := range w.samples {
		if s.Detail != nil {
			s.Detail.Pressure = k
		}
	}
}

// TestWhoWaitedForMemory: the run is blamed for what its own group waited, if
// nobody else did, and for nothing else.
func TestWhoWaitedForMemory(t *testing.T) {
	none := inspect.Unknown[inspect.GroupPressure](inspect.NotSupported)
	shared := inspect.Know(inspect.GroupPressure{Path: "/", Members: []int{1, 2}, StallNS: 500_000})
	for name, tt := range map[string]struct {
		do     func(w *world)
		want   Verdict
		source string
	}{
		"nobody":                          {func(*world) {}, Pass, "cgroup"},
		"the run":                         {func(w *world) { w.stall(3000); w.everybodyStalls(3000) }, Fail, "cgroup"},
		"the run and others":              {func(w *world) { w.stall(3000); w.everybodyStalls(9000) }, Undecided, ""},
		"others":                          {func(w *world) { w.everybodyStalls(9000) }, Pass, "cgroup"},
		"nobody, no group":                {func(w *world) { w.unknownGroup(none) }, Pass, "host"},
		"nobody, a group with others":     {func(w *world) { w.unknownGroup(shared) }, Pass, "host"},
		"somebody, no group":              {func(w *world) { w.unknownGroup(none); w.everybodyStalls(1) }, Undecided, ""},
		"somebody in a group with others": {func(w *world) { w.unknownGroup(shared); w.everybodyStalls(1) }, Undecided, ""},
		"a kernel that does not tell": {func(w *world) {
			w.unknownGroup(none)
			for _, s := range w.samples {
				s.Host.MemoryStallNS = inspect.Unknown[uint64](inspect.NotSupported)
			}
		}, Skipped, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := pretend(t, "grow", otherBusy)
			tt.do(w)
			r := w.judge()
			expectVerdict(t, r, tt.want)
			for _, c := range r.Checks {
				if c.Field == "memory_stall_ns" && c.Source != tt.source {
					t.Errorf("source %q, want %q: %s", c.Source, tt.source, c.Why)
				}
			}
		})
	}
}

// TestHugePagesWithStrayFaults: what the kernel adds by itself breaks nothing.
func TestHugePagesWithStrayFaults(t *testing.T) {
	w := pretend(t, "huge", otherBusy)
	_, th := w.worker(w.last(load.WhenParked))
	th.MinorFaults.V++ // a page moved to another node, after the worker's own reading
	expectVerdict(t, w.judge(), Pass)

	w = pretend(t, "huge", otherBusy)
	_, th = w.worker(w.last(load.WhenParked))
	th.MinorFaults.V += 512 // one of them came in small pages, and was made huge later
	w.report().MinorFaults += 512
	expectVerdict(t, w.judge(), Pass)
}
