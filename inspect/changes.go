package inspect

import "time"

// Changes is what happened between two snapshots. It is computed by Diff and
// immutable.
type Changes struct {
	Prev, Cur *Snapshot // Prev is nil for the first sample
	Interval  time.Duration
	// Deltas[i] belongs to Cur.Processes[i]. Those of processes that rest may be the
	// same in several Changes.
	Deltas []*Delta
	// Exited are processes of Prev that are gone (or whose PID is another
	// process now).
	Exited []*Process
	Host   HostDelta
}

// Of returns the delta of that process, or nil.
func (c *Changes) Of(id ID) *Delta {
	if c == nil || c.Cur == nil {
		return nil
	}
	if i := c.Cur.Index(id.PID); i >= 0 && c.Cur.Processes[i].ID == id {
		return c.Deltas[i]
	}
	return nil
}

// Delta is the change of one process over its own interval. All rates are per
// second of monotonic time between the two reads of that very process;
// percentages are of one CPU, so four busy threads give 400.
type Delta struct {
	ID ID
	// Interval is the time between the two reads of this process; of one that rests,
	// in the frames of a Sampler, between the first two that found it at rest.
	Interval time.Duration
	Born     bool // started after the previous sample: its counters are its delta
	Execed   bool // executed another program meanwhile
	Reset    bool // a counter went back: deltas of the counters concerned are unknown

	CPUPercent    Known[float64] // process CPU time
	UserPercent   Known[float64]
	SystemPercent Known[float64]
	// Shares of the interval, summed over the threads (process_live).
	RunningPercent, ReadyPercent, BlockedPercent Known[float64]
	VoluntaryRate, InvoluntaryRate               Known[float64]
	MinorFaultRate, MajorFaultRate               Known[float64]
	ReadRate, WriteRate                          Known[float64] // storage bytes per second
	Migrations                                   Known[uint64]  // changes of the last CPU seen between samples: a floor
	Parallelism                                  Known[float64] // mean number of its threads running at once
	RSSGrowth                                    Known[int64]   // bytes since the previous sample

	// Threads[i] belongs to Process.Threads[i]; nil when they were not read.
	Threads                    []ThreadDelta
	BornThreads, ExitedThreads []ThreadID

	// still: the process rests. Nothing here but Interval depends on since when, so
	// the delta holds for the samples after as well, for as long as it rests.
	still bool
}

// ThreadDelta is the change of one thread.
type ThreadDelta struct {
	ID                                           ThreadID
	Born                                         bool
	Reset                                        bool
	RunningPercent, ReadyPercent, BlockedPercent Known[float64]
	// PendingReady: it is waiting for a CPU right now (state R while its run
	// and wait time stood still, or without having blocked since). Where it
	// is known how long, ReadyPercent includes that wait although the kernel
	// has not booked it yet.
	PendingReady                   bool
	CPUPercent                     Known[float64]
	VoluntaryRate, InvoluntaryRate Known[float64]
	Migrations                     Known[uint64]
	MinorFaultRate, MajorFaultRate Known[float64]
}

// HostDelta are rates of the machine.
type HostDelta struct {
	CPUPercent Known[float64]   // busy, of all CPUs together (0…100)
	PerCPU     []Known[float64] // busy, 0…100 each
	SwitchRate Known[float64]   // context switches per second
	ForkRate   Known[float64]   // new tasks per second
}
