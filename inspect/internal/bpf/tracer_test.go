package bpf

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func startTracer(t *testing.T, opt TracerOptions) *Tracer {
	t.Helper()
	tr := newTracer(t, opt)
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	return tr
}

func aggregates(t *testing.T, tr *Tracer) *Aggregates {
	t.Helper()
	a, err := tr.ReadAggregates()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func threadOf(t *testing.T, a *Aggregates, tid uint64) *ThreadStats {
	t.Helper()
	for i := range a.Threads {
		if uint64(a.Threads[i].TID) == tid {
			return &a.Threads[i]
		}
	}
	t.Fatalf("thread %d was not traced", tid)
	return nil
}

func processOf(t *testing.T, a *Aggregates, pid int) *ProcessStats {
	t.Helper()
	for i := range a.Processes {
		if int(a.Processes[i].TGID) == pid {
			return &a.Processes[i]
		}
	}
	t.Fatalf("process %d was not traced", pid)
	return nil
}

// kernelCounts are what /proc counts of a thread.
type kernelCounts struct{ run, ready, vol, invol uint64 }

func (k kernelCounts) since(past kernelCounts) kernelCounts {
	return kernelCounts{k.run - past.run, k.ready - past.ready, k.vol - past.vol, k.invol - past.invol}
}

func readCounts(t *testing.T, pid int, tid uint64) kernelCounts {
	t.Helper()
	f, err := readTask(uint32(pid), uint32(tid))
	if err != nil {
		t.Fatal(err)
	}
	n := func(k string) uint64 {
		v, err := strconv.ParseUint(f[k], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	return kernelCounts{n("run"), n("run_delay"), n("voluntary_ctxt_switches"), n("nonvoluntary_ctxt_switches")}
}

// allCounts are those of all threads of a process.
func allCounts(t *testing.T, pid int) map[uint64]kernelCounts {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	all := map[uint64]kernelCounts{}
	for _, name := range names {
		if tid, err := strconv.ParseUint(name.Name(), 10, 64); err == nil {
			all[tid] = readCounts(t, pid, tid)
		}
	}
	return all
}

// near: within a share and an absolute amount.
func near(got, want time.Duration, share float64, abs time.Duration) bool {
	return math.Abs(float64(got-want)) <= share*float64(want)+float64(abs)
}

// TestBursts traces threads from their birth and compares the sums with the
// kernel's own accounting once they sleep.
func TestBursts(t *testing.T) {
	h := startHelper(t, "bursts", 5, 400)
	h.line()
	// The runtime may use threads that it has already: what they did before
	// does not count.
	before := allCounts(t, h.pid)
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Aggregates: true})
	after := allCounts(t, h.pid)
	tids := h.ask("")
	asleep(t, h.pid, tids)
	a := aggregates(t, tr)
	for _, tid := range tids {
		got, want := threadOf(t, a, tid), readCounts(t, h.pid, tid)
		_, old := before[tid]
		least, want := want.since(after[tid]), want.since(before[tid]) // Start lies between the two
		t.Logf("thread %d: run %v ready %v sleep %v, %d+%d switches, missed %d in and %d wakes; kernel %+v", tid, got.Run,
			got.Ready, got.Sleep, got.Voluntary, got.Involuntary, got.MissedIns, got.MissedWakes, want)
		if got.Born == old || (got.Seeded && !old) || got.State != Sleeping {
			t.Errorf("thread %d: born %v seeded %v %v", tid, got.Born, got.Seeded, got.State)
		}
		within := func(what string, v, lo, hi uint64, slack time.Duration) {
			if v+uint64(slack) < lo || v > hi+uint64(slack) {
				t.Errorf("thread %d: %s %d, kernel says %d to %d (±%d)", tid, what, v, lo, hi, slack)
			}
		}
		within("ran", uint64(got.Run), least.run, want.run, duration(want.run)/200)
		within("ready", uint64(got.Ready), least.ready, want.ready, duration(want.ready)/200)
		within("switches", got.Voluntary+got.Involuntary, least.vol+least.invol, want.vol+want.invol, 0)
		within("voluntary", got.Voluntary, least.vol, want.vol, 0)
		total := got.SeenRun + got.SeenReady + got.Sleep + got.Disk + got.Stopped + got.Unknown
		if life := duration(a.At - got.Since); !near(total, life, 0.001, time.Millisecond) {
			t.Errorf("thread %d: states add up to %v of %v", tid, total, life)
		}
		if got.CPUs.Count() == 0 || !got.CPUs.Has(got.CPU) {
			t.Errorf("thread %d: last on CPU %d, ran on %v", tid, got.CPU, got.CPUs)
		}
		checkLatency(t, got)
	}
	if a.Drops.ThreadsFull != 0 || a.Drops.Missed != 0 {
		t.Errorf("%+v", a.Drops)
	}
}

// asleep waits until the threads do nothing any more.
func asleep(t *testing.T, pid int, tids []uint64) {
	t.Helper()
	eventually(t, "all threads asleep", func() bool {
		for _, tid := range tids {
			f := facts{}
			if readStat(fmt.Sprintf("/proc/%d/task/%d/stat", pid, tid), f) != nil || f["state"] != "S" {
				return false
			}
		}
		return true
	})
}

func checkLatency(t *testing.T, s *ThreadStats) {
	t.Helper()
	l := &s.Latency
	var n uint64
	for _, c := range l.Hist {
		n += c
	}
	if n != l.Count || l.Max > l.Sum || l.Sum > s.SeenReady {
		t.Errorf("thread %d: latency %+v, ready %v", s.TID, *l, s.SeenReady)
	}
	if l.Count > s.Wakes+1 || l.Count+s.MissedIns+5 < s.Wakes*9/10 {
		t.Errorf("thread %d: %d latencies, %d wake-ups, %d missed", s.TID, l.Count, s.Wakes, s.MissedIns)
	}
}

// TestAttachMidLife: sums begin at the attach, with the state of that moment.
func TestAttachMidLife(t *testing.T) {
	h := startHelper(t, "spin")
	h.line()
	tr := newTracer(t, TracerOptions{Targets: []int{h.pid}, Aggregates: true})
	tid := uint64(h.pid)
	before := readCounts(t, h.pid, tid)
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	after := readCounts(t, h.pid, tid)
	time.Sleep(200 * time.Millisecond) // the quantity measured is time itself
	if err := unix.Kill(h.pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitState(t, target{"spinner", h.pid, "T"})
	a := aggregates(t, tr)
	end := readCounts(t, h.pid, tid)
	got := threadOf(t, a, tid)
	// It is known from the seed, or from an event that came before it.
	if got.Born || got.State != Stopped {
		t.Errorf("seeded %v born %v %v", got.Seeded, got.Born, got.State)
	}
	const tick = 10 * time.Millisecond // the kernel's figure of a running thread is that old
	lo, hi := duration(end.run-after.run)-tick, duration(end.run-before.run)+tick
	if got.Run < lo || got.Run > hi {
		t.Errorf("ran %v, kernel says %v to %v", got.Run, lo, hi)
	}
	total := got.SeenRun + got.SeenReady + got.Sleep + got.Disk + got.Stopped + got.Unknown
	if known := duration(a.At - got.Since); !near(total, known, 0.001, time.Millisecond) || known > a.Elapsed {
		t.Errorf("states add up to %v of %v, traced for %v", total, known, a.Elapsed)
	}
	p := processOf(t, a, h.pid)
	if p.Live == 0 || p.Run < got.Run || !(p.Parallelism > 0) || p.Parallelism > 2 {
		t.Errorf("process: %+v", *p)
	}
	// Sums of one reading are never smaller at the next.
	for range 100 {
		b := aggregates(t, tr)
		for i := range b.Threads {
			x := threadOf(t, a, uint64(b.Threads[i].TID))
			y := &b.Threads[i]
			if y.Run < x.Run || y.Ready < x.Ready || y.Sleep < x.Sleep || y.Disk < x.Disk || y.Stopped < x.Stopped || y.Voluntary < x.Voluntary {
				t.Fatalf("went back: %+v, %+v", *x, *y)
			}
		}
		a = b
	}
	// Stopped tracing: nothing grows any more.
	if err := tr.Stop(); err != nil {
		t.Fatal(err)
	}
	x, y := aggregates(t, tr), aggregates(t, tr)
	if x.Elapsed != y.Elapsed || x.Threads[0].Counts != y.Threads[0].Counts {
		t.Error("sums grow after Stop")
	}
}

// TestSeedStates: threads that do nothing are known in the state they are in.
func TestSeedStates(t *testing.T) {
	idle := startHelper(t, "threads", 3)
	idle.line()
	stopped := startHelper(t, "pause")
	stopped.line()
	if err := unix.Kill(stopped.pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitState(t, target{"stopped", stopped.pid, "T"})
	blocked := startHelper(t, "vfork")
	blocked.line()
	awaitState(t, target{"vfork parent", blocked.pid, "D"})
	tr := startTracer(t, TracerOptions{Targets: []int{idle.pid, stopped.pid, blocked.pid}, Aggregates: true})
	a := aggregates(t, tr)
	for pid, want := range map[int]State{idle.pid: Sleeping, stopped.pid: Stopped, blocked.pid: Disk} {
		if got := threadOf(t, a, uint64(pid)); got.State != want || !got.Seeded {
			t.Errorf("process %d: %v, want %v; seeded %v", pid, got.State, want, got.Seeded)
		}
	}
	if len(a.Processes) != 3 {
		t.Errorf("%d processes", len(a.Processes))
	}
}

func TestTracerFindsTargets(t *testing.T) {
	h := startHelper(t, "pause")
	h.line()
	other := startHelper(t, "pause")
	other.line()
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Aggregates: true})
	for _, s := range aggregates(t, tr).Threads {
		if int(s.TGID) != h.pid {
			t.Errorf("thread %d of %d was traced", s.TID, s.TGID)
		}
	}
	threadOf(t, aggregates(t, tr), uint64(h.pid))

	tr = newTracer(t, TracerOptions{Targets: []int{1 << 22}, Aggregates: true})
	if err := tr.Start(); !errors.Is(err, ErrNoProcess) {
		t.Errorf("no such process: %v", err)
	}
	for _, opt := range []TracerOptions{{}, {Events: true, Targets: []int{os.Getpid()}}, {Events: true, Targets: []int{0}}} {
		if _, err := NewTracer(context.Background(), opt); err == nil {
			t.Errorf("%+v accepted", opt)
		}
	}
}

// TestTraceAll traces everything but ourselves.
func TestTraceAll(t *testing.T) {
	h := startHelper(t, "churn")
	h.line()
	tr := startTracer(t, TracerOptions{Aggregates: true})
	var a *Aggregates
	eventually(t, "threads of the target that exited", func() bool {
		a = aggregates(t, tr)
		for _, p := range a.Processes {
			if int(p.TGID) == h.pid && p.Exited > 50 {
				return true
			}
		}
		return false
	})
	for _, s := range a.Threads {
		if int(s.TGID) == os.Getpid() {
			t.Errorf("our own thread %d was traced", s.TID)
		}
		if s.KernelTID == 0 {
			t.Error("the idle task was traced")
		}
	}
	if a.Drops.Switches == 0 || a.Drops.Missed != 0 {
		t.Errorf("%+v", a.Drops)
	}
	// Where every task can be seen, every switch is.
	if hidden := hiddenProcesses(t); len(hidden) == 0 && a.Drops.ChainBreaks != 0 {
		t.Errorf("%d breaks of the chain in %d switches", a.Drops.ChainBreaks, a.Drops.Switches)
	} else {
		t.Logf("%d switches, %d breaks of the chain, hidden processes: %v", a.Drops.Switches, a.Drops.ChainBreaks, hidden)
	}
}

// hiddenProcesses are those that /proc lists and no BPF iterator shows.
func hiddenProcesses(t *testing.T) []int {
	t.Helper()
	s := openSource(t)
	pids := listProc(t)
	tasks, err := s.Pass(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range tasks {
		delete(pids, int(tasks[i].TGID))
	}
	maps.DeleteFunc(pids, func(pid int, _ bool) bool { return unix.Kill(pid, 0) != nil })
	var hidden []int
	for pid := range pids {
		hidden = append(hidden, pid)
	}
	return hidden
}

// TestPreemptions: each involuntary switch has somebody who did it.
func TestPreemptions(t *testing.T) {
	var set unix.CPUSet
	set.Set(runnableCPU(t))
	pids := []int{}
	for range 2 {
		h := startHelper(t, "spin")
		h.line()
		if err := unix.SchedSetaffinity(h.pid, &set); err != nil {
			t.Skip(err)
		}
		pids = append(pids, h.pid)
	}
	tr := startTracer(t, TracerOptions{Targets: pids, Aggregates: true, Pairs: true})
	var a *Aggregates
	eventually(t, "the two preempt each other", func() bool {
		a = aggregates(t, tr)
		n := 0
		for _, p := range a.Preemptions {
			if p.Count >= 5 && ((int(p.WhoTID) == pids[0] && int(p.WhomTID) == pids[1]) || (int(p.WhoTID) == pids[1] && int(p.WhomTID) == pids[0])) {
				n++
			}
		}
		return n == 2
	})
	if err := tr.Stop(); err != nil {
		t.Fatal(err)
	}
	a = aggregates(t, tr)
	for _, pid := range pids {
		var n uint64
		for _, p := range a.Preemptions {
			if int(p.WhomTID) == pid {
				n += p.Count
				if p.WhoComm == "" || p.WhomComm == "" {
					t.Errorf("no name: %+v", p)
				}
			}
		}
		if s := threadOf(t, a, uint64(pid)); n != s.Involuntary {
			t.Errorf("process %d: %d involuntary switches, %d preemptions", pid, s.Involuntary, n)
		}
	}
	// Two on one CPU never run at the same moment.
	if a.Parallelism > 1.05 || a.Parallelism <= 0 {
		t.Errorf("parallelism %v of two threads on one CPU", a.Parallelism)
	}
}

// TestMigrations: moves between CPUs are counted as the kernel counts them.
func TestMigrations(t *testing.T) {
	s := openSource(t)
	h := startHelper(t, "hop", 40)
	tid := h.numbers()[0]
	moves := func() uint64 {
		tasks, err := s.One(h.pid, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			if uint64(task.TID) == tid {
				return task.Migrations
			}
		}
		t.Fatal("no such thread")
		return 0
	}
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Aggregates: true, Events: true})
	before := moves()
	h.ask("")
	asleep(t, h.pid, []uint64{tid})
	got, want := threadOf(t, aggregates(t, tr), tid), moves()-before
	if want == 0 {
		t.Skip("one CPU only")
	}
	if got.Migrations != want {
		t.Errorf("%d migrations, kernel says %d", got.Migrations, want)
	}
	if got.CPUs.Count() < 2 {
		t.Errorf("ran on %v", got.CPUs)
	}
	n := uint64(0)
	collect(t, tr, func(events []Event, _ []Exit) bool {
		n = 0
		for _, e := range events {
			if e.Kind == Migrate && uint64(e.TID) == tid {
				n++
			}
		}
		return n >= want
	})
	if n != want {
		t.Errorf("%d events, %d migrations", n, want)
	}
}

