package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// open makes a Reader on a root that is closed with the test.
func open(t testing.TB, root string) *inspect.Reader {
	t.Helper()
	r, err := inspect.NewReader(inspect.Options{ProcRoot: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

func read(t testing.TB, r *inspect.Reader, q inspect.Request) *inspect.Snapshot {
	t.Helper()
	s, err := r.Read(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var everything = inspect.Request{Want: inspect.WantAll | inspect.WantIO | inspect.WantHost}

// What is wanted of the process in focus is not read of the others.
func TestReadFocusWant(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	for _, pid := range []int{42, 43} {
		f.Put(inspecttest.FakeProcess{PID: pid, PPID: 1, Comm: "x", Start: 1234, UTime: 50, UID: 1000, Cmdline: "x\x00", Pages: 10})
	}
	r := open(t, f.Root)
	s := read(t, r, inspect.Request{Focus: 42, FocusWant: inspect.WantStatus | inspect.WantIO})
	in, out := s.ByPID(42), s.ByPID(43)
	if in.UID != inspect.Know(uint32(1000)) || !in.WriteBytes.OK() {
		t.Errorf("the process in focus was not read: uid %v, write bytes %v", in.UID, in.WriteBytes)
	}
	if out.UID.OK() || out.UID.Why != inspect.NotRead || out.WriteBytes.OK() {
		t.Errorf("too much was read of the other: uid %v, write bytes %v", out.UID, out.WriteBytes)
	}
	s = read(t, r, inspect.Request{Want: inspect.WantStatus, Focus: 42})
	if p := s.ByPID(42); p.WriteBytes.OK() || !s.ByPID(43).UID.OK() {
		t.Errorf("the next pass still reads for the focus (%v), or not for all (%v)", p.WriteBytes, s.ByPID(43).UID)
	}
}

func TestReadFakeProcess(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{
		PID: 42, PPID: 7, Comm: "a) R 1 (b", Start: 1234, UTime: 50, UID: 4000000000, Cmdline: "x\x00a b\x00\x00c\x00",
		Pages: 10, Counters: inspecttest.Counters{Voluntary: 5, Involuntary: 6, RunNS: 490e6, ReadyNS: 8, Slices: 11},
	})
	s := read(t, open(t, f.Root), everything)
	if len(s.Processes) != 1 || s.BootID == "" || s.Host.Hostname != "testhost" || s.Errors != 0 {
		t.Fatalf("%d processes, boot %q, host %q, %d errors", len(s.Processes), s.BootID, s.Host.Hostname, s.Errors)
	}
	p := s.ByPID(42)
	check := func(name string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	check("identity", p.ID, inspect.ID{PID: 42, Start: 1234})
	check("comm", p.Comm, "a) R 1 (b")
	check("cmdline", p.Cmdline.V, []string{"x", "a b", "", "c"})
	check("ppid", p.PPID, inspect.Know(7))
	check("uid", p.UID, inspect.Know(uint32(4000000000)))
	check("user", p.User, "4000000000")
	check("rss", p.RSSBytes, inspect.Know(uint64(40960)))
	check("cpu", p.CPUTimeNS, inspect.Know(uint64(500e6)))
	check("cgroup", p.Cgroup, inspect.Know("/fake"))
	check("io", p.WriteBytes, inspect.Know(uint64(6)))
	check("switches", p.Switches.Voluntary, inspect.Know(uint64(5)))
	check("scope", p.Switches.Scope, inspect.ScopeProcessLive)
	check("ready", p.ReadyNS, inspect.Know(uint64(8)))
	check("kernel", p.Kernel, inspect.Know(false))
	if len(p.Threads) != 1 || p.Threads[0].ID.TID != 42 || p.Threads[0].Voluntary.V != 5 {
		t.Errorf("threads %+v", p.Threads)
	}
	if s.Host.MemTotal.Or(0) == 0 || s.Host.ContextSwitches.V != 1000000 || s.Host.Load1.V != 0.5 {
		t.Errorf("host %+v", s.Host)
	}
	if s.Host.PressureCPU.OK() {
		t.Error("pressure is known without its file")
	}
}

func TestReadSharesWhatDidNotChange(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	threads := []inspecttest.FakeThread{{TID: 11, Comm: "t"}}
	f.Put(inspecttest.FakeProcess{PID: 10, Pages: 1, Threads: threads})
	f.Put(inspecttest.FakeProcess{PID: 20, Pages: 1})
	r := open(t, f.Root)
	a := read(t, r, everything)
	b := read(t, r, everything)
	for i := range a.Processes {
		if a.Processes[i] != b.Processes[i] {
			t.Errorf("process %d was made anew", a.Processes[i].ID.PID)
		}
	}
	f.Put(inspecttest.FakeProcess{PID: 10, Pages: 1, Threads: []inspecttest.FakeThread{{TID: 11, Comm: "t", Counters: inspecttest.Counters{RunNS: 1}}}})
	c := read(t, r, everything)
	if c.ByPID(10) == b.ByPID(10) || c.ByPID(20) != b.ByPID(20) {
		t.Error("a thread ran: exactly its process has to be made anew")
	}
	if a.ByPID(10).Threads[1].RunNS.V != 0 || c.ByPID(10).Threads[1].RunNS.V != 1 {
		t.Error("the old snapshot was changed, or the new one was not")
	}
}

func TestReadSwitchesSurviveThreadExit(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	put := func(leader uint64, threads ...inspecttest.FakeThread) {
		f.Put(inspecttest.FakeProcess{PID: 10, Pages: 1, UTime: 100, Threads: threads, Counters: inspecttest.Counters{Voluntary: leader, RunNS: leader}})
	}
	worker := func(tid int, n uint64) inspecttest.FakeThread {
		return inspecttest.FakeThread{TID: tid, Comm: "w", Counters: inspecttest.Counters{Voluntary: n, RunNS: n}}
	}
	r := open(t, f.Root)
	put(3, worker(11, 100), worker(12, 50))
	s := read(t, r, everything)
	if got := s.ByPID(10).Switches; got.Voluntary != inspect.Know(uint64(153)) || got.Scope != inspect.ScopeProcessLive {
		t.Errorf("first: %+v", got)
	}
	put(4, worker(12, 60))
	p := read(t, r, everything).ByPID(10)
	if p.Switches.Voluntary != inspect.Know(uint64(164)) || p.Switches.Scope != inspect.ScopeProcess || p.Switches.Exact {
		t.Errorf("one exited: %+v", p.Switches)
	}
	if p.Exited.Threads != 1 || p.Exited.Voluntary != 100 || p.RunNS != inspect.Know(uint64(164)) {
		t.Errorf("remainder %+v, run %+v", p.Exited, p.RunNS)
	}
	put(5)
	p = read(t, r, everything).ByPID(10)
	if p.Switches.Voluntary != inspect.Know(uint64(165)) || len(p.Threads) != 1 || p.Exited.Threads != 2 {
		t.Errorf("only the leader is left: %+v with %d threads", p.Switches, len(p.Threads))
	}
	// The threads are not looked at for a while, and then they are again.
	tree := inspect.Request{Want: inspect.WantTree}
	if p := read(t, r, tree).ByPID(10); p.Threads != nil || p.ThreadsWhy != inspect.NotRead {
		t.Errorf("threads were read without being wanted: %v", p.ThreadsWhy)
	}
	put(6, worker(13, 7))
	if p = read(t, r, tree).ByPID(10); p.Switches.Voluntary.Why != inspect.NoThreads {
		t.Errorf("the leader's switches are shown for the process: %+v", p.Switches)
	}
	if p = read(t, r, everything).ByPID(10); p.Switches.Voluntary != inspect.Know(uint64(173)) {
		t.Errorf("afterwards: %+v, want 173", p.Switches)
	}
	for _, p := range []*inspect.Process{p} {
		sum := p.Exited.Voluntary
		for _, th := range p.Threads {
			sum += th.Voluntary.V
		}
		if sum != p.Switches.Voluntary.V {
			t.Errorf("threads and remainder give %d, the process %d", sum, p.Switches.Voluntary.V)
		}
	}
}

func TestReadThreadsOf(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{PID: 10, Threads: []inspecttest.FakeThread{{TID: 11, Comm: "t", State: 'R'}}})
	f.Put(inspecttest.FakeProcess{PID: 20, Threads: []inspecttest.FakeThread{{TID: 21, Comm: "t", State: 'R'}}})
	s := read(t, open(t, f.Root), inspect.Request{Want: inspect.WantTree, ThreadsOf: []int{20}})
	if p := s.ByPID(10); p.Threads != nil || p.State != 'S' {
		t.Errorf("threads %v state %c of a process that was not named", p.Threads, p.State)
	}
	if p := s.ByPID(20); len(p.Threads) != 2 || p.State != 'R' || p.LeaderState != 'S' {
		t.Errorf("named process: %d threads, state %c", len(p.Threads), p.State)
	}
}

func TestReadZombies(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{PID: 10, State: 'Z', Comm: "dead"})
	f.Put(inspecttest.FakeProcess{PID: 20, State: 'Z', Comm: "leaderless", Threads: []inspecttest.FakeThread{{TID: 21, Comm: "alive", State: 'R'}}})
	// /proc/TID can be opened, and shows the memory that the leader has lost.
	f.Write("21/statm", "100 50 0 0 0 0 0\n")
	f.Write("21/status", "Name:\talive\nTgid:\t20\nPid:\t21\nUid:\t1\t1\t1\t1\nVmHWM:\t200 kB\n")
	f.Write("21/cmdline", "alive\x00-x\x00")
	s := read(t, open(t, f.Root), inspect.Request{Want: inspect.WantTree, Only: []int{10, 20}})
	p := s.ByPID(10)
	if p.State != 'Z' || p.RSSBytes.Why != inspect.Zombie || p.Cmdline.Why != inspect.Zombie {
		t.Errorf("zombie: state %c, RSS %+v, cmdline %+v", p.State, p.RSSBytes, p.Cmdline)
	}
	p = s.ByPID(20)
	if p.State != 'R' || p.LeaderState != 'Z' || p.RSSBytes != inspect.Know(uint64(50*4096)) {
		t.Errorf("zombie leader: state %c, RSS %+v", p.State, p.RSSBytes)
	}
	if !slices.Equal(p.Cmdline.V, []string{"alive", "-x"}) || p.Comm != "leaderless" {
		t.Errorf("zombie leader: comm %q, cmdline %+v", p.Comm, p.Cmdline)
	}
}

// A process on its way out has no memory before it is a zombie. Once it is one,
// the same empty files mean that it has exited.
func TestReadBecomesZombie(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	r := open(t, f.Root)
	q := inspect.Request{Want: inspect.WantTree | inspect.WantRollup, Only: []int{10}}
	leaving := inspecttest.FakeProcess{PID: 10, State: 'R', Comm: "leaving", Start: 5}
	f.Put(leaving)
	f.RemoveAll("10/smaps_rollup")
	if p := read(t, r, q).ByPID(10); p.Cmdline.Why != inspect.OK || p.PSSBytes.OK() {
		t.Fatalf("not on its way out: cmdline %+v, PSS %+v", p.Cmdline, p.PSSBytes)
	}
	leaving.State = 'Z'
	f.Put(leaving)
	f.RemoveAll("10/smaps_rollup")
	for range 2 {
		p := read(t, r, q).ByPID(10)
		if p.Cmdline.Why != inspect.Zombie || p.PSSBytes.Why != inspect.Zombie || p.RSSBytes.Why != inspect.Zombie {
			t.Errorf("zombie: RSS %+v, cmdline %+v, PSS %+v", p.RSSBytes, p.Cmdline, p.PSSBytes)
		}
	}
}

func TestReadKernelThread(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{PID: 10, Flags: 0x200000, Comm: "kworker/1:1-cgroup_pidlist_destroy"})
	p := read(t, open(t, f.Root), everything).ByPID(10)
	if !p.Kernel.V || p.RSSBytes.Why != inspect.KernelThread || p.Cmdline.Why != inspect.KernelThread || p.StartCode.Why != inspect.KernelThread {
		t.Errorf("kernel %+v RSS %+v cmdline %+v code %+v", p.Kernel, p.RSSBytes, p.Cmdline, p.StartCode)
	}
	// A user process whose command line is empty is none.
	f.Put(inspecttest.FakeProcess{PID: 11, Pages: 1})
	p = read(t, open(t, f.Root), everything).ByPID(11)
	if p.Kernel.V || !p.Cmdline.OK() || len(p.Cmdline.V) != 0 {
		t.Errorf("empty command line: kernel %+v cmdline %+v", p.Kernel, p.Cmdline)
	}
}

func TestReadReusedPID(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{
		PID: 10, Start: 100, Pages: 1, Cmdline: "old\x00", Counters: inspecttest.Counters{Voluntary: 50},
		Threads: []inspecttest.FakeThread{{TID: 11, Comm: "t", Counters: inspecttest.Counters{Voluntary: 9}}},
	})
	r := open(t, f.Root)
	a := read(t, r, everything)
	f.Put(inspecttest.FakeProcess{PID: 10, Start: 200, Pages: 1, Cmdline: "new\x00"})
	b := read(t, r, everything)
	p := b.ByPID(10)
	if p.ID.Start != 200 || p.Cmdline.V[0] != "new" || p.Exited != (inspect.Exited{}) || p.Switches.Voluntary.V != 0 {
		t.Errorf("the new process has something of the old one: %+v", p)
	}
	if c := inspect.Diff(a, b); len(c.Exited) != 1 || c.Deltas[0].CPUPercent.OK() {
		t.Errorf("exited %v, CPU %+v", c.Exited, c.Deltas[0].CPUPercent)
	}
}

func TestReadCmdlineAgainAfterExec(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{PID: 10, Pages: 1, Comm: "sh", Cmdline: "sh\x00", StartCode: 4096})
	r := open(t, f.Root)
	read(t, r, everything)
	f.Put(inspecttest.FakeProcess{PID: 10, Pages: 1, Comm: "sh", Cmdline: "sh\x00-c\x00", StartCode: 8192})
	p := read(t, r, everything).ByPID(10)
	if len(p.Cmdline.V) != 2 {
		t.Errorf("command line after execve: %v", p.Cmdline)
	}
}

