package spawn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskscope/load"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// controllerEnv makes this test binary a controller that starts a plan (read
// from the variable), says its run id on stdout, and waits to be killed.
const controllerEnv = "TASKSCOPE_TEST_CONTROLLER"

// lockEnv makes it hold the lock of that path, say so, and wait to be killed.
const lockEnv = "TASKSCOPE_TEST_LOCK"

// roundsEnv is how often the kill tests are to be repeated, instead of a few
// dozen times: 200 for a long run.
const roundsEnv = "TASKSCOPE_KILL_ROUNDS"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == WorkerCommand {
		os.Exit(WorkerMain(os.Args[2:]))
	}
	if path := os.Getenv(lockEnv); path != "" {
		os.Exit(holdLock(path))
	}
	if text := os.Getenv(controllerEnv); text != "" {
		os.Exit(testController(text))
	}
	before := descriptors()
	code := m.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines left:", err)
		code = 1
	}
	if left := descriptors(); code == 0 && len(left) > len(before) {
		fmt.Fprintf(os.Stderr, "descriptors left: before %v, after %v\n", before, left)
		code = 1
	}
	os.Exit(code)
}

// descriptors lists what this process has open, but for what the Go runtime
// keeps for itself (epoll and its eventfd, opened on first use).
func descriptors() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var list []string
	for _, e := range entries {
		link, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err != nil || strings.HasPrefix(link, "anon_inode:[event") {
			continue
		}
		list = append(list, link)
	}
	return list
}

type controllerJob struct {
	Plan    *load.Plan
	RunID   string
	Tier    string
	Release bool
	Without guards
	// Lifetime bounds the run; 0 means the default.
	Lifetime time.Duration
}

func testController(text string) int {
	var job controllerJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	fmt.Println("starting")
	r, err := Start(context.Background(), job.Plan, Options{RunID: job.RunID, Tier: job.Tier, Lifetime: job.Lifetime, without: job.Without})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if job.Release {
		err = r.Release()
	}
	fmt.Println("ready", err)
	<-r.Done()
	return 0
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// startRun starts a plan and, at the end of the test, stops it and demands
// that nothing is left.
func startRun(t *testing.T, p *load.Plan, o Options) *Run {
	t.Helper()
	ctx := testContext(t)
	r, err := Start(ctx, p, o)
	if err != nil {
		skipWithout(t, err)
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		left, err := r.Stop(ctx)
		if err != nil {
			t.Errorf("Stop: %v", err)
		}
		if left != (LeftBehind{}) {
			t.Errorf("left behind: %+v", left)
		}
	})
	return r
}

// skipWithout skips where this user may not do what the plan asks for.
func skipWithout(t *testing.T, err error) {
	t.Helper()
	var worker *WorkerError
	if errors.As(err, &worker) && errors.Is(err, unix.EPERM) {
		t.Skipf("not permitted here: %v", err)
	}
}

// through releases a run and waits until it is parked.
func through(t *testing.T, r *Run) *load.Manifest {
	t.Helper()
	if err := r.Release(); err != nil {
		t.Fatalf("Release: %v", err)
	}
	if err := r.Wait(testContext(t)); err != nil {
		t.Fatalf("Wait: %v", err)
	}
	return r.Manifest()
}

// root is a plan of one process: a leader that does nothing, and threads.
func root(threads ...load.ThreadPlan) *load.Plan {
	return &load.Plan{
		Scenario:  "test",
		Processes: []load.ProcessPlan{{Role: "root", Parent: -1, Threads: append([]load.ThreadPlan{{Role: "leader", Name: "leader"}}, threads...)}},
	}
}

func thread(name string, ops ...load.Op) load.ThreadPlan {
	return load.ThreadPlan{Role: "worker", Name: name, Ops: ops}
}

func threads(n int, ops ...load.Op) []load.ThreadPlan {
	list := make([]load.ThreadPlan, n)
	for i := range list {
		list[i] = thread(fmt.Sprintf("w-%05d", i), ops...)
	}
	return list
}

// tree is a plan of a process tree, width children for each down to depth.
func tree(depth, width int, ops ...load.Op) *load.Plan {
	p := root(threads(1, ops...)...)
	level := []int{0}
	for range depth {
		var next []int
		for _, parent := range level {
			for range width {
				next = append(next, len(p.Processes))
				p.Processes = append(p.Processes, load.ProcessPlan{
					Role: fmt.Sprintf("node-%d", len(p.Processes)), Parent: parent,
					Threads: []load.ThreadPlan{thread(fmt.Sprintf("n-%d", len(p.Processes)), ops...), thread("helper", ops...)},
				})
			}
		}
		level = next
	}
	return p
}

// statusOf reads one number of /proc/PID/task/TID/status or, with TID 0, of
// /proc/PID/status, independently of the code under test.
func statusOf(t *testing.T, pid, tid int, key string) uint64 {
	t.Helper()
	path := fmt.Sprintf("/proc/%d/status", pid)
	if tid != 0 {
		path = fmt.Sprintf("/proc/%d/task/%d/status", pid, tid)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if name != key {
			continue
		}
		var n uint64
		if _, err := fmt.Sscan(value, &n); err != nil {
			t.Fatalf("%s: %s: %q", path, key, value)
		}
		return n
	}
	t.Fatalf("%s: no %s", path, key)
	return 0
}

// eventually waits for a condition, and fails when it does not come true.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(within); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}
