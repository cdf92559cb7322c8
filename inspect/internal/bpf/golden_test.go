package bpf

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// facts are what /proc says about a task: name → value as text.
type facts map[string]string

// Fields of a stat file, counted from 1 as in proc_pid_stat(5).
var statFields = map[int]string{
	3: "state", 4: "ppid", 5: "pgid", 6: "session", 9: "flags", 10: "minflt", 12: "majflt", 14: "utime", 15: "stime",
	18: "priority", 19: "nice", 20: "threads", 22: "start", 23: "vsize", 39: "cpu", 40: "rt_priority", 41: "policy", 42: "blkio",
}

// readStat takes the fields of a stat file; the name may hold anything.
func readStat(path string, f facts) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	i := bytes.LastIndexByte(b, ')')
	for k, v := range strings.Fields(string(b[i+1:])) {
		if name := statFields[k+3]; name != "" {
			f[name] = v
		}
	}
	return nil
}

// readTask reads everything that a record has a counterpart for. pid is the
// directory of the process, tid that of the thread.
func readTask(pid, tid uint32) (facts, error) {
	f := facts{}
	dir := fmt.Sprintf("/proc/%d/task/%d/", pid, tid)
	if err := readStat(dir+"stat", f); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(dir + "status")
	if err != nil {
		return nil, err
	}
	// The name comes first and is escaped, so lines are lines.
	for line := range strings.Lines(string(b)) {
		key, v, _ := strings.Cut(line, ":")
		w := strings.Fields(v)
		switch key {
		case "Uid":
			f["uid"], f["euid"] = w[0], w[1]
		case "Gid":
			f["gid"] = w[0]
		case "RssAnon", "RssFile", "RssShmem", "VmSwap", "VmHWM", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
			f[key] = w[0]
		}
	}
	if b, err = os.ReadFile(dir + "schedstat"); err != nil {
		return nil, err
	}
	w := strings.Fields(string(b))
	f["run"], f["run_delay"], f["slices"] = w[0], w[1], w[2]
	if b, err = os.ReadFile(dir + "io"); err == nil {
		for line := range strings.Lines(string(b)) {
			key, v, _ := strings.Cut(line, ": ")
			f["io_"+key] = strings.TrimSpace(v)
		}
	} else if !errors.Is(err, unix.EACCES) {
		return nil, err
	}
	if b, err = os.ReadFile(dir + "comm"); err != nil {
		return nil, err
	}
	f["comm"] = strings.TrimSuffix(string(b), "\n")
	return f, nil
}

// expect is what /proc should say, from a record.
func expect(t *Task) facts {
	user, system := t.CPUTimes()
	f := facts{
		"state": string(t.StateLetter()), "ppid": dec(t.PPID), "pgid": dec(t.PGID), "session": dec(t.Session),
		"flags": dec(t.Flags), "minflt": dec(t.MinFlt), "majflt": dec(t.MajFlt),
		"utime": dec(ticks(user)), "stime": dec(ticks(system)),
		"priority": strconv.Itoa(t.Priority()), "nice": strconv.Itoa(t.Nice()), "threads": dec(t.NrThreads),
		"start": dec(t.StartTicks()), "cpu": dec(t.CPU), "rt_priority": dec(t.RTPrio), "policy": dec(t.Policy),
		"uid": dec(t.UID), "euid": dec(t.EUID), "gid": dec(t.GID),
		"voluntary_ctxt_switches": dec(t.NVCSw), "nonvoluntary_ctxt_switches": dec(t.NIvCSw),
		"run": dec(t.SumExec), "run_delay": dec(t.RunDelay), "slices": dec(t.PCount),
		"io_rchar": dec(t.RChar), "io_wchar": dec(t.WChar), "io_syscr": dec(t.SyscR), "io_syscw": dec(t.SyscW),
		"io_read_bytes": dec(t.ReadBytes), "io_write_bytes": dec(t.WriteBytes),
	}
	if !t.KernelThread() { // names of kernel threads are cut, and kworkers' have suffixes
		f["comm"] = t.Comm()
	}
	if t.Have&HaveMM != 0 {
		f["vsize"] = dec(t.TotalVM * uint64(os.Getpagesize()))
	}
	// Before 6.16 the status file is not exact itself.
	if t.Have&HaveRSSExact != 0 && kernelAtLeast(6, 16) {
		f["RssFile"], f["RssAnon"] = kib(t.FilePages()), kib(t.AnonPages())
		f["VmSwap"], f["RssShmem"] = kib(t.SwapPages()), kib(t.ShmemPages())
		f["VmHWM"] = kib(max(t.HiwaterRSS, t.RSSPages()))
	}
	return f
}

