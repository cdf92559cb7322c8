package proc

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

func TestLiveNames(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	for _, name := range hostileNames {
		want := name[:min(len(name), 15)]
		c := startChild(t, "comm", nil, []string{"PROC_TEST_COMM=" + name})
		comm, err := r.Comm(c.pid)
		if err != nil || string(comm) != want {
			t.Errorf("%q: comm %q, %v", want, comm, err)
		}
		var st Stat
		if err := r.Stat(c.pid, &st); err != nil || string(st.Comm) != want || st.PID != c.pid || st.PPID != os.Getpid() {
			t.Errorf("%q: stat %q, PID %d, PPID %d, %v", want, st.Comm, st.PID, st.PPID, err)
		}
		var s Status
		if err := r.Status(c.pid, &s); err != nil || string(s.Name) != want || s.Pid != c.pid || s.Tgid != c.pid {
			t.Errorf("%q: status %q, Pid %d, %v", want, s.Name, s.Pid, err)
		}
		c.stop()
	}
}

func TestLiveCmdline(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	long := strings.Repeat("x", 20000)
	for _, tc := range []struct {
		args []string
		want []string
		cut  bool
	}{
		{args: []string{"a b", "pause", "", "c\nd", "\xff", ""}, want: []string{"helper", "a b", "pause", "", "c\nd", "\xff"}},
		{
			args: []string{long, long, long, long}, cut: true,
			want: []string{"helper", long, long, long, long[:maxCmdline-len("helper")-1-3*(len(long)+1)]},
		},
	} {
		c := startChild(t, "pause", tc.args, nil)
		args, cut, err := r.Cmdline(c.pid)
		if err != nil || cut != tc.cut {
			t.Errorf("truncated %v, %v", cut, err)
		}
		if d := cmp.Diff(tc.want, args); d != "" {
			t.Error(d)
		}
		c.stop()
	}
}

func TestLiveTitles(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	args := []string{"some", "more arguments"}
	size := len("helper") + 1 + len(args[0]) + 1 + len(args[1]) + 1
	for kind, want := range map[string]string{
		"nul":     "nginx: master",
		"space":   "postgres: x" + strings.Repeat(" ", size-len("postgres: x")-1),
		"overrun": strings.Repeat("T", size+10), // 30 bytes of title in 20 of arguments
	} {
		c := startChild(t, "title", args, []string{"PROC_TEST_TITLE=" + kind})
		got, cut, err := r.Cmdline(c.pid)
		if err != nil || cut || !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, %v, %v; want %q", kind, got, cut, err, want)
		}
		c.stop()
	}
}

// An execve without any argument gives one empty argument.
func TestLiveEmptyArgv(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	p, err := os.StartProcess(exe, []string{}, &os.ProcAttr{
		Env: []string{helperEnv + "=pause", "GORACE=atexit_sleep_ms=0"}, Files: []*os.File{in, nil, os.Stderr},
	})
	if err != nil {
		t.Skipf("this kernel refuses an empty argv: %v", err)
	}
	defer func() {
		out.Close()
		_, _ = p.Wait()
	}()
	// StartProcess returns in the middle of the execve, when the new arguments
	// are not in place yet: an empty cmdline is no proof of anything.
	var args []string
	for end := time.Now().Add(patience); args == nil && err == nil && time.Now().Before(end); {
		args, _, err = r.Cmdline(p.Pid)
	}
	if err != nil || !slices.Equal(args, []string{""}) {
		t.Errorf("%q, %v", args, err)
	}
}

