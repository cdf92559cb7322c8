package inspect_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	gopsutil "github.com/shirou/gopsutil/v3/process"
	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// child starts a program that ends with the test.
func child(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	start(t, cmd)
	return cmd
}

func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// helper starts the test binary in another role and waits until it is ready.
func helper(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperEnv+"="+role)
	stdin, err := cmd.StdinPipe() // closed at the end: the helper ends by itself
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	t.Cleanup(func() { stdin.Close() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("helper says %q, %v", line, err)
	}
	return cmd
}

// until reads again and again until ok; a busy machine needs its time.
func until(t *testing.T, r *inspect.Reader, q inspect.Request, ok func(*inspect.Snapshot) bool) *inspect.Snapshot {
	t.Helper()
	var s *inspect.Snapshot
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if s = read(t, r, q); ok(s) {
			return s
		}
	}
	t.Fatal("it did not come about in 20 s")
	return nil
}

func only(pid int) inspect.Request {
	q := everything
	q.Want |= inspect.WantExe | inspect.WantFDs | inspect.WantRollup
	q.Only = []int{pid}
	return q
}

func TestLiveChildAgainstOracles(t *testing.T) {
	cmd := child(t, "sleep", "300")
	pid := cmd.Process.Pid
	s := until(t, open(t, ""), only(pid), func(s *inspect.Snapshot) bool {
		p := s.ByPID(pid)
		return p != nil && p.Comm == "sleep" && p.State == 'S' && len(p.StuckFiles) == 0 // execve takes its time
	})
	p := s.ByPID(pid)

	fs, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	st, err := fs.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if p.ID.Start != st.Starttime || p.PPID.V != st.PPID || p.Comm != st.Comm || p.ThreadCount.V != st.NumThreads ||
		p.Nice.V != st.Nice || p.VSizeBytes.V != uint64(st.VirtualMemory()) || p.PGID.V != st.PGRP || p.Session.V != st.Session {
		t.Errorf("procfs says %+v, we say %+v", st, p)
	}
	if n, err := fs.FileDescriptorsLen(); err == nil && p.FDs != inspect.Know(n) {
		t.Errorf("open files: %+v, procfs says %d", p.FDs, n)
	}
	g, err := gopsutil.NewProcess(int32(pid))
	if err != nil {
		t.Fatal(err)
	}
	if args, err := g.CmdlineSlice(); err != nil || !slices.Equal(args, p.Cmdline.V) {
		t.Errorf("command line %v, gopsutil says %v, %v", p.Cmdline, args, err)
	}
	if m, err := g.MemoryInfo(); err != nil || m.RSS != p.RSSBytes.V {
		t.Errorf("RSS %v, gopsutil says %+v, %v", p.RSSBytes, m, err)
	}
	if exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe"); err == nil && p.Exe != inspect.Know(exe) {
		t.Errorf("exe %+v, want %s", p.Exe, exe)
	}
	if int(p.UID.V) != os.Getuid() || !p.PSSBytes.OK() || p.USSBytes.V > p.RSSBytes.V || p.User == "" {
		t.Errorf("uid %+v, PSS %+v, USS %+v, user %q", p.UID, p.PSSBytes, p.USSBytes, p.User)
	}
	if f, _ := inspect.FieldByID("start_time"); time.Since(f.Get(inspect.Row{Snapshot: s, Process: p}).T).Abs() > time.Minute {
		t.Errorf("start time %v, now is %v", f.Get(inspect.Row{Snapshot: s, Process: p}).T, time.Now())
	}
}

func TestLiveStates(t *testing.T) {
	r := open(t, "")
	cmd := child(t, "sleep", "300")
	pid := cmd.Process.Pid
	state := func(want inspect.State) func(*inspect.Snapshot) bool {
		return func(s *inspect.Snapshot) bool { p := s.ByPID(pid); return p != nil && p.State == want }
	}
	until(t, r, only(pid), state('S'))
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, r, only(pid), state('T'))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p := until(t, r, only(pid), state('Z')).ByPID(pid)
	if p.RSSBytes.Why != inspect.Zombie || p.Cmdline.Why != inspect.Zombie || p.PSSBytes.Why != inspect.Zombie || !p.CPUTimeNS.OK() {
		t.Errorf("zombie: RSS %+v cmdline %+v PSS %+v CPU %+v", p.RSSBytes, p.Cmdline, p.PSSBytes, p.CPUTimeNS)
	}
	_ = cmd.Wait()
	until(t, r, only(pid), func(s *inspect.Snapshot) bool { return s.ByPID(pid) == nil })
}

