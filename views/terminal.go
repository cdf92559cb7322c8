package views

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/gdamore/tcell/v2"
	"golang.org/x/sys/unix"
)

// openTerminal opens the terminal, or says why it cannot.
func openTerminal() (tcell.Screen, error) {
	for _, f := range []*os.File{os.Stdin, os.Stdout} {
		if !isTerminal(f.Fd()) {
			return nil, fmt.Errorf("%w: %s is not a terminal", ErrNoTerminal, f.Name())
		}
	}
	screen, err := tcell.NewScreen()
	if err != nil {
		return nil, fmt.Errorf("%w: TERM=%s: %w", ErrNoTerminal, os.Getenv("TERM"), err)
	}
	return screen, nil
}

// inForeground tells whether the terminal listens to this process group. Who
// changes its settings from the background is stopped.
func inForeground() bool {
	group, err := unix.IoctlGetInt(int(os.Stdin.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// isTerminal asks for the terminal's settings, which only a terminal has.
func isTerminal(fd uintptr) bool {
	_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
	return err == nil
}

// stopSelf stops the process group like Ctrl-Z in a cooked terminal and
// returns when it is continued. kill(2) may return before the stop takes
// effect; without waiting for SIGCONT the terminal would be made raw again
// before the shell resets it.
func stopSelf() {
	cont := make(chan os.Signal, 1)
	signal.Notify(cont, syscall.SIGCONT)
	defer signal.Stop(cont)
	if syscall.Kill(0, syscall.SIGSTOP) == nil {
		<-cont
	}
}
