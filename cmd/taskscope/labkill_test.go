package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killRounds is how often a program is killed at a random moment:
// TASKSCOPE_KILL_ROUNDS for a long run.
func killRounds() int {
	if n, err := strconv.Atoi(os.Getenv("TASKSCOPE_KILL_ROUNDS")); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		return 3
	}
	return 12
}

// TestKilledProgramLeavesNothing kills the interactive view and a verification
// at random moments: whatever they had started is gone soon.
func TestKilledProgramLeavesNothing(t *testing.T) {
	for _, args := range [][]string{
		{"lab", "tree", "depth=2", "width=4", "seconds=5m"},
		{"load", "verify", "ready", "vol", "tree"},
		{"load", "run", "throttle", "seconds=1m"},
	} {
		t.Run(strings.Join(args[:2], " "), func(t *testing.T) {
			var worst time.Duration
			for range killRounds() {
				s := openScreen(t, args...)
				time.Sleep(rand.N(1200 * time.Millisecond)) // the moment is what varies
				children := identities(childrenOfProcess(t, s.cmd.Process.Pid))
				if err := s.cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				_ = s.cmd.Wait()
				_ = s.tty.Close()
				controlledBy(t, s.cmd.Process.Pid, children)
				worst = max(worst, time.Since(began))
			}
			t.Logf("nothing left after at most %v", worst)
		})
	}
}

// identities are the start times of processes by PID.
func identities(pids []int) map[int]string {
	m := map[int]string{}
	for _, pid := range pids {
		if s := startOf(pid); s != "" {
			m[pid] = s
		}
	}
	return m
}

// startOf is the start of a process that runs, "" for one that is gone or only
// waits to be reaped by somebody else.
func startOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return ""
	}
	return f[19]
}

// controlledBy waits until nothing is left that a controller has started: no
// process that names it as its controller, none of the children it had (the
// observer is one), no control group with its number.
func controlledBy(t *testing.T, pid int, children map[int]string) {
	t.Helper()
	mark := fmt.Sprintf("taskscope-controller=%d:", pid)
	for until := time.Now().Add(15 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		left := append(commandLinesWith(t, mark), groupsOf(pid)...)
		for child, start := range children {
			if startOf(child) == start {
				left = append(left, fmt.Sprintf("child %d", child))
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("15 s after process %d was killed: %q", pid, left)
		}
	}
}

func commandLinesWith(t *testing.T, text string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), text) {
			found = append(found, f+" "+strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return found
}

// groupsOf finds the control groups of runs that a process controls.
func groupsOf(pid int) []string {
	var found []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // gone meanwhile, or not ours to read
		}
		if name := d.Name(); strings.HasPrefix(name, "taskscope-") && strings.Contains(name, fmt.Sprintf("-%d-", pid)) {
			found = append(found, path)
		}
		return nil
	})
	return found
}
