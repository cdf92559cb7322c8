package proc

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// maxPID bounds what is taken for a PID: far above the kernel's limit (2^22).
const maxPID = 1<<31 - 1

// PIDs appends all PIDs of the mount to dst, in ascending order.
func (r *Reader) PIDs(dst []int) ([]int, error) {
	r.path = append(r.path[:0], '.', 0)
	fd, errno := r.openat(r.fs.fd, unix.O_RDONLY|unix.O_DIRECTORY)
	if errno != 0 {
		return dst, errno
	}
	dst, errno = r.numbers(fd, dst)
	unix.Close(fd)
	if errno != 0 {
		return dst, errno
	}
	return dst, nil
}

// TIDs appends the TIDs of a process to dst, in ascending order. A listing
// that is empty means that the process is gone (ErrGone).
func (r *Reader) TIDs(dst []int, pid int) ([]int, error) {
	return r.list(dst, r.at(pid, 0), FileTask)
}

// FDs appends the numbers of the open files of a process to dst.
func (r *Reader) FDs(dst []int, pid int) ([]int, error) {
	return r.list(dst, r.at(pid, 0), FileFD)
}

// list appends the numeric entries of a directory of a process.
func (r *Reader) list(dst []int, l location, dir File) ([]int, error) {
	dst, fd, err := r.openList(dst, l, dir)
	if err == nil {
		unix.Close(fd)
	}
	return dst, err
}

// openList lists a directory of a process and leaves it open, unless there is an
// error.
func (r *Reader) openList(dst []int, l location, dir File) ([]int, int, error) {
	if err := r.enter(l.key, dir); err != nil {
		return dst, -1, err
	}
	r.setPath(l, dir, "")
	fd, errno := r.openat(l.dirfd, unix.O_RDONLY|unix.O_DIRECTORY)
	old := len(dst)
	if errno == 0 {
		if dst, errno = r.numbers(fd, dst); errno != 0 || dir == FileTask && len(dst) == old {
			unix.Close(fd)
		}
	}
	r.leave()
	switch {
	case errno != 0:
		return dst[:old], -1, r.failure(l, dir, errno)
	case dir == FileTask && len(dst) == old:
		return dst, -1, ErrGone
	}
	return dst, fd, nil
}

// Tasks is the open directory of the threads of a process. From there it is not
// far to their files, and all of them belong to the same process. It belongs to
// the goroutine of its Reader and shares the Reader's buffers.
type Tasks struct {
	r *Reader
	l location
}

// OpenTasks is TIDs with the directory left open. The caller closes it, unless
// there is an error.
func (r *Reader) OpenTasks(dst []int, pid int) ([]int, Tasks, error) {
	dst, fd, err := r.openList(dst, r.at(pid, 0), FileTask)
	return dst, Tasks{r: r, l: location{dirfd: fd, key: pid, tasks: true}}, err
}

// File returns the content of one file of a thread.
func (t Tasks) File(tid int, f File) ([]byte, error) {
	if t.r.held != nil && files[f].holdable {
		return t.r.heldFile(t.l.key, tid, f)
	}
	l := t.l
	l.tid = tid
	return t.r.read(l, f, "")
}

// Close releases the directory.
func (t Tasks) Close() { unix.Close(t.l.dirfd) }

// Offsets inside struct linux_dirent64: u64 ino, s64 off, u16 reclen, u8 type,
// then the NUL-terminated name.
const (
	direntReclen = 16
	direntName   = 19
)

// numbers appends the entries of the open directory whose names are numbers.
func (r *Reader) numbers(fd int, dst []int) ([]int, unix.Errno) {
	old := len(dst)
	for {
		n, err := unix.Getdents(fd, r.buf)
		if err != nil {
			if err == unix.EINTR {
				continue
			}
			return dst[:old], err.(unix.Errno)
		}
		if n <= 0 {
			break
		}
		dst = direntNumbers(r.buf[:n], dst)
		r.moved()
	}
	if !slices.IsSorted(dst[old:]) {
		slices.Sort(dst[old:])
	}
	return dst, 0
}

// direntNumbers parses one answer of getdents64.
func direntNumbers(b []byte, dst []int) []int {
	for len(b) > direntName {
		size := int(binary.NativeEndian.Uint16(b[direntReclen:]))
		if size <= direntName || size > len(b) {
			break
		}
		if v, ok := direntNumber(b[direntName:size]); ok {
			dst = append(dst, v)
		}
		b = b[size:]
	}
	return dst
}

// direntNumber reads a NUL-terminated name that is a number without a sign.
func direntNumber(name []byte) (int, bool) {
	v := 0
	for i, c := range name {
		if c == 0 {
			return v, i > 0
		}
		if c < '0' || c > '9' || v > maxPID/10-1 {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return 0, false
}