func TestLiveThreads(t *testing.T) {
	pid := helper(t, "threads").Process.Pid
	r := open(t, "")
	asleep := func(p *inspect.Process) int {
		n := 0
		for i := range p.Threads {
			if p.Threads[i].State == 'S' {
				n++
			}
		}
		return n
	}
	s := until(t, r, only(pid), func(s *inspect.Snapshot) bool { p := s.ByPID(pid); return p != nil && asleep(p) >= 5 })
	p := s.ByPID(pid)
	if len(p.Threads) != p.ThreadCount.V || p.Threads[0].ID.TID != pid || p.Threads[0].ID.Start != p.ID.Start {
		t.Errorf("%d threads, the count says %v; first is %v of %v", len(p.Threads), p.ThreadCount, p.Threads[0].ID, p.ID)
	}
	var vol, run uint64
	for _, th := range p.Threads {
		vol += th.Voluntary.V
		run += th.RunNS.V
		if own, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(th.ID.TID) + "/comm"); err == nil && strings.TrimSuffix(string(own), "\n") != th.Comm {
			t.Errorf("thread %v is named %q, comm says %q", th.ID, th.Comm, own)
		}
	}
	if p.Switches.Voluntary.V != vol+p.Exited.Voluntary || p.RunNS.V != run+p.Exited.RunNS {
		t.Errorf("process %+v, threads %d, remainder %d", p.Switches, vol, p.Exited.Voluntary)
	}
	tid := p.Threads[len(p.Threads)-1].ID.TID
	if _, err := r.Resolve(tid); err == nil || !strings.Contains(err.Error(), "of process "+strconv.Itoa(pid)) {
		t.Errorf("a thread resolved as a process: %v", err)
	}
}

// A process whose main thread has ended is alive as long as another thread is.
func TestLiveZombieLeader(t *testing.T) {
	pid := helper(t, "leaderless").Process.Pid
	q := only(pid)
	q.Want &^= inspect.WantThreads // it has to be noticed without
	p := until(t, open(t, ""), q, func(s *inspect.Snapshot) bool {
		p := s.ByPID(pid)
		return p != nil && p.LeaderState == 'Z'
	}).ByPID(pid)
	if p.State == 'Z' || p.RSSBytes.Or(0) < 20<<20 || len(p.Cmdline.V) == 0 || p.PSSBytes.Or(0) < 20<<20 {
		t.Errorf("state %c, RSS %+v, cmdline %+v, PSS %+v", p.State, p.RSSBytes, p.Cmdline, p.PSSBytes)
	}
	if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/task/%d/fd", pid, p.Threads[len(p.Threads)-1].ID.TID)); err != nil || p.FDs != inspect.Know(len(fds)) {
		t.Errorf("open files: %+v, those of a living thread are %d (%v)", p.FDs, len(fds), err)
	}
}

// The thread that has ended runs no more, but it does not wait for anything
// either, and it is no kernel thread.
func TestLiveExitedLeaderWaitsForNothing(t *testing.T) {
	pid := helper(t, "leaderless").Process.Pid
	q := focusOn(pid, inspect.DetailWaits)
	r := open(t, "")
	leaderless := func(s *inspect.Snapshot) bool {
		p := s.ByPID(pid)
		return p != nil && p.LeaderState == 'Z'
	}
	before := until(t, r, q, leaderless)
	now := until(t, r, q, leaderless)
	p, d := now.ByPID(pid), inspect.Diff(before, now).Deltas[0]
	at := slices.IndexFunc(p.Threads, func(t inspect.Thread) bool { return t.ID.TID == pid })
	leader := &p.Threads[at]
	if w := leader.Wait; w.Syscall.Why != inspect.Zombie || w.WChan.Why != inspect.Zombie || leader.SP.Why != inspect.Zombie {
		t.Errorf("the leader waits in %+v, stack pointer %+v", w, leader.SP)
	}
	if b := d.Threads[at].BlockedPercent; b.Why != inspect.Zombie {
		t.Errorf("the leader is blocked: %+v", b)
	}
	if b, n := d.BlockedPercent, len(p.Threads)-1; !b.OK() || b.V > 100*float64(n)+1e-6 {
		t.Errorf("%d living threads, blocked %+v", n, b)
	}
}

