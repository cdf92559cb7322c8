package inspect

import (
	"math/bits"
	"time"
)

// The sources of a trace.
const (
	// TraceExact: every switch and wake-up, from the scheduler itself.
	TraceExact = "trace"
	// TraceSampled: differences of schedstat and states read now and then.
	// Sums of run and ready time are the kernel's; where in an interval
	// between two readings they lie is not known.
	TraceSampled = "sampled"
)

// TraceState is what a thread does, as the scheduler sees it.
type TraceState uint8

// The states.
const (
	TraceUnknown TraceState = iota
	TraceRunning            // on a CPU
	TraceReady              // could run, has no CPU
	TraceBlocked            // waits for something (interruptible sleep)
	TraceDisk               // waits uninterruptibly, mostly for storage
	TraceStopped            // by a signal or a debugger
	TraceDead               // has exited
)

var traceStateNames = [...]string{"unknown", "running", "ready", "blocked", "disk", "stopped", "dead"}

// String is the state in a word.
func (s TraceState) String() string {
	if int(s) < len(traceStateNames) {
		return traceStateNames[s]
	}
	return traceStateNames[TraceUnknown]
}

// TraceKind is what a TraceEvent is about.
type TraceKind uint8

// The kinds; "other" is TraceEvent.Other.
const (
	TraceOut     TraceKind = iota + 1 // left its CPU; other: TID of the next thread
	TraceIn                           // got a CPU; other: TID of the previous thread
	TraceWake                         // woken; other: TID of the waker, 0 when unknown or the idle task
	TraceNew                          // woken for the first time; other: TID of the creator
	TraceFork                         // created; other: PID of the parent
	TraceExec                         // executes another program
	TraceExit                         // begins to exit; other: exit code as wait() encodes it
	TraceMigrate                      // moved; CPU: from, other: to
	TraceSeed                         // known to be in this state when tracing began
)

var traceKindNames = [...]string{"", "out", "in", "wake", "new", "fork", "exec", "exit", "migrate", "seed"}

// String is the kind in a word.
func (k TraceKind) String() string {
	if int(k) < len(traceKindNames) {
		return traceKindNames[k]
	}
	return ""
}

// TraceEvent is one thing that happened to one thread. Events of one thread
// come in the order in which they happened; those of different CPUs may be some
// microseconds out of order.
type TraceEvent struct {
	NS       int64 // CLOCK_MONOTONIC
	PID, TID int   // 0: not in our PID namespace
	Other    int   // see TraceKind
	CPU      int
	Kind     TraceKind
	State    TraceState // after TraceOut and TraceSeed: what it is now
	// Process: with TraceFork, the child is a process and not a thread; with
	// TraceExit, it is the last thread of its process.
	Process bool
}

// TraceCause is why a thread came into a state.
type TraceCause uint8

// The causes.
const (
	CauseNone    TraceCause = iota
	CauseWoken              // By is the waker, 0 when unknown or the idle task
	CausePreempt            // By is the thread that got the CPU
	CauseBorn               // By is the creator
)

// TraceSlice is a stretch of time that a thread spent in one state.
type TraceSlice struct {
	PID, TID int
	// Since is when the thread became known to the trace: with TID its
	// identity within the trace.
	Since    int64
	From, To int64 // CLOCK_MONOTONIC, ns
	By       int   // TID; see Cause
	CPU      int   // where it ran, -1 when it did not run or that is not known
	State    TraceState
	Cause    TraceCause // of TraceReady
}

// TraceBatch is what Tracer.Run delivers. It is valid during the call only.
type TraceBatch struct {
	// Events are empty with the sampled source, and without
	// TraceOptions.Events all but TraceFork, TraceExec and TraceExit are left out.
	Events []TraceEvent
	// Slices that have ended, those of one thread in order.
	Slices []TraceSlice
	Exits  []ProcessExit
	// Names are those that are new, or have changed, since the batch before.
	Names []ThreadName

	open func(dst []TraceSlice) []TraceSlice
}

// Open appends the slices that still go on, as far as they are known.
func (b *TraceBatch) Open(dst []TraceSlice) []TraceSlice {
	if b.open == nil {
		return dst
	}
	return b.open(dst)
}

// ThreadName is the present name of a living thread.
type ThreadName struct {
	PID, TID int
	Comm     string // raw bytes
}

