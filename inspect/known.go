package inspect

// Why says whether a value is known and, if not, for what reason. The zero
// value is NotRead: a value nobody filled in is unknown.
type Why uint8

// The reasons. Text() of each is shown to people and written to the "why" maps
// of the JSON output.
const (
	NotRead         Why = iota // nobody asked for it
	OK                         // known
	Gone                       // the task vanished while it was being read (ENOENT, ESRCH)
	Denied                     // EACCES or EPERM, no known capability would help
	NeedsPtrace                // readable with CAP_SYS_PTRACE or as the owner
	NeedsPtraceDAC             // readable with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, or as the owner
	NeedsSysAdmin              // readable with CAP_SYS_ADMIN
	KernelThread               // kernel threads have no such thing
	Zombie                     // already exited, not reaped: has no memory, files, ...
	NotSupported               // this kernel has no such file or line
	Disabled                   // a kernel switch that is off (e.g. kernel.task_delayacct)
	NeedsTwoSamples            // a rate exists only between two samples
	SeenLate                   // older than the first sample, so its past is not a rate
	WasReset                   // the counter went back (execve from another thread)
	Stuck                      // the kernel blocks the read (target in mmap or execve)
	Malformed                  // text not understood
	OnCPU                      // the task is running: it has no wait reason or saved registers
	SourceLacks                // the source in use does not supply it
	NoThreads                  // needs the thread list, which was not read
	ReadFailed                 // any other error of the read
	OfProcess                  // belongs to the process as a whole, not to one thread
	whyCount
)

var whyText = [whyCount]string{
	NotRead:         "not read",
	OK:              "",
	Gone:            "the task exited while it was being read",
	Denied:          "permission denied",
	NeedsPtrace:     "permission denied: needs CAP_SYS_PTRACE",
	NeedsPtraceDAC:  "permission denied: needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
	NeedsSysAdmin:   "permission denied: needs CAP_SYS_ADMIN",
	KernelThread:    "kernel threads have none",
	Zombie:          "has exited and waits to be reaped",
	NotSupported:    "not supported by this kernel",
	Disabled:        "switched off in this kernel",
	NeedsTwoSamples: "needs two samples",
	SeenLate:        "older than the first sample",
	WasReset:        "the counter went back",
	Stuck:           "stuck: the kernel blocks the read while the target is in mmap or execve",
	Malformed:       "the kernel's text was not understood",
	OnCPU:           "running on a CPU right now",
	SourceLacks:     "not supplied by the source in use",
	NoThreads:       "its threads were not read",
	ReadFailed:      "the read failed",
	OfProcess:       "belongs to the process, not to one thread",
}

// Text is the reason in words, "" for OK.
func (w Why) Text() string {
	if int(w) < len(whyText) {
		return whyText[w]
	}
	return whyText[NotRead]
}

// Known is a value or the reason why there is none. The zero Known is unknown
// (NotRead), never a zero value.
type Known[T any] struct {
	V   T
	Why Why
}

// Know makes a known value.
func Know[T any](v T) Known[T] { return Known[T]{V: v, Why: OK} }

// Unknown makes an unknown value with its reason.
func Unknown[T any](why Why) Known[T] { return Known[T]{Why: why} }

// OK reports whether the value is known.
func (k Known[T]) OK() bool { return k.Why == OK }

// Get returns the value and whether it is known.
func (k Known[T]) Get() (T, bool) { return k.V, k.Why == OK }

// Or returns the value, or other when it is unknown.
func (k Known[T]) Or(other T) T {
	if k.Why == OK {
		return k.V
	}
	return other
}