// The switches of this very process, exited threads included, against what it
// is told by getrusage.
func TestLiveSwitchesAgainstGetrusage(t *testing.T) {
	inspecttest.RequireCap(t, "taskstats")
	r := open(t, "")
	q := only(os.Getpid())
	for range 5 {
		var before, after unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
			t.Fatal(err)
		}
		p := read(t, r, q).ByPID(os.Getpid())
		if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
			t.Fatal(err)
		}
		got := p.Switches
		if !got.Exact || got.Scope != inspect.ScopeProcess {
			t.Fatalf("not exact: %+v", got)
		}
		// The kernel notes the statistics of a thread a moment before its last
		// switches; this process has seen many threads exit.
		lost := uint64(before.Nvcsw/20 + 50)
		if v := got.Voluntary.V; v+lost < uint64(before.Nvcsw) || v > uint64(after.Nvcsw) {
			t.Errorf("voluntary %d, getrusage %d before and %d after", v, before.Nvcsw, after.Nvcsw)
		}
		if v := got.Involuntary.V; v+lost < uint64(before.Nivcsw) || v > uint64(after.Nivcsw) {
			t.Errorf("involuntary %d, getrusage %d before and %d after", v, before.Nivcsw, after.Nivcsw)
		}
	}
}

func TestLiveCPUTimeAgainstGetrusage(t *testing.T) {
	r := open(t, "")
	cpu := func() uint64 {
		var ru unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
			t.Fatal(err)
		}
		return uint64(ru.Utime.Nano() + ru.Stime.Nano())
	}
	for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); { // something to measure
	}
	before := cpu()
	p := read(t, r, only(os.Getpid())).ByPID(os.Getpid())
	after := cpu()
	const tick = 10e6 // a running thread's clock may be a tick old
	if got := p.CPUTimeNS.V; got+tick < before || got > after+tick {
		t.Errorf("CPU time %d, getrusage %d before and %d after", got, before, after)
	}
	if !p.RunNS.OK() || p.RunNS.V > after+tick {
		t.Errorf("run time %+v, getrusage %d", p.RunNS, after)
	}
}

// A busy thread for a while: shares, CPU and parallelism have to agree.
func TestLiveShares(t *testing.T) {
	cmd := child(t, "sh", "-c", "while :; do :; done")
	pid := cmd.Process.Pid
	r := open(t, "")
	a := until(t, r, only(pid), func(s *inspect.Snapshot) bool { p := s.ByPID(pid); return p != nil && p.State == 'R' })
	b := until(t, r, only(pid), func(s *inspect.Snapshot) bool { return s.MonoNS-a.MonoNS > int64(300*time.Millisecond) })
	d := inspect.Diff(a, b).Deltas[0]
	sum := d.RunningPercent.V + d.ReadyPercent.V + d.BlockedPercent.V
	if sum < 99.9 || sum > 100.1 {
		t.Errorf("shares add up to %v: %+v", sum, d)
	}
	if d.BlockedPercent.V > 40 {
		t.Errorf("a busy loop is blocked %v %% of the time", d.BlockedPercent.V)
	}
	if diff := d.CPUPercent.V - d.RunningPercent.V; diff > 15 || diff < -15 {
		t.Errorf("CPU %v %%, running %v %%", d.CPUPercent.V, d.RunningPercent.V)
	}
	if d.Parallelism.V != d.RunningPercent.V/100 {
		t.Errorf("parallelism %v", d.Parallelism)
	}
}