// ProcessExit is the end of a process: of one that a reader of /proc may never
// have seen. Sums may lack threads that were ending at the same moment on other
// CPUs.
type ProcessExit struct {
	ID   ID
	PPID int    // 0: outside our PID namespace
	UID  uint32 // real
	Comm string // raw bytes

	NS                     int64 // CLOCK_MONOTONIC of the end
	Lifetime               time.Duration
	ExitCode               int  // the value given to exit()
	Signal                 int  // that killed it, 0 for none
	CoreDumped             bool // and left a core dump
	RunNS                  uint64
	Voluntary, Involuntary uint64
	// BornInTrace: it was created while being traced.
	BornInTrace bool
	// Execs is how many programs it executed while being traced.
	Execs int
}

// Histogram counts durations by powers of two: Buckets[i] those from 2^i up to
// but not including 2^(i+1) ns; Buckets[0] also 0 ns, the last one all that is
// longer.
type Histogram struct {
	Count, SumNS, MaxNS uint64
	Buckets             [32]uint64
}

// Add counts a duration of ns nanoseconds.
func (h *Histogram) Add(ns uint64) {
	h.Count++
	h.SumNS += ns
	h.MaxNS = max(h.MaxNS, ns)
	h.Buckets[min(max(bits.Len64(ns), 1)-1, len(h.Buckets)-1)]++
}

// Merge adds the counts of another one.
func (h *Histogram) Merge(b *Histogram) {
	h.Count += b.Count
	h.SumNS += b.SumNS
	h.MaxNS = max(h.MaxNS, b.MaxNS)
	for i := range h.Buckets {
		h.Buckets[i] += b.Buckets[i]
	}
}

// MeanNS is the mean duration; false when nothing was counted.
func (h *Histogram) MeanNS() (float64, bool) {
	if h.Count == 0 {
		return 0, false
	}
	return float64(h.SumNS) / float64(h.Count), true
}

// QuantileNS is an upper bound of the q-th quantile (0…1), at most twice the
// true value and never above the maximum; false when nothing was counted.
func (h *Histogram) QuantileNS(q float64) (uint64, bool) {
	if h.Count == 0 {
		return 0, false
	}
	rank := min(uint64(q*float64(h.Count)), h.Count-1)
	var seen uint64
	for i, n := range h.Buckets {
		if seen += n; seen > rank {
			if i == len(h.Buckets)-1 {
				break
			}
			return min(h.MaxNS, uint64(1)<<(i+1)), true
		}
	}
	return h.MaxNS, true
}

// TraceCounts is what a thread, or a process, did while it was traced. Times
// include the state it is in at the moment of reading.
type TraceCounts struct {
	// RunNS and ReadyNS are the kernel's own account, as in schedstat: the exact
	// source takes it at each switch, when it is complete.
	RunNS, ReadyNS Known[uint64]
	// SeenRunNS and SeenReadyNS are the same from tracepoint to tracepoint, as
	// slices show it. A thread that is preempted from within an interrupt runs
	// some microseconds longer by these, and what interrupts and a hypervisor
	// took is in them too. With the states below they add up to the time
	// traced. The sampled source does not have them.
	SeenRunNS, SeenReadyNS       Known[uint64]
	BlockedNS, DiskNS, StoppedNS Known[uint64]
	// UnknownNS is time before the first event that told the state.
	UnknownNS Known[uint64]
	// Switches away from a CPU, as the kernel counts them; the last one of a
	// thread that exits counts as voluntary.
	Voluntary, Involuntary Known[uint64]
	Wakes                  Known[uint64]
	Migrations             Known[uint64] // moves from one CPU to another
	// Latency is from wake-up to running; Waits is every stay in the state
	// ready, after a wake-up or after having lost the CPU (it needs
	// TraceOptions.Events).
	Latency, Waits Known[Histogram]
	CPUs           Known[[]int] // where it ran, ascending
	// MissedIns: it left a CPU without having been seen to enter it. SeenRunNS
	// was then taken from the kernel's own; the latency of that wake-up is lost.
	MissedIns uint64
	// MissedOuts are switches that the kernel counted, but did not show.
	MissedOuts uint64
	// MissedWakes: it ran without having been seen to wake up. SeenReadyNS was
	// then taken from what the kernel had booked.
	MissedWakes uint64
}

// ThreadTrace is one thread of a trace.
type ThreadTrace struct {
	PID     int
	ID      ThreadID
	Comm    string // raw bytes
	State   TraceState
	CPU     int   // last, -1 unknown
	SinceNS int64 // CLOCK_MONOTONIC from which on it was followed
	// Born: followed from its birth. Otherwise it lived already when tracing
	// began.
	Born bool
	TraceCounts
}

