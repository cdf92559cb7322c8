package main

import (
	"context"
	"os"
	"testing"
	"time"

	"taskscope/inspect"
	"taskscope/load"
	"taskscope/load/verify"
)

// TestObservationLastsFromSearchToEnd: an observation that began with a search
// for the processes of the tree ends when they have been read, not earlier: else
// what was read after a phase would count as seen in it.
func TestObservationLastsFromSearchToEnd(t *testing.T) {
	a := &app{source: inspect.SourceProc, procRoot: "/proc"}
	o := &observer{app: a, root: os.Getpid()}
	for _, r := range []**inspect.Reader{&o.host, &o.tree} {
		var err error
		if *r, err = a.openReader(); err != nil {
			t.Fatal(err)
		}
		defer (*r).Close()
	}
	began := time.Now()
	seen := o.look(context.Background(), true)
	took := time.Since(began)
	if seen.Err != "" || seen.Host == nil || seen.Tree == nil {
		t.Fatalf("%+v", seen)
	}
	read, err := o.tree.Read(context.Background(), treeRequest(o.pids, 0)) // later, on the same clock
	if err != nil {
		t.Fatal(err)
	}
	s, h := seen.Tree, seen.Host
	end := s.MonoNS + int64(s.Cost.Wall)
	if s.MonoNS != h.MonoNS || end <= h.MonoNS+int64(h.Cost.Wall) || end > read.MonoNS || s.Cost.Wall > took {
		t.Errorf("from %d to %d, the search from %d to %d, the next look from %d; it took %v", s.MonoNS, end, h.MonoNS, h.MonoNS+int64(h.Cost.Wall), read.MonoNS, took)
	}
	for i, at := range s.ReadAt {
		if at > end {
			t.Errorf("process %d was read after the end", s.Processes[i].ID.PID)
		}
	}
}

// TestDetailsAreLabelledByTheirOwnTime: details are read one after the other,
// behind the tree; those that were read after the phase do not count as of it.
func TestDetailsAreLabelledByTheirOwnTime(t *testing.T) {
	const second = int64(time.Second)
	m := &load.Manifest{GateMonoNS: second, ParkedMonoNS: 3 * second}
	at := func(ns int64) *inspect.Snapshot { return &inspect.Snapshot{MonoNS: ns} }
	seen := []observation{{Tree: at(2 * second), Each: []*inspect.Snapshot{at(2*second + 1), at(3*second - 1), at(3*second + 1)}}}
	count := func() (n int) {
		for _, s := range labelled(m, seen) {
			if s.Reach == verify.ReachOne && s.Phase == load.WhenLive {
				n++
			}
		}
		return n
	}
	if n := count(); n != 2 {
		t.Errorf("%d details are of the live phase, want 2", n)
	}
	seen[0].Tag = "parked 1" // asked for by the runner, which knows the phase
	if list := labelled(m, seen); len(list) != 4 || list[3].Phase != load.WhenParked {
		t.Errorf("asked for: %d samples", len(list))
	}
}
