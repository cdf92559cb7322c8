package spawn

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// carriers counts the processes that mention a run id anywhere in their
// arguments, independently of the code under test. The controller of the test
// does not: it gets its job by its environment.
func carriers(t *testing.T, runID string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var list []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !strings.Contains(string(b), runID) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(f, "/proc/%d/", &pid); err != nil {
			t.Fatal(err)
		}
		list = append(list, pid)
	}
	return list
}

// busyTree is a plan with every kind of waiting, several levels deep; one
// branch leads its own session, so that no process group reaches it.
func busyTree() *load.Plan {
	p := tree(2, 3,
		load.Op{Kind: load.OpSleepRel, A: 50, B: 1e6},
		load.Op{Kind: load.OpDuty, A: 20, B: 2e6, C: 100e3},
		load.Op{Kind: load.OpHold})
	p.Processes[2].Setsid = true
	p.Processes[7].Setsid = true
	return p
}

// otherProcess starts this test binary as a controller.
func otherProcess(t *testing.T, job controllerJob) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), controllerEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() //nolint:errcheck // it may be dead
		_ = cmd.Wait()         //nolint:errcheck // killed
	})
	lines := bufio.NewScanner(out)
	lines.Scan()
	if lines.Text() != "starting" {
		t.Fatalf("the controller said %q", lines.Text())
	}
	return cmd, lines
}

func rounds(full int) int {
	if n, err := strconv.Atoi(os.Getenv(roundsEnv)); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		return max(2, full/10)
	}
	return full
}

// TestKilledControllerLeavesNothing kills the controller at random moments,
// most of them in the middle of starting, some with everything running: with
// every guard, and with single ones switched off.
func TestKilledControllerLeavesNothing(t *testing.T) {
	tests := []struct {
		name, tier string
		without    guards
		rounds     int
	}{
		{"native", TierNative, 0, 30},
		{"native, death signal and pipe only", TierNative, guardCgroup, 20},
		{"native, pipe only", TierNative, guardCgroup | guardDeathSignal, 20},
		{"go", TierGo, 0, 10},
		{"go, death signal and pipe only", TierGo, guardCgroup, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var all, group time.Duration
			n := rounds(tt.rounds)
			for i := range n {
				job := controllerJob{Plan: busyTree(), RunID: newRunID() + "kill", Tier: tt.tier, Release: true, Without: tt.without}
				a, g := killController(t, job, i)
				all, group = max(all, a), max(group, g)
			}
			t.Logf("%d rounds: cgroup empty and gone after at most %v, every process seen to be gone after at most %v", n, group, all)
		})
	}
}

func killController(t *testing.T, job controllerJob, round int) (all, group time.Duration) {
	t.Helper()
	cmd, lines := otherProcess(t, job)
	if round%3 == 0 { // with everything running
		lines.Scan()
		if lines.Text() != "ready <nil>" {
			t.Fatalf("the controller said %q", lines.Text())
		}
	} else {
		time.Sleep(rand.N(15 * time.Millisecond)) // the moment is what varies
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_ = cmd.Wait() //nolint:errcheck // killed
	group = nothingLeft(t, job.RunID)
	return time.Since(began), group
}

// leaveWithin is how long the dead may take to be gone: a second at most on a
// machine with CPU time to spare (the tests log what it was), more on one where
// every exit waits for its turn.
const leaveWithin = 10 * time.Second

// nothingLeft waits until nothing of a run is left, and says how long its
// cgroup was there: that is removed when it is empty, and looking at it costs
// little. To look through all processes takes a second on a crowded machine.
func nothingLeft(t *testing.T, runID string) (grouped time.Duration) {
	t.Helper()
	began := time.Now()
	until := began.Add(leaveWithin)
	groups := runCgroups(runID)
	for len(groups) > 0 && time.Now().Before(until) {
		time.Sleep(time.Millisecond)
		groups = runCgroups(runID)
		grouped = time.Since(began)
	}
	left := carriers(t, runID)
	for len(left) > 0 && time.Now().Before(until) {
		time.Sleep(time.Millisecond)
		left = carriers(t, runID)
	}
	if groups = runCgroups(runID); len(left) == 0 && len(groups) == 0 {
		return grouped
	}
	for _, pid := range left {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) //nolint:errcheck // only for the message
		t.Logf("left: %s", b)
	}
	t.Fatalf("after %v: processes %v, cgroups %v", leaveWithin, left, groups)
	return 0
}

// TestKilledRootEndsTheRun: with the root everything below it ends.
func TestKilledRootEndsTheRun(t *testing.T) {
	t.Parallel()
	for i := range rounds(30) {
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
		nothingLeft(t, r.ID())
	}
}

// TestKilledWorkerIsNamed: Wait says which process ended and how; the rest
// lives on until Stop.
func TestKilledWorkerIsNamed(t *testing.T) {
	t.Parallel()
	for range rounds(30) {
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
		nothingLeft(t, r.ID())
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
	nothingLeft(t, r.ID())
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
	nothingLeft(t, r.ID())
}

func TestDeadlineEndsARun(t *testing.T) {
	t.Parallel()
	for name, ops := range map[string][]load.Op{
		"parked":   nil,
		"sleeping": {{Kind: load.OpSleepRel, A: 10, B: 60e9}},
		"holding":  {{Kind: load.OpHold, A: 60e9}},
		"spinning": {{Kind: load.OpSpinWall, A: 60e9}},
		"yielding": {{Kind: load.OpYield, A: 1 << 40}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := root()
			p.Processes[0].Threads[0].Ops = ops
			r := startRun(t, p, Options{Lifetime: 2 * time.Second})
			if err := r.Release(); err != nil {
				t.Fatal(err)
			}
			<-r.Done()
			if ops == nil {
				return // parked in time; the deadline came after Wait would have returned
			}
			var death *DeathError
			if err := r.Wait(testContext(t)); !errors.As(err, &death) || death.how() != "its deadline had come" {
				t.Errorf("Wait: %v, want the deadline", err)
			}
		})
	}
}

// TestKernelKillsTheWedged: a worker that looks at no deadline is killed by
// the timer that the kernel holds, although it blocks every signal.
func TestKernelKillsTheWedged(t *testing.T) {
	t.Parallel()
	for _, tier := range []string{TierNative, TierGo} {
		for name, kind := range map[string]load.OpKind{"asleep": opTestWedge, "busy": opTestSpin} {
			t.Run(tier+" "+name, func(t *testing.T) {
				t.Parallel()
				p := root()
				p.Processes[0].Threads[0].Ops = []load.Op{{Kind: kind}}
				r := startRun(t, p, Options{Tier: tier, Lifetime: 2 * time.Second})
				if err := r.Release(); err != nil {
					t.Fatal(err)
				}
				var death *DeathError
				if err := r.Wait(testContext(t)); !errors.As(err, &death) || death.Status.Signal() != unix.SIGKILL {
					t.Errorf("Wait: %v, want SIGKILL by the kernel's timer", err)
				}
				<-r.Done()
			})
		}
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
