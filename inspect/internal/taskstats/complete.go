package taskstats

import (
	"errors"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// The thread that Complete sacrifices blocks so many times; how long its end is
// waited for.
const (
	proofSleeps = 64
	proofLimit  = time.Second
)

var errNoProof = errors.New("taskstats: no thread of ours would exit")

// Complete reports whether the kernel's answers contain what exited threads
// counted. It proves it on this very process: a thread blocks a number of times
// and exits, and what taskstats says is compared with getrusage, which includes
// exited threads on every kernel.
//
// What a thread does in the very last moments of its exit, after the kernel has
// noted its statistics, is missing: a switch or two per thread. So differences
// are compared, with room for that.
func (c *Conn) Complete() (bool, error) {
	said, truth, err := c.compare()
	if err != nil {
		return false, err
	}
	if err := sacrifice(); err != nil {
		return false, err
	}
	saidNow, truthNow, err := c.compare()
	return saidNow-said+proofSleeps/2 > truthNow-truth, err
}

// compare gives the voluntary switches of this process as taskstats and as
// getrusage know them.
func (c *Conn) compare() (said, truth int64, err error) {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return 0, 0, err
	}
	t, err := c.Process(os.Getpid())
	return int64(t.Voluntary), ru.Nvcsw, err
}

// sacrifice lets a thread of this process block and exit.
func sacrifice() error {
	for range 4 {
		tid := make(chan int)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			pause := unix.Timespec{Nsec: int64(10 * time.Microsecond)}
			for range proofSleeps {
				unix.Nanosleep(&pause, nil)
			}
			tid <- unix.Gettid()
		}()
		// The main thread never ends; then another one has to do.
		if id := <-tid; id != os.Getpid() && ended(id) {
			return nil
		}
	}
	return errNoProof
}

func ended(tid int) bool {
	for end := time.Now().Add(proofLimit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if unix.Tgkill(os.Getpid(), tid, 0) == unix.ESRCH {
			return true
		}
	}
	return false
}
