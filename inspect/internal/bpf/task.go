package bpf

import (
	"bytes"
	"time"
)

// Have marks the parts of a Task that the kernel and the task could supply.
// Fields of a part that is absent are zero and mean nothing.
type Have uint32

// The parts. The values are those of tasks.bpf.c.
const (
	HaveMM        Have = 1 << iota // RSS, TotalVM, HiwaterRSS; absent: kernel thread, zombie
	HaveRSSExact                   // RSS includes the counters each CPU keeps to itself (>= 6.6, leaders)
	HaveRegs                       // UserSP, UserIP (>= 5.15; not of kernel threads and zombies)
	HaveSchedInfo                  // RunDelay, PCount, LastQueued
	HaveRQClock                    // RQClock
	HaveIO                         // RChar … WriteBytes, SigRChar … SigWriteBytes
	HaveSeq                        // Seq
	HaveDelays                     // BlkioDelay, itself 0 unless kernel.task_delayacct was 1 at the birth of the task
	HaveExecID                     // ExecID
	HaveCgroups                    // Cgroups
)

// Task is one thread as the kernel holds it. The first 288 bytes are in the
// order of a compact record, the rest was added; tasks.bpf.c writes the same
// layout. "Sig…" are sums over threads of the process that have exited, and are
// the same in all its threads. Names in brackets are fields of task_struct.
type Task struct {
	TGID, TID uint32 // process and thread, in our PID namespace
	PPID      uint32 // 0: none, or outside our PID namespace
	Flags     uint32 // PF_… [flags]

	State, ExitState uint32 // [__state, exit_state]; see StateLetter
	CPU              uint32 // last CPU [thread_info.cpu]
	NrThreads        uint32 // threads of the process [signal->nr_threads]

	Prio, StaticPrio int32  // [prio, static_prio]; see Priority and Nice
	RTPrio           uint32 // 1…99 for FIFO and RR, else 0
	Policy           uint32 // SCHED_…

	// Time in ns. UTime and STime are samples taken at ticks; CPUTimes
	// scales them to SumExec as the kernel does.
	UTime, STime         uint64
	SumExec              uint64 // time on a CPU [se.sum_exec_runtime]; up to a tick old while it runs
	Start                uint64 // birth, ns since boot, suspend included [start_boottime]
	PrevUTime, PrevSTime uint64 // what the kernel reported last [prev_cputime]

	NVCSw, NIvCSw  uint64 // voluntary and involuntary switches
	RunDelay       uint64 // ns waited for a CPU, booked when the wait ends [sched_info.run_delay]
	PCount         uint64 // times it got a CPU [sched_info.pcount]
	MinFlt, MajFlt uint64

	RSS     [4]int64 // pages: file, anonymous, swap entries, shared memory [mm->rss_stat]
	TotalVM uint64   // pages [mm->total_vm]

	SigUTime, SigSTime, SigSumExec uint64 // ns
	SigPrevUTime, SigPrevSTime     uint64 // ns, of the whole process
	SigNVCSw, SigNIvCSw            uint64

	ReadBytes, WriteBytes uint64 // storage, of this thread
	UID                   uint32 // real
	Seq                   uint32 // sequence of signal->stats_lock; odd: the Sig… values are being changed
	BlkioDelay            uint64 // ns
	CommBytes             [16]byte

	LastQueued, RQClock uint64 // ns in the time of the run queue; see ReadySince
	UserSP, UserIP      uint64 // user stack pointer and program counter at the last entry into the kernel
	Migrations          uint64 // moves to another CPU [se.nr_migrations]
	ExecID              uint64 // grows with each execve [self_exec_id]
	HiwaterRSS          uint64 // pages; the peak is the larger of this and RSS

	RChar, WChar, SyscR, SyscW             uint64 // this thread: bytes and calls of read- and write-like calls
	SigMinFlt, SigMajFlt                   uint64
	SigRChar, SigWChar, SigSyscR, SigSyscW uint64
	SigReadBytes, SigWriteBytes            uint64

	EUID, GID             uint32
	PGID, Session         uint32 // 0: outside our PID namespace
	KernelTGID, KernelTID uint32 // in the initial PID namespace
	Have                  Have
	OnCPU                 uint32 // 1: running on a CPU right now
	// Cgroups is the same number in all tasks that are in the same control group
	// of every hierarchy, as long as one of them lives. It says nothing else.
	Cgroups uint64
}