// TestExecFromThread: a thread that is not the leader executes a program and
// becomes the leader; its old number ends.
func TestExecFromThread(t *testing.T) {
	h := startHelper(t, "exec")
	h.line()
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Aggregates: true})
	old := h.ask("")[0]
	eventually(t, "the new program sleeps", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", h.pid))
		return err == nil && string(b) == "sleep\n"
	})
	asleep(t, h.pid, []uint64{uint64(h.pid)})
	a := aggregates(t, tr)
	if s := threadOf(t, a, uint64(h.pid)); s.Comm != "sleep" || s.State != Sleeping {
		t.Errorf("leader: %q, %v", s.Comm, s.State)
	}
	if s := threadOf(t, a, old); s.State != Dead {
		t.Errorf("old number: %v", s.State)
	}
}

// TestTablesFull: what does not fit is counted.
func TestTablesFull(t *testing.T) {
	h := startHelper(t, "threads", 100)
	h.line()
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Aggregates: true, MaxThreads: 4})
	a := aggregates(t, tr)
	// The kernel rounds the table up to what its CPUs keep in stock.
	if len(a.Threads) >= 100 || a.Drops.ThreadsFull == 0 || !a.Drops.Lost() {
		t.Errorf("%d threads, %+v", len(a.Threads), a.Drops)
	}
}