// TestLiveVanishing follows a process through its end: alive, zombie, reaped.
func TestLiveVanishing(t *testing.T) {
	t.Parallel()
	fs, r := openLive(t)
	c := startChild(t, "pause", nil, nil)
	held := NewHeld(100)
	defer held.Close()
	h := fs.NewReader()
	h.Hold(held)
	dir, err := r.OpenPID(c.pid)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	holdable := []File{FileStat, FileStatus, FileStatm, FileSchedstat, FileComm, FileIO, FileCgroup}
	for _, f := range holdable {
		if _, err := h.File(c.pid, f); err != nil {
			t.Errorf("alive: held %s: %v", f, err)
		}
	}
	if _, err := CPUClock(c.pid); err != nil {
		t.Errorf("alive: clock: %v", err)
	}

	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitZombie(t, r, c.pid)
	checkZombie(t, r, c.pid)

	c.stop() // reaps
	for _, f := range holdable {
		if _, err := h.File(c.pid, f); err != ErrGone {
			t.Errorf("reaped: held %s: %v", f, err)
		}
		if _, err := dir.File(f); err != ErrGone {
			t.Errorf("reaped: dir %s: %v", f, err)
		}
	}
	if n := held.Len(); n != 0 {
		t.Errorf("%d descriptors of a reaped process are held", n)
	}
	if tids, err := dir.TIDs(nil); err != ErrGone || len(tids) != 0 {
		t.Errorf("reaped: listing through the old directory: %v, %v", tids, err)
	}
	for f := FileStat; f <= FileLoginUID; f++ {
		if _, err := r.File(c.pid, f); err != ErrGone {
			t.Errorf("reaped: %s: %v", f, err)
		}
	}
	if _, err := r.TIDs(nil, c.pid); err != ErrGone {
		t.Errorf("reaped: task: %v", err)
	}
	if _, err := r.Link(c.pid, FileExe); err != ErrGone {
		t.Errorf("reaped: exe: %v", err)
	}
	if _, err := r.OpenPID(c.pid); err != ErrGone {
		t.Errorf("reaped: directory: %v", err)
	}
	if _, err := CPUClock(c.pid); err != ErrGone {
		t.Errorf("reaped: clock: %v", err)
	}
}

func waitZombie(t *testing.T, r *Reader, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		var st Stat
		if err := r.Stat(pid, &st); err != nil {
			t.Fatal(err)
		}
		// A leader that is a zombie may have living threads.
		if st.State == 'Z' && st.NumThreads == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the killed process did not become a zombie")
		}
	}
}

// checkZombie: no memory is not the same as gone.
func checkZombie(t *testing.T, r *Reader, pid int) {
	t.Helper()
	if args, _, err := r.Cmdline(pid); err != nil || args != nil {
		t.Errorf("zombie: cmdline %q, %v", args, err)
	}
	var s Sizes
	if err := r.SmapsRollup(pid, &s); err != ErrAbsent {
		t.Errorf("zombie: smaps_rollup: %v", err)
	}
	var m Maps
	if err := r.Maps(pid, &m); err != nil || len(m.VMAs) != 0 {
		t.Errorf("zombie: maps: %d, %v", len(m.VMAs), err)
	}
	if _, err := r.Link(pid, FileExe); err != ErrAbsent {
		t.Errorf("zombie: exe: %v", err)
	}
	var st Status
	if err := r.Status(pid, &st); err != nil || st.State != 'Z' || st.Has(StatusVmRSS) || !st.Has(StatusThreads) {
		t.Errorf("zombie: status: %v, %+v", err, st)
	}
	if tids, err := r.TIDs(nil, pid); err != nil || !slices.Contains(tids, pid) {
		t.Errorf("zombie: task: %v, %v", tids, err)
	}
	if _, err := CPUClock(pid); err != nil {
		t.Errorf("zombie: clock: %v", err)
	}
}

// Our own numbers against independent sources.
func TestLiveAgainstProcfs(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	c := startChild(t, "pause", []string{"x y"}, nil)
	p, err := procfs.NewProc(c.pid)
	if err != nil {
		t.Fatal(err)
	}
	want, err := p.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var s Stat
	if err := r.Stat(c.pid, &s); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string][2]any{
		"comm": {want.Comm, string(s.Comm)}, "ppid": {want.PPID, s.PPID}, "pgrp": {want.PGRP, s.PGRP},
		"session": {want.Session, s.Session}, "tty": {want.TTY, s.TTYNr}, "tpgid": {want.TPGID, s.TPGID},
		"priority": {want.Priority, s.Priority}, "nice": {want.Nice, s.Nice}, "start": {want.Starttime, s.StartTicks},
		"rsslim": {want.RSSLimit, s.RSSLimit}, "policy": {uint64(want.Policy), s.Policy},
		"rt": {uint64(want.RTPriority), s.RTPriority}, "flags": {uint64(want.Flags), s.Flags},
	} {
		if v[0] != v[1] {
			t.Errorf("%s: %v, procfs %v", name, v[1], v[0])
		}
	}
	st, err := p.NewStatus()
	if err != nil {
		t.Fatal(err)
	}
	var got Status
	if err := r.Status(c.pid, &got); err != nil {
		t.Fatal(err)
	}
	for i := range got.UID {
		if uint64(got.UID[i]) != st.UIDs[i] || uint64(got.GID[i]) != st.GIDs[i] {
			t.Errorf("ids: %v %v, procfs %v %v", got.UID, got.GID, st.UIDs, st.GIDs)
		}
	}
	if got.VmPeak != st.VmPeak || got.VmStk != st.VmStk || got.VmExe != st.VmExe || got.Tgid != st.TGID || len(got.NSpid) != len(st.NSpids) {
		t.Errorf("status: %+v, procfs %+v", got, st)
	}
}

