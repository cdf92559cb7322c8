package spawn

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Arguments by which the processes of a run are known.
const (
	runArg        = "taskscope-run="
	guardArg      = "taskscope-guard="
	controllerArg = "taskscope-controller="
)

// zombieStatus reads the wait status of a dead process that its parent has not
// reaped: /proc/PID/stat, field 52 (exit_code).
func zombieStatus(pid int) (unix.WaitStatus, bool) {
	f, ok := statFields(pid)
	if !ok || len(f) < 50 || f[0] != "Z" {
		return 0, false
	}
	n, err := strconv.ParseUint(f[49], 10, 32)
	return unix.WaitStatus(n), err == nil
}

// statFields are the fields of /proc/PID/stat from the third (state) on: the
// second may contain spaces and parentheses.
func statFields(pid int) ([]string, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, false
	}
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return nil, false
	}
	return strings.Fields(string(b[i+1:])), true
}

// startTime is the start of a process in clock ticks: with the number, its identity.
func startTime(pid int) (string, bool) {
	f, ok := statFields(pid)
	if !ok || len(f) < 20 {
		return "", false
	}
	return f[19], true
}

// voluntarySwitches reads one thread's count from /proc/PID/task/TID/status,
// with as few system calls as possible: there may be thousands of threads.
func voluntarySwitches(pid, tid int, buf []byte) (uint64, bool) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/task/%d/status", pid, tid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buf) // the kernel gives it in one piece
	if err != nil {
		return 0, false
	}
	_, rest, ok := bytes.Cut(buf[:n], []byte("\nvoluntary_ctxt_switches:"))
	if !ok {
		return 0, false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	count, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 10, 64)
	return count, err == nil
}

// arguments are the arguments of a process; empty for a zombie.
func arguments(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

// argument finds the value of a prefixed argument.
func argument(args []string, prefix string) (string, bool) {
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, prefix); ok {
			return v, true
		}
	}
	return "", false
}

// owner tells whose a process is, as far as its arguments say.
type owner int

const (
	ownerOther owner = iota
	ownerRun
	// ownerUnclear: it lives without arguments. It is just executing a program,
	// which has the old ones no more and the new ones not yet; or it is a kernel
	// thread.
	ownerUnclear
)

// ownerOf tells whether a process carries the run id, or has ended, or is about
// to, and thus carries nothing.
func ownerOf(pid int, runID string) owner {
	args := arguments(pid)
	if len(args) == 0 {
		return ownerWithout(statFields(pid))
	}
	if v, ok := argument(args, runArg); ok && v == runID {
		return ownerRun
	}
	return ownerOther
}

// ownerWithout is ownerOf of a process without arguments, by its stat if it is there.
func ownerWithout(f []string, ok bool) owner {
	switch {
	case !ok:
		return ownerOther
	case f[0] == "Z" || exiting(f):
		return ownerRun
	}
	return ownerUnclear
}

func belongs(pid int, runID string) bool { return ownerOf(pid, runID) == ownerRun }

// exiting tells from the fields of /proc/PID/stat whether the process is on its
// way out. Its arguments have gone long before it becomes a zombie where it has
// to wait for a CPU in between.
func exiting(f []string) bool {
	const flag = 0x4 // PF_EXITING in field 9
	if len(f) < 7 {
		return false
	}
	flags, err := strconv.ParseUint(f[6], 10, 64)
	return err == nil && flags&flag != 0
}

// pids lists the processes of /proc.
func pids() []int {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var list []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// countLeft counts what carries the run id: processes and guards by their
// arguments, descriptors of this process by their link, cgroup directories by
// their name.
func countLeft(runID string) LeftBehind {
	var left LeftBehind
	for _, pid := range pids() {
		args := arguments(pid)
		run, _ := argument(args, runArg)
		guard, _ := argument(args, guardArg)
		if run == runID || guard == runID {
			left.Processes++
		}
	}
	left.Files = openFiles(memfdName(runID))
	left.Cgroups = countCgroups(runID)
	return left
}

// openFiles counts descriptors of this process whose link names name.
func openFiles(name string) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	n := 0
	for _, e := range entries {
		if link, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.Contains(link, name) {
			n++
		}
	}
	return n
}

// subreaperUse has orphaned workers handed to this process while runs exist.
type subreaperUse struct {
	mu    sync.Mutex
	users int
	was   int // the setting before the first run
}

// subreaper counts for the whole process, as the attribute does.
var subreaper subreaperUse

func (s *subreaperUse) acquire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users++; s.users == 1 {
		var was int32
		_ = unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, ptr(&was), 0, 0, 0) //nolint:errcheck // best effort
		s.was = int(was)
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) //nolint:errcheck // best effort
	}
}

func (s *subreaperUse) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, uintptr(s.was), 0, 0, 0) //nolint:errcheck // best effort
	}
}
