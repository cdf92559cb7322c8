package inspect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect"
)

var golden = inspect.Request{Want: inspect.WantAll&^inspect.WantHost | inspect.WantIO | inspect.WantExe}

// TestSourcesAgree compares everything that the two sources say of every
// process that stood still: a pass over each, between two passes of records; a
// process counts that is the same in these two.
func TestSourcesAgree(t *testing.T) {
	r := openBPF(t)
	missing := startTargets(t, r)
	compared, seen := compareSources(t, r, nil)
	// A target may be disturbed during one comparison (a signal, the Go runtime
	// in it); each must stand still in one of several.
	for pid := range missing {
		for end := time.Now().Add(time.Minute); !seen[pid] && time.Now().Before(end); {
			n, again := compareSources(t, r, []int{pid})
			compared += n
			seen[pid] = again[pid]
		}
		if seen[pid] {
			delete(missing, pid)
		}
	}
	for pid, name := range missing {
		t.Errorf("%s (%d) was never compared", name, pid)
	}
	t.Logf("%d processes compared", compared)
}

// compareSources makes one comparison, of all processes or only of some.
func compareSources(t *testing.T, r *inspect.Reader, only []int) (int, map[int]bool) {
	t.Helper()
	q, records := golden, golden
	records.Want &^= inspect.WantStatusRest
	q.Only, records.Only = only, only
	fresh, err := inspect.NewReader(inspect.Options{Source: inspect.SourceProc})
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	// The kernel splits CPU time into user and system time by what it said last,
	// and so do we by what we said last. A reader without a past says what the
	// kernel has just said.
	blank := openBPF(t)
	for _, one := range []*inspect.Reader{fresh, blank} { // what takes long the first time is done with
		read(t, one, inspect.Request{Want: golden.Want, Only: []int{os.Getpid()}})
	}
	read(t, r, records) // so that nothing is due in the next one
	a := read(t, r, records)
	p := read(t, fresh, q)
	full := read(t, blank, q) // its status files are read after its records
	b := read(t, r, records)
	if a.Source != inspect.SourceBPF || p.Source != inspect.SourceProc {
		t.Fatalf("sources %s and %s", a.Source, p.Source)
	}
	n, seen := 0, map[int]bool{}
	for _, x := range a.Processes {
		y, z := p.ByID(x.ID), full.ByID(x.ID)
		if y == nil || z == nil || !reflect.DeepEqual(b.ByID(x.ID), x) || y.Partial || z.Partial || awake(y) || awake(z) {
			continue
		}
		n++
		seen[x.ID.PID] = true
		if d := differences(z, y); len(d) > 0 {
			t.Errorf("process %d (%q): records ≠ /proc: %s", x.ID.PID, x.Comm, strings.Join(d, "; "))
		}
	}
	return n, seen
}

// awake says whether a thread has been woken: it has not stood still, although
// its CPU time may not show that yet.
func awake(p *inspect.Process) bool {
	return p.State == 'R' || p.LeaderState == 'R' ||
		slices.ContainsFunc(p.Threads, func(t inspect.Thread) bool { return t.State == 'R' })
}

// differences names the members in which a process of records differs from the
// same process of /proc.
func differences(rec, proc *inspect.Process) []string {
	// Sums over exited threads are exact in the one and a floor in the other;
	// they have a test of their own.
	skip := []string{"ExecID", "Exited", "Threads", "StuckFiles"}
	if rec.Exited != (inspect.Exited{}) {
		skip = append(skip, "Switches", "RunNS", "ReadyNS", "Slices")
	}
	if rec.Switches.Exact != proc.Switches.Exact { // of kernel threads nobody asks taskstats
		skip = append(skip, "Switches")
		if rec.Switches.Voluntary != proc.Switches.Voluntary && rec.Exited == (inspect.Exited{}) {
			return []string{"Switches"}
		}
	}
	d := memberDifferences(*rec, *proc, skip)
	if len(rec.Threads) != len(proc.Threads) {
		return append(d, fmt.Sprintf("%d threads ≠ %d", len(rec.Threads), len(proc.Threads)))
	}
	for i := range rec.Threads {
		// Registers and waits come from the records alone.
		skip := []string{"SP", "PC", "WaitingNS"}
		if len(rec.Threads) == 1 && rec.Exited != (inspect.Exited{}) {
			// /proc is not asked about the only thread: it stands for the
			// process, exited threads included.
			skip = append(skip, "UserNS", "SystemNS", "MinorFaults", "MajorFaults")
		}
		for _, x := range memberDifferences(rec.Threads[i], proc.Threads[i], skip) {
			d = append(d, fmt.Sprintf("thread %d: %s", rec.Threads[i].ID.TID, x))
		}
	}
	return d
}

// workerName is the part of a kernel worker's name that stays: what it works on
// follows it, and changes while it sleeps.
func workerName(comm string) string {
	if !strings.HasPrefix(comm, "kworker/") {
		return ""
	}
	if i := strings.IndexAny(comm, "-+"); i >= 0 {
		return comm[:i]
	}
	return comm
}

