package bpf

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestExitStatus(t *testing.T) {
	tests := []struct {
		raw, code, signal int
		core              bool
	}{{0, 0, 0, false}, {7 << 8, 7, 0, false}, {9, 0, 9, false}, {0x8b, 0, 11, true}, {0xff00, 255, 0, false}}
	for _, tt := range tests {
		e := Exit{Code: uint32(tt.raw)}
		if code, signal, core := e.Status(); code != tt.code || signal != tt.signal || core != tt.core {
			t.Errorf("%#x: %d, %d, %v", tt.raw, code, signal, core)
		}
	}
}

func TestLatency(t *testing.T) {
	var l Latency
	if _, ok := l.Quantile(0.5); ok || l.Mean() != 0 {
		t.Error("a latency out of nothing")
	}
	// 90 of about 1 µs (2^9…2^10), 10 of about 1 ms (2^19…2^20).
	l = Latency{Count: 100, Sum: 90*900 + 10*900_000, Max: 900_000}
	l.Hist[9], l.Hist[19] = 90, 10
	if l.Mean() != 90_810 {
		t.Errorf("mean %v", l.Mean())
	}
	for q, want := range map[float64]time.Duration{0: 1024, 0.5: 1024, 0.89: 1024, 0.9: 900_000, 0.99: 900_000, 1: 900_000} {
		if got, ok := l.Quantile(q); !ok || got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
}

func TestCPUSet(t *testing.T) {
	s := CPUSet{Bits: [cpuWords]uint64{1 << 3, 0, 1 << 63, 0}}
	if s.Count() != 2 || !s.Has(3) || !s.Has(191) || s.Has(4) || s.Has(-1) || s.Has(256) || s.Has(1<<40) {
		t.Errorf("%v", s)
	}
	s.add(CPUSet{Bits: [cpuWords]uint64{1}, More: true})
	if s.Count() != 3 || !s.More {
		t.Errorf("%v", s)
	}
}

func TestAggStats(t *testing.T) {
	r := aggRec{
		Since: 1000, First: 500, Start: 77, NVCSw: 1, NIvCSw: 2, Wakes: 3, Migrations: 4, TID: 9, TGID: 8,
		CPU: 1, State: uint8(Ready), Flags: aggBorn, Comm: [16]byte{'x'},
	}
	r.NS[Running], r.NS[Ready], r.NS[Disk] = 10, 20, 30
	s := r.stats(99, 1500, 3)
	if s.Ready != 520 || s.Run != 10 || s.Disk != 30 || s.Start != 80 || s.Since != 500 || s.KernelTID != 99 ||
		s.Comm != "x" || s.State != Ready || !s.Born || s.Seeded || s.Voluntary != 1 || s.Involuntary != 2 {
		t.Errorf("%+v", s)
	}
	if s := r.stats(99, 900, 0); s.Ready != 20 { // changed after the clock was read
		t.Errorf("clock behind: %v", s.Ready)
	}
	r.Flags |= aggDead
	if s := r.stats(99, 1500, 0); s.State != Dead || s.Ready != 20 {
		t.Errorf("dead: %+v", s)
	}
}

func TestSumProcesses(t *testing.T) {
	tr := &Tracer{opt: TracerOptions{MaxThreads: 1}, folded: map[uint32]*ProcessStats{}}
	for range 3 {
		tr.bury(ThreadStats{TID: 3, TGID: 2, State: Dead, Counts: Counts{Run: 10, Voluntary: 1}})
	}
	a := &Aggregates{Elapsed: 100, Threads: tr.dead, FoldedThreads: tr.nFolded}
	a.Threads = append(a.Threads, ThreadStats{TID: 2, TGID: 2, Counts: Counts{Run: 50}}, ThreadStats{TID: 1, TGID: 1, Counts: Counts{Run: 100}})
	tr.sumProcesses(a)
	if len(a.Processes) != 2 || a.Processes[0].TGID != 1 || a.FoldedThreads != 2 {
		t.Fatalf("%+v", a)
	}
	p := a.Processes[1]
	if p.Run != 80 || p.Voluntary != 3 || p.Exited != 3 || p.Live != 1 || p.Parallelism != 0.8 || math.Abs(a.Parallelism-1.8) > 1e-9 {
		t.Errorf("%+v, all %v", p, a.Parallelism)
	}
	if a.Threads[0].TID != 1 || a.Threads[1].TID != 2 {
		t.Error("not sorted")
	}
	tr.sumProcesses(&Aggregates{})
	if tr.folded[2].Exited != 2 {
		t.Error("reading changed what is remembered")
	}
}

func TestLevels(t *testing.T) {
	var l Levels
	if got := l.At(5); len(got) != 1 || got[0] != 0 {
		t.Errorf("empty: %v", got)
	}
	l = Levels{}
	for _, e := range []Event{
		{TS: 100, TID: 1, Kind: Seed, State: Running},
		{TS: 100, TID: 2, Kind: Seed, State: Sleeping},
		{TS: 110, TID: 2, Kind: Wake},
		{TS: 120, TID: 2, Kind: In},
		{TS: 150, TID: 1, Kind: Out, State: Ready},
		{TS: 149, TID: 3, Kind: In}, // from another CPU, a little late
		{TS: 160, TID: 4, Kind: Out},
		{TS: 170, TID: 2, Kind: Out},
		{TS: 180, TID: 3, Kind: Out},
	} {
		l.Add(e)
	}
	want := []time.Duration{20, 20 + 10, 30 + 20}
	if got := l.At(200); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := Mean(want); got != 1.3 {
		t.Errorf("mean %v", got)
	}
	if Mean(nil) != 0 {
		t.Error("mean of nothing")
	}
}

func TestNames(t *testing.T) {
	for k := Out; k <= Seed; k++ {
		if k.String() == "" || k.String()[:1] == "k" {
			t.Errorf("kind %d has no name", k)
		}
	}
	for s := Unknown; s <= Dead; s++ {
		if s.String() == "" {
			t.Errorf("state %d has no name", s)
		}
	}
	if Kind(0).String() != "kind 0" || Kind(200).String() != "kind 200" || State(9).String() != "state 9" {
		t.Error("numbers without a name")
	}
}
