package spawn

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Pause stops every process of the run, as a debugger or a shell's Ctrl-Z
// would; Resume lets them go on. What was promised about time does not hold
// over a pause. A paused run can be stopped. Both give ErrEnded when there is
// nothing left.
func (r *Run) Pause() error { return r.signalAll(unix.SIGSTOP) }

// Resume ends a pause.
func (r *Run) Resume() error { return r.signalAll(unix.SIGCONT) }

// signalAll goes over the plan twice: a process that was being forked when its
// parent was stopped is there the second time.
func (r *Run) signalAll(sig unix.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.arena == nil || r.stopping {
		return ErrEnded
	}
	var errs []error
	for range 2 {
		errs = nil
		for i := range r.plan.Processes {
			if pid := int(atomic.LoadUint32(&r.arena.procs[i].pid)); pid != 0 {
				errs = append(errs, r.signalOne(pid, sig))
			}
		}
	}
	return errors.Join(errs...)
}

// signalOne opens the process before it looks whether it is of this run, so
// that nobody else is hit. That it has ended is no error.
func (r *Run) signalOne(pid int, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !belongs(pid, r.id) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}
