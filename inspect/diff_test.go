package inspect_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

const second = int64(time.Second)

// snap makes a snapshot at the given second of a machine that booted at 0.
func snap(at int64, procs ...*inspect.Process) *inspect.Snapshot {
	s := &inspect.Snapshot{MonoNS: at * second, BootNS: at * second, Want: inspect.WantAll, Processes: procs}
	for range procs {
		s.ReadAt = append(s.ReadAt, at*second)
	}
	return s
}

func process(pid int, start uint64, cpu uint64) *inspect.Process {
	return &inspect.Process{
		ID: inspect.ID{PID: pid, Start: start}, State: 'S', LeaderState: 'S',
		CPUTimeNS: inspect.Know(cpu), RSSBytes: inspect.Know(uint64(4096)), ThreadsWhy: inspect.OK,
		Switches: inspect.Switches{Voluntary: inspect.Know(cpu / 1e6), Involuntary: inspect.Know(uint64(0)), Scope: inspect.ScopeProcess},
	}
}

func thread(tid int, start uint64, state inspect.State, run, ready uint64) inspect.Thread {
	return inspect.Thread{
		ID: inspect.ThreadID{TID: tid, Start: start}, State: state,
		RunNS: inspect.Know(run), ReadyNS: inspect.Know(ready),
		Voluntary: inspect.Know(run / 1e6), Involuntary: inspect.Know(uint64(0)), CPULast: inspect.Know(0),
	}
}

// calm: it never blocked.
func calm(t inspect.Thread) inspect.Thread {
	t.Voluntary = inspect.Know(uint64(7))
	return t
}

func TestDiffFirst(t *testing.T) {
	c := inspect.Diff(nil, snap(10, process(1, 0, 5)))
	if c.Prev != nil || c.Deltas[0].CPUPercent.Why != inspect.NeedsTwoSamples {
		t.Errorf("first sample: %+v", c.Deltas[0])
	}
	if c := inspect.Diff(nil, nil); c.Deltas != nil {
		t.Errorf("no sample: %+v", c)
	}
}

func TestDiffIdentities(t *testing.T) {
	prev := snap(10, process(1, 0, 1e9), process(5, 100, 1e9), process(7, 300, 1e9))
	cur := snap(12,
		process(1, 0, 2e9),      // in both
		process(5, 1100, 400e6), // number used again, born since
		process(6, 50, 9e9),     // older, but not seen before
	)
	c := inspect.Diff(prev, cur)
	if got := c.Deltas[0].CPUPercent; got != inspect.Know(50.0) {
		t.Errorf("in both: CPU %+v, want 50", got)
	}
	d := c.Deltas[1]
	if !d.Born || d.CPUPercent != inspect.Know(20.0) || d.VoluntaryRate != inspect.Know(200.0) {
		t.Errorf("born since: born %v, CPU %+v, want 20; switches %+v, want 200", d.Born, d.CPUPercent, d.VoluntaryRate)
	}
	if d := c.Deltas[2]; d.Born || d.CPUPercent.Why != inspect.SeenLate {
		t.Errorf("seen late: %+v", d)
	}
	if len(c.Exited) != 2 || c.Exited[0].ID.PID != 5 || c.Exited[1].ID.PID != 7 {
		t.Errorf("exited: %v", c.Exited)
	}
	if c.Of(cur.Processes[1].ID) != c.Deltas[1] || c.Of(inspect.ID{PID: 5, Start: 100}) != nil {
		t.Error("Of finds the wrong process")
	}
}

func TestDiffReset(t *testing.T) {
	prev, cur := snap(10, process(1, 0, 9e9)), snap(11, process(1, 0, 1e6))
	d := inspect.Diff(prev, cur).Deltas[0]
	if !d.Reset || d.CPUPercent.Why != inspect.WasReset || d.VoluntaryRate.Why != inspect.WasReset {
		t.Errorf("counters went back: %+v", d)
	}
}

func TestDiffClockAndTicksAreNotMixed(t *testing.T) {
	a, b := process(1, 0, 1_000_000_000), process(1, 0, 1_999_999_999)
	a.UserNS, a.SystemNS = inspect.Know(uint64(1e9)), inspect.Know(uint64(0))
	b.UserNS, b.SystemNS = inspect.Know(uint64(1.5e9)), inspect.Know(uint64(0))
	prev, cur := snap(10, a), snap(11, b)
	prev.Want &^= inspect.WantCPUClock
	if got := inspect.Diff(prev, cur).Deltas[0].CPUPercent; got != inspect.Know(50.0) {
		t.Errorf("CPU %+v, want 50 (ticks against ticks)", got)
	}
}

