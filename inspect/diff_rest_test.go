package inspect

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// restingProcess has counters that are in part unknown.
func restingProcess(rng *rand.Rand, pid int) *Process {
	n := func() Known[uint64] {
		if rng.IntN(8) == 0 {
			return Unknown[uint64](Denied)
		}
		return Know(rng.Uint64N(3e9))
	}
	p := &Process{
		ID: ID{PID: pid, Start: 5}, UserNS: n(), SystemNS: n(), CPUTimeNS: n(), MinorFaults: n(), MajorFaults: n(),
		ReadBytes: n(), WriteBytes: n(), RSSBytes: n(), Switches: Switches{Voluntary: n(), Involuntary: n()},
	}
	for tid := range rng.IntN(4) {
		p.Threads = append(p.Threads, Thread{
			ID: ThreadID{TID: pid*100 + tid, Start: 5}, State: State("RSDZ"[rng.IntN(4)]), CPULast: Know(rng.IntN(2)),
			RunNS: n(), ReadyNS: n(), WaitingNS: n(), UserNS: n(), SystemNS: n(), Voluntary: n(), Involuntary: n(),
		})
	}
	return p
}

// However often and long processes rest, the changes taken over from those
// before are the ones that a new comparison finds.
func TestDiffAfterIsDiff(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	next := func(prev *Snapshot, at int64) *Snapshot {
		s := &Snapshot{MonoNS: at * 1e9, BootNS: at * 1e9}
		for pid := 1; pid < 30; pid++ {
			var p *Process
			if prev != nil {
				p = prev.ByPID(pid)
			}
			switch k := rng.IntN(10); {
			case k == 0:
				continue
			case p == nil || k == 1:
				p = restingProcess(rng, pid)
			}
			s.Processes = append(s.Processes, p)
			s.ReadAt = append(s.ReadAt, s.MonoNS+rng.Int64N(1e8))
		}
		return s
	}
	shared, last := 0, (*Changes)(nil)
	var prev *Snapshot
	for at := range int64(100) {
		cur := next(prev, 10+at)
		if at%50 == 49 {
			last = nil // changes that do not end where these begin
		}
		got, want := diffAfter(last, prev, cur), Diff(prev, cur)
		opts := cmp.Options{cmpopts.IgnoreUnexported(Delta{}), cmpopts.IgnoreFields(Delta{}, "Interval"), cmpopts.IgnoreFields(Changes{}, "Prev", "Cur", "Exited")}
		if d := cmp.Diff(want, got, opts); d != "" {
			t.Fatal(d)
		}
		for i, d := range got.Deltas {
			if d.ID != cur.Processes[i].ID || len(d.Threads) != len(cur.Processes[i].Threads) {
				t.Fatalf("%v: the delta of %v", cur.Processes[i].ID, d.ID)
			}
			if last != nil && d.still && d == last.Of(d.ID) {
				shared++
			} else if d.Interval != want.Deltas[i].Interval {
				t.Fatalf("interval %v, want %v", d.Interval, want.Deltas[i].Interval)
			}
		}
		prev, last = cur, got
	}
	if shared < 1000 {
		t.Errorf("%d deltas were taken over", shared)
	}
}

// Of a process that rests nothing is computed or allocated again.
func TestDiffAfterAllocatesNothingPerProcess(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a := &Snapshot{MonoNS: 1e9}
	for pid := range 1000 {
		a.Processes = append(a.Processes, restingProcess(rng, pid+1))
	}
	b, c := *a, *a
	b.MonoNS, c.MonoNS = 2e9, 3e9
	last := Diff(a, &b)
	if n := testing.AllocsPerRun(10, func() { diffAfter(last, &b, &c) }); n > 50 {
		t.Errorf("%v allocations for 1,000 processes at rest", n)
	}
	if d := diffAfter(last, &b, &c); d.Interval != time.Second || d.Deltas[7] != last.Deltas[7] {
		t.Errorf("interval %v, or the delta was not taken over", d.Interval)
	}
}
