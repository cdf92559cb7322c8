package proc

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLiveNames(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	for _, name := range hostileNames {
		want := name[:min(len(name), 15)]
		c := startChild(t, "comm", nil, []string{"PROC_TEST_COMM=" + name})
		comm, err := r.Comm(c.pid)
		if err != nil || string(comm) != want {
			t.Errorf("%q: comm %q, %v", want, comm, err)
		}
		var st Stat
		if err := r.Stat(c.pid, &st); err != nil || string(st.Comm) != want || st.PID != c.pid || st.PPID != os.Getpid() {
			t.Errorf("%q: stat %q, PID %d, PPID %d, %v", want, st.Comm, st.PID, st.PPID, err)
		}
		var s Status
		if err := r.Status(c.pid, &s); err != nil || string(s.Name) != want || s.Pid != c.pid || s.Tgid != c.pid {
			t.Errorf("%q: status %q, Pid %d, %v", want, s.Name, s.Pid, err)
		}
		c.stop()
	}
}

func TestLiveCmdline(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	long := strings.Repeat("x", 20000)
	for _, tc := range []struct {
		args []string
		want []string
		cut  bool
	}{
		{args: []string{"a b", "pause", "", "c\nd", "\xff", ""}, want: []string{"helper", "a b", "pause", "", "c\nd", "\xff"}},
		{
			args: []string{long, long, long, long}, cut: true,
			want: []string{"helper", long, long, long, long[:maxCmdline-len("helper")-1-3*(len(long)+1)]},
		},
	} {
		c := startChild(t, "pause", tc.args, nil)
		args, cut, err := r.Cmdline(c.pid)
		if err != nil || cut != tc.cut {
			t.Errorf("truncated %v, %v", cut, err)
		}
		if d := cmp.Diff(tc.want, args); d != "" {
			t.Error(d)
		}
		c.stop()
	}
}

func TestLiveTitles(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	args := []string{"some", "more arguments"}
	size := len("helper") + 1 + len(args[0]) + 1 + len(args[1]) + 1
	for kind, want := range map[string]string{
		"nul":     "nginx: master",
		"space":   "postgres: x" + strings.Repeat(" ", size-len("postgres: x")-1),
		"overrun": strings.Repeat("T", size+10), // 30 bytes of title in 20 of arguments
	} {
		c := startChild(t, "title", args, []string{"PROC_TEST_TITLE=" + kind})
		got, cut, err := r.Cmdline(c.pid)
		if err != nil || cut || !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, %v, %v; want %q", kind, got, cut, err, want)
		}
		c.stop()
	}
}

// An execve without any argument gives one empty argument.
func TestLiveEmptyArgv(t *testing.T) {
	t.Parallel()
	_, r := openLive(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	p, err := os.StartProcess(exe, []string{}, &os.ProcAttr{
		Env: []string{helperEnv + "=pause", "GORACE=atexit_sleep_ms=0"}, Files: []*os.File{in, nil, os.Stderr},
	})
	if err != nil {
		t.Skipf("this kernel refuses an empty argv: %v", err)
	}
	defer func() {
		out.Close()
		_, _ = p.Wait()
	}()
	// StartProcess returns in the middle of the execve, when the new arguments
	// are not in place yet: an empty cmdline is no proof of anything.
	var args []string
	for end := time.Now().Add(patience); args == nil && err == nil && time.Now().Before(end); {
		args, _, err = r.Cmdline(p.Pid)
	}
	if err != nil || !slices.Equal(args, []string{""}) {
		t.Errorf("%q, %v", args, err)
	}
}

func TestLiveIDs(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root may take other IDs")
	}
	_, r := openLive(t)
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
		Uid: 3000000000, Gid: 4294967290, Groups: []uint32{7, 4000000000},
	}}
	if err := cmd.Start(); err != nil {
		t.Skipf("cannot start with large IDs: %v", err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var s Status
	if err := r.Status(cmd.Process.Pid, &s); err != nil {
		t.Fatal(err)
	}
	if s.UID != (IDs{3000000000, 3000000000, 3000000000, 3000000000}) || s.GID[1] != 4294967290 ||
		!slices.Equal(s.Groups, []uint32{7, 4000000000}) {
		t.Errorf("%+v", s)
	}
}