func TestDiffShares(t *testing.T) {
	type shares struct{ run, ready, blocked float64 }
	tests := []struct {
		name       string
		prev, cur  inspect.Thread
		want       shares
		pending    bool
		migrations uint64
	}{
		{name: "asleep", prev: thread(1, 0, 'S', 5, 5), cur: thread(1, 0, 'S', 5, 5), want: shares{0, 0, 100}},
		{name: "half", prev: thread(1, 0, 'S', 0, 0), cur: thread(1, 0, 'R', 5e8, 2e8), want: shares{50, 20, 30}},
		{name: "a tick too much", prev: thread(1, 0, 'R', 0, 0), cur: thread(1, 0, 'R', 1004e6, 0), want: shares{100, 0, 0}},
		{
			name: "waits for a CPU all the time", prev: thread(1, 0, 'R', 5, 5), cur: thread(1, 0, 'R', 5, 5),
			want: shares{0, 100, 0}, pending: true,
		},
		{
			name: "woken and waiting since an unknown moment", prev: thread(1, 0, 'S', 5, 5), cur: thread(1, 0, 'R', 5, 5),
			want: shares{0, 0, 100}, pending: true,
		},
		{
			name: "ran, was preempted, waits", prev: calm(thread(1, 0, 'R', 0, 0)), cur: calm(thread(1, 0, 'R', 2e8, 1e8)),
			want: shares{20, 80, 0}, pending: true,
		},
		{
			name: "runs all the time", prev: calm(thread(1, 0, 'R', 0, 0)), cur: calm(thread(1, 0, 'R', 996e6, 0)),
			want: shares{99.6, 0.4, 0},
		},
		{
			name: "a delay of three seconds lands", prev: thread(1, 0, 'R', 0, 0), cur: thread(1, 0, 'R', 4e8, 3e9),
			want: shares{40, 60, 0},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := process(1, 0, 0), process(1, 0, 0)
			a.Threads, b.Threads = []inspect.Thread{tt.prev}, []inspect.Thread{tt.cur}
			d := inspect.Diff(snap(10, a), snap(11, b)).Deltas[0]
			td := d.Threads[0]
			round := func(x float64) float64 { return math.Round(x*1e6) / 1e6 }
			got := shares{round(td.RunningPercent.V), round(td.ReadyPercent.V), round(td.BlockedPercent.V)}
			if got != tt.want || td.PendingReady != tt.pending || !td.BlockedPercent.OK() {
				t.Errorf("got %+v pending %v, want %+v pending %v", got, td.PendingReady, tt.want, tt.pending)
			}
			if round(d.Parallelism.V) != tt.want.run/100 {
				t.Errorf("parallelism %v, want %v", d.Parallelism, tt.want.run/100)
			}
		})
	}
}

func TestDiffThreads(t *testing.T) {
	a, b := process(1, 0, 0), process(1, 0, 0)
	moved := thread(3, 0, 'S', 1e9, 0)
	moved.CPULast = inspect.Know(1)
	a.Threads = []inspect.Thread{thread(1, 0, 'S', 0, 0), thread(2, 0, 'S', 0, 0), thread(3, 0, 'S', 0, 0)}
	b.Threads = []inspect.Thread{thread(1, 0, 'S', 0, 0), moved, thread(9, 1050, 'R', 4e8, 0)}
	d := inspect.Diff(snap(10, a), snap(11, b)).Deltas[0]
	if len(d.ExitedThreads) != 1 || d.ExitedThreads[0].TID != 2 {
		t.Errorf("exited threads %v, want TID 2", d.ExitedThreads)
	}
	if len(d.BornThreads) != 1 || d.BornThreads[0].TID != 9 || !d.Threads[2].Born {
		t.Errorf("born threads %v, want TID 9", d.BornThreads)
	}
	// It lived for the second half: 40 % running, 10 % blocked.
	if got := d.Threads[2]; got.RunningPercent.V != 40 || math.Abs(got.BlockedPercent.V-10) > 1e-9 {
		t.Errorf("born thread: running %v blocked %v, want 40 and 10", got.RunningPercent, got.BlockedPercent)
	}
	if d.Migrations != inspect.Know(uint64(1)) || d.RunningPercent != inspect.Know(140.0) || d.Parallelism != inspect.Know(1.4) {
		t.Errorf("process: %+v", d)
	}
}

