package main

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guardCommand is the hidden first argument by which this binary becomes the
// guard of a terminal.
const guardCommand = "taskscope-terminal-guard"

// terminalGuard is a process that gives the terminal back when the interactive
// view is killed and cannot do so itself. It hears over a pipe when the view
// takes the terminal, and when it gives it back; it learns of its death by the
// end of the pipe. A nil one guards nothing.
type terminalGuard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// guardNote is what the guard is told.
type guardNote struct {
	Taken  bool
	Before unix.Termios // the settings of the terminal before it was taken
}

// startTerminalGuard starts the guard; nil where that is not possible, because
// the view is worth more than its guard.
func startTerminalGuard() *terminalGuard {
	g := &terminalGuard{cmd: exec.Command("/proc/self/exe", guardCommand)}
	g.cmd.Args[0] = "taskscope"
	g.cmd.Stdout = os.Stdout
	// A session of its own, so that nothing the terminal sends reaches it.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var err error
	if g.pipe, err = g.cmd.StdinPipe(); err != nil {
		return nil
	}
	if err := g.cmd.Start(); err != nil {
		return nil
	}
	return g
}

// taken tells the guard that the terminal is about to be taken, or that it has
// been given back.
func (g *terminalGuard) taken(yes bool) {
	if g == nil {
		return
	}
	note := guardNote{Taken: yes}
	if before, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS); err == nil {
		note.Before = *before
	}
	_ = binary.Write(g.pipe, binary.NativeEndian, note) // without a guard there is nobody to tell
}

// close ends the guard.
func (g *terminalGuard) close() {
	if g == nil {
		return
	}
	_ = g.pipe.Close()
	_ = g.cmd.Wait() // it may have been killed
}

// guardLimit is how long the guard tries to write to a terminal that does not
// take anything.
const guardLimit = 500 * time.Millisecond

// leaveScreen ends what the view has switched on, in the order in which it does
// so itself: cursor, colours, keypad, keyboard protocols, title, alternate
// screen, mouse, pasting and focus. Terminals skip what they do not know.
const leaveScreen = "\x1b[?12l\x1b[?25h\x1b[39;49m\x1b(B\x1b[m\x1b[?1l\x1b>\x1b[?7h" +
	"\x1b[?9001l\x1b[<u\x1b[>4;0m\x1b[23;2t\x1b[?1049l" +
	"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1004l"

// guardTerminal is the life of the guard: it listens until the pipe ends.
func guardTerminal(pipe io.Reader, terminal *os.File) {
	// Whoever means the view with a signal must not end its guard before it.
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	nameSelf("taskscope-guard")
	var last guardNote
	for {
		var note guardNote
		if err := binary.Read(pipe, binary.NativeEndian, &note); err != nil {
			break
		}
		last = note
	}
	if !last.Taken {
		return
	}
	time.AfterFunc(guardLimit, func() { os.Exit(1) })
	giveBack(terminal, &last.Before)
}

// giveBack restores the terminal. The settings are only touched while they are
// those of the view: a shell that was faster has made its own.
func giveBack(terminal *os.File, before *unix.Termios) {
	fd := int(terminal.Fd())
	now, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return // the terminal is gone, too
	}
	const line = unix.ICANON | unix.ISIG | unix.ECHO | unix.IEXTEN
	if err == nil && now.Lflag&line == 0 && now.Oflag&unix.OPOST == 0 {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, before) // nobody is there to be told
	}
	_, _ = terminal.WriteString(leaveScreen)
}
