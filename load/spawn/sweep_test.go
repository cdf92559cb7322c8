package spawn

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// imposter starts a native guard of a run whose controller does not exist; it
// waits for a liveness pipe that the test holds.
func imposter(t *testing.T, runID, controller string) *exec.Cmd {
	t.Helper()
	image, err := imageFD(runID)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(image)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Cleanup(func() { w.Close() })
	exe := os.NewFile(uintptr(image), "image")
	cmd := &exec.Cmd{
		Path:       "/proc/self/fd/64",
		Args:       []string{"taskscope-guard", guardArg + runID, "none", controllerArg + controller},
		ExtraFiles: []*os.File{os.Stdin, r},
	}
	for len(cmd.ExtraFiles) < 61 { // the image as descriptor 3 + 61
		cmd.ExtraFiles = append(cmd.ExtraFiles, nil)
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, exe)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() //nolint:errcheck // it may be dead
		_ = cmd.Wait()         //nolint:errcheck // killed
	})
	eventually(t, 5*time.Second, "the imposter shows its arguments", func() bool { return len(arguments(cmd.Process.Pid)) == 4 })
	return cmd
}

// lookalike starts a process with the arguments and the name of another, and
// gives its PID.
func lookalike(t *testing.T, pid int) int {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), strings.TrimSpace(string(comm)))
	if err := os.Symlink(shell, path); err != nil {
		t.Fatal(err)
	}
	args := arguments(pid)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Cleanup(func() { w.Close() })
	cmd := &exec.Cmd{Path: path, Args: append([]string{args[0], "-s"}, args[1:]...), Stdin: r}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() //nolint:errcheck // it may be dead
		_ = cmd.Wait()         //nolint:errcheck // killed
	})
	return cmd.Process.Pid
}

func TestSweepEndsWhatADeadControllerLeft(t *testing.T) {
	t.Parallel()
	id, other := newRunID(), newRunID()
	gone := imposter(t, id, "1:1") // process 1 did not start at tick 1
	stays := imposter(t, other, strings.TrimPrefix(controllerIdentity(), controllerArg))
	removed, err := Sweep(testContext(t), id)
	if err != nil || !slices.Equal(removed.Processes, []int{gone.Process.Pid}) {
		t.Errorf("Sweep(%s): %v, %v; want %d", id, removed, err, gone.Process.Pid)
	}
	if removed, err := Sweep(testContext(t), other); err == nil || !removed.Nothing() {
		t.Errorf("Sweep of a live run: %v, %v; want a refusal", removed, err)
	}
	if removed, err := Sweep(testContext(t), id); err != nil || !removed.Nothing() {
		t.Errorf("second Sweep: %v, %v; want nothing", removed, err)
	}
	if args := arguments(stays.Process.Pid); len(args) == 0 {
		t.Error("the other run's process is gone")
	}
}

func TestSweepLeavesLiveRunsAlone(t *testing.T) {
	t.Parallel()
	r := startRun(t, tree(1, 2), Options{})
	if removed, err := Sweep(testContext(t), r.ID()); err == nil || !removed.Nothing() {
		t.Errorf("Sweep: %v, %v; want a refusal", removed, err)
	}
	if removed, err := Sweep(testContext(t), "no-such-run"); err != nil || !removed.Nothing() {
		t.Errorf("Sweep of nothing: %v, %v", removed, err)
	}
	through(t, r)
}

func TestMentioningARunIsNotBelongingToIt(t *testing.T) {
	t.Parallel()
	id := newRunID()
	cmd := exec.Command("sleep", "60")
	cmd.Args = []string{"sleep", "60", "#"}
	cmd.Args[0] = runArg + id // as in: grep taskscope-run=…
	cmd.Args = cmd.Args[:2]
	if err := cmd.Start(); err != nil {
		t.Skipf("no sleep: %v", err)
	}
	defer func() {
		_ = cmd.Process.Kill() //nolint:errcheck // ours
		_ = cmd.Wait()         //nolint:errcheck // killed
	}()
	if removed, err := Sweep(testContext(t), id); err != nil || !removed.Nothing() {
		t.Errorf("Sweep: %v, %v; want nothing", removed, err)
	}
}

func TestSweepRemovesACgroup(t *testing.T) {
	t.Parallel()
	parent, ok := unifiedDir()
	if !ok {
		t.Skip("no cgroup v2")
	}
	id := newRunID()
	dir := parent + "/" + cgroupPrefix + id + "-1-1"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no cgroup to be made: %v", err)
	}
	if n := countCgroups(id); n != 1 {
		t.Errorf("countCgroups: %d, want 1", n)
	}
	removed, err := Sweep(testContext(t), id)
	if err != nil || !slices.Equal(removed.Cgroups, []string{dir}) || len(removed.Processes) != 0 {
		t.Errorf("%+v, %v; want the directory %s", removed, err, dir)
	}
	if n := countCgroups(id); n != 0 {
		t.Errorf("countCgroups after Sweep: %d, want 0", n)
	}
}