func dec[T uint32 | uint64](v T) string { return strconv.FormatUint(uint64(v), 10) }

func kib(pages uint64) string { return dec(pages * uint64(os.Getpagesize()/1024)) }

// diff names the facts that differ.
func diff(want, got facts) []string {
	var d []string
	for k, w := range want {
		if g, known := got[k]; known && g != w {
			d = append(d, fmt.Sprintf("%s: record %s, /proc %s", k, w, g))
		}
	}
	return d
}

// moved: the task did something between two passes, or is doing it.
func moved(a, b *Task) bool {
	return a.NVCSw != b.NVCSw || a.NIvCSw != b.NIvCSw || a.SumExec != b.SumExec || a.Seq != b.Seq ||
		a.Start != b.Start || a.State != b.State || a.ExitState != b.ExitState || a.OnCPU != 0 || b.OnCPU != 0 ||
		a.Prio != b.Prio || a.RunDelay != b.RunDelay || a.NrThreads != b.NrThreads
}

// quiet makes two passes with between called in between, and returns the first
// records of those processes in which nothing moved.
func quiet(t *testing.T, pass func() ([]Task, error), between func([]Task)) map[uint32][]*Task {
	t.Helper()
	first, err := pass()
	if err != nil {
		t.Fatal(err)
	}
	between(first)
	second, err := pass()
	if err != nil {
		t.Fatal(err)
	}
	again := map[uint32]*Task{}
	for i := range second {
		again[second[i].TID] = &second[i]
	}
	procs, busy := map[uint32][]*Task{}, map[uint32]bool{}
	for i := range first {
		a := &first[i]
		procs[a.TGID] = append(procs[a.TGID], a)
		if b := again[a.TID]; b == nil || moved(a, b) {
			busy[a.TGID] = true
		}
	}
	for tgid, tasks := range procs {
		if busy[tgid] || len(tasks) != int(tasks[0].NrThreads) {
			delete(procs, tgid)
		}
	}
	return procs
}

// target is a task in a state worth comparing.
type target struct {
	name string
	pid  int
	want string // its state letter
}

// TestGolden compares every field of every task that stood still with /proc.
func TestGolden(t *testing.T) {
	s := openSource(t)
	targets := startTargets(t)
	missing := map[int]string{}
	for _, tt := range targets {
		missing[tt.pid] = tt.name
		awaitState(t, tt)
	}
	compared, _ := compare(t, func() ([]Task, error) { return s.Pass(nil) })
	// A target may be disturbed during one comparison (a signal, the Go
	// runtime in it); each must stand still in one of several.
	for end := time.Now().Add(30 * time.Second); len(missing) > 0 && time.Now().Before(end); {
		for pid := range missing {
			n, seen := compare(t, func() ([]Task, error) { return s.One(pid, 0, nil) })
			compared += n
			if seen[pid] {
				delete(missing, pid)
			}
		}
	}
	for pid, name := range missing {
		t.Errorf("%s (%d) was never compared", name, pid)
	}
	t.Logf("%d tasks compared", compared)
}

// compare compares what stands still between two passes, and returns the number
// of tasks and the processes compared.
func compare(t *testing.T, pass func() ([]Task, error)) (int, map[int]bool) {
	t.Helper()
	got := map[uint32]facts{}
	procStat := map[uint32]facts{}
	tasks := quiet(t, pass, func(list []Task) {
		for i := range list {
			if f, err := readTask(list[i].TGID, list[i].TID); err == nil {
				got[list[i].TID] = f
			}
			if f := (facts{}); list[i].Leader() && readStat(fmt.Sprintf("/proc/%d/stat", list[i].TGID), f) == nil {
				procStat[list[i].TGID] = f
			}
		}
	})
	n, seen := 0, map[int]bool{}
	for tgid, threads := range tasks {
		var sum Sum
		for _, task := range threads {
			sum.Add(task)
			f := got[task.TID]
			if f == nil {
				continue
			}
			n++
			seen[int(tgid)] = true
			if d := diff(expect(task), f); d != nil {
				t.Errorf("thread %d of %d (%q): %s", task.TID, tgid, task.Comm(), strings.Join(d, "; "))
			}
		}
		p := sum.Totals()
		want := facts{
			"utime": dec(ticks(p.UserNS)), "stime": dec(ticks(p.SystemNS)),
			"minflt": dec(p.MinorFaults), "majflt": dec(p.MajorFaults), "threads": strconv.Itoa(p.Threads),
		}
		if d := diff(want, procStat[tgid]); d != nil {
			t.Errorf("process %d (%q): %s", tgid, threads[0].Comm(), strings.Join(d, "; "))
		}
	}
	return n, seen
}

