package spawn

import (
	"errors"
	"fmt"
	"os"

	"taskscope/load/spawn/native"

	"golang.org/x/sys/unix"
)

// lowestImageFD keeps the image's descriptor out of the way of those that the
// child moves to 3, 4, … before it executes /proc/self/fd/N.
const lowestImageFD = 64

// imageFD gives a descriptor from which the native worker can be executed: a
// memfd, or an unlinked file where executing a memfd is forbidden
// (vm.memfd_noexec).
func imageFD(runID string) (int, error) {
	fd, err := imageMemfd(runID)
	if err != nil {
		var fileErr error
		if fd, fileErr = imageFile(); fileErr != nil {
			return -1, fmt.Errorf("worker image: %w", errors.Join(err, fileErr))
		}
	}
	defer unix.Close(fd)
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, lowestImageFD)
	if err != nil {
		return -1, fmt.Errorf("worker image: %w", err)
	}
	return high, nil
}

func imageMemfd(runID string) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(memfdName(runID), flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(memfdName(runID), flags)
	}
	if err != nil {
		return -1, fmt.Errorf("memfd: %w", err)
	}
	if err := writeImage(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals) //nolint:errcheck // a memfd of ours: best effort
	return fd, nil
}

// imagePrefix begins the name that such a file has for a moment.
const imagePrefix = "taskscope-worker-"

// imageFile writes the image to a temporary file, opens it for reading (a file
// open for writing cannot be executed) and unlinks it at once.
func imageFile() (int, error) {
	var all []error
	for _, dir := range []string{os.TempDir(), "/var/tmp", "/dev/shm"} {
		fd, err := imageFileIn(dir)
		if err == nil {
			return fd, nil
		}
		all = append(all, err)
	}
	return -1, errors.Join(all...)
}

func imageFileIn(dir string) (int, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return -1, fmt.Errorf("%s: %w", dir, err)
	}
	if fs.Flags&unix.ST_NOEXEC != 0 {
		return -1, fmt.Errorf("%s: mounted noexec", dir)
	}
	f, err := os.CreateTemp(dir, imagePrefix+"*")
	if err != nil {
		return -1, err
	}
	defer os.Remove(f.Name())
	err = errors.Join(writeImage(int(f.Fd())), f.Chmod(0o700), f.Close())
	if err != nil {
		return -1, err
	}
	return unix.Open(f.Name(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

func writeImage(fd int) error {
	for b := native.Image(); len(b) > 0; {
		n, err := unix.Write(fd, b)
		if err != nil {
			return fmt.Errorf("write the worker image: %w", err)
		}
		b = b[n:]
	}
	return nil
}

// memfdName is what /proc/PID/maps and fd links show.
func memfdName(runID string) string { return "taskscope-" + runID }