func TestReadVanishing(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{PID: 10, Pages: 1})
	f.Put(inspecttest.FakeProcess{PID: 20, Pages: 1})
	r := open(t, f.Root)
	read(t, r, everything)
	f.RemoveAll("20")
	s := read(t, r, everything)
	if len(s.Processes) != 1 || s.Errors != 0 {
		t.Errorf("%d processes, %d errors", len(s.Processes), s.Errors)
	}
	// An empty task/ means that the process is gone.
	f.Put(inspecttest.FakeProcess{PID: 30, NumThreads: 3})
	f.RemoveAll("30/task/30")
	if s := read(t, r, everything); s.ByPID(30) != nil {
		t.Error("a process without threads is shown")
	}
}

func TestReadMalformed(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{PID: 10, Pages: 1, Comm: "x"})
	f.Write("10/stat", "garbage")
	s := read(t, open(t, f.Root), everything)
	p := s.ByPID(10)
	if s.Errors == 0 || p == nil || p.Comm != "x" || p.Nice.Why != inspect.Malformed || p.PPID != inspect.Know(0) {
		t.Errorf("%d errors, process %+v", s.Errors, p)
	}
}

func TestResolve(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{PID: 10, Start: 5, Threads: []inspecttest.FakeThread{{TID: 11, Comm: "t"}}})
	f.Write("11/status", "Name:\tt\nTgid:\t10\nPid:\t11\n")
	f.Write("11/stat", "11 (t) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 5 0 0 0\n")
	r := open(t, f.Root)
	if id, err := r.Resolve(10); err != nil || id != (inspect.ID{PID: 10, Start: 5}) {
		t.Errorf("a process: %v, %v", id, err)
	}
	if _, err := r.Resolve(11); !errors.Is(err, inspect.ErrIsThread) || err.Error() != "11: not a process but a thread of process 10" {
		t.Errorf("a thread: %v", err)
	}
	for _, pid := range []int{12, 0, -1} {
		if _, err := r.Resolve(pid); !errors.Is(err, inspect.ErrNoProcess) {
			t.Errorf("%d: %v", pid, err)
		}
	}
	if s := read(t, r, inspect.Request{Want: inspect.WantTree, Only: []int{10, 11, 12}}); len(s.Processes) != 1 {
		t.Errorf("a thread or nothing is shown as a process: %d", len(s.Processes))
	}
}

