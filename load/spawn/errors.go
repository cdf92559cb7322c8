package spawn

import (
	"errors"
	"fmt"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// ErrBudget wraps a refusal: the plan wants more than the limits allow.
var ErrBudget = errors.New("above the limit")

// ErrEnded says that the run is over.
var ErrEnded = errors.New("the run has ended")

// WorkerError is a step that a worker could not do. It unwraps to the error
// number, so errors.Is(err, unix.EPERM) tells a missing privilege.
type WorkerError struct {
	Process int // index into the plan
	Role    string
	Thread  int // index into the process
	Name    string
	Step    string
	Err     error
}

// Error names the task and the step.
func (e *WorkerError) Error() string {
	if errors.Is(e.Err, unix.EOWNERDEAD) {
		return fmt.Sprintf("process %d %q: one of the workers that it looks after was killed; it is not replaced", e.Process, e.Role)
	}
	return fmt.Sprintf("process %d %q, thread %d %q: %s: %v", e.Process, e.Role, e.Thread, e.Name, e.Step, e.Err)
}

// Unwrap gives the error number.
func (e *WorkerError) Unwrap() error { return e.Err }

// DeathError is a process of the run that ended before it was released.
type DeathError struct {
	Process int // index into the plan
	Role    string
	PID     int
	// Status is the wait status; meaningful only when Known.
	Status unix.WaitStatus
	Known  bool
	// OOMKills is how many processes of this machine the kernel has killed for
	// want of memory since the run began (/proc/vmstat, oom_kill). With SIGKILL,
	// this one is most likely among them.
	OOMKills uint64
}

// planned tells whether a process was to end, and that way as far as is known.
func (e *DeathError) planned(end *load.End) bool {
	switch s := e.Status; {
	case end == nil:
		return false
	case !e.Known:
		return true
	case end.Signal != 0:
		return s.Signaled() && int(s.Signal()) == end.Signal
	default:
		return s.Exited() && s.ExitStatus() == end.Code
	}
}

// The worker's exit codes, as in native/worker.c.
const (
	exitOrphan   = 3
	exitDeadline = 4
	exitSetup    = 5
	exitUsage    = 6
)

// Error says which process and how.
func (e *DeathError) Error() string {
	return fmt.Sprintf("process %d %q (pid %d) ended before it was released: %s", e.Process, e.Role, e.PID, e.how())
}

func (e *DeathError) how() string {
	switch s := e.Status; {
	case !e.Known:
		return "wait status unknown (somebody else reaped it)"
	case s.Signaled() && s.Signal() == unix.SIGKILL && e.OOMKills > 0:
		return fmt.Sprintf("killed by SIGKILL, and the kernel has killed for want of memory since the run began (%d processes): it is not started again", e.OOMKills)
	case s.Signaled():
		return "killed by " + unix.SignalName(s.Signal())
	case s.ExitStatus() == exitDeadline:
		return "its deadline had come"
	case s.ExitStatus() == exitOrphan:
		return "its controller or parent was gone"
	case s.ExitStatus() == exitUsage:
		return "it did not understand its arena"
	default:
		return fmt.Sprintf("exit status %d", s.ExitStatus())
	}
}
