package bpf

import (
	"math/bits"
	"testing"
	"time"
)

func TestStateLetter(t *testing.T) {
	tests := []struct {
		state, exit uint32
		want        byte
	}{
		{0, 0, 'R'},
		{0x1, 0, 'S'},
		{0x2001, 0, 'S'}, // TASK_FREEZABLE
		{0x2, 0, 'D'},
		{0x102, 0, 'D'}, // TASK_KILLABLE
		{0x4, 0, 'T'},
		{0x104, 0, 'T'}, // TASK_STOPPED
		{0x8, 0, 't'},
		{0x80, 0x20, 'Z'}, // TASK_DEAD is no state of its own
		{0x80, 0x10, 'X'},
		{0x40, 0, 'P'},
		{0x402, 0, 'I'},
		{0x2402, 0, 'I'},
		{0x1000, 0, 'D'}, // TASK_RTLOCK_WAIT
		{0x8000, 0, 'D'}, // TASK_FROZEN
		{0x8001, 0, 'D'},
		{0x200, 0, 'R'}, // TASK_WAKING
		{0x800, 0, 'R'}, // TASK_NEW
		{0xffffffff, 0xffffffff, 'D'},
	}
	for _, tt := range tests {
		if got := stateLetter(tt.state, tt.exit); got != tt.want {
			t.Errorf("stateLetter(%#x, %#x) = %c, want %c", tt.state, tt.exit, got, tt.want)
		}
	}
}

func TestAdjustCPUTime(t *testing.T) {
	const max = ^uint64(0)
	tests := []struct {
		name                       string
		ut, st, rt, prevUt, prevSt uint64
		wantUser, wantSystem       uint64
	}{
		{"nothing", 0, 0, 0, 0, 0, 0, 0},
		{"never sampled in system", 4, 0, 10, 0, 0, 10, 0},
		{"never sampled in user", 0, 4, 10, 0, 0, 0, 10},
		{"never sampled at all", 0, 0, 10, 0, 0, 10, 0},
		{"in proportion", 30, 10, 100, 0, 0, 75, 25},
		{"rounded down", 2, 1, 100, 0, 0, 67, 33},
		{"system must not fall", 90, 10, 100, 20, 50, 50, 50},
		{"user must not fall", 10, 90, 100, 60, 20, 60, 40},
		{"no progress", 30, 10, 100, 70, 30, 70, 30},
		{"clock behind", 30, 10, 90, 70, 30, 70, 30},
		{"samples beyond run time", 300, 100, 100, 0, 0, 75, 25},
		{"128 bits", 3 << 60, 1 << 60, 1 << 62, 0, 0, 3 << 60, 1 << 60},
		{"everything system", 1, max - 1, max, 0, 0, 1, max - 1},
	}
	for _, tt := range tests {
		user, system := AdjustCPUTime(tt.ut, tt.st, tt.rt, tt.prevUt, tt.prevSt)
		if user != tt.wantUser || system != tt.wantSystem {
			t.Errorf("%s: got %d, %d, want %d, %d", tt.name, user, system, tt.wantUser, tt.wantSystem)
		}
	}
}

func FuzzAdjustCPUTime(f *testing.F) {
	f.Add(uint64(30), uint64(10), uint64(100), uint64(0), uint64(0))
	f.Add(^uint64(0), ^uint64(0), ^uint64(0), uint64(5), uint64(6))
	f.Add(uint64(1), uint64(1), uint64(1), uint64(1)<<63, uint64(0))
	f.Fuzz(func(t *testing.T, ut, st, rt, prevUt, prevSt uint64) {
		// Hundreds of years of CPU time do not add up in 64 bits.
		const limit = 1 << 62
		ut, st, rt, prevUt, prevSt = ut%limit, st%limit, rt%limit, prevUt%limit, prevSt%limit
		user, system := AdjustCPUTime(ut, st, rt, prevUt, prevSt)
		if prevUt+prevSt >= rt {
			if user != prevUt || system != prevSt {
				t.Fatalf("moved without progress: %d, %d", user, system)
			}
			return
		}
		if user+system != rt {
			t.Fatalf("%d + %d is not %d", user, system, rt)
		}
		if user < prevUt || system < prevSt {
			t.Fatalf("went back: %d < %d or %d < %d", user, prevUt, system, prevSt)
		}
		// Asked again with its own answer, it does not move.
		if u, s := AdjustCPUTime(ut, st, rt, user, system); u != user || s != system {
			t.Fatalf("not stable: %d, %d after %d, %d", u, s, user, system)
		}
	})
}