func TestOptions(t *testing.T) {
	if _, err := inspect.NewReader(inspect.Options{ProcRoot: "/no/such/place"}); err == nil {
		t.Error("a root that does not exist is accepted")
	}
	if _, err := inspect.NewReader(inspect.Options{Source: "crystal ball"}); !errors.Is(err, inspect.ErrSource) {
		t.Errorf("an unknown source: %v", err)
	}
}

func TestReadEndsWithContext(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{PID: 10})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := open(t, f.Root).Read(ctx, everything); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A file that the kernel blocks holds up nobody: the pass ends, the process
// keeps what was known, its other files are read, and it recovers.
func TestReadStuck(t *testing.T) {
	for _, tt := range []struct{ file, content string }{
		{"10/cmdline", "new\x00"},
		{"10/stat", ""},
	} {
		t.Run(tt.file, func(t *testing.T) {
			f := inspecttest.NewFakeProc(t)
			proc := inspecttest.FakeProcess{PID: 10, Start: 7, PPID: 3, Pages: 1, Comm: "old", Cmdline: "old\x00"}
			f.Put(proc)
			f.Put(inspecttest.FakeProcess{PID: 20, Pages: 1})
			r := open(t, f.Root)
			read(t, r, everything)

			proc.Pages = 99
			proc.StartCode = 4096 // so that cmdline is read again
			f.Put(proc)
			content := tt.content
			if content == "" {
				content = "10 (old) S 3 10 10 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 7 0 0 0\n"
			}
			release := f.Block(tt.file, content)
			begin := time.Now()
			s := read(t, r, everything)
			if d := time.Since(begin); d > 5*time.Second {
				t.Errorf("the pass took %v", d)
			}
			p := s.ByPID(10)
			if p == nil || s.ByPID(20) == nil || s.Stuck == 0 {
				t.Fatalf("process 10 %v, process 20 %v, %d stuck", p, s.ByPID(20), s.Stuck)
			}
			if p.ID.Start != 7 || p.Comm != "old" || p.PPID != inspect.Know(3) || p.Cmdline.V[0] != "old" || !p.Partial || len(p.StuckFiles) == 0 {
				t.Errorf("not the last good data: %+v", p)
			}
			if p.RSSBytes != inspect.Know(uint64(99*4096)) {
				t.Errorf("statm never blocks, but was not read: %+v", p.RSSBytes)
			}
			release()
			deadline := time.Now().Add(20 * time.Second)
			for p.Partial && time.Now().Before(deadline) {
				time.Sleep(20 * time.Millisecond)
				p = read(t, r, everything).ByPID(10)
			}
			if p.Partial {
				t.Errorf("it never recovered: stuck in %v", p.StuckFiles)
			}
		})
	}
}

// A process that was never read before is built from the files that never
// block.
func TestReadStuckFromTheStart(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	f.Put(inspecttest.FakeProcess{PID: 10, PPID: 3, Pages: 5, Comm: "stuck", UID: 12})
	f.Block("10/stat", "10 (stuck) S 3 10 10 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 7 0 0 0\n")
	p := read(t, open(t, f.Root), everything).ByPID(10)
	if p == nil {
		t.Fatal("the process is missing")
	}
	if p.Comm != "stuck" || p.PPID != inspect.Know(3) || p.State != 'S' || p.RSSBytes.V != 5*4096 || p.UID.V != 12 {
		t.Errorf("built of status and statm: %+v", p)
	}
	f1, _ := inspect.FieldByID("start_ticks")
	if v := f1.Get(inspect.Row{Process: p}); v.Why != inspect.Stuck {
		t.Errorf("a start time that was not read: %+v", v)
	}
	if p.Nice.Why != inspect.Stuck || p.CPUTimeNS.Why != inspect.Stuck {
		t.Errorf("what stat would say: nice %+v, CPU %+v", p.Nice, p.CPUTimeNS)
	}
}
