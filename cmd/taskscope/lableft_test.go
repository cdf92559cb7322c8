package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lineage is a program under test with all that it has started.
type lineage struct {
	t      *testing.T
	args   []string
	cmd    *exec.Cmd
	start  string // of the program
	mark   string // in the environment of what it starts
	stderr bytes.Buffer
	known  map[int]string // processes seen so far, with their start
	ended  bool
	close  func()
}

// program is the program itself.
func (f *lineage) program() []int { return []int{f.cmd.Process.Pid} }

// worker is one process of the load, nil if there is none.
func (f *lineage) worker() []int { return anyOf(f.with(f.carries)) }

// observer is the process that observes the load, nil if there is none.
func (f *lineage) observer() []int {
	return anyOf(f.with(func(pid int) bool { return strings.Contains(textOf(pid, "cmdline"), "\x00observe\x00") }))
}

func anyOf(pids []int) []int {
	if len(pids) == 0 {
		return nil
	}
	return []int{pids[rand.N(len(pids))]}
}

// with are the known processes below the program for which a condition holds.
func (f *lineage) with(ok func(pid int) bool) []int {
	var list []int
	for pid, start := range f.known {
		if pid != f.cmd.Process.Pid && startOf(pid) == start && ok(pid) {
			list = append(list, pid)
		}
	}
	slices.Sort(list)
	return list
}

// carries tells whether a process says that this program has started it for a
// load. One that has ended says nothing.
func (f *lineage) carries(pid int) bool {
	return strings.Contains(textOf(pid, "cmdline"), fmt.Sprintf("taskscope-controller=%d:%s", f.cmd.Process.Pid, f.start))
}

// look adds the program and all below it to the known processes.
func (f *lineage) look() {
	children := map[int][]int{}
	for pid, s := range allStats(f.t) {
		parent, _ := strconv.Atoi(s.ppid)
		children[parent] = append(children[parent], pid)
	}
	for queue := []int{f.cmd.Process.Pid}; len(queue) > 0; queue = queue[1:] {
		if s := startOf(queue[0]); s != "" {
			f.known[queue[0]] = s
		}
		queue = append(queue, children[queue[0]]...)
	}
}

// over tells whether the program has ended by itself.
func (f *lineage) over() bool { return startOf(f.cmd.Process.Pid) != f.start || f.start == "" }

// sigkill kills a process of the family and nobody else.
func (f *lineage) sigkill(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if start := startOf(pid); start == "" || start != f.known[pid] {
		return nil // it has ended
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return err
	}
	return nil
}

// waitWhile waits until the program has ended by itself; began is then.
func (f *lineage) waitWhile(began *time.Time) {
	for until := time.Now().Add(time.Minute); !f.over(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			f.t.Fatalf("%v goes on although somebody was killed: %s", f.args, f.stderr.String())
		}
	}
	*began = time.Now()
}

// wait reaps the program.
func (f *lineage) wait() {
	if !f.ended {
		f.ended = true
		_ = f.cmd.Wait() // killed, or whatever it made of the death of others
	}
}

// leaveWithin is how long the dead may take to be gone: a second at most on a
// machine with CPU time to spare (the tests log what it was), more on one where
// every exit waits for its turn.
const leaveWithin = 15 * time.Second

// gone waits until nothing of the family is left, and says how long that took
// since began. While waiting it looks only at what is known; to look through
// all processes takes long on a crowded machine, and is done at the end.
func (f *lineage) gone(began time.Time) time.Duration {
	f.t.Helper()
	until := began.Add(leaveWithin)
	for {
		left := append(f.living(), groupsOf(f.cmd.Process.Pid, f.start)...)
		took := time.Since(began)
		if len(left) == 0 {
			if left = f.anywhere(); len(left) == 0 {
				return took
			}
		}
		if time.Now().After(until) {
			f.t.Fatalf("%v: left after %v: %q", f.args, leaveWithin, left)
		}
		time.Sleep(time.Millisecond)
	}
}

// living are the known processes that still live.
func (f *lineage) living() []string {
	var left []string
	for pid, start := range f.known {
		if startOf(pid) == start {
			left = append(left, fmt.Sprintf("process %d", pid))
		}
	}
	return left
}

// anywhere looks for the family in all processes: in the arguments, the
// environment, the control groups, and the descriptors of each. Only what has
// been started since the program can be of it.
func (f *lineage) anywhere() []string {
	var left []string
	since, _ := strconv.ParseUint(f.start, 10, 64)
	group := fmt.Sprintf("-%d-%s", f.cmd.Process.Pid, f.start)
	for pid := range allStats(f.t) {
		start, err := strconv.ParseUint(startOf(pid), 10, 64)
		if err != nil || start < since || pid == os.Getpid() {
			continue
		}
		why := ""
		switch {
		case f.carries(pid):
			why = "arguments"
		case strings.Contains(textOf(pid, "environ"), f.mark):
			why = "environment"
		case strings.Contains(textOf(pid, "cgroup"), group):
			why = "control group"
		}
		if why != "" {
			left = append(left, fmt.Sprintf("process %d by its %s: %q", pid, why, textOf(pid, "cmdline")))
		}
	}
	return left
}

func textOf(pid int, file string) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file)) // "" for one that is gone
	return string(b)
}

// startOf is the start of a process that runs, "" for one that is gone or only
// waits to be reaped by somebody else.
func startOf(pid int) string {
	text := textOf(pid, "stat")
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return ""
	}
	return f[19]
}

// groupsOf finds the control groups of runs that a process controls, wherever
// they are in their hierarchy.
func groupsOf(pid int, start string) []string {
	var found []string
	for line := range strings.Lines(textOf(os.Getpid(), "mountinfo")) {
		before, after, _ := strings.Cut(line, " - ")
		if f := strings.Fields(before); len(f) > 4 && (strings.HasPrefix(after, "cgroup2 ") || strings.Contains(after, ",cpu")) {
			found = append(found, groupsBelow(f[4], fmt.Sprintf("-%d-%s", pid, start))...)
		}
	}
	return found
}

func groupsBelow(dir, suffix string) []string {
	entries, _ := os.ReadDir(dir) // gone meanwhile, or not ours to read
	var found []string
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), "taskscope-") && strings.HasSuffix(e.Name(), suffix) {
			found = append(found, path)
		}
		found = append(found, groupsBelow(path, suffix)...)
	}
	return found
}

// queueView sees the message queues of this machine, -1: it cannot.
type queueView struct {
	t  *testing.T
	fd int
}

// openQueueView opens the file system of message queues without mounting it
// anywhere, which takes a privilege.
func openQueueView(t *testing.T) *queueView {
	t.Helper()
	q := &queueView{t, -1}
	ctx, err := unix.Fsopen("mqueue", unix.FSOPEN_CLOEXEC)
	if err == nil {
		defer unix.Close(ctx)
		if err = unix.FsconfigCreate(ctx); err == nil {
			q.fd, err = unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, 0)
		}
	}
	if err != nil {
		t.Logf("message queues cannot be listed here: %v", err)
		return &queueView{t, -1}
	}
	t.Cleanup(func() { unix.Close(q.fd) })
	return q
}

// names are the queues of loads.
func (q *queueView) names() []string {
	if q.fd < 0 {
		return nil
	}
	entries, err := os.ReadDir(fmt.Sprintf("/proc/self/fd/%d/", q.fd))
	if err != nil {
		q.t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "ts-") {
			list = append(list, e.Name())
		}
	}
	return list
}
