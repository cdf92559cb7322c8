package bpf

import (
	"errors"
	"os"
	"testing"
)

// TestTotalsOfExited: switches of threads that are gone are in the totals. The
// oracle is the target itself, asked before and after.
func TestTotalsOfExited(t *testing.T) {
	tot := openTotals(t)
	s := openSource(t)
	h := startHelper(t, "exited", 50)
	before := h.ask("")
	got, err := tot.Totals(h.pid)
	if err != nil {
		t.Fatal(err)
	}
	fallback := settledSum(t, s, h.pid)
	after := h.ask("")
	between := func(what string, v, lo, hi uint64) {
		t.Helper()
		if v < lo || v > hi {
			t.Errorf("%s: %d, the process itself says %d to %d", what, v, lo, hi)
		}
	}
	between("voluntary", got.Voluntary, before[0], after[0])
	between("involuntary", got.Involuntary, before[1], after[1])
	between("voluntary, summed over a pass", fallback.Voluntary, before[0], after[0])
	between("involuntary, summed over a pass", fallback.Involuntary, before[1], after[1])
	// On a busy machine some of the short sleeps are over before they begin.
	if got.ExitedVoluntary < 50*100*8/10 {
		t.Errorf("exited threads: %d voluntary switches, they slept 5000 times", got.ExitedVoluntary)
	}
	if live := got.Voluntary - got.ExitedVoluntary; live > got.ExitedVoluntary {
		t.Errorf("living threads: %d voluntary switches, more than the exited ones", live)
	}
	if int(got.TGID) != h.pid || got.Threads == 0 || got.ExecNS == 0 || !got.Settled {
		t.Errorf("%+v", got)
	}
	one, err := s.One(h.pid, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if one[0].Start != got.Start {
		t.Errorf("start %d, the record says %d", got.Start, one[0].Start)
	}
}

// settledSum is the way for kernels without the exact totals.
func settledSum(t *testing.T, s *Source, pid int) ProcessTotals {
	t.Helper()
	for range 1000 {
		tasks, err := s.One(pid, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		var sum Sum
		for i := range tasks {
			sum.Add(&tasks[i])
		}
		if p := sum.Totals(); p.Settled {
			return p
		}
	}
	t.Fatal("never settled")
	return ProcessTotals{}
}

// TestTotalsNeverGoBack while threads are born and exit all the time, neither
// the exact ones nor those summed over a pass.
func TestTotalsNeverGoBack(t *testing.T) {
	tot := openTotals(t)
	s := openSource(t)
	h := startHelper(t, "churn")
	h.line()
	var exact SwitchTotals
	var summed ProcessTotals
	var tasks []Task
	unsettled, torn, samples := 0, 0, 5000
	for range samples {
		got, err := tot.Totals(h.pid)
		switch {
		case errors.Is(err, ErrUnsettled):
			unsettled++
		case err != nil:
			t.Fatal(err)
		case got.Voluntary < exact.Voluntary || got.Involuntary < exact.Involuntary || got.ExecNS < exact.ExecNS:
			t.Fatalf("went back:\n%+v\n%+v", exact, got)
		default:
			exact = got
		}
		if tasks, err = s.One(h.pid, 0, tasks[:0]); err != nil {
			t.Fatal(err)
		}
		var sum Sum
		for i := range tasks {
			sum.Add(&tasks[i])
		}
		p := sum.Totals()
		if !p.Settled {
			torn++
			continue
		}
		if p.Voluntary < summed.Voluntary || p.Involuntary < summed.Involuntary {
			t.Fatalf("sum went back:\n%+v\n%+v", summed, p)
		}
		summed = p
	}
	t.Logf("of %d: %d unsettled after %d tries each, %d sums unsettled", samples, unsettled, totalsTries, torn)
	if exact.ExitedVoluntary == 0 || unsettled > samples/10 || torn > samples*9/10 {
		t.Errorf("%d exited, %d unsettled, %d torn", exact.ExitedVoluntary, unsettled, torn)
	}
}

func TestTotalsAll(t *testing.T) {
	tot := openTotals(t)
	all, err := tot.All(nil)
	if err != nil {
		t.Fatal(err)
	}
	self := 0
	seen := map[uint32]bool{}
	for _, p := range all {
		if p.TGID == 0 || seen[p.TGID] {
			t.Errorf("process %d twice, or none", p.TGID)
		}
		seen[p.TGID] = true
		if int(p.TGID) == os.Getpid() {
			self++
		}
	}
	if self != 1 {
		t.Errorf("we are there %d times", self)
	}
	for _, pid := range []int{0, -4, 1 << 22} {
		if _, err := tot.Totals(pid); !errors.Is(err, ErrNoProcess) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
	if err := errors.Join(tot.Close(), tot.Close()); err != nil {
		t.Error(err)
	}
	if _, err := tot.Totals(1); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if _, err := tot.All(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestTotalRecord(t *testing.T) {
	r := totalRec{
		tgid: 4, threads: 2, start: 100, volAlive: 1, involAlive: 2, execAlive: 3,
		volDead: 10, involDead: 20, execDead: 30, seq0: 6, seq1: 6,
	}
	want := SwitchTotals{
		TGID: 4, Threads: 2, Start: 93, Voluntary: 11, Involuntary: 22, ExecNS: 33,
		ExitedVoluntary: 10, ExitedInvoluntary: 20, Settled: true,
	}
	if got := r.totals(-7); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, seq := range [][2]uint32{{6, 8}, {7, 7}, {7, 8}} {
		r.seq0, r.seq1 = seq[0], seq[1]
		if r.totals(0).Settled {
			t.Errorf("settled with sequence %v", seq)
		}
	}
}
