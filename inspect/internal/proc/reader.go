package proc

import (
	"math"
	"strconv"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	firstBuffer = 16 << 10 // holds every file that one read produces, normally
	keepBuffer  = 1 << 20  // larger ones are given back after use
)

// Reader holds the buffers of one goroutine. What a method returns is valid
// until the next call on the same Reader. In steady state reading allocates
// nothing.
type Reader struct {
	fs   *FS
	held *Held
	path []byte // NUL-terminated path of the call under way
	buf  []byte
	// Truncated: the last file was longer than its cap (cmdline 64 KiB,
	// environ 1 MiB) and only the beginning was returned.
	Truncated bool
	// Scratch is the user's own: it stays with the Reader, and so belongs to one
	// goroutine at a time, also where a Pool hands out the Readers.
	Scratch any

	files uint64 // files read since the last TakeFiles

	// What a Pool needs; nil guard: nobody watches, nothing is refused.
	guard   *guard
	now     atomic.Uint64 // see newMark
	extra   atomic.Int64  // ns that the read under way was granted on top of the limit
	grant   int64         // what the next read gets as extra, see allow
	tid     atomic.Int32  // the thread it is bound to, 0 none
	stopped atomic.Bool   // nobody waits for this Reader any more: refuse everything
	seq     uint64
}

// NewReader makes a Reader for one goroutine. Nobody watches over its reads:
// see Pool for files that can block.
func (f *FS) NewReader() *Reader {
	return &Reader{fs: f, path: make([]byte, 0, 96), buf: make([]byte, firstBuffer)}
}

// FS is the mount the Reader reads.
func (r *Reader) FS() *FS { return r.fs }

// Hold makes the Reader keep descriptors of holdable files in h; nil: none.
func (r *Reader) Hold(h *Held) { r.held = h }

// TakeFiles returns how many files were opened or re-read since the last call.
func (r *Reader) TakeFiles() int {
	n := int(r.files)
	r.files = 0
	return n
}

// location is the directory of a task: below the root of the mount
// (dirfd = root, pid > 0), or the directory descriptor of a process or of its
// threads.
type location struct {
	dirfd int
	pid   int  // 0: dirfd is the process's own directory
	tid   int  // 0: the process's own files
	key   int  // the PID, in either case
	tasks bool // dirfd is the directory task of the process
}

func (r *Reader) at(pid, tid int) location {
	return location{dirfd: r.fs.fd, pid: pid, tid: tid, key: pid}
}

// File returns the content of one file of a process.
func (r *Reader) File(pid int, f File) ([]byte, error) {
	if r.held != nil && files[f].holdable {
		return r.heldFile(pid, 0, f)
	}
	return r.read(r.at(pid, 0), f, "")
}

// ThreadFile returns the content of one file of a thread.
func (r *Reader) ThreadFile(pid, tid int, f File) ([]byte, error) {
	if r.held != nil && files[f].holdable {
		return r.heldFile(pid, tid, f)
	}
	return r.read(r.at(pid, tid), f, "")
}

// Sub returns the content of a file inside a directory of a process, for
// example "3" inside FileFDInfo.
func (r *Reader) Sub(pid int, dir File, name string) ([]byte, error) {
	return r.read(r.at(pid, 0), dir, name)
}

// Link returns the target of a link of a process: exe, cwd, root. ErrAbsent
// for kernel threads and zombies. The kernel appends " (deleted)" to a path
// that was unlinked, which cannot be told from a file of that name.
func (r *Reader) Link(pid int, f File) (string, error) { return r.link(r.at(pid, 0), f, "") }

// SubLink returns the target of a link inside a directory of a process, for
// example "3" inside FileFD or "net" inside FileNS.
func (r *Reader) SubLink(pid int, dir File, name string) (string, error) {
	return r.link(r.at(pid, 0), dir, name)
}

// Exists reports whether the task's directory is there. tid 0: the process.
func (r *Reader) Exists(pid, tid int) bool { return r.exists(r.at(pid, tid)) }

