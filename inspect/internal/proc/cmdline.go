package proc

import (
	"bytes"
	"strings"
)

// ParseCmdline splits cmdline (or environ) into its strings.
//
// Each argument ends with a NUL, but the last NUL may be missing (a title set
// by the process that fills its whole argument area, or text cut at the cap),
// and there may be many (a title shorter than the area, padded): trailing NULs
// are cut off, so trailing empty arguments cannot be told from padding and are
// lost. Empty arguments in between are kept. Only NULs give one empty argument
// (a program started without any has argv[0] = ""). No bytes at all give nil:
// a kernel thread, a zombie, or argument pages that are not there.
func ParseCmdline(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	b = bytes.TrimRight(b, "\x00")
	all := string(b) // one allocation for all arguments
	args := make([]string, 0, bytes.Count(b, nul)+1)
	for {
		i := strings.IndexByte(all, 0)
		if i < 0 {
			return append(args, all)
		}
		args = append(args, all[:i])
		all = all[i+1:]
	}
}

var nul = []byte{0}

// Cmdline reads the command line of a process. truncated: it is longer than
// the cap (64 KiB), only its beginning was read and the last argument may be
// incomplete.
func (r *Reader) Cmdline(pid int) (args []string, truncated bool, err error) {
	b, err := r.File(pid, FileCmdline)
	return ParseCmdline(b), r.Truncated, err
}

// Environ reads the environment a process was started with.
func (r *Reader) Environ(pid int) (env []string, truncated bool, err error) {
	b, err := r.File(pid, FileEnviron)
	return ParseCmdline(b), r.Truncated, err
}
