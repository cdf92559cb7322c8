package spawn

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// RealtimeAllowed says why this process may not start real-time workers, nil
// when it may: the policy must be permitted (CAP_SYS_NICE or RLIMIT_RTPRIO, and
// a real-time share of the control group), and there must be a second CPU, for
// everybody else. It finds out by doing, on a thread that goes back at once.
func RealtimeAllowed() error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return fmt.Errorf("affinity: %w", err)
	}
	if runtime.NumCPU() < 2 || set.Count() < 2 {
		return errors.New("real-time workers take a CPU, and there is only one")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // if it cannot go back, the thread ends with the goroutine
		err := tryRealtime()
		if err == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("real-time policies are not permitted (needs CAP_SYS_NICE or RLIMIT_RTPRIO): %w", err)
	}
	return nil
}

func tryRealtime() error {
	old, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return err
	}
	fifo := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	if err := unix.SchedSetAttr(0, &fifo, 0); err != nil {
		return err
	}
	return unix.SchedSetAttr(0, old, 0)
}
