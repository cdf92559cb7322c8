package main

import (
	"context"
	"os"
	"testing"
	"time"

	"taskscope/inspect"
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