// statm, status, smaps and smaps_rollup tell the same of a process at rest.
func TestLiveMemory(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	c := startChild(t, "pause", nil, nil)
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer c.cmd.Process.Signal(syscall.SIGCONT)
	var st Status
	for end := time.Now().Add(patience); st.State != 'T'; time.Sleep(time.Millisecond) {
		if err := r.Status(c.pid, &st); err != nil || time.Now().After(end) {
			t.Fatal("did not stop", err)
		}
	}
	var m Statm
	var sm Smaps
	var maps Maps
	var sum, total Sizes
	for _, err := range []error{
		r.Statm(c.pid, &m), r.Status(c.pid, &st), r.Smaps(c.pid, &sm), r.Maps(c.pid, &maps), r.SmapsRollup(c.pid, &sum),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var size uint64
	for i, e := range sm.Entries {
		if i >= len(maps.VMAs) || e.VMA != maps.VMAs[i] {
			t.Fatalf("entry %d: %+v", i, e.VMA)
		}
		if e.Size != e.End-e.Start {
			t.Errorf("%x: size %d", e.Start, e.Size)
		}
		if e.VMFlags == "" {
			t.Errorf("%x: no flags", e.Start)
		}
		if e.Name != "[vsyscall]" {
			size += e.Size
		}
		total.RSS += e.RSS
		total.PrivateDirty += e.PrivateDirty
		total.Anonymous += e.Anonymous
	}
	if total.RSS != sum.RSS || total.PrivateDirty != sum.PrivateDirty || total.Anonymous != sum.Anonymous {
		t.Errorf("sum of smaps %+v, rollup %+v", total, sum)
	}
	page := uint64(os.Getpagesize())
	if size != m.Size*page || size != st.VmSize {
		t.Errorf("size: smaps %d, statm %d, status %d", size, m.Size*page, st.VmSize)
	}
	// smaps leaves out pages that are mapped specially; the counters are exact
	// only since Linux 6.16.
	if diff := int64(sum.RSS) - int64(st.VmRSS); max(diff, -diff) > 1<<20 {
		t.Errorf("RSS: smaps %d, status %d", sum.RSS, st.VmRSS)
	}
	if m.Resident*page != st.VmRSS || st.VmRSS != st.RssAnon+st.RssFile+st.RssShmem {
		t.Errorf("RSS: statm %d, status %d", m.Resident*page, st.VmRSS)
	}
}

func TestLiveIDs(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root may take other IDs")
	}
	_, r := openLive(t)
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
		Uid: 3000000000, Gid: 4294967290, Groups: []uint32{7, 4000000000},
	}}
	if err := cmd.Start(); err != nil {
		t.Skipf("cannot start with large IDs: %v", err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var s Status
	if err := r.Status(cmd.Process.Pid, &s); err != nil {
		t.Fatal(err)
	}
	if s.UID != (IDs{3000000000, 3000000000, 3000000000, 3000000000}) || s.GID[1] != 4294967290 ||
		!slices.Equal(s.Groups, []uint32{7, 4000000000}) {
		t.Errorf("%+v", s)
	}
}

// /proc/TID opens, but is not a process: Tgid tells.
func TestLiveThread(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	self := os.Getpid()
	tids, err := r.TIDs(nil, self)
	if err != nil || !slices.Contains(tids, self) || !slices.IsSorted(tids) || len(tids) < 2 {
		t.Fatal(tids, err)
	}
	pids, err := r.PIDs(nil)
	if err != nil || !slices.Contains(pids, self) || !slices.IsSorted(pids) {
		t.Fatal(pids, err)
	}
	var s Status
	var st Stat
	var sc Schedstat
	seen := 0
	for _, tid := range tids {
		if err := r.Status(tid, &s); err == ErrGone {
			continue // a thread of the runtime that has ended
		}
		if s.Tgid != self || s.Pid != tid {
			t.Errorf("/proc/%d: Tgid %d, Pid %d", tid, s.Tgid, s.Pid)
		}
		err := errors.Join(r.ThreadStatus(self, tid, &s), r.ThreadStat(self, tid, &st), r.ThreadSchedstat(self, tid, &sc))
		if Classify(err) == ClassGone {
			continue
		}
		if err != nil || st.PID != tid || s.Tgid != self {
			t.Errorf("task/%d: %v, %d, %d", tid, err, st.PID, s.Tgid)
		}
		if tid != self && slices.Contains(pids, tid) {
			t.Errorf("thread %d is listed as a process", tid)
		}
		seen++
	}
	if seen == 0 {
		t.Error("no thread seen")
	}
}

// The CPU clock against getrusage of ourselves, before and after.
func TestLiveCPUClock(t *testing.T) {
	fs, r := openLive(t)
	if !fs.Live() {
		t.Fatal("/proc is not live")
	}
	usage := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const slack = 20 * time.Millisecond // threads that run elsewhere are booked once a tick
	before := usage()
	for usage()-before < 50*time.Millisecond {
	}
	low := usage()
	ns, err := CPUClock(os.Getpid())
	high := usage()
	if err != nil || time.Duration(ns) < low-slack || time.Duration(ns) > high+slack {
		t.Errorf("%v, %v; getrusage %v to %v", time.Duration(ns), err, low, high)
	}
	var st Stat
	if err := r.Stat(os.Getpid(), &st); err != nil {
		t.Fatal(err)
	}
	ticks := time.Duration(st.UTime+st.STime) * 10 * time.Millisecond
	if d := ticks - time.Duration(ns); d > 50*time.Millisecond+slack || d < -50*time.Millisecond-slack {
		t.Errorf("stat says %v, the clock %v", ticks, time.Duration(ns))
	}
}

// Files that another user must not read are denied, which is not "absent".
func TestLiveDenied(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root is denied little")
	}
	_, r := openLive(t)
	if fi, err := os.Stat("/proc/1"); err != nil || fi.Sys().(*syscall.Stat_t).Uid == uint32(os.Getuid()) {
		t.Skip("no process of another user")
	}
	for _, f := range []File{FileIO, FileMaps, FileSmaps, FileEnviron, FileSyscall, FileStack} {
		if _, err := r.File(1, f); err != ErrDenied {
			t.Errorf("%s: %v", f, err)
		}
	}
	if _, err := r.Link(1, FileExe); err != ErrDenied {
		t.Errorf("exe: %v", err)
	}
	if _, err := r.FDs(nil, 1); err != ErrDenied {
		t.Errorf("fd: %v", err)
	}
	var st Stat
	if err := r.Stat(1, &st); err != nil || st.StartTicks != 0 && st.StartStack != 0 {
		t.Errorf("stat: %v %+v", err, st)
	}
	if w, err := r.Wchan(1, 1); err != nil || w != "" {
		t.Errorf("wchan: %q %v", w, err)
	}
}

