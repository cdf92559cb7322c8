package cold

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// The classes of errors, wrapped together with their cause: test with
// errors.Is. Any other error is a failure of the read.
var (
	// ErrGone: the process does not exist (any more).
	ErrGone = errors.New("cold: the process is gone")
	// ErrDenied: EACCES or EPERM.
	ErrDenied = errors.New("cold: permission denied")
	// ErrAbsent: this kernel, or this mount, has no such file or line.
	ErrAbsent = errors.New("cold: not supported here")
	// ErrMalformed: the text was not understood.
	ErrMalformed = errors.New("cold: malformed text")
)

// classify adds the class to an error of procfs. pid 0: a file of the host.
func (f FS) classify(what string, pid int, err error) error {
	var class error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ESRCH), errors.Is(err, fs.ErrNotExist):
		class = ErrAbsent
		if pid != 0 && !f.exists(pid) {
			class = ErrGone
		}
	case errors.Is(err, unix.EOPNOTSUPP):
		class = ErrAbsent // pressure/* of a kernel started with psi=0
	case errors.Is(err, fs.ErrPermission):
		class = ErrDenied
	case errors.Is(err, procfs.ErrFileParse), errors.Is(err, strconv.ErrSyntax), errors.Is(err, strconv.ErrRange):
		class = ErrMalformed
	default:
		return fmt.Errorf("cold: read %s: %w", what, err)
	}
	return fmt.Errorf("%w: %s: %w", class, what, err)
}

func (f FS) exists(pid int) bool {
	_, err := os.Stat(filepath.Join(f.root, strconv.Itoa(pid)))
	return err == nil
}
