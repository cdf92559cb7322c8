package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"taskscope/load"
)

// The exit codes, as the documentation of the command promises them.
const (
	exitDone        = 0   // done; every verdict passes
	exitFailed      = 1   // a verdict failed, the process vanished half-way, the output could not be written
	exitUsage       = 2   // wrong arguments, or the environment lacks what the command needs
	exitUndecided   = 3   // the machine was too noisy to judge
	exitSkipped     = 4   // a capability is missing
	exitInterrupted = 130 // by a signal
)

// exitError is an error that knows the exit code. With a nil err nothing is
// printed: the command has already said on stdout what there is to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage is a complaint about arguments or environment (exit code 2): it says
// what is wrong and what to do.
func usage(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// failed says that the job itself failed (exit code 1).
func failed(format string, args ...any) error {
	return &exitError{code: exitFailed, err: fmt.Errorf(format, args...)}
}

// exitWith ends with that code without another word.
func exitWith(code int) error {
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}

// report prints the error as one line and returns its exit code. An error that
// nobody gave a code is a failed job.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	code := exitFailed
	var e *exitError
	if errors.As(err, &e) {
		code = e.code
		if e.err == nil {
			return code
		}
	}
	// What the exit code says already need not be said in words.
	text := strings.Replace(err.Error(), load.ErrUsage.Error()+": ", "", 1)
	fmt.Fprintf(stderr, "taskscope: %s\n", oneLine(text))
	return code
}

// oneLine keeps hostile or long-winded text from becoming several lines.
func oneLine(s string) string {
	return escapeText(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; "))
}