// startTargets starts one of each kind.
func startTargets(t *testing.T) []target {
	t.Helper()
	var all []target
	add := func(name, state string, h *helper) *helper {
		h.line() // it is up
		all = append(all, target{name, h.pid, state})
		return h
	}
	add("named", "S", startHelper(t, "named"))
	add("threads", "S", startHelper(t, "threads", 7))
	add("vfork parent", "D", startHelper(t, "vfork"))
	h := add("stopped", "T", startHelper(t, "pause"))
	if err := unix.Kill(h.pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	all = append(all, target{"zombie", startZombie(t), "Z"}, target{"traced", startTraced(t), "t"})
	for _, p := range []struct {
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
	} {
		h := add(p.name, "S", startHelper(t, "pause"))
		p.attr.Size = uint32(unix.SizeofSchedAttr)
		if err := unix.SchedSetAttr(h.pid, &p.attr, 0); err != nil {
			t.Logf("%s: %v", p.name, err) // not permitted, or no bandwidth: compared as it is
		}
	}
	return all
}

// startZombie leaves a child unreaped until the end of the test.
func startZombie(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	return cmd.Process.Pid
}

// startTraced leaves a child stopped by ptrace, as after exec. Only the thread
// that started it can let it go, so that thread waits for the end of the test.
func startTraced(t *testing.T) int {
	t.Helper()
	pid, end, done := make(chan int), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and ends with the goroutine
		cmd := exec.Command("/bin/sleep", "600")
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

// awaitState waits until /proc shows the target in its state.
func awaitState(t *testing.T, tt target) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s (%d) in state %s", tt.name, tt.pid, tt.want), func() bool {
		f := facts{}
		return readStat(fmt.Sprintf("/proc/%d/stat", tt.pid), f) == nil && f["state"] == tt.want
	})
}

// TestRegisters compares the saved user registers with the syscall file.
func TestRegisters(t *testing.T) {
	s := openSource(t)
	h := startHelper(t, "threads", 3)
	h.line()
	compared := 0
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		text := map[uint32]string{}
		pass := func() ([]Task, error) { return s.One(h.pid, 0, nil) }
		tasks := quiet(t, pass, func(list []Task) {
			for i := range list {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", h.pid, list[i].TID))
				if err != nil {
					t.Skipf("no oracle: %v", err)
				}
				text[list[i].TID] = string(b)
			}
		})[uint32(h.pid)]
		for _, task := range tasks {
			w := strings.Fields(text[task.TID])
			if len(w) < 3 { // "running"
				continue
			}
			if task.Have&HaveRegs == 0 {
				t.Fatalf("no registers of thread %d", task.TID)
			}
			sp, pc := fmt.Sprintf("%#x", task.UserSP), fmt.Sprintf("%#x", task.UserIP)
			if w[len(w)-2] != sp || w[len(w)-1] != pc {
				t.Errorf("thread %d: sp %s pc %s, /proc says %s", task.TID, sp, pc, text[task.TID])
			}
			compared++
		}
		if compared > 0 {
			return
		}
	}
	t.Error("the target never stood still")
}

// TestNestedNamespace runs the comparison and the tracer inside a new PID
// namespace, where every number differs from the kernel's own.
func TestNestedNamespace(t *testing.T) {
	if os.Getenv(nestedEnv) != "" {
		t.Skip("already inside")
	}
	openSource(t)
	cmd := exec.Command("/proc/self/exe", "-test.v",
		"-test.run=^(TestGolden|TestNumbers|TestTracerFindsTargets|TestTotalsOfExited|TestExits|TestDescendants)$")
	cmd.Env = append(os.Environ(), nestedEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		if !bytes.Contains(out, []byte("--- PASS: TestNumbers")) {
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
