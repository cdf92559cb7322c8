// Package inspecttest supports tests of everything that uses package inspect:
// canned snapshots, a fake /proc, and skips with the probe's reason. Only
// _test.go files import it.
package inspecttest

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"taskscope/inspect"
)

// Epoch is the wall-clock instant of the first canned snapshot; its machine
// booted an hour earlier.
var Epoch = time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC)

const (
	uptime   = time.Hour
	tick     = 10 * time.Millisecond
	kib      = 1 << 10
	mib      = 1 << 20
	hostCPUs = 2
)

// Snapshot gives a plausible snapshot of n processes (at least 1), always the
// same for the same n: init, a few daemons and kernel threads, a shell with a
// tree of workers, a zombie, and processes with several threads. FocusPID is
// among them when n ≥ 5, and has a Detail.
func Snapshot(n int) *inspect.Snapshot { return SnapshotAt(n, 0) }

// SnapshotAt is the same machine k seconds later: counters have moved on, and
// nothing else, so that Diff(SnapshotAt(n, 0), SnapshotAt(n, 1)) has rates.
func SnapshotAt(n, k int) *inspect.Snapshot {
	m := machine{k: uint64(k)}
	s := &inspect.Snapshot{
		Taken:  Epoch.Add(time.Duration(k) * time.Second),
		MonoNS: int64(uptime) + int64(k)*int64(time.Second),
		BootNS: int64(uptime) + int64(k)*int64(time.Second),
		Cost:   inspect.Cost{Wall: 4 * time.Millisecond, CPU: 3 * time.Millisecond, Files: 3 * n, Threads: n},
		Source: "proc",
		Want:   inspect.WantAll,
		BootID: "01234567-89ab-cdef-0123-456789abcdef",
		Host:   m.host(),
	}
	for i := range max(n, 1) {
		p := m.process(i)
		s.Processes = append(s.Processes, p)
		s.Cost.Threads += len(p.Threads)
	}
	slices.SortFunc(s.Processes, func(a, b *inspect.Process) int { return a.ID.Compare(b.ID) })
	s.ReadAt = make([]int64, len(s.Processes))
	for i := range s.ReadAt {
		s.ReadAt[i] = s.MonoNS + int64(i)*1000
	}
	if p := s.ByPID(FocusPID); p != nil {
		s.Detail = Detail(p)
	}
	return s
}

// Frame is SnapshotAt(n, 1) with its difference to SnapshotAt(n, 0).
func Frame(n int) *inspect.Frame {
	cur := SnapshotAt(n, 1)
	return &inspect.Frame{Snapshot: cur, Changes: inspect.Diff(SnapshotAt(n, 0), cur)}
}

// FocusPID is the process with four threads and a Detail.
const FocusPID = 1004

// ZombiePID is a process that has exited and was not reaped (n ≥ 7).
const ZombiePID = 1006

// ForeignPID is a process whose owner does not let us see its memory (n ≥ 8).
const ForeignPID = 1007

type machine struct{ k uint64 }

// shape is what the first processes look like; later ones are workers.
type shape struct {
	pid, ppid, threads int
	comm, user         string
	uid                uint32
	args               []string
	state              inspect.State
	busy               uint64 // percent of one CPU, all threads
}

var shapes = []shape{
	{1, 0, 1, "init", "root", 0, []string{"/sbin/init"}, 'S', 0},
	{2, 0, 1, "kthreadd", "root", 0, nil, 'S', 0},
	{17, 2, 1, "kworker/1:1-cgroup_pidlist_destroy", "root", 0, nil, 'I', 0},
	{900, 1, 1, "bash", "alice", 1000, []string{"-bash"}, 'S', 0},
	{FocusPID, 900, 4, "busy worker", "alice", 1000, []string{"./busy", "--mode", "a b", ""}, 'R', 130},
	{1005, FocusPID, 2, "a) R 1 (b", "alice", 1000, []string{"./a) R 1 (b", "\x1b[31mred"}, 'S', 1},
	{ZombiePID, 900, 1, "done", "alice", 1000, nil, 'Z', 0},
	{ForeignPID, 1, 3, "\xff\xfe데이터", "4000000000", 4000000000, []string{"데이터베이스", "--port=1"}, 'D', 5},
}

func (m machine) process(i int) *inspect.Process {
	sh := shape{
		pid: 2000 + i, ppid: 900, threads: 1 + i%3, comm: fmt.Sprintf("worker-%03d", i),
		user: "alice", uid: 1000, args: []string{"/usr/bin/worker", "-n", strconv.Itoa(i)}, state: 'S', busy: uint64(i % 7),
	}
	if i%4 != 0 {
		sh.ppid = 2000 + i - i%4
	}
	if sh.ppid < 2000+len(shapes) {
		sh.ppid = 900
	}
	if i < len(shapes) {
		sh = shapes[i]
	}
	p := m.base(i, sh)
	switch {
	case p.Kernel.V || sh.state == 'Z':
		why := inspect.KernelThread
		if sh.state == 'Z' {
			why = inspect.Zombie
		}
		m.noMemory(p, why)
	default:
		m.memory(i, sh, p)
	}
	for t := range sh.threads {
		p.Threads = append(p.Threads, m.thread(t, sh, p))
	}
	m.sum(p)
	return p
}

