package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// asNobody runs the program as an ordinary user.
func asNobody(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var attr syscall.SysProcAttr
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	return runAs(t, &attr, args...)
}

// runAs runs taskscope as a process of its own with other rights, or skips
// where they cannot be had.
func runAs(t *testing.T, attr *syscall.SysProcAttr, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return runFileAs(t, "/proc/self/exe", attr, args...)
}

// runFileAs is that with another file of the program.
func runFileAs(t *testing.T, path string, attr *syscall.SysProcAttr, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	exe, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	if info, err := exe.Stat(); err != nil || attr.Credential != nil && info.Mode()&1 == 0 {
		t.Skip("the test binary is not executable for others")
	}
	var out, errs bytes.Buffer
	// By descriptor: the directory of the test binary may be closed to others.
	cmd := exec.Command("/proc/self/fd/3")
	cmd.Args = append([]string{"taskscope"}, args...)
	cmd.ExtraFiles = []*os.File{exe}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = attr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Skipf("cannot run with other rights: %v", err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestUnprivileged: an ordinary user gets an answer about a process of root,
// and the reason for everything refused.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		info, err := os.Stat("/proc/self/exe")
		if err != nil || info.Mode()&1 == 0 {
			t.Skip("the test binary is not executable for others")
		}
	}
	code, stdout, stderr := asNobody(t, "show", "1", "--json", "--for", "20ms")
	if code != exitDone || stderr != "" {
		t.Fatalf("show 1: exit code %d, %s", code, stderr)
	}
	doc := decode(t, []byte(stdout))
	checkShown(t, doc)
	if doc["pid"] != json.Number("1") {
		t.Errorf("pid = %v", doc["pid"])
	}
	for _, key := range []string{"segments", "files"} {
		if doc[key] != nil {
			t.Errorf("%s of process 1 are readable", key)
		}
	}
	for _, args := range [][]string{{"tree"}, {"tree", "--json", "--threads"}, {"list", "--json"}, {"list", "--threads"}, {"doctor"}, {"doctor", "--json"}} {
		code, stdout, stderr := asNobody(t, args...)
		if code != exitDone || stderr != "" || stdout == "" {
			t.Errorf("%q: exit code %d, %s", args, code, stderr)
		}
	}
}

// TestForeignHome: somebody who was left with the HOME of another user is not
// stopped by a configuration that is not theirs.
func TestForeignHome(t *testing.T) {
	home := filepath.Join(t.TempDir(), "closed")
	if err := os.MkdirAll(filepath.Join(home, ".config", "taskscope"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".config", "taskscope", "config.toml"), []byte("nonsense = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(home, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(home, 0o755) })
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	if code, stdout, stderr := asNobody(t, "config"); code != exitDone || stdout == "" || stderr != "" {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}
