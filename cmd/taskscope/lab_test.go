package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	"go.uber.org/goleak"

	"taskscope/load"
	"taskscope/load/verify"
	"taskscope/views/model"
)

// TestLabRun takes a load through its phases, starts it again, and ends it.
func TestLabRun(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	a := &app{procRoot: "/proc", source: "proc", interval: time.Second, stderr: io.Discard, stdout: &output{w: io.Discard}}
	loads := labLoads{a}
	catalog := loads.Catalog()
	if len(catalog) != len(load.All()) || catalog[0].Title == "" || len(catalog[0].Params) == 0 || len(catalog[0].Promises) == 0 {
		t.Fatalf("catalogue of %d loads, or an entry is incomplete", len(catalog))
	}
	if _, err := loads.Start(t.Context(), "no-such-load", nil); err == nil {
		t.Error("a load that does not exist was started")
	}
	if _, err := loads.Start(t.Context(), "vol", []string{"workers=none"}); err == nil {
		t.Error("a load was started with a wrong parameter")
	}
	run, err := loads.Start(t.Context(), "vol", []string{"workers=2", "seconds=300ms"})
	if err != nil {
		t.Skipf("no load can be started here: %v", err)
	}
	defer run.Stop(context.Background())
	if s := run.Status(); s.Result == nil || s.Total != 0.3 {
		t.Errorf("status at the start: %+v", s)
	}
	checkParked(t, run, "workers=2")
	first, root := run.RunID(), run.RootPID()

	if err := run.Again(t.Context(), []string{"workers=zero"}); err == nil {
		t.Error("started again with a wrong parameter")
	}
	if run.RunID() != first {
		t.Error("a wrong parameter has ended the run")
	}
	if err := run.Again(t.Context(), []string{"workers=3", "seconds=200ms"}); err != nil {
		t.Fatal(err)
	}
	if run.RunID() == first {
		t.Error("the new run has the id of the old one")
	}
	if _, err := os.Stat("/proc/" + strconv.Itoa(root)); err == nil {
		t.Errorf("process %d of the old run is still there", root)
	}
	checkParked(t, run, "workers=3")

	for range 2 {
		if err := run.Stop(t.Context()); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	s := run.Status()
	if s.Phase != "ended" || s.Err != "" || s.Result.LeftBehind == nil || *s.Result.LeftBehind != (verify.LeftBehind{}) {
		t.Errorf("status at the end: %+v", s)
	}
	for _, c := range s.Result.Checks {
		if c.Verdict == verify.Pending || c.Verdict == verify.Fail {
			t.Errorf("at the end: %s: %s: %s: %s", c.Verdict, c.Subject, c.Field, c.Why)
		}
	}
}

// checkParked waits until the operations of a run are done and judged.
func checkParked(t *testing.T, run model.LoadRun, param string) {
	t.Helper()
	var s model.LoadStatus
	waitFor(t, "the load to be parked and judged", func() bool {
		s = run.Status()
		if s.Phase == "failed" {
			t.Fatalf("the run failed: %s", s.Err)
		}
		passed := 0
		for _, c := range s.Result.Checks {
			if c.Verdict == verify.Pass && c.Field == "voluntary_switches" {
				passed++
			}
		}
		return s.Phase == "parked" && passed > 0
	})
	if !slices.Contains(s.Params, param) || s.Elapsed <= 0 || run.RootPID() <= 0 || run.Name() != "vol" {
		t.Errorf("status %+v", s)
	}
	for _, c := range s.Result.Checks {
		if c.Verdict == verify.Fail {
			t.Errorf("%s: %s: %s", c.Subject, c.Field, c.Why)
		}
	}
}

// screen is the program in a terminal of its own.
type screen struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	term vt10x.Terminal
	read sync.WaitGroup
}

// openScreen starts the program in a terminal.
func openScreen(t *testing.T, args ...string) *screen {
	t.Helper()
	return openScreenEnv(t, nil, args...)
}

// openScreenEnv is openScreen with more in the environment.
func openScreenEnv(t *testing.T, env []string, args ...string) *screen {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Args = append([]string{"taskscope"}, args...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LANG=C.UTF-8")
	cmd.Env = append(cmd.Env, env...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 110})
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	s := &screen{t: t, tty: tty, cmd: cmd, term: vt10x.New(vt10x.WithSize(110, 30))}
	s.read.Go(func() {
		var pending []byte // the emulator leaves a character that is not yet complete
		for buf := make([]byte, 8192); ; {
			n, err := tty.Read(buf)
			pending = append(pending, buf[:n]...)
			used, _ := s.term.Write(pending)
			pending = pending[used:]
			if err != nil {
				return // the other side is closed
			}
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tty.Close()
		s.read.Wait()
	})
	return s
}

// shows waits until the screen has that text.
func (s *screen) shows(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.term.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the screen never shows %q:\n%s", text, s.term.String())
		}
	}
}

func (s *screen) press(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.tty, keys); err != nil {
		s.t.Fatal(err)
	}
}

// exitCode waits for the end of the program.
func (s *screen) exitCode() int {
	_ = s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode()
}

const ctrlC = "\x03"

func TestInteractive(t *testing.T) {
	t.Parallel()
	pid, _, _ := startKnown(t)
	for _, tc := range []struct {
		name, want string
		args       []string
	}{
		{"tree", "COMMAND", nil},
		{"ascii", "COMMAND", []string{"--ascii", "--no-color"}},
		{"attach by pid", strconv.Itoa(pid), []string{"attach", strconv.Itoa(pid)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := openScreen(t, tc.args...)
			s.shows(tc.want)
			s.press(ctrlC)
			if code := s.exitCode(); code != exitDone {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestInteractiveSignal: a signal ends the interactive view with 130.
func TestInteractiveSignal(t *testing.T) {
	t.Parallel()
	s := openScreen(t)
	s.shows("COMMAND")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.exitCode(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}

// TestInteractiveDumb: a terminal that cannot do it is told to use something else.
func TestInteractiveDumb(t *testing.T) {
	t.Setenv("TERM", "dumb")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Args = []string{"taskscope"}
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer tty.Close()
	var out bytes.Buffer
	_, _ = io.Copy(&out, tty) // ends with an error when the other side is closed
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	checkLine(t, strings.ReplaceAll(out.String(), "\r\n", "\n"), "taskscope tree, list, show PID or watch PID")
}

// TestLabScreen: the load ends with the interactive view.
func TestLabScreen(t *testing.T) {
	s := openScreen(t, "lab", "vol", "workers=2", "seconds=1m")
	s.shows("vol-001")
	children := childrenOfProcess(t, s.cmd.Process.Pid)
	if len(children) == 0 {
		t.Error("the load has no process")
	}
	s.press(ctrlC)
	if code := s.exitCode(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	for _, pid := range children {
		waitFor(t, "process "+strconv.Itoa(pid)+" of the load to end", func() bool {
			_, err := os.Stat("/proc/" + strconv.Itoa(pid))
			return err != nil
		})
	}
}

func childrenOfProcess(t *testing.T, pid int) []int {
	t.Helper()
	var out []int
	for child, s := range allStats(t) {
		if s.ppid == strconv.Itoa(pid) {
			out = append(out, child)
		}
	}
	return out
}
