package spawn

import (
	"errors"
	"runtime"
	"testing"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// TestWorkersAreNotAsNiceAsTheirController: a plan says which nice value and
// policy a worker has, and not what started it.
func TestWorkersAreNotAsNiceAsTheirController(t *testing.T) {
	t.Parallel()
	type outcome struct {
		got *unix.SchedAttr
		err error
	}
	done := make(chan outcome)
	p := &load.Plan{Promises: []load.Promise{{Field: "nice"}}}
	go func() {
		// The thread is not unlocked, so it ends with the goroutine, and nothing
		// else runs with its nice value.
		runtime.LockOSThread()
		const batch = 3
		if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: batch, Nice: 7}, 0); err != nil {
			done <- outcome{err: err}
			return
		}
		restore, err := standard(p)
		if err != nil {
			done <- outcome{err: err}
			return
		}
		now, err := unix.SchedGetAttr(0, 0)
		if err != nil || now.Policy != 0 || now.Nice != 0 {
			t.Errorf("%+v, %v; want policy 0, nice 0", now, err)
		}
		restore()
		got, err := unix.SchedGetAttr(0, 0)
		done <- outcome{got, err}
	}()
	o := <-done
	switch {
	case errors.Is(o.err, unix.EPERM), errors.Is(o.err, unix.EACCES):
		if unix.Geteuid() == 0 {
			t.Skipf("root without CAP_SYS_NICE: %v", o.err)
		}
		t.Logf("refused without privilege, as it should be: %v", o.err)
	case o.err != nil:
		t.Fatal(o.err)
	case o.got.Policy != 3 || o.got.Nice != 7:
		t.Errorf("restored to %+v, want policy 3 and nice 7", o.got)
	}
}