func know[T any](v T) inspect.Known[T]              { return inspect.Know(v) }
func unknown[T any](w inspect.Why) inspect.Known[T] { return inspect.Unknown[T](w) }

func (m machine) base(i int, sh shape) *inspect.Process {
	kernel := sh.args == nil && sh.state != 'Z' && sh.pid < 100
	run := uint64(i+1)*40e6 + m.k*sh.busy*10e6
	p := &inspect.Process{
		ID:   inspect.ID{PID: sh.pid, Start: uint64(10 * (i + 1))},
		PPID: know(sh.ppid), PGID: know(sh.pid), Session: know(sh.pid), TTY: know(0),
		Comm: sh.comm, Cmdline: know(sh.args), Exe: know("/usr/bin/" + sh.comm),
		Cgroup: know("/user.slice"), UID: know(sh.uid), EUID: know(sh.uid), GID: know(sh.uid), User: sh.user,
		Kernel: know(kernel), LeaderState: sh.state, State: sh.state, Flags: know(uint64(0x400000)),
		ThreadCount: know(sh.threads), Nice: know(0), Priority: know(20), RTPriority: know(0), Policy: know(0),
		CPULast: know(i % hostCPUs), CPUsAllowed: know("0-1"),
		UserNS: know(run / uint64(tick) * uint64(tick)), SystemNS: know(uint64(0)), CPUTimeNS: know(run),
		MinorFaults: know(uint64(100*i) + 10*m.k), MajorFaults: know(uint64(i)),
		NSPIDs: []int{sh.pid}, TracerPID: know(0), CapEff: know(uint64(0)), Seccomp: know(0), NoNewPrivs: know(false),
		SigBlk: know(uint64(0)), SigIgn: know(uint64(0x1000)), SigCgt: know(uint64(0x4002)), SigPnd: know(uint64(0)), ShdPnd: know(uint64(0)),
		FDs: know(3 + i%5), ThreadsWhy: inspect.OK,
	}
	if kernel {
		p.Exe = unknown[string](inspect.KernelThread)
		p.Policy, p.Cmdline = know(0), unknown[[]string](inspect.KernelThread)
	}
	if sh.state == 'Z' {
		p.Exe, p.Cmdline = unknown[string](inspect.Zombie), unknown[[]string](inspect.Zombie)
	}
	return p
}

func (m machine) memory(i int, sh shape, p *inspect.Process) {
	size := uint64(i+1) * mib
	p.VSizeBytes, p.RSSBytes = know(8*size), know(size+m.k*64*kib)
	p.RSSAnonBytes, p.RSSFileBytes, p.RSSShmemBytes = know(size/2+m.k*64*kib), know(size/2), know(uint64(0))
	p.SwapBytes, p.PeakRSSBytes, p.HugetlbBytes = know(uint64(0)), know(2*size), know(uint64(0))
	p.TextBytes, p.DataBytes = know(uint64(512*kib)), know(4*size)
	p.StackBytes, p.PageTableBytes = know(uint64(132*kib)), know(uint64(64*kib))
	p.StartCode, p.EndCode = know(uint64(0x400000)), know(uint64(0x480000))
	p.StartData, p.EndData, p.StartBrk = know(uint64(0x600000)), know(uint64(0x610000)), know(uint64(0x800000))
	p.StartStack = know(uint64(0x7ffd00000000))
	if sh.pid == ForeignPID {
		p.PSSBytes, p.USSBytes = unknown[uint64](inspect.NeedsPtrace), unknown[uint64](inspect.NeedsPtrace)
		io := unknown[uint64](inspect.NeedsPtraceDAC)
		p.ReadBytes, p.WriteBytes, p.ReadChars, p.WriteChars, p.ReadCalls, p.WriteCalls = io, io, io, io, io, io
		p.FDs, p.Exe = unknown[int](inspect.NeedsPtraceDAC), unknown[string](inspect.NeedsPtrace)
		return
	}
	p.PSSBytes, p.USSBytes = know(size*3/4), know(size/2)
	p.ReadBytes, p.WriteBytes = know(m.k*4096), know(uint64(0))
	p.ReadChars, p.WriteChars = know(m.k*8192), know(m.k*100)
	p.ReadCalls, p.WriteCalls = know(m.k*2), know(m.k)
}

