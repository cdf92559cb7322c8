package inspect

import (
	"sort"
	"time"
)

// State is the kernel's one-letter task state (/proc/PID/stat field 3):
// R running or ready, S sleeping, D disk sleep, T stopped, t traced, Z zombie,
// X dead, I idle kernel thread, P parked.
type State byte

// Snapshot is everything read in one pass. It is immutable after publication.
type Snapshot struct {
	Taken  time.Time // wall clock, for people
	MonoNS int64     // CLOCK_MONOTONIC at the start of the pass
	BootNS int64     // CLOCK_BOOTTIME at the start of the pass, the clock of start times; 0 unknown
	Cost   Cost
	Source string // "proc", "bpf": what supplied the tasks
	// Notice is something the user should be told once: that the source failed
	// and another one took over. Mostly empty.
	Notice string
	// Want is what was read of every process. It is less than what was asked for
	// in the first pass over very many.
	Want Want
	// Focus is the process of which FocusWant was asked for too, 0 for none.
	Focus     int
	FocusWant Want
	BootID    string // /proc/sys/kernel/random/boot_id
	Host      Host
	// Processes, sorted by PID. Shared with the previous snapshot where
	// nothing changed.
	Processes []*Process
	// ReadAt[i] is the CLOCK_MONOTONIC instant at which Processes[i] was read:
	// the denominator of its rates.
	ReadAt []int64
	// Detail of the process in focus, nil when none was asked for.
	Detail *Detail
	// Errors counts files that could not be read for another reason than the
	// task having vanished or permission; Stuck the files whose read is blocked.
	Errors, Stuck int
	// Skipped counts the refreshes that were dropped since the previous
	// snapshot because a pass took longer than the interval.
	Skipped int
}

// wantOf is what was asked for of one process, but for threads and rollups.
func (s *Snapshot) wantOf(pid int) Want {
	if pid == s.Focus && pid != 0 {
		return s.Want | s.FocusWant
	}
	return s.Want
}

// Cost is taskscope's own price of one pass.
type Cost struct {
	Wall    time.Duration // from start to end of the pass
	CPU     time.Duration // CPU time of taskscope itself (all threads) during the pass
	Files   int           // files opened or re-read
	Threads int           // threads read
}

// Index returns the position of pid in Processes, or -1.
func (s *Snapshot) Index(pid int) int {
	i := sort.Search(len(s.Processes), func(i int) bool { return s.Processes[i].ID.PID >= pid })
	if i < len(s.Processes) && s.Processes[i].ID.PID == pid {
		return i
	}
	return -1
}

// ByPID returns the process with that PID, or nil.
func (s *Snapshot) ByPID(pid int) *Process {
	if i := s.Index(pid); i >= 0 {
		return s.Processes[i]
	}
	return nil
}

// ByID returns that very process, or nil when it is gone or the PID now
// belongs to another one.
func (s *Snapshot) ByID(id ID) *Process {
	if p := s.ByPID(id.PID); p != nil && p.ID == id {
		return p
	}
	return nil
}

// Process is one process as the kernel accounts for it. Values of the leader
// thread only are named Leader…; all others are of the whole process in the
// scope that Fields states.
type Process struct {
	ID            ID
	PPID          Known[int] // stat 4 / status PPid; 0: none, or outside this PID namespace
	PGID, Session Known[int] // stat 5, 6
	TTY           Known[int] // stat 7, device number, 0 none

	Comm        string // raw bytes, unescaped (comm, or stat field 2)
	Cmdline     Known[[]string]
	Exe         Known[string] // readlink exe
	Cgroup      Known[string] // cgroup v2 path, else the first v1 path
	UID, EUID   Known[uint32] // status Uid
	User        string        // name of UID in /etc/passwd, its number when it has none, "" when UID is unknown
	GID         Known[uint32]
	Kernel      Known[bool] // kernel thread: status Kthread, or stat flags & PF_KTHREAD
	CmdlineCut  bool        // Cmdline is longer than the cap: truncated
	LeaderState State       // stat 3
	State       State       // derived from all threads when they were read, else the leader's
	// Partial: an earlier value is shown for at least one file (see StuckFiles).
	Partial    bool
	bpf        bool // made of BPF records
	ThreadsWhy Why  // of Threads
	Flags      Known[uint64]
	// ExecID changes with every execve; it says nothing else. Source bpf only.
	ExecID Known[uint64]

	ThreadCount Known[int]    // stat 20 / status Threads
	Nice        Known[int]    // leader; stat 19
	Priority    Known[int]    // leader; stat 18 (kernel encoding)
	RTPriority  Known[int]    // leader; stat 40
	Policy      Known[int]    // leader; stat 41: 0 other 1 fifo 2 rr 3 batch 5 idle 6 deadline 7 ext
	CPULast     Known[int]    // leader; stat 39
	CPUsAllowed Known[string] // leader; status Cpus_allowed_list

	UserNS, SystemNS Known[uint64] // stat 14, 15 × tick: whole process, exited threads included
	CPUTimeNS        Known[uint64] // process CPU clock (ns) where it can be read, else UserNS+SystemNS
	// Exited threads included where Switches.Exact; otherwise a floor.
	Switches Switches
	// Sum over living threads (task/*/schedstat) plus Exited.
	RunNS, ReadyNS, Slices   Known[uint64]
	MinorFaults, MajorFaults Known[uint64] // stat 10, 12

	VSizeBytes            Known[uint64] // stat 23
	RSSBytes              Known[uint64] // statm 2 (never stat 24)
	RSSAnonBytes          Known[uint64] // status RssAnon
	RSSFileBytes          Known[uint64] // status RssFile
	RSSShmemBytes         Known[uint64] // status RssShmem
	SwapBytes             Known[uint64] // status VmSwap
	PeakRSSBytes          Known[uint64] // status VmHWM
	TextBytes             Known[uint64] // status VmExe
	DataBytes             Known[uint64] // status VmData
	StackBytes            Known[uint64] // status VmStk: the main stack only
	PageTableBytes        Known[uint64] // status VmPTE
	HugetlbBytes          Known[uint64] // status HugetlbPages: not in RSS
	PSSBytes              Known[uint64] // smaps_rollup Pss; read on demand
	USSBytes              Known[uint64] // smaps_rollup Private_Clean+Private_Dirty(+Private_Hugetlb)
	FDs                   Known[int]    // number of entries in fd/
	ReadBytes, WriteBytes Known[uint64] // io read_bytes, write_bytes: storage
	ReadChars, WriteChars Known[uint64] // io rchar, wchar
	ReadCalls, WriteCalls Known[uint64] // io syscr, syscw

	NSPIDs                                                       []int         // status NSpid, outermost first
	TracerPID                                                    Known[int]    // status TracerPid
	CapEff                                                       Known[uint64] // status CapEff
	Seccomp                                                      Known[int]    // status Seccomp
	NoNewPrivs                                                   Known[bool]   // status NoNewPrivs
	SigBlk, SigIgn, SigCgt, SigPnd, ShdPnd                       Known[uint64]
	StartCode, EndCode, StartStack, StartData, EndData, StartBrk Known[uint64] // stat 26,27,28,45,46,47

	// Threads, sorted by TID; nil with ThreadsWhy set when they were not read.
	Threads []Thread
	// Exited sums what threads of this process had counted when they were
	// last seen alive and have since exited: a floor of what they really did.
	// Where Switches.Exact, its counters are what the kernel says of all
	// threads that ever exited.
	Exited Exited
	// StuckFiles names files of this process whose read is blocked right now.
	StuckFiles []string
}

