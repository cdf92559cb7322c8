package bpf

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// glanceAt is the sum of the glances at all threads of a process, and whether one
// of them runs or waits for a CPU.
func glanceAt(t *testing.T, s *Source, pid int) (sum uint64, busy bool, threads int) {
	t.Helper()
	err := s.Glances(func(batch []Glance) {
		for i := range batch {
			if g := &batch[i]; g.TGID == uint32(pid) {
				sum, busy = g.Sum(sum), busy || g.Busy != 0
				threads++
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum, busy, threads
}

// TestGlance: a process that rests looks the same, and one to which anything was
// done that shows in a glance does not.
func TestGlance(t *testing.T) {
	s := openSource(t)
	h := startHelper(t, "threads", 3)
	h.line() // ready
	records, err := s.One(h.pid, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	settled := func() uint64 {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
			a, _, n := glanceAt(t, s, h.pid)
			if b, busy, _ := glanceAt(t, s, h.pid); a == b && !busy && n > 1 {
				return a
			}
		}
		t.Fatal("the process never rests, or lacks threads")
		return 0
	}
	was := settled()
	if err := unix.Setpriority(unix.PRIO_PROCESS, int(records[len(records)-1].TID), 7); err != nil {
		t.Fatal(err)
	}
	now := settled()
	if now == was {
		t.Error("another priority of a thread does not show")
	}
	for _, sig := range []unix.Signal{unix.SIGSTOP, unix.SIGCONT} {
		was = now
		if err := unix.Kill(h.pid, sig); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(20 * time.Second); now == was && time.Now().Before(end); {
			now = settled()
		}
		if now == was {
			t.Errorf("%v does not show", sig)
		}
	}
}

// TestGlancesShowAll: they show the tasks that a pass shows, with the same
// numbers.
func TestGlancesShowAll(t *testing.T) {
	s := openSource(t)
	h := startHelper(t, "threads", 3)
	h.line() // ready
	seen := map[uint32]Glance{}
	err := s.Glances(func(batch []Glance) {
		for _, g := range batch {
			seen[g.TID] = g
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	records, err := s.One(h.pid, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		r := &records[i]
		g, ok := seen[r.TID]
		if !ok || g.TGID != r.TGID || g.PPID != r.PPID || g.Prio != r.Prio || g.StaticPrio != r.StaticPrio || g.Policy != r.Policy || g.SumExec > r.SumExec {
			t.Errorf("thread %d: glance %+v, record %+v", r.TID, g, r)
		}
	}
}

// TestGlanceOfRecord: the record of a thread at rest tells what a look at it does.
func TestGlanceOfRecord(t *testing.T) {
	s := openSource(t)
	h := startHelper(t, "threads", 3)
	h.line() // ready
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		sum, _, _ := glanceAt(t, s, h.pid)
		records, err := s.One(h.pid, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		again, busy, n := glanceAt(t, s, h.pid)
		if sum != again || busy || n < 2 {
			continue
		}
		var got uint64
		for i := range records {
			g := records[i].Glance()
			got = g.Sum(got)
			if g.Busy != 0 {
				t.Errorf("thread %d is taken for busy: %+v", g.TID, g)
			}
		}
		if got != sum {
			t.Errorf("the records of %d threads give %#x, the looks at %d %#x", len(records), got, n, sum)
		}
		return
	}
	t.Fatal("the process never rests, or lacks threads")
}

// TestGlanceOfBusy: a thread on a CPU, and one that waits for one, are busy.
func TestGlanceOfBusy(t *testing.T) {
	for _, tt := range []struct {
		state, exit, onCPU, want uint32
	}{{0, 0, 0, 1}, {1, 0, 1, 1}, {1, 0, 0, 0}, {0, 32, 0, 0}, {128, 16, 1, 1}} {
		g := (&Task{State: tt.state, ExitState: tt.exit, OnCPU: tt.onCPU}).Glance()
		if g.Busy != tt.want || g.State != tt.state|tt.exit {
			t.Errorf("%+v: %+v", tt, g)
		}
	}
}

// TestLeader: the record of the leader alone is that of a pass.
func TestLeader(t *testing.T) {
	s := openSource(t)
	if !s.Caps().Filter {
		t.Skip("this kernel does not obey a filter")
	}
	h := startHelper(t, "threads", 3)
	h.line() // ready
	got, err := s.Leader(h.pid, PartRegs)
	if err != nil {
		t.Fatal(err)
	}
	if int(got.TID) != h.pid || int(got.TGID) != h.pid || got.Have&HaveRegs != 0 || got.Comm() == "" {
		t.Errorf("%+v", got)
	}
	if _, err := s.Leader(1<<22+1, 0); err != ErrNoProcess {
		t.Errorf("of no process: %v", err)
	}
	s.Close()
	if _, err := s.Leader(h.pid, 0); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
	if err := s.Glances(func([]Glance) {}); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
}
