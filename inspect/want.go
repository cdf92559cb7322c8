package inspect

// Want is the set of file groups a caller needs: it decides which files are
// read. Cost follows what is on screen.
type Want uint32

// The groups. Of what stat, statm and comm say, everything is always read that
// every source supplies; the other facts of stat are WantStatRest.
const (
	WantStatus     Want = 1 << iota // status: uid, Rss*, VmSwap, switches of the leader, …
	WantSchedstat                   // schedstat of the leader; whole process only with WantThreads
	WantCPUClock                    // process CPU clock in ns instead of ticks
	WantCmdline                     // once per (pid, start, exec)
	WantCgroup                      // once per (pid, start, exec)
	WantExe                         // once per (pid, start, exec)
	WantThreads                     // task/*/{stat,status,schedstat} of every process with more than one thread
	WantIO                          // io
	WantRollup                      // smaps_rollup: PSS, USS; dear
	WantFDs                         // number of open files
	WantHost                        // CPU times, memory, load, pressure
	WantTotals                      // exact switch totals over exited threads where a source has them
	WantStatRest                    // of stat: terminal, places in memory; free where stat is read anyway
	WantStatusRest                  // of status: what only the file has (capabilities, affinity, Vm*); free where it is read anyway
)

// WantTree is what the process tree needs; WantAll all that costs little for one
// process.
const (
	WantTree = WantStatus | WantCPUClock | WantCmdline | WantHost
	WantAll  = WantTree | WantSchedstat | WantThreads | WantCgroup | WantTotals | WantStatRest | WantStatusRest
)

// Request is what one pass shall read.
type Request struct {
	Want Want
	// ThreadsOf names processes whose threads are read although WantThreads
	// is not set (expanded rows, the process in focus).
	ThreadsOf []int
	// RollupOf names processes whose PSS is read although WantRollup is not
	// set (visible rows).
	RollupOf []int
	// Visible names the processes on screen. They are read in full at every
	// pass; others may be skipped for some passes as long as their CPU clock
	// shows that they have not run.
	Visible []int
	// Only restricts the pass to these PIDs; nil means every process.
	Only []int
	// Focus is the PID whose Detail is read, 0 for none.
	Focus int
	// FocusWant names groups that are read of the process in focus besides
	// Want: what a page about one process needs shall not be read of all.
	FocusWant Want
	// Detail says which parts of the Detail are wanted.
	Detail DetailWant
}

// DetailWant selects parts of the Detail of the process in focus.
type DetailWant uint32

// The parts.
const (
	DetailSegments DetailWant = 1 << iota // smaps, or maps where smaps is denied
	DetailWaits                           // wchan, syscall, stack of each thread
	DetailFiles
	DetailLimits
	DetailNamespaces
	DetailCredentials
	DetailEnviron
	DetailSched            // what the scheduler says of each thread
	DetailAll   DetailWant = 1<<iota - 1

	// DetailPressure is how long its control group waited for memory. It is no
	// part of DetailAll: no page shows it.
	DetailPressure DetailWant = 1 << 16
)