// ProcessTrace is one process of a trace: the sum over its threads, those that
// exited meanwhile included.
type ProcessTrace struct {
	PID          int
	Comm         string // of its leader, "" when that was not seen
	Live, Exited int    // threads
	// Parallelism is the mean number of its threads running at once.
	Parallelism Known[float64]
	TraceCounts
}

// TracePair is how often one thread did something to another. A TID of 0 is
// the idle task, or a task outside our PID namespace.
type TracePair struct {
	WhoTID, WhoPID, WhomTID, WhomPID int
	WhoComm, WhomComm                string // raw bytes, as of the first time
	Count                            uint64
}

// TraceDrops is what a trace has lost. Where Lost says so, figures are too small.
type TraceDrops struct {
	Events        uint64 // delivered by the kernel
	EventsDropped uint64 // the reader was too slow
	ExitsDropped  uint64 // ends of processes that were not delivered
	ThreadsFull   uint64 // events of threads for which there was no room
	PairsFull     uint64 // pairs for which there was no room
	ProcessesFull uint64 // descendants for which there was no room
	Reused        uint64 // exited threads forgotten because their number was used again
	Switches      uint64 // of the whole machine, seen
	// ChainBreaks are places where switches were not seen: who left a CPU was
	// not who entered it last. Where the kernel hides tasks from BPF programs,
	// the switches to and from them are not shown; TracedBreaks are those next
	// to a traced thread. The others took nothing from the trace, unless a
	// traced thread ran between two hidden ones: TraceCounts.MissedOuts tells
	// that as soon as it is seen to leave a CPU again.
	ChainBreaks, TracedBreaks uint64
	ProgramMisses             uint64 // times the kernel did not run a program of ours
	// Gaps are stretches of a thread's history that had to be left unknown.
	Gaps uint64
	// Samples and SamplesMissed are readings of the sampled source: made, and
	// due but made too late.
	Samples, SamplesMissed uint64
	// CPUs are Switches, ChainBreaks and TracedBreaks of each CPU that was seen
	// to switch.
	CPUs []CPUChain
}

// CPUChain counts the switches of one CPU.
type CPUChain struct {
	CPU              int
	Switches, Breaks uint64 // seen; places where at least one was not
	Traced           uint64 // those next to a traced thread
}

// Lost reports whether anything is missing.
func (d *TraceDrops) Lost() bool {
	return d.EventsDropped|d.ExitsDropped|d.ThreadsFull|d.PairsFull|d.ProcessesFull|d.Reused|
		d.TracedBreaks|d.ProgramMisses|d.Gaps|d.SamplesMissed != 0
}

// TraceSums is everything added up since Tracer.Start. It is the caller's.
type TraceSums struct {
	Source string // TraceExact, TraceSampled
	// Resolution is the mean time between two readings, 0 when every event
	// was seen.
	Resolution time.Duration
	MonoNS     int64 // CLOCK_MONOTONIC of the reading
	Elapsed    time.Duration
	Threads    []ThreadTrace  // by PID, TID, start; exited ones included
	Processes  []ProcessTrace // by PID
	// FoldedThreads exited when too many exited ones were kept already: they
	// are in Processes but not in Threads.
	FoldedThreads int
	// Parallelism is the mean number of traced threads running at once;
	// Levels[k] the time with exactly k of them (it needs TraceOptions.Events).
	Parallelism Known[float64]
	Levels      Known[[]time.Duration]
	// Preemptions: Who got the CPU that Whom, still able to run, had to leave.
	// WakeUps: Who was running where the wake-up of Whom was issued; in an
	// interrupt that is whoever was interrupted. Most frequent first; they need
	// TraceOptions.Pairs.
	Preemptions, WakeUps Known[[]TracePair]
	Exits                []ProcessExit // in order of their ends
	ExitsForgotten       int           // earlier ones, beyond what is kept
	Drops                TraceDrops
}

// Process is the sum of one process, nil when there is none.
func (s *TraceSums) Process(pid int) *ProcessTrace {
	for i := range s.Processes {
		if s.Processes[i].PID == pid {
			return &s.Processes[i]
		}
	}
	return nil
}

// Thread is one thread, nil when there is none. With a Start of 0 it is the
// last one of that number.
func (s *TraceSums) Thread(id ThreadID) *ThreadTrace {
	var found *ThreadTrace
	for i := range s.Threads {
		t := &s.Threads[i]
		if t.ID == id || id.Start == 0 && t.ID.TID == id.TID && (found == nil || t.ID.Start >= found.ID.Start) {
			found = t
		}
	}
	return found
}