// setPath builds the NUL-terminated path of f (or of name inside f) at l.
func (r *Reader) setPath(l location, f File, name string) {
	b := r.path[:0]
	if l.pid > 0 {
		b = strconv.AppendInt(b, int64(l.pid), 10)
	}
	if l.tid > 0 {
		if l.pid > 0 {
			b = append(b, '/')
		}
		if !l.tasks {
			b = append(b, "task/"...)
		}
		b = strconv.AppendInt(b, int64(l.tid), 10)
	}
	if f != FileNone {
		if len(b) > 0 {
			b = append(b, '/')
		}
		b = append(b, files[f].name...)
	}
	if name != "" {
		b = append(b, '/')
		b = append(b, name...)
	}
	r.path = append(b, 0)
}

// openat and the two calls below go through Syscall, which lets the scheduler
// take the P away while the kernel blocks, with our own NUL-terminated path: the
// wrappers of package unix copy it to the heap each time.
func (r *Reader) openat(dirfd int, flags int) (int, unix.Errno) {
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dirfd),
			uintptr(unsafe.Pointer(&r.path[0])), uintptr(flags|unix.O_CLOEXEC), 0, 0, 0)
		if errno != unix.EINTR {
			return int(fd), errno
		}
	}
}

func (r *Reader) exists(l location) bool {
	f := FileNone
	if l.pid == 0 && l.tid == 0 {
		f = FileStat // "." of a dead directory would still be found
	}
	r.setPath(l, f, "")
	_, _, errno := unix.Syscall(unix.SYS_FACCESSAT, uintptr(l.dirfd), uintptr(unsafe.Pointer(&r.path[0])), unix.F_OK)
	return errno == 0
}

// read opens, reads and closes one file.
func (r *Reader) read(l location, f File, name string) ([]byte, error) {
	r.allow(l, f)
	if err := r.enter(l.key, f); err != nil {
		return nil, err
	}
	r.setPath(l, f, name)
	fd, errno := r.openat(l.dirfd, unix.O_RDONLY)
	var n int
	if errno == 0 {
		n, errno = r.fill(fd, f)
		unix.Close(fd)
	}
	r.leave()
	return r.content(n, l, f, errno)
}

// fill reads the whole file, or up to its cap, into r.buf.
func (r *Reader) fill(fd int, f File) (int, unix.Errno) {
	info := &files[f]
	limit := info.limit
	if limit == 0 {
		limit = math.MaxInt - 1
	}
	r.Truncated = false
	n := 0
	for {
		if n == len(r.buf) {
			r.grow()
		}
		got, err := unix.Read(fd, r.buf[n:])
		if err != nil {
			if err == unix.EINTR {
				continue
			}
			return 0, err.(unix.Errno)
		}
		n += got
		if info.chunked {
			r.moved()
		}
		if n > limit {
			r.Truncated = true
			return limit, 0
		}
		if got == 0 || (!info.chunked && n < len(r.buf)) {
			return n, 0
		}
	}
}

func (r *Reader) grow() {
	bigger := make([]byte, 2*len(r.buf))
	copy(bigger, r.buf)
	r.buf = bigger
}

// shrink gives a buffer back that one unusually large file needed.
func (r *Reader) shrink() {
	if len(r.buf) > keepBuffer {
		r.buf = make([]byte, firstBuffer)
	}
}

func (r *Reader) link(l location, f File, name string) (string, error) {
	if err := r.enter(l.key, f); err != nil {
		return "", err
	}
	r.setPath(l, f, name)
	var n uintptr
	var errno unix.Errno
	for {
		n, _, errno = unix.Syscall6(unix.SYS_READLINKAT, uintptr(l.dirfd), uintptr(unsafe.Pointer(&r.path[0])),
			uintptr(unsafe.Pointer(&r.buf[0])), uintptr(len(r.buf)), 0, 0)
		if errno != unix.EINTR {
			break
		}
	}
	r.leave()
	if errno != 0 {
		return "", r.failure(l, f, errno)
	}
	return string(r.buf[:n]), nil
}
