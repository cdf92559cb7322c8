package spawn

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// bury notes every process that has ended and reports the first whose parent
// lives: a process takes those below it along, and they may be seen first.
func (k *keeper) bury() {
	var deaths []*DeathError
	for i := range k.tasks {
		t := &k.tasks[i]
		if t.pidfd < 0 || t.dead || !readable(t.pidfd) {
			continue
		}
		t.dead = true
		pid := int(atomic.LoadUint32(&k.r.arena.procs[i].pid))
		status, known := k.reap(i, pid)
		k.r.noteExit(i, status, known)
		deaths = k.unplanned(deaths, i, pid, status, known)
		_ = unix.EpollCtl(k.epoll, unix.EPOLL_CTL_DEL, t.pidfd, nil) //nolint:errcheck // it was added
		unix.Close(t.pidfd)
		t.pidfd = -1
	}
	if err := k.r.arena.failure(k.r.plan); err != nil {
		k.r.fail(err)
	}
	k.blame(deaths)
}

// unplanned adds the end of a process to others, unless it was meant to end so.
func (k *keeper) unplanned(deaths []*DeathError, i, pid int, status unix.WaitStatus, known bool) []*DeathError {
	d := &DeathError{Process: i, Role: k.r.plan.Processes[i].Role, PID: pid, Status: status, Known: known, OOMKills: oomKills() - k.oomKills}
	if d.planned(k.r.plan.Processes[i].End) {
		return deaths
	}
	return append(deaths, d)
}

// blame reports those who have not merely ended with their parent.
func (k *keeper) blame(deaths []*DeathError) {
	for _, d := range deaths {
		if parent := k.guardian(d.Process); parent < 0 || !k.ending(parent) {
			k.r.fail(d)
		}
	}
}

// oomKills is how often the kernel has killed a process of this machine for want
// of memory; 0 where it does not say (before Linux 4.13). It counts before it
// sends the signal.
func oomKills() uint64 {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "\noom_kill ")
	line, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.ParseUint(line, 10, 64) //nolint:errcheck // 0 for none
	return n
}

// guardian is the nearest process above process i that does not end by plan.
func (k *keeper) guardian(i int) int {
	for i = k.r.plan.Processes[i].Parent; i >= 0 && k.r.plan.Processes[i].End != nil; {
		i = k.r.plan.Processes[i].Parent
	}
	return i
}

// ending tells whether a process has ended or is about to. The parent-death
// signal leaves before the pidfd of the dying parent becomes readable.
func (k *keeper) ending(i int) bool {
	if k.tasks[i].dead {
		return true
	}
	f, ok := statFields(int(atomic.LoadUint32(&k.r.arena.procs[i].pid)))
	return !ok || len(f) < 7 || exiting(f)
}

// readable tells whether the process of a pidfd has ended.
func readable(pidfd int) bool {
	p := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1
}

// reap waits for a dead process if it is this process' child, and otherwise
// reads the wait status that it keeps for its parent. Another process may have
// got the number meanwhile; that one has another start time.
func (k *keeper) reap(i, pid int) (unix.WaitStatus, bool) {
	var status unix.WaitStatus
	if start, ok := startTime(pid); !ok || start != k.tasks[i].start {
		return 0, false
	}
	got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
	if err == nil && got == pid {
		k.tasks[i].reaped = true
		return status, true
	}
	return zombieStatus(pid)
}

// allEnded tells whether every process that ends by plan has done so.
func (k *keeper) allEnded() bool {
	for i := range k.tasks {
		if k.r.plan.Processes[i].End != nil && !k.tasks[i].dead {
			return false
		}
	}
	return true
}

// noteExit keeps the wait status of a process for the manifest.
func (r *Run) noteExit(i int, status unix.WaitStatus, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !known || r.stopping {
		return
	}
	if r.exits == nil {
		r.exits = map[int]unix.WaitStatus{}
	}
	r.exits[i] = status
}

// reapRest waits for processes that the plan does not name: a worker that was
// killed leaves its own to us. They are in the root's process group, and have
// been killed with the worker.
func (k *keeper) reapRest() {
	root := int(k.rootPID.Load())
	if root == 0 {
		return
	}
	for until := time.Now().Add(stopTimeout); time.Now().Before(until); time.Sleep(settlePause) {
		for {
			pid, err := unix.Wait4(-root, nil, unix.WNOHANG, nil)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil { // nobody is left
				return
			}
			if pid == 0 {
				break
			}
		}
	}
}
