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
// Only a process that carries both the run id and its controller, and proves
// it, counts: one that merely mentions them does not.
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
	if !ok || !has || !valid || pid == os.Getpid() || !holds(pid, id) {
		return leftover{}, false
	}
	return leftover{pid: pid, runID: id, by: by}, true
}

// holds tells whether a process has what only the runner can have given it: the
// image that it executes, or the arena, both of them files without a name in
// any directory. Anybody can have the same arguments.
func holds(pid int, runID string) bool {
	const gone = " (deleted)"
	memfd := "/memfd:" + memfdName(runID) + gone
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return false // it has ended, or belongs to somebody else
	}
	if exe == memfd || strings.HasPrefix(filepath.Base(exe), imagePrefix) && strings.HasSuffix(exe, gone) {
		return true
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	return err == nil && strings.Contains(string(maps), memfd+"\n")
}

// sweepRounds is how often Sweep looks for processes: one that it ends may have
// started another meanwhile.
const sweepRounds = 10

// Swept is what Sweep has removed.
type Swept struct {
	Processes []int    // PIDs
	Cgroups   []string // directories
	Queues    []string // names of message queues
}

// Nothing tells whether there was nothing to remove.
func (s *Swept) Nothing() bool { return len(s.Processes)+len(s.Cgroups)+len(s.Queues) == 0 }

// Sweep removes what a killed run left, by run id ("" for every run whose
// controller is dead): processes through pidfds, never by name, then control
// groups and message queues. A run whose controller lives is not touched; naming
// one is an error.
func Sweep(ctx context.Context, runID string) (removed Swept, err error) {
	var problems []error
	swept := map[string]bool{runID: true}
	for range sweepRounds {
		ended := 0
		for _, l := range leftovers(runID) {
			if l.by.alive() {
				if runID != "" {
					return removed, errAlive(runID, l.by)
				}
				continue
			}
			swept[l.runID] = true
			ok, err := sweepProcess(ctx, l)
			if ok {
				removed.Processes = append(removed.Processes, l.pid)
				ended++
			}
			problems = append(problems, err)
		}
		if ended == 0 {
			break
		}
	}
	var ids []string
	removed.Cgroups, ids, err = sweepCgroups(runID)
	problems = append(problems, err)
	for _, id := range ids {
		swept[id] = true
	}
	delete(swept, "")
	for id := range swept {
		removed.Queues = append(removed.Queues, unlinkQueues(id)...)
	}
	return removed, errors.Join(problems...)
}

// sweepCgroups removes the control groups of a run ("" for every run) whose
// controller is dead, with what is in them, and tells the run ids.
func sweepCgroups(runID string) (dirs, ids []string, err error) {
	var problems []error
	for _, dir := range allCgroups(runID) {
		id, by, _ := parseCgroupName(filepath.Base(dir))
		if by.alive() {
			if runID != "" {
				problems = append(problems, errAlive(runID, by))
			}
			continue
		}
		ids = append(ids, id)
		_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0) //nolint:errcheck // rmdir tells
		if !removeCgroup(dir) {
			problems = append(problems, fmt.Errorf("cgroup %s: cannot be removed", dir))
			continue
		}
		dirs = append(dirs, dir)
	}
	return dirs, ids, errors.Join(problems...)
}

func errAlive(runID string, by controller) error {
	return fmt.Errorf("run %s is alive: process %d controls it; stop that one", runID, by.pid)
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
