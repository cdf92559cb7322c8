package bpf

import (
	"bytes"
	"math/bits"
	"strconv"
	"time"
)

// Kind is what an Event is about.
type Kind uint8

// The kinds. "Other" is the meaning of Event.Other.
const (
	Out     Kind = iota + 1 // left its CPU; Other: TID of the next thread
	In                      // got a CPU; Other: TID of the previous thread
	Wake                    // woken; Other: TID of the waker, 0 unknown, the idle task or outside our PID namespace
	New                     // woken for the first time; Other: TID of the creator
	Fork                    // created; Other: process of the parent; State 1: a new process, 0: a thread
	Exec                    // executes another program; Other: its TID before (in the initial PID namespace)
	Quit                    // begins to exit; Other: its exit code as wait() encodes it; State 1: the last of its process
	Migrate                 // moved; CPU: from, Other: to
	Seed                    // known to be in State when tracing began; any earlier event of the thread wins
)

var kindNames = [...]string{Out: "out", In: "in", Wake: "wake", New: "new", Fork: "fork", Exec: "exec", Quit: "exit", Migrate: "migrate", Seed: "seed"}

// String is a short name.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// State is a class of thread states, coarser than the kernel's.
type State uint8

// The classes.
const (
	Unknown State = iota
	Running
	Ready    // could run, has no CPU
	Sleeping // interruptible sleep, and idle kernel threads
	Disk     // uninterruptible sleep
	Stopped  // by a signal or a tracer
	Dead
)

var stateNames = [...]string{"unknown", "running", "ready", "sleeping", "disk", "stopped", "dead"}

// String is a short name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "state " + strconv.Itoa(int(s))
}

// Event is one thing that happened to one thread. Events of one thread come in
// the order in which they happened; those of different CPUs are not sorted.
type Event struct {
	TS        uint64 // CLOCK_MONOTONIC, ns
	TID, TGID uint32 // 0: not in our PID namespace (any more)
	Other     uint32 // see Kind
	CPU       uint16
	Kind      Kind
	State     State // after Out: what it became; see Kind for the others
}

// Exit is the end of a process: what a reader of /proc may never have seen. The
// sums may lack threads that were ending at the same moment on other CPUs, and
// what the last thread did after this point. ExecNS lacks what the last thread
// ran since the last tick if its switch-in was not seen (Drops.ChainBreaks).
type Exit struct {
	TS                     uint64 // CLOCK_MONOTONIC, ns
	Start                  uint64 // ns since boot, as Task.Start
	Lifetime               time.Duration
	ExecNS                 uint64 // time on a CPU, all threads
	Voluntary, Involuntary uint64 // switches, all threads
	TGID, PPID             uint32
	Code                   uint32 // as wait() encodes it; see Status
	UID                    uint32
	CommBytes              [16]byte
}

// Comm is the name, raw bytes.
func (e *Exit) Comm() string { return cString(e.CommBytes[:]) }

// Status takes the code apart: the value given to exit(), or the signal that
// killed the process, and whether it dumped core.
func (e *Exit) Status() (code, signal int, core bool) {
	return int(e.Code>>8) & 0xff, int(e.Code & 0x7f), e.Code&0x80 != 0
}

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// Counts are what a thread, or a process, did while it was traced. The
// durations include the state it is in at the moment of reading.
type Counts struct {
	// Run and Ready are what the kernel has booked (se.sum_exec_runtime and
	// sched_info.run_delay, as in schedstat) up to when the thread last left
	// its CPU, and what the tracepoints tell since then. They never shrink.
	Run, Ready time.Duration
	// SeenRun and SeenReady are the same as the tracepoints alone show it, from
	// one switch to the other, as in the events. They include what interrupts
	// and a hypervisor took where the kernel does not charge that to the
	// thread; with the states below they add up to the time traced.
	SeenRun, SeenReady time.Duration
	// These may shrink by what a repair moves to SeenReady (see MissedWakes).
	Sleep, Disk, Stopped time.Duration
	// Unknown is time before the first event that told the state.
	Unknown time.Duration
	// Voluntary and Involuntary are switches away from a CPU as the kernel
	// counted them, up to the last one seen.
	Voluntary, Involuntary uint64
	Wakes                  uint64
	Migrations             uint64
	// MissedIns: it left a CPU without having been seen to enter it, because
	// the kernel did not run the program (see Drops.ChainBreaks). SeenRun was
	// then taken from its CPU time; the wake-up latency is lost.
	MissedIns uint64
	// MissedOuts are switches that the kernel counted and did not show.
	MissedOuts uint64
	// MissedWakes: it ran without having been seen to wake up. SeenReady was
	// then taken from what the kernel booked.
	MissedWakes uint64
	Latency     Latency
	CPUs        CPUSet // where it ran
}

