package spawn

import (
	"fmt"
	"os"
	"syscall"
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
	return syscall.ForkExec(fmt.Sprintf("/proc/self/fd/%d", image), append([]string{"taskscope-worker"}, identity...), attr)
}

// controllerIdentity is the argument by which Sweep knows whether the
// controller of a run is still alive.
func controllerIdentity() string {
	start, _ := startTime(os.Getpid())
	return fmt.Sprintf("%s%d:%s", controllerArg, os.Getpid(), start)
}

func ptr(p *int32) uintptr { return uintptr(unsafe.Pointer(p)) }
