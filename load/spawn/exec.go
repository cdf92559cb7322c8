package spawn

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// exec starts the root process.
func (r *Run) exec(attr *syscall.ProcAttr) (int, error) {
	identity := []string{runArg + r.id, controllerIdentity()}
	if r.tier == TierGo {
		return r.execGo(attr, identity)
	}
	image, err := imageFD(r.id)
	if err != nil {
		return 0, err
	}
	defer unix.Close(image)
	return execImage(image, append([]string{"taskscope-worker"}, identity...), attr)
}

// busyTimeout is how long an image file may be busy: a process that another
// goroutine is starting holds a copy of the descriptor it was written through,
// until it executes its own program (golang/go#22315).
const busyTimeout = time.Second

func execImage(image int, args []string, attr *syscall.ProcAttr) (int, error) {
	for until := time.Now().Add(busyTimeout); ; time.Sleep(time.Millisecond) {
		pid, err := syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", image), args, attr)
		if !errors.Is(err, unix.ETXTBSY) || time.Now().After(until) {
			return pid, err
		}
	}
}

// controllerIdentity is the argument by which Sweep knows whether the
// controller of a run is still alive.
func controllerIdentity() string {
	start, _ := startTime(os.Getpid())
	return fmt.Sprintf("%s%d:%s", controllerArg, os.Getpid(), start)
}

func ptr(p *int32) uintptr { return uintptr(unsafe.Pointer(p)) }
