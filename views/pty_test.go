package views_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	"golang.org/x/sys/unix"

	"taskscope/inspect/inspecttest"
	"taskscope/views"
	"taskscope/views/viewtest"
)

// ptyChild, when set, makes the test program run the interface instead of
// tests: "" no, "run" the interface, "panic" one whose source panics.
const ptyChild = "TASKSCOPE_TEST_PTY_CHILD"

type panicking struct{ *viewtest.Source }

func (panicking) Run(ctx context.Context) error {
	select {
	case <-time.After(300 * time.Millisecond): // let the interface come up first
		panic("the source panics on purpose")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func runPtyChild() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGUSR1)
	defer stop()
	src := viewtest.NewSource(inspecttest.Frame(20))
	c := views.Config{Sampler: src, Interval: time.Second}
	if os.Getenv(ptyChild) == "panic" {
		c.Sampler = panicking{src}
	}
	if err := views.Run(ctx, c); err != nil {
		fmt.Println("error:", err)
		return 2
	}
	fmt.Println("good bye")
	return 0
}

// session is the interface on a pseudo-terminal with an emulator behind it.
type session struct {
	t      *testing.T
	tty    *os.File // our end
	slave  *os.File
	cmd    *exec.Cmd
	before *unix.Termios
	vt     vt10x.Terminal

	mu      sync.Mutex
	raw     strings.Builder
	changed chan struct{}
	eof     chan struct{}
}

func startSession(t *testing.T, w, h int, mode string, env ...string) *session {
	t.Helper()
	if testing.Short() {
		t.Skip("whole sessions are not run with -short")
	}
	tty, slave, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	if err := pty.Setsize(tty, &pty.Winsize{Rows: uint16(h), Cols: uint16(w)}); err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, tty: tty, slave: slave, vt: vt10x.New(vt10x.WithSize(w, h)), changed: make(chan struct{}), eof: make(chan struct{})}
	if s.before, err = unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), append([]string{ptyChild + "=" + mode, "TERM=xterm-256color", "COLORTERM="}, env...)...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.read()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it has usually ended
		_ = slave.Close()
		_ = tty.Close()
		<-s.eof
	})
	return s
}

func (s *session) read() {
	defer close(s.eof)
	buf := make([]byte, 8192)
	for {
		n, err := s.tty.Read(buf)
		if n > 0 {
			_, _ = s.vt.Write(buf[:n])
			s.mu.Lock()
			s.raw.Write(buf[:n])
			close(s.changed)
			s.changed = make(chan struct{})
			s.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

func (s *session) see(text string) {
	s.t.Helper()
	if !s.until(func() bool { return strings.Contains(s.vt.String(), text) }) {
		s.t.Fatalf("waited for %q in vain:\n%s", text, s.vt.String())
	}
}

// until waits until a condition on the output holds; false when it never does.
func (s *session) until(cond func() bool) bool {
	deadline := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if cond() {
			return true
		}
		select {
		case <-changed:
		case <-deadline:
			return false
		}
	}
}

// lastOf is where a sequence was last written, -1 never.
func (s *session) lastOf(seq string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.LastIndex(s.raw.String(), seq)
}

func (s *session) send(keys string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// ended waits for the end and checks that the terminal is as it was.
func (s *session) ended() error {
	s.t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	var err error
	select {
	case err = <-done:
	case <-time.After(30 * time.Second):
		s.t.Fatalf("does not end:\n%s", s.vt.String())
	}
	after, terr := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	if terr != nil {
		s.t.Fatal(terr)
	}
	if !reflect.DeepEqual(s.before, after) {
		s.t.Errorf("the terminal's settings differ afterwards:\nbefore %+v\nafter  %+v", s.before, after)
	}
	// The program has ended, but its last output may still be on its way.
	if !s.until(func() bool { return s.lastOf("\x1b[?1049l") > s.lastOf("\x1b[?1049h") }) {
		s.t.Error("the alternate screen was not left")
	}
	if !s.until(func() bool { return s.lastOf("\x1b[?25h") > s.lastOf("\x1b[?25l") }) {
		s.t.Error("the cursor is still hidden")
	}
	return err
}

func TestSessionOnATerminal(t *testing.T) {
	t.Parallel()
	s := startSession(t, 100, 30, "run")
	s.see("busy") // with rows: before, there is nothing to move in
	s.send("j")
	s.send(" ")
	s.see("(+")
	s.send(" ")
	s.see("busy")
	s.send("fbusy\r")
	s.see("filter busy")
	s.send("\x1b")
	s.see("2010")
	s.send(":attach 1004\r")
	s.see("The main thread")
	s.send("\t\t")
	s.see("SEGMENT")
	s.send("q")
	s.see("COMMAND")
	s.send("?")
	s.see("Keys of this page")
	s.send("q")
	s.see("COMMAND")
	s.send("q")
	if err := s.ended(); err != nil {
		t.Errorf("exit: %v", err)
	}
	s.see("good bye")
}

func TestSignalsRestoreTheTerminal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := startSession(t, 80, 24, "run")
			s.see("COMMAND")
			if err := s.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := s.ended(); err != nil {
				t.Errorf("exit: %v", err)
			}
		})
	}
}

func TestPanicRestoresTheTerminal(t *testing.T) {
	t.Parallel()
	s := startSession(t, 80, 24, "panic")
	if err := s.ended(); err == nil {
		t.Error("a panic must not look like success")
	}
	s.see("on purpose")
}

func TestSuspendAndContinue(t *testing.T) {
	t.Parallel()
	s := startSession(t, 80, 24, "run")
	s.see("COMMAND")
	for range 3 {
		s.send("\x1a")
		s.waitStopped()
		if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		s.see("COMMAND") // what has not changed meanwhile is drawn again too
		s.send("?")
		s.see("Keys of this page")
		s.send("q")
		s.see("COMMAND")
	}
	s.send("q")
	if err := s.ended(); err != nil {
		t.Errorf("exit: %v", err)
	}
}

// waitStopped waits until the kernel reports the program as stopped.
func (s *session) waitStopped() {
	s.t.Helper()
	var info unix.Siginfo
	done := make(chan error, 1)
	go func() {
		done <- unix.Waitid(unix.P_PID, s.cmd.Process.Pid, &info, unix.WSTOPPED, nil)
	}()
	select {
	case err := <-done:
		if err != nil {
			s.t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		s.t.Fatal("does not stop")
	}
}

func TestNoColorEnvironment(t *testing.T) {
	t.Parallel()
	s := startSession(t, 100, 30, "run", "NO_COLOR=1")
	s.see("COMMAND")
	s.send("q")
	if err := s.ended(); err != nil {
		t.Errorf("exit: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, code := range []string{"\x1b[31", "\x1b[32", "\x1b[33", "\x1b[36", "\x1b[38", "\x1b[48"} {
		if strings.Contains(s.raw.String(), code) {
			t.Errorf("colour sequence %q in spite of NO_COLOR", code)
		}
	}
	if !strings.Contains(s.raw.String(), "\x1b[7m") {
		t.Error("nothing is in reverse: the selection cannot be seen")
	}
}

func TestNoTerminal(t *testing.T) {
	for _, env := range []string{"TERM=xterm-256color", "TERM=dumb"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), ptyChild+"=run", env)
		out, err := cmd.Output()
		if err == nil || !strings.Contains(string(out), views.ErrNoTerminal.Error()) {
			t.Errorf("%s: %v: %s", env, err, out)
		}
	}
}
