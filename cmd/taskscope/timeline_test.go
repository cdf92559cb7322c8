package main

import (
	"os/exec"
	"testing"
	"time"

	"taskscope/inspect"
)

// TestLiveTrace follows a process of ours with whatever source there is.
func TestLiveTrace(t *testing.T) {
	child := exec.Command("sleep", "1000")
	if err := child.Start(); err != nil {
		t.Skipf("no sleep: %v", err)
	}
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait() // it was killed
	}()
	for _, source := range []string{"auto", "proc"} {
		a := &app{source: source, procRoot: "/proc"}
		tr, err := a.openTrace(t.Context(), inspect.ID{PID: child.Process.Pid})
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			now := tr.Newest()
			if tracks := tr.Tracks(now-int64(time.Minute), now); now != 0 && len(tracks) == 1 && len(tracks[0].Stretches) > 0 {
				if tracks[0].TID != child.Process.Pid {
					t.Errorf("%s: %+v", source, tracks)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s: nothing is seen", source, tr.Source())
			}
		}
		if _, err := tr.Exits(); err != nil && tr.Source() == "scheduler trace, every event" || source == "proc" && err == nil {
			t.Errorf("%s: exits: %v", tr.Source(), err)
		}
		tr.Close()
		tr.Close() // may be called again
	}
}

// TestTimelineSays: what is missing of the threads is told from what was hidden
// of others.
func TestTimelineSays(t *testing.T) {
	for _, tc := range []struct {
		drops        inspect.TraceDrops
		lost, hidden string
	}{
		{inspect.TraceDrops{Events: 5, Switches: 9}, "", ""},
		{inspect.TraceDrops{ChainBreaks: 12}, "", "12 switches of other tasks hidden from BPF"},
		{inspect.TraceDrops{ChainBreaks: 12, TracedBreaks: 2, Gaps: 1}, "1 stretch (?)", "12 switches hidden from BPF, 2 beside these"},
		{inspect.TraceDrops{EventsDropped: 1, SamplesMissed: 3}, "1 event, 3 samples", ""},
	} {
		l := &liveTrace{sums: &inspect.TraceSums{Drops: tc.drops}, at: time.Now().Add(time.Hour)}
		if tc.drops.Gaps > 0 { // they stand for the switches that made them
			l.sums.Processes = []inspect.ProcessTrace{{TraceCounts: inspect.TraceCounts{MissedOuts: 2}}}
		}
		if lost, hidden := l.Lost(), l.Hidden(); lost != tc.lost || hidden != tc.hidden {
			t.Errorf("%+v: lost %q, hidden %q", tc.drops, lost, hidden)
		}
		if tc.drops.Lost() != (tc.lost != "") {
			t.Errorf("%+v: lost %v", tc.drops, tc.drops.Lost())
		}
	}
	l := &liveTrace{sums: &inspect.TraceSums{Processes: []inspect.ProcessTrace{{TraceCounts: inspect.TraceCounts{MissedOuts: 2}}}}, at: time.Now().Add(time.Hour)}
	if lost := l.Lost(); lost != "2 switches" {
		t.Errorf("switches that only the kernel counted: lost %q", lost)
	}
}
