package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHolderIn(t *testing.T) {
	t.Parallel()
	const locks = "1: POSIX  ADVISORY  WRITE 77 08:01:131077 0 EOF\n" +
		"2: FLOCK  ADVISORY  WRITE 1234 08:01:131077 0 EOF\n" +
		"2: -> FLOCK  ADVISORY  WRITE 99 08:01:131077 0 EOF\n" +
		"3: FLOCK  ADVISORY  WRITE -1 00:1a:5 0 EOF\n"
	for _, tt := range []struct {
		inode uint64
		want  int
		ok    bool
	}{{131077, 1234, true}, {31077, 0, false}, {5, -1, false}} {
		if got, ok := holderIn(locks, tt.inode); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%d: %d, %v; want %d, %v", tt.inode, got, ok, tt.want, tt.ok)
		}
	}
}

// TestHostLockIsReleasedByDeath: the holder is named, and when it is killed the
// lock is free.
func TestHostLockIsReleasedByDeath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), lockName)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), lockEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() //nolint:errcheck // it may be dead
		_ = cmd.Wait()         //nolint:errcheck // killed
	})
	var line string
	if _, err := fmt.Fscanln(out, &line); err != nil || line != "held" {
		t.Fatalf("the holder said %q, %v", line, err)
	}
	short, cancel := context.WithTimeout(testContext(t), 2*lockQuiet)
	defer cancel()
	var holder string
	if _, err := lockFile(short, path, func(h string) { holder = h }); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("while it is held: %v", err)
	}
	if !strings.Contains(holder, fmt.Sprintf("(pid %d)", cmd.Process.Pid)) {
		t.Errorf("holder %q, want pid %d", holder, cmd.Process.Pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	l, err := lockFile(testContext(t), path, nil)
	if err != nil || l == nil {
		t.Fatalf("after its death: %v, %v", l, err)
	}
	l.Release()
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("the file: %v, %v; want it empty", info, err)
	}
}

func TestHostLockWithoutAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none", "x"), filepath.Join(dir, "link")} {
		l, err := lockFile(testContext(t), path, nil)
		if l != nil || err != nil {
			t.Errorf("%s: %v, %v; want no lock and no error", path, l, err)
		}
		l.Release()
	}
}

// lockOrSkip takes a lock that nobody holds. It skips with what the kernel answers
// where the file system of the path has no locks, and fails where it has.
func lockOrSkip(t *testing.T, path string) *HostLock {
	t.Helper()
	lock, err := lockFile(testContext(t), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lock != nil {
		return lock
	}
	fd, err := openLock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err {
	case unix.ENOLCK, unix.EOPNOTSUPP, unix.ENOSYS:
		t.Skipf("flock of %s: %v", path, err)
	default:
		t.Fatalf("no lock, although flock of %s says: %v", path, err)
	}
	return nil
}

// holdLock is the other process of TestHostLockIsReleasedByDeath.
func holdLock(path string) int {
	l, err := lockFile(context.Background(), path, nil)
	if err != nil || l == nil {
		fmt.Fprintln(os.Stderr, l, err)
		return 1
	}
	fmt.Println("held")
	time.Sleep(time.Minute)
	_ = unix.Close(l.fd) //nolint:errcheck // the process ends
	return 0
}

// TestHolderIsToldWithoutWaiting: who asks gets the lock neither away nor in the
// way of anybody.
func TestHolderIsToldWithoutWaiting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), lockName)
	if who := holderOf(path); who != "" {
		t.Errorf("%s, although there is no file", who)
	}
	lock := lockOrSkip(t, path)
	if who := holderOf(path); !strings.Contains(who, fmt.Sprint(os.Getpid())) && who != "another process" {
		t.Errorf("held by %q, want ourselves", who)
	}
	lock.Release()
	if who := holderOf(path); who != "" {
		t.Errorf("held by %q, want nobody", who)
	}
}

// TestLockReleasedWhileForked: a child that has not executed its program yet has
// a copy of the file.
func TestLockReleasedWhileForked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), lockName)
	lock := lockOrSkip(t, path)
	held, err := unix.Dup(lock.fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	lock.Release()
	if who := holderOf(path); who != "" {
		t.Errorf("held by %q, want nobody", who)
	}
}

// TestOthersLoadIsTold: a process of a run whose controller is alive and not us.
func TestOthersLoadIsTold(t *testing.T) {
	t.Parallel()
	parent := os.Getppid()
	start, ok := startTime(parent)
	if !ok {
		t.Skip("the parent cannot be read")
	}
	imposter(t, newRunID(), fmt.Sprintf("%d:%s", parent, start))
	if who := LoadRunning(); who == "" {
		t.Errorf("no load, although process %d has one", parent)
	}
}
