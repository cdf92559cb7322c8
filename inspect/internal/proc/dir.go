package proc

import "golang.org/x/sys/unix"

// Dir is the open directory of one process: all files read through it belong
// to the same process, however its PID is reused. It belongs to the goroutine
// of its Reader and shares the Reader's buffers.
type Dir struct {
	r  *Reader
	l  location
	fd int
}

// OpenPID opens the directory of a process. The caller closes it.
func (r *Reader) OpenPID(pid int) (Dir, error) {
	l := r.at(pid, 0)
	r.setPath(l, FileNone, "")
	fd, errno := r.openat(l.dirfd, unix.O_PATH|unix.O_DIRECTORY)
	if errno != 0 {
		return Dir{}, r.failure(l, FileNone, errno)
	}
	return Dir{r: r, l: location{dirfd: fd, key: pid}, fd: fd}, nil
}

// Close releases the directory.
func (d Dir) Close() error { return unix.Close(d.fd) }

// File returns the content of one file of the process.
func (d Dir) File(f File) ([]byte, error) { return d.r.read(d.l, f, "") }

// ThreadFile returns the content of one file of one of its threads.
func (d Dir) ThreadFile(tid int, f File) ([]byte, error) {
	l := d.l
	l.tid = tid
	return d.r.read(l, f, "")
}

// Sub returns the content of a file inside a directory of the process.
func (d Dir) Sub(dir File, name string) ([]byte, error) { return d.r.read(d.l, dir, name) }

// Link returns the target of a link of the process.
func (d Dir) Link(f File) (string, error) { return d.r.link(d.l, f, "") }

// SubLink returns the target of a link inside a directory of the process.
func (d Dir) SubLink(dir File, name string) (string, error) { return d.r.link(d.l, dir, name) }

// TIDs appends the TIDs of the process to dst.
func (d Dir) TIDs(dst []int) ([]int, error) { return d.r.list(dst, d.l, FileTask) }

// FDs appends the numbers of the open files of the process to dst.
func (d Dir) FDs(dst []int) ([]int, error) { return d.r.list(dst, d.l, FileFD) }