func TestLiveSelf(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	self := os.Getpid()
	exe, err := r.Link(self, FileExe)
	want, _ := os.Executable()
	if err != nil || exe != want {
		t.Errorf("exe %q, %v; want %q", exe, err, want)
	}
	f, err := os.Open(want)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fds, err := r.FDs(nil, self)
	if err != nil || !slices.Contains(fds, int(f.Fd())) {
		t.Errorf("fd: %v, %v", fds, err)
	}
	name := strconv.Itoa(int(f.Fd()))
	if to, err := r.SubLink(self, FileFD, name); err != nil || to != want {
		t.Errorf("fd/%s: %q, %v", name, to, err)
	}
	if b, err := r.Sub(self, FileFDInfo, name); err != nil || !strings.HasPrefix(string(b), "pos:\t0\n") {
		t.Errorf("fdinfo/%s: %q, %v", name, b, err)
	}
	if _, err := r.SubLink(self, FileFD, "999999"); err != ErrAbsent {
		t.Errorf("fd/999999: %v", err)
	}
	env, cut, err := r.Environ(self)
	if err != nil || cut || len(env) == 0 && len(os.Environ()) > 0 {
		t.Errorf("environ: %d, %v, %v", len(env), cut, err)
	}
	if cg, err := r.Cgroup(self); err != nil || len(cg) == 0 {
		t.Errorf("cgroup: %v, %v", cg, err)
	}
	var io IO
	if err := r.IO(self, &io); err != nil && err != ErrAbsent || err == nil && io.ReadCalls == 0 {
		t.Errorf("io: %v %+v", err, io)
	}
	var sc Syscall
	if err := r.Syscall(self, self, &sc); err != nil && err != ErrAbsent && err != ErrDenied {
		t.Errorf("syscall: %v", err)
	} else if err == nil && !sc.Running && sc.SP == 0 {
		t.Errorf("syscall: %+v", sc)
	}
	if n := r.TakeFiles(); n == 0 || r.TakeFiles() != 0 {
		t.Errorf("%d files counted", n)
	}
}