// Latency is the time from wake-up to running.
type Latency struct {
	Count    uint64
	Sum, Max time.Duration
	// Hist[i] counts 2^i ns <= latency < 2^(i+1) ns; Hist[0] also 0 ns, the
	// last one all that is longer.
	Hist [32]uint64
}

// Mean is the average, 0 without any wake-up.
func (l *Latency) Mean() time.Duration {
	if l.Count == 0 {
		return 0
	}
	return l.Sum / time.Duration(l.Count)
}

// Quantile is an upper bound of the q-th quantile (0…1), at most twice the true
// value and never above Max. ok is false without any wake-up.
func (l *Latency) Quantile(q float64) (d time.Duration, ok bool) {
	if l.Count == 0 {
		return 0, false
	}
	rank := uint64(q * float64(l.Count))
	if rank >= l.Count {
		rank = l.Count - 1
	}
	var seen uint64
	for i, n := range l.Hist {
		if seen += n; seen > rank {
			return min(l.Max, time.Duration(uint64(1)<<(i+1))), true
		}
	}
	return l.Max, true
}

// cpuWords is CPU_WORDS of tracer.bpf.c.
const cpuWords = 4

// CPUSet holds CPUs 0 to 255.
type CPUSet struct {
	Bits [cpuWords]uint64
	More bool // and CPUs from 256 on
}

// Count is the number of CPUs in the set, those from 256 on left out.
func (s CPUSet) Count() int {
	n := 0
	for _, w := range s.Bits {
		n += bits.OnesCount64(w)
	}
	return n
}

// Has reports whether the set holds that CPU.
func (s CPUSet) Has(cpu int) bool {
	return cpu >= 0 && cpu < 64*cpuWords && s.Bits[cpu/64]&(1<<(cpu%64)) != 0
}

func (s *CPUSet) add(b CPUSet) {
	for i := range s.Bits {
		s.Bits[i] |= b.Bits[i]
	}
	s.More = s.More || b.More
}

// Add sums two Counts.
func (c *Counts) Add(b *Counts) {
	c.Run += b.Run
	c.Ready += b.Ready
	c.SeenRun += b.SeenRun
	c.SeenReady += b.SeenReady
	c.Sleep += b.Sleep
	c.Disk += b.Disk
	c.Stopped += b.Stopped
	c.Unknown += b.Unknown
	c.Voluntary += b.Voluntary
	c.Involuntary += b.Involuntary
	c.Wakes += b.Wakes
	c.Migrations += b.Migrations
	c.MissedIns += b.MissedIns
	c.MissedOuts += b.MissedOuts
	c.MissedWakes += b.MissedWakes
	c.Latency.Count += b.Latency.Count
	c.Latency.Sum += b.Latency.Sum
	c.Latency.Max = max(c.Latency.Max, b.Latency.Max)
	for i := range c.Latency.Hist {
		c.Latency.Hist[i] += b.Latency.Hist[i]
	}
	c.CPUs.add(b.CPUs)
}

// ThreadStats is one thread.
type ThreadStats struct {
	Counts
	TID, TGID uint32 // 0: not in our PID namespace
	KernelTID uint32 // in the initial PID namespace
	Start     uint64 // ns since boot, as Task.Start: with TID the identity
	Since     uint64 // CLOCK_MONOTONIC ns from which on it is known
	Comm      string // raw bytes, as of its birth, the last exec, or its exit
	State     State  // at the moment of reading; Dead: has exited
	CPU       int    // last CPU
	Seeded    bool   // lived already when tracing began
	Born      bool   // traced from its birth: nothing is missing
}

// ProcessStats sums the threads of one process, exited ones included.
type ProcessStats struct {
	Counts
	TGID         uint32
	Live, Exited int // threads
	// Parallelism is the mean number of its threads that ran at the same
	// moment since Start: run time over elapsed time.
	Parallelism float64
}

// Pair is how often one thread did something to another.
type Pair struct {
	WhoTID, WhoTGID, WhomTID, WhomTGID uint32 // 0: the idle task, or not in our PID namespace
	WhoComm, WhomComm                  string // raw bytes, as of the first time
	Count                              uint64
}