// Switches are context switches of a process.
type Switches struct {
	Voluntary, Involuntary Known[uint64]
	// Scope of the two numbers: ScopeProcess when they cover exited threads
	// (exactly if Exact, else as a floor), ScopeProcessLive when they are the
	// sum over the living threads only.
	Scope Scope
	Exact bool // the kernel itself supplied a total over all threads, exited included
	// lifted is the part of the two numbers that is new because the kernel told
	// of exited threads, not because a known thread switched since the pass
	// before. It is left out of rates across a change of source.
	lifted [2]uint64
}

// Exited is the remainder of threads that have exited.
type Exited struct {
	Threads                int // those that were seen alive
	Voluntary, Involuntary uint64
	RunNS, ReadyNS, Slices uint64
}

// Thread is one thread as the kernel accounts for it
// (/proc/PID/task/TID/{stat,status,schedstat}).
type Thread struct {
	ID                                 ThreadID
	Comm                               string // raw bytes
	State                              State
	Voluntary                          Known[uint64] // status voluntary_ctxt_switches
	Involuntary                        Known[uint64] // status nonvoluntary_ctxt_switches
	RunNS                              Known[uint64] // schedstat 1
	ReadyNS                            Known[uint64] // schedstat 2: booked when the wait ends
	Slices                             Known[uint64] // schedstat 3
	UserNS, SystemNS                   Known[uint64] // stat 14, 15 × tick
	MinorFaults, MajorFaults           Known[uint64]
	CPULast                            Known[int]
	Nice, Priority, RTPriority, Policy Known[int]
	CPUsAllowed                        Known[string]
	UID                                Known[uint32] // credentials are per thread
	NSTIDs                             []int
	IOWorker                           bool          // io_uring worker: PF_IO_WORKER
	Wait                               Wait          // read only for the process in focus
	SP, PC                             Known[uint64] // last two words of syscall, for the focus only; with source bpf wherever all threads are read
	// WaitingNS is for how long it has been ready and waiting for a CPU at the
	// moment, 0 when it is not; ReadyNS does not contain it yet. Source bpf only.
	WaitingNS  Known[uint64]
	StackStart Known[uint64] // start of the segment that holds SP; focus only
}

// Wait is the reason why a thread does not run.
type Wait struct {
	Syscall Known[string]   // name, or "#nr"; syscall
	WChan   Known[string]   // kernel function it sleeps in; wchan
	Stack   Known[[]string] // kernel stack, innermost first; stack
}

// Host is the machine as a whole. Filled through gopsutil and procfs.
type Host struct {
	CPUs                                             int // online
	CPU                                              Known[CPUTimes]
	PerCPU                                           []CPUTimes    // index = CPU number order
	MemTotal, MemAvailable, MemFree, Buffers, Cached Known[uint64] // bytes
	SwapTotal, SwapFree                              Known[uint64] // bytes
	Load1, Load5, Load15                             Known[float64]
	UptimeSeconds                                    Known[float64]
	BootTime                                         Known[time.Time]
	ContextSwitches                                  Known[uint64]  // /proc/stat ctxt
	Forks                                            Known[uint64]  // /proc/stat processes
	RunningTasks, BlockedTasks                       Known[uint64]  // /proc/stat procs_running, procs_blocked
	PressureCPU, PressureMemory, PressureIO          Known[float64] // /proc/pressure/* some avg10, percent
	MemoryStallNS                                    Known[uint64]  // /proc/pressure/memory some total: since boot, some task waited for memory
	Hostname                                         string
	Kernel                                           string
}

// CPUTimes are cumulative seconds of one CPU or of all.
type CPUTimes struct {
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal float64
}

// Busy and Total in seconds.
func (c CPUTimes) Busy() float64 {
	return c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ + c.Steal
}

// Total is all the time accounted for, idle and waiting included.
func (c CPUTimes) Total() float64 { return c.Busy() + c.Idle + c.IOWait }
