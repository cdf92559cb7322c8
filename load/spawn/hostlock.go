package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// HostLock keeps two measurements on one machine from disturbing each other.
// The kernel releases it with its process, however that ends; the file is
// empty and means nothing without the lock.
type HostLock struct{ fd int }

// lockName is the file in the directory for temporary files: that one is the
// same for all users, unlike XDG_RUNTIME_DIR.
const lockName = "taskscope-measures.lock"

// How long a lock is tried silently, and between two tries.
const (
	lockQuiet = time.Second
	lockPause = 50 * time.Millisecond
)

// LockHost takes the lock. Where another process holds it, waiting is told who
// that is, once, and LockHost goes on waiting; the error is that of ctx. Where
// no file can be had there is nothing to hold: the lock is then a nil one,
// which Release takes.
func LockHost(ctx context.Context, waiting func(holder string)) (*HostLock, error) {
	return lockFile(ctx, filepath.Join(os.TempDir(), lockName), waiting)
}

func lockFile(ctx context.Context, path string, waiting func(holder string)) (*HostLock, error) {
	fd, err := openLock(path)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // without a file there is no lock, and nobody to wait for
	}
	began, told := time.Now(), false
	for {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return &HostLock{fd}, nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			unix.Close(fd)
			return nil, nil //nolint:nilerr,nilnil // this file system has no locks
		}
		if !told && waiting != nil && time.Since(began) > lockQuiet {
			waiting(lockHolder(fd))
			told = true
		}
		select {
		case <-ctx.Done():
			unix.Close(fd)
			return nil, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// Measuring tells who holds the lock of LockHost, "" for nobody. It never waits.
func Measuring() string { return holderOf(filepath.Join(os.TempDir(), lockName)) }

// holderOf tries a lock and gives it back at once.
func holderOf(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return "" // nobody has ever held it
	}
	defer unlock(fd)
	if !errors.Is(unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK) {
		return ""
	}
	return lockHolder(fd)
}

// LoadRunning tells whose load runs on this machine besides our own, "" for
// nobody's that we may see: a measurement is disturbed by it.
func LoadRunning() string {
	for _, l := range leftovers("") {
		if l.by.pid != os.Getpid() && l.by.alive() {
			return processName(l.by.pid)
		}
	}
	return ""
}

// openLock opens the file for reading, which is all a lock takes, so that it
// may belong to another user. It follows no link that somebody has put there.
func openLock(path string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
	fd, err := unix.Open(path, flags, 0)
	if errors.Is(err, unix.ENOENT) {
		if fd, err = unix.Open(path, flags|unix.O_CREAT|unix.O_EXCL, 0o644); errors.Is(err, unix.EEXIST) {
			fd, err = unix.Open(path, flags, 0)
		}
	}
	return fd, err
}

// Release gives the lock back.
func (l *HostLock) Release() {
	if l != nil {
		unlock(l.fd)
	}
}

// unlock gives back what it holds and closes the file. To close it would not do:
// a child that has been forked just now has the file as well until it executes
// its program.
func unlock(fd int) {
	_ = unix.Flock(fd, unix.LOCK_UN) // nothing is held where nothing was to be had
	unix.Close(fd)
}

// lockHolder says who holds the lock of an open file, by /proc/locks.
func lockHolder(fd int) string {
	const nobody = "another process"
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return nobody
	}
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nobody
	}
	pid, ok := holderIn(string(text), st.Ino)
	if !ok {
		return nobody
	}
	return processName(pid)
}

func processName(pid int) string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(comm)), pid)
}

// holderIn finds the process that holds a lock by flock on an inode:
//
//	1: FLOCK  ADVISORY  WRITE 1234 08:01:131077 0 EOF
//
// Those that wait have "->" after the number.
func holderIn(locks string, inode uint64) (int, bool) {
	for line := range strings.Lines(locks) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" {
			continue
		}
		if i := strings.LastIndexByte(f[5], ':'); f[5][i+1:] != strconv.FormatUint(inode, 10) {
			continue
		}
		pid, err := strconv.Atoi(f[4])
		return pid, err == nil && pid > 0
	}
	return 0, false
}