// Aggregates is everything added up since Start.
type Aggregates struct {
	At        uint64 // CLOCK_MONOTONIC of this reading, ns
	Elapsed   time.Duration
	Threads   []ThreadStats  // sorted by TGID, TID, Start; exited ones included
	Processes []ProcessStats // sorted by TGID
	// FoldedThreads exited when already as many exited ones were kept: they
	// are in Processes, but not in Threads.
	FoldedThreads int
	// Parallelism is the mean number of traced threads running at once.
	Parallelism float64
	// Preemptions: Who got the CPU that Whom, still able to run, had to leave.
	// At least one of the two is traced. Sorted by Count, largest first.
	Preemptions []Pair
	// WakeUps: Who was running on the CPU where the wake-up of Whom was
	// issued. In an interrupt (timers, devices) that is whoever was
	// interrupted, or the idle task (TID 0). Sorted like Preemptions.
	WakeUps []Pair
	Drops   Drops
}

// Drops is what was lost. Where Lost says so, figures are too small; show it.
type Drops struct {
	Emitted, Dropped           uint64 // events; dropped: the ring was full
	ExitsEmitted, ExitsDropped uint64
	ThreadsFull                uint64 // events of threads that found no room in the table
	PairsFull                  uint64
	ProcessesFull              uint64 // processes that found no room in the set of descendants
	Reused                     uint64 // exited threads overwritten by another of the same number
	Switches                   uint64 // all switches of the machine that were seen
	// ChainBreaks are places where switches were not seen: who left a CPU is
	// not who entered it last. A kernel that hides tasks from BPF programs does
	// not show the switches to and from them.
	ChainBreaks uint64
	// TracedBreaks are those where the one or the other was traced. At the
	// others a trace has lost nothing, unless a traced thread ran between two
	// hidden ones: Counts.MissedOuts tells that as soon as it is seen to leave a
	// CPU again.
	TracedBreaks uint64
	Missed       uint64 // runs the kernel refused because of recursion
	// CPUs are Switches, ChainBreaks and TracedBreaks of each possible CPU.
	CPUs []CPUChain
}

// CPUChain counts the switches of one CPU.
type CPUChain struct {
	Switches uint64 // seen
	Breaks   uint64 // places where at least one was not
	Traced   uint64 // those next to a traced thread
}

// Lost reports whether anything is missing.
func (d Drops) Lost() bool {
	return d.Dropped|d.ExitsDropped|d.ThreadsFull|d.PairsFull|d.ProcessesFull|d.Reused|d.TracedBreaks|d.Missed != 0
}

// Layouts of tracer.bpf.c; the fields are exported for the library's decoder.
// TestLayout compares them with the object.
const (
	stateClasses = 8
	eventKinds   = 16
)

type cpuState struct {
	Emitted, Dropped, NoThread [eventKinds]uint64
	NoPair                     [2]uint64
	NoProcess                  uint64
	ExitsEmitted, ExitsDropped uint64
	Reused                     uint64
	Switches, Breaks           uint64
	BreaksTraced               uint64
	LastNext, LastTraced       uint64
	InTask, InTime, InExec     uint64
}

type aggRec struct {
	SeqEnd                   uint64
	NS                       [stateClasses]uint64
	Since, First, Start      uint64
	Task                     uint64
	NVCSw, NIvCSw            uint64
	Wakes, Migrations        uint64
	Exec, Delay              uint64
	KVCSw, KIvCSw            uint64
	Run, Ready               uint64
	RunSeen, ReadySeen       uint64
	MissedIn, MissedOut      uint64
	MissedWake               uint64
	LatCount, LatSum, LatMax uint64
	CPUs                     [cpuWords]uint64
	Hist                     [32]uint32
	TID, TGID, KTGID         uint32
	CPU                      uint16
	State, Flags, Slept      uint8
	Pad                      [7]uint8
	Comm                     [16]byte
	SeqBegin                 uint64
}

// Bits of aggRec.Flags.
const (
	aggWoken uint8 = 1 << iota
	aggSeeded
	aggBorn
	aggDead
	aggMoreCPUs
	aggNoWake
	aggOldExec
	aggOldDelay
)

type pairKey struct{ Kind, Who, Whom uint32 }

const (
	pairPreempt = 0
	pairWake    = 1
)

type pairRec struct {
	Count                              uint64
	WhoTID, WhoTGID, WhomTID, WhomTGID uint32
	WhoComm, WhomComm                  [16]byte
}

// exitRec is Exit as the program writes it.
type exitRec = Exit
