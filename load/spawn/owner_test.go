package spawn

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestOwnerOf: a process that lives without arguments is nobody's yet. A child that
// was just executing its program was taken for one that had ended, and its run
// failed (1 start of 100 with workers that execute one).
func TestOwnerOf(t *testing.T) {
	const id = "owner-test"
	run := func(args ...string) *exec.Cmd {
		// The shell takes what follows its script for arguments of its own.
		cmd := exec.Command("sh", append([]string{"-c", "read x", "sh"}, args...)...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			in.Close()
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd
	}
	ours, another, dead := run(runArg+id), run(runArg+"another"), run(runArg+id)
	if err := dead.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "a zombie", func() bool {
		f, ok := statFields(dead.Process.Pid)
		return ok && f[0] == "Z"
	})
	for name, tt := range map[string]struct {
		pid  int
		want owner
	}{
		"of the run":     {ours.Process.Pid, ownerRun},
		"of another run": {another.Process.Pid, ownerOther},
		"of nobody":      {os.Getpid(), ownerOther},
		"a zombie":       {dead.Process.Pid, ownerRun},
		"not there":      {1 << 30, ownerOther},
	} {
		if got := ownerOf(tt.pid, id); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
	if got := ownerWithout(statFields(ours.Process.Pid)); got != ownerUnclear {
		t.Errorf("alive without arguments: %d, want %d", got, ownerUnclear)
	}
}
