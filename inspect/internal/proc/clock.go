package proc

import "golang.org/x/sys/unix"

// Flags inside a CPU clock id: bits 0-1 choose the clock (2: what the scheduler
// accounted), bit 2 a thread instead of a process, the rest is ~PID.
const cpuClockSched = 2

// CPUClock returns the CPU time of a process in nanoseconds: user and system
// time of all its threads, exited ones included. It works for any process,
// without privilege, for a zombie too; a process that was reaped gives ErrGone.
// The value is stale by at most one tick for a thread that is running on
// another CPU, and costs the kernel time in proportion to the threads.
//
// The PID is one of our own PID namespace: use it only where FS.Live.
func CPUClock(pid int) (uint64, error) {
	var ts unix.Timespec
	id := int32(^pid<<3 | cpuClockSched)
	if err := unix.ClockGettime(id, &ts); err != nil {
		if err == unix.EINVAL || err == unix.ESRCH {
			return 0, ErrGone
		}
		return 0, err
	}
	return uint64(ts.Nano()), nil
}
