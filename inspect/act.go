package inspect

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/proc"
)

// ErrChanged: the PID belongs to another process than the one meant.
var ErrChanged = errors.New("the PID belongs to another process now")

// Target is one process to act on. It holds a pidfd, so that whatever happens
// to the PID, nobody else is hit. It may be used from any goroutine.
type Target struct {
	id ID
	fd int
	fs *proc.FS
}

// OpenTarget opens the process with that identity: ErrNoProcess when it is
// gone, ErrChanged when its PID belongs to another one. It always acts on the
// processes of our own PID namespace, through /proc.
func OpenTarget(id ID) (*Target, error) {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil {
		return nil, targetError("open", id, err)
	}
	fs, err := proc.Open("")
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("inspect: %w", err)
	}
	t := &Target{id: id, fd: fd, fs: fs}
	if err := t.verify(); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// verify checks the start time after the pidfd was opened: if the process is
// the one meant now, the pidfd is that process.
func (t *Target) verify() error {
	var st proc.Stat
	if err := t.fs.NewReader().Stat(t.id.PID, &st); err != nil {
		if errors.Is(err, proc.ErrGone) {
			return fmt.Errorf("inspect: process %s: %w", t.id, ErrNoProcess)
		}
		return fmt.Errorf("inspect: process %s: %w", t.id, err)
	}
	if st.StartTicks != t.id.Start {
		return fmt.Errorf("inspect: process %s: %w", t.id, ErrChanged)
	}
	if err := unix.PidfdSendSignal(t.fd, 0, nil, 0); errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("inspect: process %s: %w", t.id, ErrNoProcess)
	}
	return nil
}

// ID is the identity of the process.
func (t *Target) ID() ID { return t.id }

// Close releases the pidfd.
func (t *Target) Close() error { return errors.Join(unix.Close(t.fd), t.fs.Close()) }

// Signal sends a signal to the process.
func (t *Target) Signal(sig unix.Signal) error {
	if err := unix.PidfdSendSignal(t.fd, sig, nil, 0); err != nil {
		return targetError("signal", t.id, err)
	}
	return nil
}

// SetNice sets the nice value of every thread of the process: nice values are
// per thread.
func (t *Target) SetNice(nice int) error {
	return t.eachThread("set the nice value", func(tid int) error {
		return unix.Setpriority(unix.PRIO_PROCESS, tid, nice)
	})
}

// SetThreadNice sets the nice value of one thread.
func (t *Target) SetThreadNice(th ThreadID, nice int) error {
	return t.oneThread("set the nice value", th, func(tid int) error {
		return unix.Setpriority(unix.PRIO_PROCESS, tid, nice)
	})
}

// SetAffinity lets every thread of the process run on these CPUs only.
func (t *Target) SetAffinity(cpus []int) error {
	set := cpuSet(cpus)
	return t.eachThread("set the CPUs", func(tid int) error { return unix.SchedSetaffinity(tid, &set) })
}

// SetThreadAffinity lets one thread run on these CPUs only.
func (t *Target) SetThreadAffinity(th ThreadID, cpus []int) error {
	set := cpuSet(cpus)
	return t.oneThread("set the CPUs", th, func(tid int) error { return unix.SchedSetaffinity(tid, &set) })
}

func cpuSet(cpus []int) unix.CPUSet {
	var set unix.CPUSet
	for _, c := range cpus {
		set.Set(c)
	}
	return set
}

// eachThread acts on the threads until a listing shows none that was not acted
// on: threads made meanwhile by an old one inherit the old setting. The calls
// take a number and not a descriptor, so the identity is checked again right
// before; what remains is a window of microseconds in which the process would
// have to end, be reaped, and its number be given out again.
func (t *Target) eachThread(what string, act func(tid int) error) error {
	const rounds = 5
	done := make(map[int]bool)
	r := t.fs.NewReader()
	for range rounds {
		if err := t.verify(); err != nil {
			return err
		}
		tids, err := r.TIDs(nil, t.id.PID)
		if err != nil {
			return fmt.Errorf("inspect: process %s: %w", t.id, ErrNoProcess)
		}
		fresh := 0
		for _, tid := range tids {
			if done[tid] {
				continue
			}
			done[tid] = true
			fresh++
			if err := act(tid); err != nil && !errors.Is(err, unix.ESRCH) {
				return targetError(what, t.id, err)
			}
		}
		if fresh == 0 {
			break
		}
	}
	return nil
}

func (t *Target) oneThread(what string, th ThreadID, act func(tid int) error) error {
	if err := t.verify(); err != nil {
		return err
	}
	var st proc.Stat
	if err := t.fs.NewReader().ThreadStat(t.id.PID, th.TID, &st); err != nil {
		return fmt.Errorf("inspect: thread %s of process %s: %w", th, t.id, ErrNoProcess)
	}
	if st.StartTicks != th.Start {
		return fmt.Errorf("inspect: thread %s of process %s: %w", th, t.id, ErrChanged)
	}
	if err := act(th.TID); err != nil {
		return targetError(what, t.id, err)
	}
	return nil
}

func targetError(what string, id ID, err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) && what == "open" {
		return fmt.Errorf("inspect: %s process %s: %w", what, id, ErrNoProcess)
	}
	return fmt.Errorf("inspect: %s process %s: %w", what, strconv.Itoa(id.PID), err)
}