func memberDifferences[T any](a, b T, skip []string) []string {
	var d []string
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for _, f := range reflect.VisibleFields(va.Type()) {
		if !f.IsExported() || slices.Contains(skip, f.Name) {
			continue
		}
		x, y := va.FieldByIndex(f.Index), vb.FieldByIndex(f.Index)
		if f.Name == "Switches" {
			x, y = x.FieldByName("Voluntary"), y.FieldByName("Voluntary")
		}
		if f.Name == "Comm" && workerName(x.String()) != "" && workerName(x.String()) == workerName(y.String()) {
			continue
		}
		if !reflect.DeepEqual(x.Interface(), y.Interface()) {
			d = append(d, fmt.Sprintf("%s: %+v ≠ %+v", f.Name, x, y))
		}
	}
	return d
}

// startTargets starts processes of every kind that is worth comparing, and waits
// until each is in its state.
func startTargets(t *testing.T, r *inspect.Reader) map[int]string {
	t.Helper()
	names, states := map[int]string{}, map[int]inspect.State{}
	add := func(name string, state inspect.State, cmd *exec.Cmd) int {
		names[cmd.Process.Pid], states[cmd.Process.Pid] = name, state
		return cmd.Process.Pid
	}
	add("named", 'S', helper(t, "named"))
	add("threads", 'S', helper(t, "threads"))
	add("leaderless", 'S', helper(t, "leaderless"))
	add("exited threads", 'S', helper(t, "exited"))
	add("vfork parent", 'D', helper(t, "vfork"))
	if err := unix.Kill(add("stopped", 'T', helper(t, "pause")), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	add("zombie", 'Z', child(t, "true"))
	names[startTraced(t)] = "traced"
	policies := []struct {
		name string
		attr unix.SchedAttr
	}{
		{"nice -7", unix.SchedAttr{Nice: -7}},
		{"nice 19", unix.SchedAttr{Nice: 19}},
		{"fifo 33", unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 33}},
		{"rr 1", unix.SchedAttr{Policy: unix.SCHED_RR, Priority: 1}},
		{"batch 5", unix.SchedAttr{Policy: unix.SCHED_BATCH, Nice: 5}},
		{"idle", unix.SchedAttr{Policy: unix.SCHED_IDLE}},
		{"deadline", unix.SchedAttr{Policy: unix.SCHED_DEADLINE, Runtime: 1e6, Deadline: 1e7, Period: 1e7}},
	}
	pids := make([]int, len(policies))
	for i, p := range policies {
		pids[i] = add(p.name, 'S', child(t, "sleep", "300"))
	}
	until(t, r, inspect.Request{Want: inspect.WantTree}, func(s *inspect.Snapshot) bool {
		for pid, state := range states {
			if p := s.ByPID(pid); p == nil || p.State != state {
				return false
			}
		}
		return true
	})
	// Only now: a task with policy idle might not come to its sleep at all while
	// others want the CPU.
	for i, p := range policies {
		p.attr.Size = uint32(unix.SizeofSchedAttr)
		if err := unix.SchedSetAttr(pids[i], &p.attr, 0); err != nil {
			t.Logf("%s: %v", p.name, err) // not permitted, or no bandwidth: compared as it is
		}
	}
	return names
}

// startTraced leaves a child stopped by ptrace, as after execve. Only the thread
// that started it can let it go, so that thread waits for the end of the test.
func startTraced(t *testing.T) int {
	t.Helper()
	pid, end, done := make(chan int), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and ends with the goroutine
		cmd := exec.Command("sleep", "600")
		cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
		if err := cmd.Start(); err != nil {
			t.Log("ptrace:", err)
			pid <- 0
			return
		}
		pid <- cmd.Process.Pid
		<-end
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	t.Cleanup(func() { close(end); <-done })
	p := <-pid
	if p == 0 {
		t.Fatal("no traced child")
	}
	return p
}

// TestSourcesAgreeInNamespace compares inside a new PID namespace, where every
// number differs from the kernel's own.
func TestSourcesAgreeInNamespace(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		t.Skip("already inside")
	}
	openBPF(t)
	cmd := exec.CommandContext(context.Background(), "/proc/self/exe", "-test.v", "-test.run=^TestSourcesAgree$")
	cmd.Env = append(os.Environ(), helperEnv+"=nested")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		if !bytes.Contains(out, []byte("--- PASS: TestSourcesAgree")) {
			t.Errorf("ran nothing:\n%s", out)
		}
	case errors.As(err, &exit) && exit.ExitCode() == nestedNoMount:
		t.Skipf("no nested namespace: %s", out)
	case !errors.As(err, &exit):
		t.Skipf("no nested namespace: %v", err)
	default:
		t.Errorf("%v\n%s", err, out)
	}
}
