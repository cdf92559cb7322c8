package main

import (
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hinshun/vt10x"
	"golang.org/x/sys/unix"
)

// settings are those of the terminal.
func (s *screen) settings() unix.Termios {
	s.t.Helper()
	tio, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return *tio
}

// cooked tells whether somebody could type a line: the settings are not the
// view's, the alternate screen is left, and the cursor can be seen.
func (s *screen) cooked(before unix.Termios) bool {
	alternate, cursor := s.modes()
	return reflect.DeepEqual(before, s.settings()) && !alternate && cursor
}

// modes tell whether the alternate screen is shown, and whether the cursor is.
func (s *screen) modes() (alternate, cursor bool) {
	s.term.Lock()
	defer s.term.Unlock()
	return s.term.Mode()&vt10x.ModeAltScreen != 0, s.term.CursorVisible()
}

// terminalSettings are the settings of a terminal that nobody has changed.
func terminalSettings(t *testing.T) unix.Termios {
	t.Helper()
	s := openScreenEnv(t, nil, "--version")
	s.exitCode()
	return s.settings()
}

// TestKilledViewGivesTheTerminalBack: the view itself cannot, its guard does.
func TestKilledViewGivesTheTerminalBack(t *testing.T) {
	t.Parallel()
	before := terminalSettings(t)
	for _, args := range [][]string{nil, {"lab", "vol", "seconds=1m"}} {
		s := openScreen(t, args...)
		s.shows("COMMAND")
		if alternate, _ := s.modes(); s.cooked(before) || !alternate {
			t.Fatal("the view has not taken the terminal")
		}
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = s.cmd.Wait()
		waitFor(t, "the terminal to be given back", func() bool { return s.cooked(before) })
	}
}

// TestTerminalGuardOnlyActsForTheKilled: whoever has the terminal after a view
// that has left it keeps its settings.
func TestTerminalGuardOnlyActsForTheKilled(t *testing.T) {
	t.Parallel()
	s := openScreen(t)
	s.shows("COMMAND")
	guards := childrenOfProcess(t, s.cmd.Process.Pid)
	s.press("\x1a") // Ctrl-Z
	waitFor(t, "the view to be stopped", func() bool { return strings.Contains(textOf(s.cmd.Process.Pid, "stat"), ") T ") })
	other := s.settings()
	other.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG | unix.IEXTEN // as raw as the view
	other.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(int(s.tty.Fd()), unix.TCSETS, &other); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	for _, pid := range guards {
		waitFor(t, "the guard to end", func() bool { return startOf(pid) == "" })
	}
	if len(guards) == 0 || !reflect.DeepEqual(s.settings(), other) {
		t.Errorf("guards %v; settings %+v, want %+v", guards, s.settings(), other)
	}
}

// TestStoppedViewTakesTheTerminalAgain: SIGSTOP cannot be caught; when the view
// goes on, it has the terminal as it needs it, whatever was done to it.
func TestStoppedViewTakesTheTerminalAgain(t *testing.T) {
	t.Parallel()
	before := terminalSettings(t)
	s := openScreen(t)
	s.shows("COMMAND")
	raw := s.settings()
	for range 3 {
		if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the view to be stopped", func() bool { return strings.Contains(textOf(s.cmd.Process.Pid, "stat"), ") T ") })
		if err := unix.IoctlSetTermios(int(s.tty.Fd()), unix.TCSETS, &before); err != nil {
			t.Fatal(err)
		}
		if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the terminal to be taken again", func() bool {
			alternate, _ := s.modes()
			return reflect.DeepEqual(s.settings(), raw) && alternate
		})
		s.press("?")
		s.shows("Keys of this page")
		s.press("q")
		s.shows("COMMAND")
	}
	s.press("q")
	if code := s.exitCode(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	waitFor(t, "the terminal to be given back", func() bool { return s.cooked(before) })
}

// TestLabLeavesNothing: however the view is left, the load is ended with it.
func TestLabLeavesNothing(t *testing.T) {
	t.Parallel()
	signal := func(sig syscall.Signal) func(*screen) {
		return func(s *screen) { _ = s.cmd.Process.Signal(sig) }
	}
	tests := []struct {
		name  string
		leave func(*screen)
	}{
		{"q", func(s *screen) { s.press("q"); s.shows("COMMAND"); s.press("q") }},
		{"Ctrl-C", func(s *screen) { s.press(ctrlC) }},
		{"TERM", signal(syscall.SIGTERM)},
		{"HUP", signal(syscall.SIGHUP)},
		{"the terminal is closed", func(s *screen) { _ = s.tty.Close() }},
		{"the terminal is closed while the load is paused", func(s *screen) {
			s.press("x")
			s.shows("frozen")
			_ = s.tty.Close()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := newKiller(t)
			s := openScreenEnv(t, []string{"TMPDIR=" + k.dir}, "lab", "tree", "depth=2", "width=3", "seconds=1m")
			f := &lineage{t: t, args: s.cmd.Args[1:], cmd: s.cmd, start: startOf(s.cmd.Process.Pid), known: map[int]string{}, mark: "TMPDIR=" + k.dir}
			s.shows("tree  running")
			f.look()
			if len(f.with(f.carries)) < 13 {
				t.Errorf("%d workers, want 13", len(f.with(f.carries)))
			}
			tt.leave(s)
			f.waitWhile(new(time.Time))
			f.wait()
			took := f.gone(time.Now())
			k.nothingElse(f)
			t.Logf("nothing is left %v after the end of the program", took)
		})
	}
}

// TestGuardOfNoTerminal: a guard whose terminal is a file ends, and writes
// nothing there.
func TestGuardOfNoTerminal(t *testing.T) {
	t.Parallel()
	name := t.TempDir() + "/file"
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	giveBack(f, &unix.Termios{})
	if b, err := os.ReadFile(name); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
}
