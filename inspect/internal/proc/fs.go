package proc

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// DefaultRoot is where procfs is mounted.
const DefaultRoot = "/proc"

// FS is one mount of procfs, held by a descriptor of its root directory. It may
// be used from any goroutine.
type FS struct {
	root string
	fd   int
	live bool
}

// Open opens the mount at root, [DefaultRoot] when empty. Any directory of the
// same shape will do.
func Open(root string) (*FS, error) {
	if root == "" {
		root = DefaultRoot
	}
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: root, Err: err}
	}
	return &FS{root: root, fd: fd, live: isLive(fd)}, nil
}

// Root is the path given to Open.
func (f *FS) Root() string { return f.root }

// Live reports whether the root is a procfs of our own PID namespace, so that
// its PIDs are the ones that system calls (clock_gettime, pidfd_open, …) mean.
func (f *FS) Live() bool { return f.live }

// Close releases the root. No Reader of it may be in use any more.
func (f *FS) Close() error { return unix.Close(f.fd) }

// isLive checks the file system type and that its "self" is us.
func isLive(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil || int64(st.Type) != unix.PROC_SUPER_MAGIC {
		return false
	}
	var buf [16]byte
	n, err := unix.Readlinkat(fd, "self", buf[:])
	return err == nil && string(buf[:n]) == strconv.Itoa(unix.Getpid())
}

// ReadRoot returns the content of a file that belongs to no task, for example
// "sys/kernel/random/boot_id". It allocates and is for cold use.
func (f *FS) ReadRoot(name string) ([]byte, error) {
	fd, err := unix.Openat(f.fd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, rootFailure(name, err)
	}
	defer unix.Close(fd)
	var out []byte
	buf := make([]byte, 8<<10)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, rootFailure(name, err)
		case n == 0:
			return out, nil
		}
		out = append(out, buf[:n]...)
	}
}

func rootFailure(name string, err error) error {
	switch err {
	case unix.ENOENT:
		return ErrAbsent
	case unix.EACCES, unix.EPERM:
		return ErrDenied
	}
	return fmt.Errorf("proc: read %s: %w", name, err)
}
