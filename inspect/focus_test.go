package inspect_test

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

func focusOn(pid int, d inspect.DetailWant) inspect.Request {
	return inspect.Request{Want: inspect.WantAll, Only: []int{pid}, Focus: pid, Detail: d}
}

// mapped maps memory for the test; write touches every page of it.
func mapped(t *testing.T, fd, size, prot, flags int, write bool) uint64 {
	t.Helper()
	b, err := unix.Mmap(fd, 0, size, prot, flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	if write {
		for i := 0; i < len(b); i += os.Getpagesize() {
			b[i] = 1
		}
	}
	return uint64(uintptr(unsafe.Pointer(&b[0])))
}

// What this process has mapped has to be found in its segments, as what it is.
func TestLiveSegments(t *testing.T) {
	const size = 1 << 20
	rw := unix.PROT_READ | unix.PROT_WRITE
	memfd, err := unix.MemfdCreate("my memfd", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(memfd)
	name := filepath.Join(t.TempDir(), "a b\nc")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, fd := range []int{memfd, int(file.Fd())} {
		if err := unix.Ftruncate(fd, size); err != nil {
			t.Fatal(err)
		}
	}
	type want struct {
		at    uint64
		kind  string
		group inspect.Group
		name  string
		rss   bool
	}
	wants := []want{
		{at: mapped(t, -1, size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON, false), kind: "reserved", group: inspect.GroupReserved},
		{at: mapped(t, -1, size, rw, unix.MAP_SHARED|unix.MAP_ANON, true), kind: "shared_anonymous", group: inspect.GroupShared, name: "/dev/zero", rss: true},
		{at: mapped(t, memfd, size, rw, unix.MAP_SHARED, true), kind: "memfd", group: inspect.GroupShared, name: "/memfd:my memfd", rss: true},
		{at: mapped(t, int(file.Fd()), size, rw, unix.MAP_PRIVATE, true), kind: "file", group: inspect.GroupMappedFiles, name: name, rss: true},
		{at: mapped(t, int(file.Fd()), size, rw, unix.MAP_SHARED, true), kind: "shared_file", group: inspect.GroupMappedFiles, name: name, rss: true},
	}
	pid := os.Getpid()
	s := read(t, open(t, ""), focusOn(pid, inspect.DetailAll))
	d := s.Detail
	if d == nil || d.SegmentsWhy != inspect.OK || d.Memory.Why != inspect.OK {
		t.Fatalf("no segments: %+v", d)
	}
	for _, w := range wants {
		i := slices.IndexFunc(d.Segments, func(g inspect.Segment) bool { return g.Start <= w.at && w.at < g.End })
		if i < 0 {
			t.Errorf("%s: not found at %x", w.kind, w.at)
			continue
		}
		g := d.Segments[i]
		if g.Kind != w.kind || g.Group != w.group || w.name != "" && g.Name != w.name || g.Deleted {
			t.Errorf("%x is %s/%s %q (deleted %v), want %s/%s %q", w.at, g.Group, g.Kind, g.Name, g.Deleted, w.group, w.kind, w.name)
		}
		if w.rss && g.Mem.RSS < size || !w.rss && g.Mem.RSS != 0 {
			t.Errorf("%s: RSS %d", w.kind, g.Mem.RSS)
		}
	}
	checkSums(t, d, s.ByPID(pid))
}

func checkSums(t *testing.T, d *inspect.Detail, p *inspect.Process) {
	t.Helper()
	var groups, segs inspect.SegmentMem
	for _, g := range d.Memory.Groups {
		groups = groups.Add(g)
	}
	for i, g := range d.Segments {
		if g.Name != "[vsyscall]" {
			segs = segs.Add(g.Mem)
		}
		if i > 0 && g.Start < d.Segments[i-1].End {
			t.Errorf("segments overlap at %x", g.Start)
		}
		if g.Kind == "" || !slices.Contains(inspect.Groups(), g.Group) {
			t.Errorf("segment %x has kind %q, group %q", g.Start, g.Kind, g.Group)
		}
	}
	if groups != d.Memory.Total || segs != d.Memory.Total {
		t.Errorf("groups %+v\nsegments %+v\ntotal %+v", groups, segs, d.Memory.Total)
	}
	if d.Memory.USSBytes != d.Memory.Total.PrivateClean+d.Memory.Total.PrivateDirty {
		t.Errorf("USS %d of %+v", d.Memory.USSBytes, d.Memory.Total)
	}
	// The process went on between the two files; it did not double.
	if ratio := float64(d.Memory.Total.RSS) / float64(p.RSSBytes.V); math.Abs(ratio-1) > 0.2 {
		t.Errorf("segments add up to an RSS of %d, statm says %d", d.Memory.Total.RSS, p.RSSBytes.V)
	}
}

func TestLiveDetail(t *testing.T) {
	pid := os.Getpid()
	s := read(t, open(t, ""), focusOn(pid, inspect.DetailAll))
	d, p := s.Detail, s.ByPID(pid)
	if cwd, err := os.Getwd(); err != nil || d.Cwd != inspect.Know(cwd) {
		t.Errorf("cwd %+v, want %s", d.Cwd, cwd)
	}
	if d.UIDs.V[1] != uint32(os.Geteuid()) || d.GIDs.V[0] != uint32(os.Getgid()) || !d.Groups.OK() {
		t.Errorf("uids %+v gids %+v groups %+v", d.UIDs, d.GIDs, d.Groups)
	}
	if !slices.ContainsFunc(d.Environ.V, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) && os.Getenv("PATH") != "" {
		t.Errorf("environment without PATH: %+v", d.Environ.Why)
	}
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(d.Limits.V, func(l inspect.Limit) bool { return l.Name == "max_open_files" })
	if i < 0 || d.Limits.V[i].Soft != lim.Cur || d.Limits.V[i].Hard != lim.Max || d.Limits.V[i].Used.Or(0) < 3 {
		t.Errorf("limit of open files %+v, want %+v", d.Limits, lim)
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &st); err == nil {
		want := inspect.Namespace{Type: "mnt", Inode: st.Ino}
		if !slices.Contains(d.Namespaces.V, want) {
			t.Errorf("namespaces %+v, want %+v among them", d.Namespaces, want)
		}
	}
	if !d.OOMScore.OK() || !d.OOMAdj.OK() || len(d.Cgroups.V) == 0 || d.Memory.SharedMM.Or(true) {
		t.Errorf("OOM %+v %+v, cgroups %+v, shared mm %+v", d.OOMScore, d.OOMAdj, d.Cgroups, d.Memory.SharedMM)
	}
	if p.RSSBytes.V == 0 || s.ByID(d.ID) != p {
		t.Error("the detail is of another process")
	}
}

func TestLiveFiles(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "gone"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("12345"); err != nil {
		t.Fatal(err)
	}
	os.Remove(f.Name())
	rd, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	defer wr.Close()
	d, err := os.OpenFile(dir, unix.O_DIRECTORY, 0) // as opendir(3) does
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := read(t, open(t, ""), focusOn(os.Getpid(), inspect.DetailFiles))
	kinds := map[int]inspect.File{}
	for _, o := range s.Detail.Files.V {
		kinds[o.FD] = o
	}
	if o := kinds[int(f.Fd())]; o.Kind != "deleted" || o.Offset != inspect.Know(int64(5)) {
		t.Errorf("unlinked file: %+v", o)
	}
	if o := kinds[int(rd.Fd())]; o.Kind != "pipe" {
		t.Errorf("pipe: %+v", o)
	}
	if o := kinds[int(d.Fd())]; o.Kind != "directory" || o.Target != dir {
		t.Errorf("directory: %+v", o)
	}
	if d := s.Detail; d.SegmentsWhy != inspect.NotRead || d.Environ.OK() || d.Limits.OK() {
		t.Error("more was read than asked for")
	}
}

func TestLiveWaits(t *testing.T) {
	pid := helper(t, "threads").Process.Pid
	r := open(t, "")
	asleep := func(p *inspect.Process) (n int) {
		for i := range p.Threads {
			if w := p.Threads[i].Wait.Syscall; strings.HasSuffix(w.V, "nanosleep") {
				n++
			}
		}
		return n
	}
	s := read(t, r, focusOn(pid, inspect.DetailWaits|inspect.DetailSegments))
	if w := s.ByPID(pid).Threads[0].Wait.Syscall; w.Why == inspect.NotSupported || w.Why == inspect.NeedsPtraceDAC {
		t.Skipf("syscall of our own child: %s", w.Why.Text())
	}
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("no table of system calls for this architecture")
	}
	s = until(t, r, focusOn(pid, inspect.DetailWaits|inspect.DetailSegments), func(s *inspect.Snapshot) bool {
		return asleep(s.ByPID(pid)) >= 4
	})
	for _, th := range s.ByPID(pid).Threads {
		if !strings.HasSuffix(th.Wait.Syscall.V, "nanosleep") {
			continue
		}
		if !th.SP.OK() || !th.PC.OK() || !th.StackStart.OK() || th.StackStart.V > th.SP.V {
			t.Errorf("thread %v: SP %+v, PC %+v, stack from %+v", th.ID, th.SP, th.PC, th.StackStart)
		}
		if th.Wait.WChan.OK() && th.Wait.WChan.V == "" {
			t.Errorf("thread %v sleeps nowhere", th.ID)
		}
		if th.Wait.Stack.OK() == (th.Wait.Stack.Why == inspect.NeedsSysAdmin) || th.Wait.Stack.OK() && len(th.Wait.Stack.V) == 0 {
			t.Errorf("thread %v: kernel stack %+v", th.ID, th.Wait.Stack)
		}
	}
	// Without the waits, nobody has changed the process.
	plain := read(t, r, inspect.Request{Want: inspect.WantAll, Only: []int{pid}})
	if th := plain.ByPID(pid).Threads[0]; th.Wait.Syscall.OK() || th.SP.OK() {
		t.Error("waits are shown although they were not read")
	}
}

// What may not be read says which capability is missing.
func TestLiveDenied(t *testing.T) {
	s := read(t, open(t, ""), focusOn(1, inspect.DetailAll))
	d, p := s.Detail, s.ByPID(1)
	if d == nil {
		t.Skip("process 1 is not visible here")
	}
	if d.SegmentsWhy == inspect.OK {
		t.Skip("process 1 can be read here")
	}
	if d.SegmentsWhy != inspect.Denied && d.SegmentsWhy != inspect.NeedsPtrace || len(d.Segments) != 0 || d.Memory.Why != d.SegmentsWhy {
		t.Errorf("segments of process 1: %d, %s", len(d.Segments), d.SegmentsWhy.Text())
	}
	if d.Files.OK() || d.Environ.OK() || !p.RSSBytes.OK() || !p.UID.OK() {
		t.Errorf("files %+v environ %+v RSS %+v", d.Files.Why, d.Environ.Why, p.RSSBytes)
	}
}

func TestCannedSnapshotIsConsistent(t *testing.T) {
	s := inspecttest.Snapshot(12)
	checkSums(t, &inspect.Detail{Segments: s.Detail.Segments, Memory: s.Detail.Memory}, &inspect.Process{
		RSSBytes: inspect.Know(s.Detail.Memory.Total.RSS),
	})
	for _, p := range s.Processes {
		sum := p.Exited.Voluntary
		for _, th := range p.Threads {
			sum += th.Voluntary.V
		}
		if sum != p.Switches.Voluntary.V || len(p.Threads) != p.ThreadCount.V {
			t.Errorf("process %v: threads and remainder give %d switches, it says %d", p.ID, sum, p.Switches.Voluntary.V)
		}
	}
}
