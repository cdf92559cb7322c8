package inspect

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/proc"
)

// maxFiles caps how many open files are listed.
const maxFiles = 4096

func (f *focusRead) readFiles() {
	pid := f.alive
	list, err := proc.Do(f.ctx, f.r.pool, pid, proc.FileFD, func(r *proc.Reader) ([]File, error) {
		fds, err := r.FDs(nil, pid)
		if err != nil {
			return nil, err
		}
		out := make([]File, 0, min(len(fds), maxFiles))
		for _, fd := range fds {
			if len(out) == maxFiles {
				break
			}
			name := strconv.Itoa(fd)
			target, err := r.SubLink(pid, proc.FileFD, name)
			if err != nil {
				if proc.Classify(err) == proc.ClassDenied {
					return nil, err
				}
				continue // closed meanwhile
			}
			file := File{FD: fd, Target: target}
			info, err := r.Sub(pid, proc.FileFDInfo, name)
			if err == nil {
				file.Flags, file.Offset = parseFDInfo(info)
			} else {
				file.Flags, file.Offset = Unknown[uint64](Gone), Unknown[int64](Gone)
			}
			file.Kind = fileKind(target, file.Flags)
			out = append(out, file)
		}
		return out, nil
	})
	f.d.Files = Known[[]File]{V: list, Why: f.why(proc.FileFD, err)}
}

// parseFDInfo reads "pos:" (decimal) and "flags:" (octal).
func parseFDInfo(text []byte) (flags Known[uint64], pos Known[int64]) {
	flags, pos = Unknown[uint64](NotSupported), Unknown[int64](NotSupported)
	for l := range bytes.Lines(text) {
		key, value, _ := bytes.Cut(l, []byte(":"))
		word := string(bytes.TrimSpace(value))
		switch string(key) {
		case "pos":
			if n, err := strconv.ParseInt(word, 10, 64); err == nil {
				pos = Know(n)
			}
		case "flags":
			if n, err := strconv.ParseUint(word, 8, 64); err == nil {
				flags = Know(n)
			}
		}
	}
	return flags, pos
}

// fileKind tells the kind of an open file from its link text and flags alone:
// asking the file system could block. So a directory that was not opened as one
// passes for a file.
func fileKind(target string, flags Known[uint64]) string {
	switch {
	case strings.HasPrefix(target, "socket:["):
		return "socket"
	case strings.HasPrefix(target, "pipe:["):
		return "pipe"
	case strings.HasPrefix(target, "anon_inode:"), strings.HasPrefix(target, "pidfd:"), strings.HasPrefix(target, "net:["),
		strings.HasPrefix(target, "mnt:["):
		return "anon"
	case strings.HasPrefix(target, "/memfd:"):
		return "memfd"
	case strings.HasSuffix(target, deletedMark):
		return "deleted"
	case flags.OK() && flags.V&unix.O_DIRECTORY != 0:
		return "directory"
	case strings.HasPrefix(target, "/dev/") && !strings.HasPrefix(target, "/dev/shm/"):
		return "device"
	}
	return "file"
}
