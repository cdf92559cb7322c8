package proc

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The errors of this package. They are returned bare, so that a pass over many
// vanishing or forbidden processes allocates nothing.
var (
	// ErrGone: the task does not exist any more (ENOENT, ESRCH, empty listing).
	ErrGone = errors.New("proc: the task is gone")
	// ErrDenied: EACCES or EPERM.
	ErrDenied = errors.New("proc: permission denied")
	// ErrAbsent: the task exists, but not the file or its content: the kernel
	// was built without it, or a zombie or kernel thread has no such thing.
	ErrAbsent = errors.New("proc: no such file or content for this task")
	// ErrStuck: an earlier read of this task hangs in the kernel on the same
	// lock (or did a moment ago), or so many reads hang that no further one is
	// risked; nothing was read.
	ErrStuck = errors.New("proc: the kernel blocks the read")
	// ErrMalformed: the text was not understood.
	ErrMalformed = errors.New("proc: malformed text")
)

// Class is the kind of an error.
type Class uint8

// The classes.
const (
	ClassOK Class = iota
	ClassGone
	ClassDenied
	ClassAbsent
	ClassStuck
	ClassMalformed
	ClassOther
)

// Classify sorts an error of this package, or a bare errno, into its class. An
// errno alone cannot tell absent from gone: ENOENT and ESRCH count as gone.
func Classify(err error) Class {
	switch {
	case err == nil:
		return ClassOK
	case errors.Is(err, ErrGone), errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENOENT):
		return ClassGone
	case errors.Is(err, ErrDenied), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return ClassDenied
	case errors.Is(err, ErrAbsent):
		return ClassAbsent
	case errors.Is(err, ErrStuck):
		return ClassStuck
	case errors.Is(err, ErrMalformed):
		return ClassMalformed
	}
	return ClassOther
}

// failure turns the errno of a system call into the package's error. ENOENT and
// ESRCH mean that the task is gone, unless its directory is still there.
func (r *Reader) failure(l location, f File, errno unix.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.ENOENT, unix.ESRCH:
		if r.exists(l) {
			return ErrAbsent
		}
		return ErrGone
	case unix.EACCES, unix.EPERM:
		return ErrDenied
	}
	return fmt.Errorf("proc: read %s: %w", f, errno)
}

func malformed(f File, what string) error {
	return fmt.Errorf("%w: %s: %s", ErrMalformed, f, what)
}