// Flags of Task.Flags, linux/sched.h.
const (
	FlagKernelThread = 0x00200000 // PF_KTHREAD
	FlagExiting      = 0x00000004 // PF_EXITING
	FlagIOWorker     = 0x00000010 // PF_IO_WORKER
	FlagWorkqueue    = 0x00000020 // PF_WQ_WORKER
)

// Comm is the name, raw bytes, at most 15.
func (t *Task) Comm() string {
	b := t.CommBytes[:]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// Leader reports whether this is the main thread of its process.
func (t *Task) Leader() bool { return t.TGID == t.TID }

// KernelThread reports whether the task has no user part at all.
func (t *Task) KernelThread() bool { return t.Flags&FlagKernelThread != 0 }

// StateLetter is the state as /proc/PID/stat field 3 gives it.
func (t *Task) StateLetter() byte { return stateLetter(t.State, t.ExitState) }

// Priority is /proc/PID/stat field 18.
func (t *Task) Priority() int { return int(t.Prio) - maxRTPrio }

// Nice is /proc/PID/stat field 19.
func (t *Task) Nice() int { return int(t.StaticPrio) - defaultPrio }

// StartTicks is /proc/PID/stat field 22.
func (t *Task) StartTicks() uint64 { return ticks(t.Start) }

// CPUTimes are user and system time of this thread in ns, scaled so that their
// sum is SumExec, as in fields 14 and 15 of its stat file. They never go back
// as long as somebody reads that file; a caller that relies on that gives
// AdjustCPUTime its own last result instead.
func (t *Task) CPUTimes() (user, system uint64) {
	return AdjustCPUTime(t.UTime, t.STime, t.SumExec, t.PrevUTime, t.PrevSTime)
}

// CPUTimesAfter is CPUTimes for a caller that has given user and system as the
// result of an earlier record of this thread.
func (t *Task) CPUTimesAfter(user, system uint64) (uint64, uint64) {
	user, system = later(t.PrevUTime, t.PrevSTime, user, system)
	return AdjustCPUTime(t.UTime, t.STime, t.SumExec, user, system)
}

// RSSPages is the resident set: file, anonymous and shared memory, in pages.
// Exact with HaveRSSExact; else off by up to a batch per CPU from Linux 6.2 on.
func (t *Task) RSSPages() uint64 { return positive(t.RSS[0]) + positive(t.RSS[1]) + positive(t.RSS[3]) }

// FilePages is RssFile of the status file, in pages.
func (t *Task) FilePages() uint64 { return positive(t.RSS[0]) }

// AnonPages is RssAnon of the status file, in pages.
func (t *Task) AnonPages() uint64 { return positive(t.RSS[1]) }

// SwapPages is VmSwap of the status file, in pages.
func (t *Task) SwapPages() uint64 { return positive(t.RSS[2]) }

// ShmemPages is RssShmem of the status file, in pages.
func (t *Task) ShmemPages() uint64 { return positive(t.RSS[3]) }

// ReadySince is how long the thread has been waiting for a CPU at the moment,
// which RunDelay does not contain yet. It is 0 when the thread is not waiting.
// The run queue's clock may be a tick old, so the result may be short by that
// much. ok is false when the kernel does not tell.
func (t *Task) ReadySince() (wait time.Duration, ok bool) {
	if t.Have&(HaveSchedInfo|HaveRQClock) != HaveSchedInfo|HaveRQClock {
		return 0, false
	}
	if t.LastQueued == 0 || t.RQClock < t.LastQueued {
		return 0, true
	}
	return time.Duration(t.RQClock - t.LastQueued), true
}

// The kernel shows a negative counter as 0 (get_mm_counter).
func positive(v int64) uint64 {
	if v < 0 {
		return 0
	}
	return uint64(v)
}
