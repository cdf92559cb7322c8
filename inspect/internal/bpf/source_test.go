package bpf

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNumbers: numbers are those of our PID namespace, whichever it is.
func TestNumbers(t *testing.T) {
	s := openSource(t)
	tasks, err := s.One(os.Getpid(), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if int(task.TGID) != os.Getpid() {
			t.Errorf("process %d among our threads", task.TGID)
		}
		if int(task.PPID) != os.Getppid() {
			t.Errorf("parent %d, is %d", task.PPID, os.Getppid())
		}
	}
	self := tasks[0]
	if nested := os.Getenv(nestedEnv) != ""; nested != (self.KernelTGID != self.TGID) {
		t.Errorf("nested %v, but process %d is %d to the kernel", nested, self.TGID, self.KernelTGID)
	}
	h := startHelper(t, "pause")
	h.line()
	tasks, err = s.One(h.pid, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if int(tasks[0].PPID) != os.Getpid() || int(tasks[0].TGID) != h.pid {
		t.Errorf("child %d of %d, is %d of %d", tasks[0].TGID, tasks[0].PPID, h.pid, os.Getpid())
	}
}

// TestPassSeesProc: what the pass shows /proc lists too, and the other way
// round but for what a security module hides from BPF.
func TestPassSeesProc(t *testing.T) {
	s := openSource(t)
	before := listProc(t)
	tasks, err := s.Pass(nil)
	if err != nil {
		t.Fatal(err)
	}
	after := listProc(t)
	shown := map[int]bool{}
	for i := range tasks {
		shown[int(tasks[i].TGID)] = true
	}
	var hidden []int
	for pid := range before {
		if after[pid] && !shown[pid] {
			hidden = append(hidden, pid)
		}
	}
	t.Logf("%d tasks of %d processes; listed by /proc only: %v", len(tasks), len(shown), hidden)
	if len(hidden) > 1+len(before)/10 {
		t.Errorf("%d of %d processes are not shown", len(hidden), len(before))
	}
	if !shown[os.Getpid()] {
		t.Error("we are not shown")
	}
	for pid := range shown {
		if !before[pid] && !after[pid] && unix.Kill(pid, 0) == nil {
			t.Errorf("process %d is not in /proc", pid)
		}
	}
}

func listProc(t *testing.T) map[int]bool {
	t.Helper()
	names, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	pids := map[int]bool{}
	for _, n := range names {
		if pid, err := strconv.Atoi(n.Name()); err == nil {
			pids[pid] = true
		}
	}
	return pids
}

// TestSmallBuffer: records cut anywhere by small reads are put together again.
func TestSmallBuffer(t *testing.T) {
	s := openSource(t)
	h := startHelper(t, "threads", 300)
	h.line()
	tids := func(tasks []Task) map[uint32]bool {
		m := map[uint32]bool{}
		for i := range tasks {
			if int(tasks[i].TGID) == h.pid {
				m[tasks[i].TID] = true
			}
		}
		return m
	}
	full, err := s.Pass(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := tids(full)
	for _, size := range []int{481, 1000, 4096, 32 << 10} {
		s.mu.Lock()
		s.buf = newBuffer(size)
		s.mu.Unlock()
		cut, err := s.Pass(nil)
		if err != nil {
			t.Fatalf("buffer %d: %v", size, err)
		}
		got := tids(cut)
		// The runtime of the target may start and end threads of its own.
		if len(got) < 300 || len(want) < 300 {
			t.Errorf("buffer %d: %d threads, %d with a large one", size, len(got), len(want))
		}
		for i := range cut {
			if c := &cut[i]; c.TID == 0 || c.TGID == 0 || c.NrThreads == 0 || c.Start == 0 {
				t.Fatalf("buffer %d: record %d is torn: %+v", size, i, *c)
			}
		}
	}
}

func TestOne(t *testing.T) {
	s := openSource(t)
	h := startHelper(t, "threads", 20)
	h.line()
	dst := make([]Task, 1, 64)
	got, err := s.One(h.pid, 0, dst)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < 22 || got[0] != (Task{}) {
		t.Fatalf("%d records", len(got)-1)
	}
	for _, task := range got[1:] {
		if int(task.TGID) != h.pid {
			t.Errorf("thread %d of %d", task.TID, task.TGID)
		}
	}
	for _, pid := range []int{0, -1, 1 << 22} {
		if got, err := s.One(pid, 0, dst); !errors.Is(err, ErrNoProcess) || len(got) != len(dst) {
			t.Errorf("process %d: %d records, %v", pid, len(got), err)
		}
	}

	// The same by way of a kernel without filters.
	s.caps.Filter = false
	slow, err := s.One(h.pid, 0, nil)
	if err != nil || len(slow) < 21 {
		t.Errorf("without a filter: %d records, %v", len(slow), err)
	}
	for _, task := range slow {
		if int(task.TGID) != h.pid {
			t.Errorf("without a filter: thread %d of %d", task.TID, task.TGID)
		}
	}
}

// TestOneWhileThreadsComeAndGo: no record of another process, none twice, and
// mostly complete.
func TestOneWhileThreadsComeAndGo(t *testing.T) {
	s := openSource(t)
	h := startHelper(t, "churn")
	h.line()
	var tasks []Task
	complete, tries := 0, 300
	for range tries {
		var err error
		if tasks, err = s.One(h.pid, 0, tasks[:0]); err != nil {
			t.Fatal(err)
		}
		seen := map[uint32]bool{}
		for i := range tasks {
			if int(tasks[i].TGID) != h.pid || seen[tasks[i].TID] {
				t.Fatalf("thread %d of %d, seen %v", tasks[i].TID, tasks[i].TGID, seen[tasks[i].TID])
			}
			seen[tasks[i].TID] = true
		}
		if len(tasks) == int(tasks[len(tasks)-1].NrThreads) {
			complete++
		}
	}
	t.Logf("%d of %d complete", complete, tries)
	if complete < tries/2 {
		t.Errorf("only %d of %d complete", complete, tries)
	}
}

// TestExactRSS: every page that a process has just touched is there.
func TestExactRSS(t *testing.T) {
	s := openSource(t)
	if err := s.Caps().ExactRSS; err != nil {
		t.Skipf("no exact rss: %v", err)
	}
	if !kernelAtLeast(6, 16) {
		t.Skip("no exact oracle before Linux 6.16")
	}
	h := startHelper(t, "pause")
	h.line()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		a, err := s.One(h.pid, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		f, err := readTask(uint32(h.pid), uint32(h.pid))
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.One(h.pid, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(a) != len(b) || a[0].RSS != b[0].RSS || moved(&a[0], &b[0]) {
			continue
		}
		if a[0].Have&HaveRSSExact == 0 {
			t.Fatal("not marked exact")
		}
		if d := diff(expect(&a[0]), f); d != nil {
			t.Error(d)
		}
		return
	}
	t.Error("the target never stood still")
}

// TestReadySince: a thread starved by one of higher class is seen waiting, for
// as long as it has been.
func TestReadySince(t *testing.T) {
	s := openSource(t)
	var one unix.CPUSet
	one.Set(runnableCPU(t))
	spin := func(attr *unix.SchedAttr) *helper {
		h := startHelper(t, "spin")
		h.line()
		if err := unix.SchedSetaffinity(h.pid, &one); err != nil {
			t.Skip("affinity:", err)
		}
		if attr != nil {
			attr.Size = uint32(unix.SizeofSchedAttr)
			if err := unix.SchedSetAttr(h.pid, attr, 0); err != nil {
				t.Skip("policy:", err)
			}
		}
		return h
	}
	// SCHED_IDLE against a normal spinner: it gets next to nothing.
	victim := spin(&unix.SchedAttr{Policy: unix.SCHED_IDLE})
	spin(nil)
	spin(nil)
	var longest time.Duration
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && longest < 20*time.Millisecond; {
		a, err := s.One(victim.pid, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range a {
			wait, ok := a[i].ReadySince()
			if !ok {
				t.Skip("this kernel does not tell")
			}
			if a[i].OnCPU != 0 && wait != 0 {
				t.Errorf("waiting %v while it runs", wait)
			}
			if wait > 0 && a[i].StateLetter() != 'R' {
				t.Errorf("waiting %v in state %c", wait, a[i].StateLetter())
			}
			longest = max(longest, wait)
		}
		time.Sleep(time.Millisecond)
	}
	if longest < 20*time.Millisecond {
		t.Errorf("longest wait seen is %v", longest)
	}
	if longest > time.Minute {
		t.Errorf("waited %v in a test of seconds", longest)
	}
}

// runnableCPU is one we may use.
func runnableCPU(t *testing.T) int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for c := range 1024 {
		if set.IsSet(c) {
			return c
		}
	}
	t.Fatal("no CPU")
	return 0
}

func TestSourceIsSafeForManyAndClosed(t *testing.T) {
	s := openSource(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			var tasks []Task
			for range 50 {
				var err error
				if i%2 == 0 {
					tasks, err = s.Pass(tasks[:0])
				} else {
					tasks, err = s.One(os.Getpid(), 0, tasks[:0])
				}
				if err != nil || len(tasks) == 0 {
					t.Errorf("%d tasks, %v", len(tasks), err)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := s.Pass(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("pass after close: %v", err)
	}
	if _, err := s.One(1, 0, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("one after close: %v", err)
	}
}

func TestOpenObeysContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, sharedTypes); !errors.Is(err, context.Canceled) {
		t.Errorf("source: %v", err)
	}
	if _, err := OpenTotals(ctx, sharedTypes); !errors.Is(err, context.Canceled) {
		t.Errorf("totals: %v", err)
	}
	if _, err := NewTracer(ctx, TracerOptions{Events: true, Types: sharedTypes}); !errors.Is(err, context.Canceled) {
		t.Errorf("tracer: %v", err)
	}
}

// TestNoLeakedDescriptors: opening and closing leaves nothing behind.
func TestNoLeakedDescriptors(t *testing.T) {
	openSource(t) // skips where there is no BPF
	openTotals(t)
	round := func() {
		s, err := Open(context.Background(), sharedTypes)
		if err != nil {
			t.Fatal(err)
		}
		tot, err := OpenTotals(context.Background(), sharedTypes)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := NewTracer(context.Background(), TracerOptions{Aggregates: true, Types: sharedTypes})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(tr.Start(), tr.Close(), tot.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	round() // the library keeps some for itself the first time
	before := countFDs(t)
	round()
	if after := countFDs(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func countFDs(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestPassAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := openSource(t)
	tasks, err := s.Pass(nil)
	if err != nil {
		t.Fatal(err)
	}
	tasks = append(tasks, make([]Task, 200)...) // room for newcomers
	if n := testing.AllocsPerRun(20, func() {
		if tasks, err = s.Pass(tasks[:0]); err != nil {
			t.Fatal(err)
		}
	}); n > 3 {
		t.Errorf("%v allocations a pass", n)
	}
}

// TestEachWithout: what is left out is absent from all records, and there again
// in the next pass.
func TestEachWithout(t *testing.T) {
	s := openSource(t)
	const parts = HaveRegs | HaveIO | HaveDelays
	have := func(without Parts) (all Have) {
		t.Helper()
		err := s.Each(without, func(batch []Task) {
			for i := range batch {
				all |= batch[i].Have
				if b := &batch[i]; b.Have&HaveIO == 0 && b.RChar|b.SigRChar|b.UserSP != 0 {
					t.Errorf("thread %d says what it has not", b.TID)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return all & parts
	}
	whole := have(0)
	if got := have(PartRegs | PartIO | PartDelays); got != 0 {
		t.Errorf("left out, but there: %b", got)
	}
	if got := have(0); got != whole {
		t.Errorf("%b in a pass with all parts, %b before", got, whole)
	}
}