func FuzzScale(f *testing.F) {
	f.Add(uint64(3), uint64(7), uint64(2))
	f.Add(^uint64(0), ^uint64(0), uint64(1))
	f.Fuzz(func(t *testing.T, a, b, c uint64) {
		if c == 0 {
			return
		}
		q := scale(a, b, c)
		// q is right iff q*c <= a*b < (q+1)*c, in 128 bits.
		ph, pl := bits.Mul64(a, b)
		qh, ql := bits.Mul64(q, c)
		lo, borrow := bits.Sub64(pl, ql, 0)
		hi, borrow := bits.Sub64(ph, qh, borrow)
		if borrow != 0 {
			t.Fatalf("%d*%d/%d: %d is too large", a, b, c, q)
		}
		if (hi != 0 || lo >= c) && q != ^uint64(0) {
			t.Fatalf("%d*%d/%d: %d is too small", a, b, c, q)
		}
	})
}

func TestTaskConversions(t *testing.T) {
	task := Task{
		TGID: 7, TID: 7, Prio: 66, StaticPrio: 113, Start: 12_345_678_901, Flags: FlagKernelThread,
		RSS: [4]int64{10, -3, 4, 5}, CommBytes: [16]byte{'a', '(', '\n', 0, 'x'},
		Have: HaveSchedInfo | HaveRQClock, LastQueued: 100, RQClock: 350,
	}
	if got := task.Comm(); got != "a(\n" {
		t.Errorf("Comm %q", got)
	}
	if task.Priority() != -34 || task.Nice() != -7 || task.StartTicks() != 1234 {
		t.Errorf("priority %d nice %d start %d", task.Priority(), task.Nice(), task.StartTicks())
	}
	if !task.Leader() || !task.KernelThread() {
		t.Error("neither leader nor kernel thread")
	}
	if task.RSSPages() != 15 || task.AnonPages() != 0 || task.SwapPages() != 4 || task.FilePages() != 10 || task.ShmemPages() != 5 {
		t.Errorf("rss %d anon %d swap %d", task.RSSPages(), task.AnonPages(), task.SwapPages())
	}
	if wait, ok := task.ReadySince(); !ok || wait != 250*time.Nanosecond {
		t.Errorf("waiting %v %v", wait, ok)
	}
	task.LastQueued = 0
	if wait, ok := task.ReadySince(); !ok || wait != 0 {
		t.Errorf("not queued: %v %v", wait, ok)
	}
	task.LastQueued = 400 // queued after the clock was read
	if wait, ok := task.ReadySince(); !ok || wait != 0 {
		t.Errorf("clock behind: %v %v", wait, ok)
	}
	task.Have = HaveSchedInfo
	if _, ok := task.ReadySince(); ok {
		t.Error("known without a clock")
	}
	full := Task{CommBytes: [16]byte([]byte("0123456789abcdef"))}
	if full.Comm() != "0123456789abcdef" {
		t.Errorf("unterminated name %q", full.Comm())
	}
}

func TestSum(t *testing.T) {
	var none Sum
	if got := none.Totals(); got != (ProcessTotals{}) || none.Memory() != nil {
		t.Errorf("empty sum: %+v", got)
	}
	leader := Task{
		TGID: 5, TID: 5, NrThreads: 2, Seq: 8, Have: HaveSeq | HaveIO, NVCSw: 10, NIvCSw: 1, SumExec: 100,
		UTime: 30, STime: 10, RunDelay: 4, PCount: 11, MinFlt: 3, RChar: 1,
		SigNVCSw: 100, SigNIvCSw: 50, SigSumExec: 300, SigUTime: 60, SigRChar: 7, SigMinFlt: 1,
	}
	worker := leader
	worker.TID, worker.Have = 6, HaveSeq|HaveMM
	sum := func(tasks ...Task) ProcessTotals {
		var s Sum
		for i := range tasks {
			s.Add(&tasks[i])
		}
		return s.Totals()
	}
	got := sum(leader, worker)
	want := ProcessTotals{
		TGID: 5, Threads: 2, UserNS: 429, SystemNS: 71, ExecNS: 500, Voluntary: 120, Involuntary: 52,
		MinorFaults: 7, IO: IO{RChar: 9}, ReadyNS: 8, Slices: 22, Settled: true,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if sum(leader).Settled {
		t.Error("settled although a thread is missing")
	}
	for _, seq := range []uint32{9, 10} {
		moved := worker
		moved.Seq = seq
		if sum(leader, moved).Settled {
			t.Errorf("settled although the sequence went from 8 to %d", seq)
		}
	}
	odd := leader
	odd.Seq, odd.NrThreads = 7, 1
	if sum(odd).Settled {
		t.Error("settled with an odd sequence")
	}
	blind := leader
	blind.Have, blind.NrThreads = 0, 1
	if sum(blind).Settled {
		t.Error("settled without a sequence")
	}

	var s Sum
	s.Add(&leader)
	s.Add(&worker)
	if s.Memory() != &worker {
		t.Error("memory not taken from the thread that has it")
	}
	exact := worker
	exact.Have |= HaveRSSExact
	s.Add(&exact)
	s.Add(&worker)
	if s.Memory() != &exact {
		t.Error("memory not taken from the exact record")
	}
}