func TestDiffSamePointer(t *testing.T) {
	p := process(1, 0, 1e9)
	p.Threads = []inspect.Thread{thread(1, 0, 'S', 1, 1), thread(2, 0, 'R', 1, 1)}
	d := inspect.Diff(snap(10, p), snap(12, p)).Deltas[0]
	if d.CPUPercent != inspect.Know(0.0) || d.BlockedPercent != inspect.Know(100.0) || d.ReadyPercent != inspect.Know(100.0) {
		t.Errorf("unchanged process: %+v", d)
	}
	if d.RSSGrowth != inspect.Know(int64(0)) || d.Interval != 2*time.Second {
		t.Errorf("unchanged process: growth %v interval %v", d.RSSGrowth, d.Interval)
	}
}

func TestDiffHost(t *testing.T) {
	f := inspecttest.Frame(3)
	h := f.Changes.Host
	if h.SwitchRate != inspect.Know(2000.0) || h.ForkRate != inspect.Know(3.0) {
		t.Errorf("host rates %+v", h)
	}
	if math.Abs(h.CPUPercent.V-60) > 0.01 || len(h.PerCPU) != 2 || math.Abs(h.PerCPU[0].V-60) > 0.01 {
		t.Errorf("host CPU %+v, want 60", h)
	}
}

// Whatever happens to processes and threads between two samples, no rate is
// negative, and no thread spends more time than there is.
func TestDiffProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		prev, cur := randomSnapshot(rng, 10), randomSnapshot(rng, 11)
		c := inspect.Diff(prev, cur)
		if len(c.Deltas) != len(cur.Processes) {
			t.Fatal("a delta per process is missing")
		}
		if gone := len(prev.Processes) - survivors(prev, cur); len(c.Exited) != gone {
			t.Fatalf("%d exited, want %d", len(c.Exited), gone)
		}
		for i := range c.Deltas {
			checkDelta(t, c.Deltas[i], cur.Processes[i])
		}
	}
}

func checkDelta(t *testing.T, d *inspect.Delta, p *inspect.Process) {
	t.Helper()
	if d.ID != p.ID || len(d.Threads) != len(p.Threads) {
		t.Fatalf("delta of %v has %d threads, process %v has %d", d.ID, len(d.Threads), p.ID, len(p.Threads))
	}
	for _, k := range []inspect.Known[float64]{d.CPUPercent, d.VoluntaryRate, d.InvoluntaryRate, d.RunningPercent, d.ReadyPercent, d.BlockedPercent} {
		if k.OK() && (k.V < 0 || math.IsNaN(k.V) || math.IsInf(k.V, 0)) {
			t.Fatalf("impossible rate %v", k.V)
		}
	}
	for _, td := range d.Threads {
		sum := td.RunningPercent.Or(0) + td.ReadyPercent.Or(0) + td.BlockedPercent.Or(0)
		if sum > 100+1e-6 || td.BlockedPercent.OK() && td.BlockedPercent.V < 0 {
			t.Fatalf("shares of a thread add up to %v", sum)
		}
	}
}

func survivors(a, b *inspect.Snapshot) int {
	n := 0
	for _, p := range a.Processes {
		if b.ByID(p.ID) != nil {
			n++
		}
	}
	return n
}

func randomSnapshot(rng *rand.Rand, at int64) *inspect.Snapshot {
	var procs []*inspect.Process
	for pid := 1; pid < 20; pid++ {
		if rng.IntN(3) == 0 {
			continue
		}
		p := process(pid, uint64(rng.IntN(2)*1050), rng.Uint64N(3e9))
		for tid := range rng.IntN(4) {
			p.Threads = append(p.Threads, thread(pid*100+tid, uint64(rng.IntN(2)*1060), inspect.State("RSD"[rng.IntN(3)]), rng.Uint64N(3e9), rng.Uint64N(3e9)))
		}
		procs = append(procs, p)
	}
	return snap(at, procs...)
}
