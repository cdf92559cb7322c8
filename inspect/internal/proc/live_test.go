package proc

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

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
	// Whether a page of the program is shared or private, and whether it is
	// dirty, changes though the process is stopped: another process with the same
	// program ends, the page is written to disk. So the files are compared when
	// nothing changed around them.
	for end, before := time.Now().Add(patience), (Sizes{}); ; before = sum {
		for _, err := range []error{
			r.Statm(c.pid, &m), r.Status(c.pid, &st), r.Maps(c.pid, &maps), r.Smaps(c.pid, &sm), r.SmapsRollup(c.pid, &sum),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if sum == before {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("never two equal sums: %+v, then %+v", before, sum)
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
		if all := e.SharedClean + e.SharedDirty + e.PrivateClean + e.PrivateDirty; all != e.RSS {
			t.Errorf("%x: shared and private %d, RSS %d", e.Start, all, e.RSS)
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
	// smaps leaves out pages that are mapped specially; the three counters behind
	// status are exact only since Linux 6.16, before that each CPU may keep a batch
	// of pages of each to itself.
	drift := 3 * runtime.NumCPU() * max(32, 2*runtime.NumCPU()) * int(page)
	if diff := int64(sum.RSS) - int64(st.VmRSS); max(diff, -diff) > int64(1<<20+drift) {
		t.Errorf("RSS: smaps %d, status %d", sum.RSS, st.VmRSS)
	}
	if m.Resident*page != st.VmRSS || st.VmRSS != st.RssAnon+st.RssFile+st.RssShmem {
		t.Errorf("RSS: statm %d, status %d", m.Resident*page, st.VmRSS)
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