func (machine) noMemory(p *inspect.Process, why inspect.Why) {
	u := unknown[uint64](why)
	p.VSizeBytes, p.RSSBytes, p.RSSAnonBytes, p.RSSFileBytes, p.RSSShmemBytes, p.SwapBytes = u, u, u, u, u, u
	p.PeakRSSBytes, p.TextBytes, p.DataBytes, p.StackBytes, p.PageTableBytes, p.HugetlbBytes = u, u, u, u, u, u
	p.PSSBytes, p.USSBytes = u, u
}

func (m machine) thread(t int, sh shape, p *inspect.Process) inspect.Thread {
	n := uint64(sh.threads)
	run := p.CPUTimeNS.V / n
	th := inspect.Thread{
		ID: inspect.ThreadID{TID: sh.pid + t*100000, Start: p.ID.Start + uint64(t)}, Comm: sh.comm, State: sh.state,
		Voluntary: know(uint64(100*(t+1)) + 20*m.k), Involuntary: know(uint64(t) + 3*m.k*sh.busy),
		RunNS: know(run), ReadyNS: know(run/10 + m.k*sh.busy*100e3), Slices: know(uint64(101*(t+1)) + 23*m.k),
		UserNS: know(run / uint64(tick) * uint64(tick)), SystemNS: know(uint64(0)),
		MinorFaults: know(uint64(0)), MajorFaults: know(uint64(0)),
		CPULast: know(int(m.k+uint64(t)) % hostCPUs), Nice: know(0), Priority: know(20), RTPriority: know(0), Policy: know(0),
		CPUsAllowed: know("0-1"), UID: p.UID, NSTIDs: []int{sh.pid + t*100000},
	}
	if t == 0 {
		th.ID = inspect.ThreadID{TID: sh.pid, Start: p.ID.Start}
		return th
	}
	th.Comm = fmt.Sprintf("%.8s/%d", sh.comm, t)
	if t > 1 {
		th.State = 'S'
	}
	if sh.pid == FocusPID {
		th.Wait = inspect.Wait{
			Syscall: know("futex"), WChan: know("futex_wait_queue"),
			Stack: know([]string{"futex_wait_queue", "futex_wait", "do_futex", "__x64_sys_futex", "do_syscall_64"}),
		}
		th.SP, th.PC = know(stackOf(t)+0x7f0000), know(uint64(0x401000))
		th.StackStart = know(stackOf(t))
	}
	return th
}

// sum fills what a process has from its threads.
func (machine) sum(p *inspect.Process) {
	var vol, inv, run, ready, slices uint64
	for _, t := range p.Threads {
		vol += t.Voluntary.V
		inv += t.Involuntary.V
		run += t.RunNS.V
		ready += t.ReadyNS.V
		slices += t.Slices.V
	}
	if p.ID.PID == FocusPID {
		p.Exited = inspect.Exited{Threads: 2, Voluntary: 70, Involuntary: 7, RunNS: 5e6, ReadyNS: 1e6, Slices: 77}
	}
	x := p.Exited
	p.Switches = inspect.Switches{
		Voluntary: know(vol + x.Voluntary), Involuntary: know(inv + x.Involuntary), Scope: inspect.ScopeProcess,
	}
	p.RunNS, p.ReadyNS, p.Slices = know(run+x.RunNS), know(ready+x.ReadyNS), know(slices+x.Slices)
}

func (m machine) host() inspect.Host {
	f := float64(m.k)
	cpu := inspect.CPUTimes{User: 100 + f, System: 20 + f*0.2, Idle: 5000 + f*0.7, IOWait: 3 + f*0.1}
	per := inspect.CPUTimes{User: 50 + f*0.5, System: 10 + f*0.1, Idle: 2500 + f*0.35, IOWait: 1.5 + f*0.05}
	return inspect.Host{
		CPUs: hostCPUs, CPU: know(cpu), PerCPU: []inspect.CPUTimes{per, per},
		MemTotal: know(uint64(8 << 30)), MemAvailable: know(uint64(6 << 30)), MemFree: know(uint64(4 << 30)),
		Buffers: know(uint64(100 * mib)), Cached: know(uint64(2 << 30)), SwapTotal: know(uint64(0)), SwapFree: know(uint64(0)),
		Load1: know(0.5), Load5: know(0.25), Load15: know(0.1), UptimeSeconds: know(uptime.Seconds() + f),
		BootTime: know(Epoch.Add(-uptime)), ContextSwitches: know(1_000_000 + 2000*m.k), Forks: know(5000 + 3*m.k),
		RunningTasks: know(uint64(2)), BlockedTasks: know(uint64(0)),
		PressureCPU: know(1.5), PressureMemory: know(0.0), PressureIO: know(0.25),
		Hostname: "testhost", Kernel: "6.18.44",
	}
}
