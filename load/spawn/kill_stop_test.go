package spawn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// TestKilledRootEndsTheRun: with the root everything below it ends.
func TestKilledRootEndsTheRun(t *testing.T) {
	t.Parallel()
	for i := range rounds(15) {
		r := startRun(t, busyTree(), Options{})
		if i%2 == 0 {
			if err := r.Release(); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Kill(r.RootPID(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		err := r.Wait(testContext(t))
		var death *DeathError
		if !errors.As(err, &death) || death.Process != 0 || !death.Known || death.Status.Signal() != unix.SIGKILL {
			t.Fatalf("Wait: %v, want the root killed by SIGKILL", err)
		}
		select {
		case <-r.Done():
		case <-time.After(leaveWithin):
			t.Fatal("not done although the root was killed")
		}
		nothingLeft(t, r.ID(), identities{}, time.Now())
	}
}

// TestKilledWorkerIsNamed: Wait says which process ended and how; the rest
// lives on until Stop.
func TestKilledWorkerIsNamed(t *testing.T) {
	t.Parallel()
	for range rounds(15) {
		p := busyTree()
		r := startRun(t, p, Options{})
		m := r.Manifest()
		victim := 1 + rand.N(len(m.Processes)-1)
		threads := m.Processes[victim].Threads
		// Killing any thread kills its process.
		tid := threads[rand.N(len(threads))].TID
		if err := unix.Tgkill(m.Processes[victim].PID, tid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		err := r.Wait(testContext(t))
		var death *DeathError
		if !errors.As(err, &death) || death.Process != victim || death.PID != m.Processes[victim].PID {
			t.Fatalf("Wait: %v, want process %d", err, victim)
		}
		if death.Known && death.Status.Signal() != unix.SIGKILL {
			t.Errorf("status %v, want SIGKILL", death.Status)
		}
		if !death.Known {
			t.Errorf("status of process %d not known", victim)
		}
		if left, err := r.Stop(testContext(t)); err != nil || left != (LeftBehind{}) {
			t.Fatalf("Stop: %+v, %v", left, err)
		}
		nothingLeft(t, r.ID(), identities{}, time.Now())
	}
}

// TestKilledWhileStarting kills a worker as soon as it can be seen: the start
// fails, or the run does; neither waits for somebody who never comes.
func TestKilledWhileStarting(t *testing.T) {
	for range rounds(10) {
		id := newRunID() + "early"
		type started struct {
			r   *Run
			err error
		}
		done := make(chan started, 1)
		ctx := testContext(t)
		go func() {
			r, err := Start(ctx, busyTree(), Options{RunID: id})
			done <- started{r, err}
		}()
		var victim int
		eventually(t, 10*time.Second, "a child of the root", func() bool {
			below := identities{}
			below.add(os.Getpid())
			for pid := range below {
				f, ok := statFields(pid)
				if ok && f[1] != fmt.Sprint(os.Getpid()) && belongs(pid, id) {
					victim = pid
				}
			}
			return victim != 0
		})
		if err := unix.Kill(victim, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		}
		s := <-done
		if s.err == nil {
			s.err = s.r.Wait(ctx)
			if left, err := s.r.Stop(ctx); err != nil || left != (LeftBehind{}) {
				t.Errorf("Stop: %+v, %v", left, err)
			}
		}
		var death *DeathError
		if !errors.As(s.err, &death) {
			t.Errorf("%v, want the death of %d", s.err, victim)
		}
		nothingLeft(t, id, identities{}, time.Now())
	}
}

// TestStoppedWorkersAreKilledToo: a stopped task cannot leave by itself.
func TestStoppedWorkersAreKilledToo(t *testing.T) {
	t.Parallel()
	r := startRun(t, busyTree(), Options{})
	for _, p := range r.Manifest().Processes {
		if err := unix.Kill(p.PID, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := r.Stop(testContext(t)); err != nil || left != (LeftBehind{}) {
		t.Fatalf("Stop: %+v, %v", left, err)
	}
	nothingLeft(t, r.ID(), identities{}, time.Now())
}

// TestFrozenWorkersLeave: neither can frozen ones.
func TestFrozenWorkersLeave(t *testing.T) {
	t.Parallel()
	r := startRun(t, busyTree(), Options{})
	if r.keeper.group == nil {
		t.Skip("no cgroup for the run here")
	}
	freeze := filepath.Join(r.keeper.group.dir, "cgroup.freeze")
	if err := os.WriteFile(freeze, []byte("1"), 0); err != nil {
		t.Skipf("no freezer: %v", err)
	}
	began := time.Now()
	if left, err := r.Stop(testContext(t)); err != nil || left != (LeftBehind{}) {
		t.Fatalf("Stop: %+v, %v", left, err)
	}
	t.Logf("stopped after %v", time.Since(began))
	nothingLeft(t, r.ID(), identities{}, time.Now())
}

// TestDeadlineEndsARun: the runs wait for it side by side.
func TestDeadlineEndsARun(t *testing.T) {
	t.Parallel()
	runs := map[string]*Run{}
	for name, ops := range map[string][]load.Op{
		"parked":   nil,
		"sleeping": {{Kind: load.OpSleepRel, A: 10, B: 60e9}},
		"holding":  {{Kind: load.OpHold, A: 60e9}},
		"spinning": {{Kind: load.OpSpinWall, A: 60e9}},
		"yielding": {{Kind: load.OpYield, A: 1 << 40}},
	} {
		p := root()
		p.Processes[0].Threads[0].Ops = ops
		runs[name] = startRun(t, p, Options{Lifetime: 2 * time.Second})
	}
	for _, r := range runs {
		if err := r.Release(); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range runs {
		<-r.Done()
		if name == "parked" {
			continue // in time; the deadline came after Wait would have returned
		}
		var death *DeathError
		if err := r.Wait(testContext(t)); !errors.As(err, &death) || death.how() != "its deadline had come" {
			t.Errorf("%s: Wait: %v, want the deadline", name, err)
		}
	}
}

// TestKernelKillsTheWedged: a worker that looks at no deadline is killed by
// the timer that the kernel holds, although it blocks every signal.
func TestKernelKillsTheWedged(t *testing.T) {
	t.Parallel()
	runs := map[string]*Run{}
	for _, tier := range []string{TierNative, TierGo} {
		for name, kind := range map[string]load.OpKind{"asleep": opTestWedge, "busy": opTestSpin} {
			p := root()
			p.Processes[0].Threads[0].Ops = []load.Op{{Kind: kind}}
			runs[tier+" "+name] = startRun(t, p, Options{Tier: tier, Lifetime: 2 * time.Second})
		}
	}
	for _, r := range runs {
		if err := r.Release(); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range runs {
		var death *DeathError
		if err := r.Wait(testContext(t)); !errors.As(err, &death) || death.Status.Signal() != unix.SIGKILL {
			t.Errorf("%s: Wait: %v, want SIGKILL by the kernel's timer", name, err)
		}
		<-r.Done()
	}
}

// TestLimitsOfAWorker: what a process may use at the most is set in the kernel.
func TestLimitsOfAWorker(t *testing.T) {
	t.Parallel()
	p := root(thread("w", load.Op{Kind: load.OpSpinCPU, A: 10e9}))
	r := startRun(t, p, Options{})
	want := map[int]uint64{unix.RLIMIT_CPU: cpuSlack + 15, unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: 32, unix.RLIMIT_NPROC: 0}
	for which, limit := range want {
		var l unix.Rlimit
		if err := unix.Prlimit(r.RootPID(), which, nil, &l); err != nil {
			t.Fatal(err)
		}
		if l.Cur != limit || l.Max != limit {
			t.Errorf("limit %d: %+v, want %d", which, l, limit)
		}
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", r.RootPID()))
	if err != nil || strings.TrimSpace(string(b)) != "1000" {
		t.Errorf("oom_score_adj %q, %v; want 1000", b, err)
	}
	if blocked := sigBlocked(t, r.RootPID()); blocked != "fffffffffffbfeff" {
		t.Errorf("SigBlk %s: want all but SIGKILL and SIGSTOP", blocked)
	}
}

func sigBlocked(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "SigBlk:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

func TestStopAtAnyTime(t *testing.T) {
	t.Parallel()
	for i := range rounds(20) {
		ctx := testContext(t)
		start, cancel := context.WithCancel(ctx)
		time.AfterFunc(rand.N(10*time.Millisecond), cancel)
		r, err := Start(start, busyTree(), Options{})
		cancel()
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("round %d: Start: %v", i, err)
			}
			if strings.Contains(err.Error(), "left behind") {
				t.Fatalf("round %d: %v", i, err)
			}
			continue
		}
		if i%2 == 0 {
			if err := r.Release(); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan LeftBehind)
		for range 3 {
			go func() {
				left, err := r.Stop(ctx)
				if err != nil {
					t.Errorf("round %d: Stop: %v", i, err)
				}
				done <- left
			}()
		}
		for range 3 {
			if left := <-done; left != (LeftBehind{}) {
				t.Errorf("round %d: left behind %+v", i, left)
			}
		}
		if err := r.Wait(ctx); err == nil {
			t.Errorf("round %d: Wait after Stop: nil", i)
		}
		if err := r.Release(); !errors.Is(err, ErrEnded) {
			t.Errorf("round %d: Release after Stop: %v", i, err)
		}
	}
}

func TestFailingOperationsAreNamed(t *testing.T) {
	t.Parallel()
	for _, tier := range []string{TierNative, TierGo} {
		t.Run(tier, func(t *testing.T) {
			huge := load.Op{Kind: load.OpMap, A: 1 << 60, C: 0}
			r := startRun(t, root(thread("w", load.Op{Kind: load.OpYield, A: 1}, huge)), Options{Tier: tier})
			if err := r.Release(); err != nil {
				t.Fatal(err)
			}
			var failed *WorkerError
			if err := r.Wait(testContext(t)); !errors.As(err, &failed) || !errors.Is(err, unix.ENOMEM) ||
				failed.Step != "operation 1" || failed.Name != "w" {
				t.Errorf("Wait: %v, want ENOMEM of operation 1", err)
			}
			if got := r.Manifest().Processes[0].Threads[1].Report.Errno; got != int32(unix.ENOMEM) {
				t.Errorf("Errno %d, want ENOMEM", got)
			}
			p := root(thread("w"))
			p.Processes[0].Threads[1].Setup = []load.Op{huge}
			if r, err := Start(testContext(t), p, Options{Tier: tier}); !errors.Is(err, unix.ENOMEM) {
				t.Errorf("Start: %v, %v; want ENOMEM in the set-up", r, err)
			}
		})
	}
}

// memoryGroup makes a control group that may have so many bytes of memory.
func memoryGroup(t *testing.T, bytes int) string {
	t.Helper()
	for _, parent := range ownCgroups("memory") {
		dir := filepath.Join(parent, cgroupPrefix+"test-memory-"+newRunID()+"-x")
		if err := os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() { removeCgroup(dir) })
		for _, file := range []string{"memory.max", "memory.limit_in_bytes"} {
			if os.WriteFile(filepath.Join(dir, file), []byte(fmt.Sprint(bytes)), 0) == nil {
				return dir
			}
		}
	}
	t.Skip("no control group with a limit of memory may be made here")
	return ""
}

// TestOutOfMemoryIsReported: what the kernel kills for want of memory is not
// started again, and the run says what happened.
func TestOutOfMemoryIsReported(t *testing.T) {
	dir := memoryGroup(t, 16<<20)
	p := root()
	p.Processes = append(p.Processes, child(0, nil, load.Op{Kind: load.OpHold, A: 50e6}, load.Op{Kind: load.OpMap, A: 256 << 20, B: 256 << 20}))
	r := startRun(t, p, Options{})
	victim := r.Manifest().Processes[1].PID
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(fmt.Sprint(victim)), 0); err != nil {
		t.Skip(err)
	}
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	var death *DeathError
	if err := r.Wait(testContext(t)); !errors.As(err, &death) || death.PID != victim || death.OOMKills == 0 ||
		!strings.Contains(err.Error(), "want of memory") {
		t.Errorf("Wait: %v, want the death of %d for want of memory", err, victim)
	}
	if _, err := r.Stop(testContext(t)); err != nil {
		t.Error(err)
	}
}

// TestKilledReplacementIsNotReplaced: a supervisor replaces workers that fail,
// and gives up when one is killed.
func TestKilledReplacementIsNotReplaced(t *testing.T) {
	t.Parallel()
	needsNative(t)
	r := startRun(t, family([]load.Op{{Kind: load.OpSupervise, A: 10, B: 600e9, C: 1}},
		child(0, &load.End{Code: 1, Reaped: true}, load.Op{Kind: load.OpHold, A: 10e6}, leaves(1))), Options{})
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	var made int
	eventually(t, 10*time.Second, "the replacement is there", func() bool {
		known := identities{}
		known.add(r.RootPID())
		for pid := range known {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)) //nolint:errcheck // it may be gone
			if strings.TrimSpace(string(comm)) == "respawn-new" {
				made = pid
			}
		}
		return made != 0
	})
	if err := unix.Kill(made, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var failed *WorkerError
	if err := r.Wait(testContext(t)); !errors.As(err, &failed) || !errors.Is(err, unix.EOWNERDEAD) || !strings.Contains(err.Error(), "not replaced") {
		t.Errorf("Wait: %v, want that a worker was killed", err)
	}
}
