package spawn

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// otherProcess starts this test binary as a controller.
func otherProcess(t *testing.T, job controllerJob) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), controllerEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() //nolint:errcheck // it may be dead
		_ = cmd.Wait()         //nolint:errcheck // killed
	})
	lines := bufio.NewScanner(out)
	lines.Scan()
	if lines.Text() != "starting" {
		t.Fatalf("the controller said %q", lines.Text())
	}
	return cmd, lines
}

func rounds(full int) int {
	if n, err := strconv.Atoi(os.Getenv(roundsEnv)); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		return max(2, full/10)
	}
	return full
}

// leaveWithin is how long the dead may take to be gone: a second at most on a
// machine with CPU time to spare (the tests log what it was), more on one where
// every exit waits for its turn.
const leaveWithin = 10 * time.Second

// carriers counts the processes that mention a run id anywhere in their
// arguments, independently of the code under test. The controller of the test
// does not: it gets its job by its environment.
func carriers(t *testing.T, runID string) []int {
	t.Helper()
	var list []int
	for _, pid := range pids() {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(b), runID) {
			list = append(list, pid)
		}
	}
	return list
}

// identities are processes with their start.
type identities map[int]string

// add notes processes, and those below them as far as the kernel tells
// (CONFIG_PROC_CHILDREN).
func (m identities) add(pids ...int) {
	for ; len(pids) > 0; pids = pids[1:] {
		start, ok := startTime(pids[0])
		if !ok || m[pids[0]] != "" {
			continue
		}
		m[pids[0]] = start
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[0])) //nolint:errcheck // the pattern is right
		for _, list := range lists {
			b, _ := os.ReadFile(list) //nolint:errcheck // it may be gone
			for _, f := range strings.Fields(string(b)) {
				if pid, err := strconv.Atoi(f); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
}

// alive are those that live; a zombie that waits for a parent elsewhere does not.
func (m identities) alive() (list []int) {
	for pid, start := range m {
		if f, ok := statFields(pid); ok && len(f) > 19 && f[19] == start && f[0] != "Z" {
			list = append(list, pid)
		}
	}
	return list
}

// nothingLeft waits until nothing of a run is left, and says how long that
// took since began. While waiting it looks at the processes that are known and
// at the cgroups, which costs little; all processes are looked through once, at
// the end, which takes long on a crowded machine.
func nothingLeft(t *testing.T, runID string, known identities, began time.Time) (took time.Duration) {
	t.Helper()
	until := began.Add(leaveWithin)
	for {
		left, groups := known.alive(), runCgroups(runID)
		took = time.Since(began)
		if len(left) == 0 && len(groups) == 0 {
			if left = carriers(t, runID); len(left) == 0 {
				return took
			}
			known.add(left...)
		}
		if time.Now().After(until) {
			for _, pid := range left {
				b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) //nolint:errcheck // only for the message
				t.Logf("left: %s", b)
			}
			t.Fatalf("after %v: processes %v, cgroups %v", leaveWithin, left, groups)
		}
		time.Sleep(time.Millisecond)
	}
}
