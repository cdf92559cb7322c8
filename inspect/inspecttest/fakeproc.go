package inspecttest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// FakeProc is a directory that looks like a mount of procfs. Its files may
// contain any bytes, and a FIFO in the place of a file makes a reader hang.
type FakeProc struct {
	Root string
	t    testing.TB
}

// NewFakeProc makes an empty one, with the host's files of a small machine.
func NewFakeProc(t testing.TB) *FakeProc {
	t.Helper()
	p := &FakeProc{Root: t.TempDir(), t: t}
	p.Write("sys/kernel/random/boot_id", "01234567-89ab-cdef-0123-456789abcdef\n")
	p.Write("sys/kernel/hostname", "testhost\n")
	p.Write("sys/kernel/osrelease", "6.18.44\n")
	p.Write("uptime", "3600.25 7000.00\n")
	p.Write("loadavg", "0.50 0.25 0.10 2/100 1234\n")
	p.Write("meminfo", "MemTotal: 8000 kB\nMemFree: 4000 kB\nMemAvailable: 6000 kB\nBuffers: 100 kB\nCached: 2000 kB\n"+
		"SReclaimable: 10 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n")
	p.Write("stat", "cpu  100 0 20 5000 3 0 0 0 0 0\ncpu0 50 0 10 2500 1 0 0 0 0 0\ncpu1 50 0 10 2500 2 0 0 0 0 0\n"+
		"ctxt 1000000\nbtime 1767322000\nprocesses 5000\nprocs_running 2\nprocs_blocked 0\n")
	return p
}

// FakeProcess is one process; zero values are filled with something plausible.
type FakeProcess struct {
	PID, PPID  int
	Comm       string
	State      byte // 'S'
	Start      uint64
	UTime      uint64 // ticks
	Flags      uint64
	UID        uint32
	Cmdline    string // raw
	Pages      uint64 // resident
	Counters   Counters
	Threads    []FakeThread // besides the leader
	NoLeader   bool         // the leader is no entry of task/
	StartCode  uint64
	NumThreads int // 0: as many as there are
}

// FakeThread is a thread besides the leader.
type FakeThread struct {
	TID   int
	Comm  string
	State byte
	Start uint64
	Counters
}

// Counters are those that the kernel keeps per thread.
type Counters struct {
	Voluntary, Involuntary uint64
	RunNS, ReadyNS, Slices uint64
}

// Put writes all files of a process, replacing those there are.
func (f *FakeProc) Put(p FakeProcess) {
	f.t.Helper()
	dir := strconv.Itoa(p.PID)
	if p.Comm == "" {
		p.Comm = "fake"
	}
	if p.State == 0 {
		p.State = 'S'
	}
	if p.NumThreads == 0 {
		p.NumThreads = 1 + len(p.Threads)
	}
	size := p.Pages * 4
	f.Write(dir+"/stat", statText(p.PID, &p, p.Comm, p.State, p.Start))
	f.Write(dir+"/status", statusText(p.PID, &p, p.Comm, p.State, p.Counters))
	f.Write(dir+"/statm", fmt.Sprintf("%d %d 0 0 0 0 0\n", size, p.Pages))
	f.Write(dir+"/schedstat", schedText(p.Counters))
	f.Write(dir+"/comm", p.Comm+"\n")
	f.Write(dir+"/cmdline", p.Cmdline)
	f.Write(dir+"/cgroup", "0::/fake\n")
	f.Write(dir+"/io", "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 0\n")
	f.RemoveAll(dir + "/task")
	threads := p.Threads
	if !p.NoLeader {
		threads = append([]FakeThread{{TID: p.PID, Comm: p.Comm, State: p.State, Start: p.Start, Counters: p.Counters}}, threads...)
	}
	for _, t := range threads {
		if t.State == 0 {
			t.State = 'S'
		}
		base := fmt.Sprintf("%s/task/%d/", dir, t.TID)
		f.Write(base+"stat", statText(t.TID, &p, t.Comm, t.State, t.Start))
		f.Write(base+"status", statusText(t.TID, &p, t.Comm, t.State, t.Counters))
		f.Write(base+"schedstat", schedText(t.Counters))
	}
}

