package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// controller is the identity of the process that started a run.
type controller struct {
	pid   int
	start string // clock ticks since boot
}

func parseController(text string) (controller, bool) {
	a, b, ok := strings.Cut(text, ":")
	pid, err := strconv.Atoi(a)
	if !ok || err != nil || pid <= 0 || b == "" {
		return controller{}, false
	}
	return controller{pid, b}, true
}

func (c controller) alive() bool {
	start, ok := startTime(c.pid)
	return ok && start == c.start
}

// leftover is one process that carries a run id.
type leftover struct {
	pid   int
	runID string
	by    controller
}

// leftovers finds the processes of a run ("" for every run), guards included.
// Only a process that carries both the run id and its controller counts: a
// shell command that merely mentions a run id does not.
func leftovers(runID string) []leftover {
	var list []leftover
	for _, pid := range pids() {
		if l, ok := identify(pid); ok && (runID == "" || l.runID == runID) {
			list = append(list, l)
		}
	}
	return list
}

func identify(pid int) (leftover, bool) {
	args := arguments(pid)
	id, ok := argument(args, runArg)
	if !ok {
		id, ok = argument(args, guardArg)
	}
	text, has := argument(args, controllerArg)
	by, valid := parseController(text)
	if !ok || !has || !valid || pid == os.Getpid() {
		return leftover{}, false
	}
	return leftover{pid: pid, runID: id, by: by}, true
}

// Sweep removes what a killed run left, by run id ("" for every run whose
// controller is dead): through pidfds, never by name. It returns the PIDs it
// ended. A run whose controller lives is not touched; naming one is an error.
func Sweep(ctx context.Context, runID string) (removed []int, err error) {
	var problems []error
	for _, l := range leftovers(runID) {
		if l.by.alive() {
			if runID != "" {
				return nil, fmt.Errorf("run %s is alive: process %d controls it; stop that one", runID, l.by.pid)
			}
			continue
		}
		unlinkQueues(l.runID)
		ended, err := sweepProcess(ctx, l)
		if ended {
			removed = append(removed, l.pid)
		}
		problems = append(problems, err)
	}
	for _, dir := range runCgroups(runID) {
		_, by, ok := parseCgroupName(filepath.Base(dir))
		if !ok || by.alive() {
			continue
		}
		_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0) //nolint:errcheck // rmdir tells
		if !removeCgroup(dir) {
			problems = append(problems, fmt.Errorf("cgroup %s: cannot be removed", dir))
		}
	}
	return removed, errors.Join(problems...)
}

// sweepProcess kills one process and waits until it has ended. The arguments
// are read again behind the pidfd: from then on the number cannot change hands.
func sweepProcess(ctx context.Context, l leftover) (bool, error) {
	fd, err := unix.PidfdOpen(l.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("process %d of run %s: %w", l.pid, l.runID, err)
	}
	defer unix.Close(fd)
	if again, ok := identify(l.pid); !ok || again != l {
		return false, nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return false, fmt.Errorf("kill process %d of run %s: %w", l.pid, l.runID, err)
	}
	for until := time.Now().Add(stopTimeout); !readable(fd); {
		if err := ctx.Err(); err != nil {
			return false, fmt.Errorf("process %d of run %s: %w", l.pid, l.runID, err)
		}
		if time.Now().After(until) {
			return false, fmt.Errorf("process %d of run %s: does not end (killed %v ago)", l.pid, l.runID, stopTimeout)
		}
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, _ = unix.Poll(p, 20) //nolint:errcheck // the loop looks again
	}
	return true, nil
}
