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
	if err := r.enter(l.key, dir); err != nil {
		return dst, err
	}
	r.setPath(l, dir, "")
	fd, errno := r.openat(l.dirfd, unix.O_RDONLY|unix.O_DIRECTORY)
	old := len(dst)
	if errno == 0 {
		dst, errno = r.numbers(fd, dst)
		unix.Close(fd)
	}
	r.leave()
	if errno != 0 {
		return dst[:old], r.failure(l, dir, errno)
	}
	if dir == FileTask && len(dst) == old {
		return dst, ErrGone
	}
	return dst, nil
}

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