func statText(tid int, p *FakeProcess, comm string, state byte, start uint64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d (%s) %c %d %d %d 0 -1 %d 10 0 2 0 ", tid, comm, state, p.PPID, p.PID, p.PID, p.Flags)
	fmt.Fprintf(&b, "%d 0 0 0 20 0 %d 0 %d %d 999 18446744073709551615 ", p.UTime, p.NumThreads, start, p.Pages*16384)
	fmt.Fprintf(&b, "%d 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n", p.StartCode)
	return b.String()
}

func statusText(tid int, p *FakeProcess, comm string, state byte, c Counters) string {
	var b bytes.Buffer
	esc := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(comm)
	fmt.Fprintf(&b, "Name:\t%s\nState:\t%c (x)\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", esc, state, p.PID, tid, p.PPID)
	fmt.Fprintf(&b, "Uid:\t%d\t%d\t%d\t%d\nGid:\t%d\t%d\t%d\t%d\nGroups:\t1 2\nNSpid:\t%d\n", p.UID, p.UID, p.UID, p.UID, p.UID, p.UID, p.UID, p.UID, tid)
	if p.Pages > 0 {
		fmt.Fprintf(&b, "VmSize:\t%d kB\nVmHWM:\t%d kB\nVmRSS:\t%d kB\nRssAnon:\t%d kB\nRssFile:\t0 kB\nRssShmem:\t0 kB\nVmSwap:\t0 kB\n",
			p.Pages*16, p.Pages*4, p.Pages*4, p.Pages*4)
	}
	fmt.Fprintf(&b, "Threads:\t%d\nSigQ:\t0/100\nCpus_allowed_list:\t0-1\n", p.NumThreads)
	fmt.Fprintf(&b, "voluntary_ctxt_switches:\t%d\nnonvoluntary_ctxt_switches:\t%d\n", c.Voluntary, c.Involuntary)
	return b.String()
}

func schedText(c Counters) string { return fmt.Sprintf("%d %d %d\n", c.RunNS, c.ReadyNS, c.Slices) }

// Write writes one file below the root, replacing what is there.
func (f *FakeProc) Write(name, content string) {
	f.t.Helper()
	path := filepath.Join(f.Root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// Link makes a symbolic link below the root.
func (f *FakeProc) Link(name, target string) {
	f.t.Helper()
	path := filepath.Join(f.Root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		f.t.Fatal(err)
	}
}

// RemoveAll removes a file or directory, for example that of a process.
func (f *FakeProc) RemoveAll(name string) {
	f.t.Helper()
	if err := os.RemoveAll(filepath.Join(f.Root, name)); err != nil {
		f.t.Fatal(err)
	}
}

// Block puts a FIFO in the place of a file: whoever opens it hangs, until the
// function returned is called (at the end of the test at the latest), which
// gives all readers an empty file and puts content in its place.
func (f *FakeProc) Block(name, content string) (release func()) {
	f.t.Helper()
	path := filepath.Join(f.Root, name)
	if err := os.Remove(path); err != nil {
		f.t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		f.t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		aside := path + ".released"
		if err := os.Rename(path, aside); err != nil {
			f.t.Error(err)
			return
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			f.t.Error(err)
		}
		// Opening for both never blocks, and lets every opener in; closing
		// gives those who read the end of the file.
		fifo, err := os.OpenFile(aside, os.O_RDWR, 0)
		if err != nil {
			f.t.Error(err)
			return
		}
		_, _ = fifo.WriteString(content)
		fifo.Close()
		os.Remove(aside)
	})
	f.t.Cleanup(release)
	return release
}
