package spawn

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// channels are the descriptors between the controller and its workers. All are
// close-on-exec; the root gets copies at fixed numbers.
type channels struct {
	arena    int // memfd
	live     int // read end of the liveness pipe
	alive    int // what the workers get for it: live, unless a test takes that guard away
	lifeline int // its write end, held by the controller alone
	gate     int // eventfd: readable once the gate is open
	release  int // eventfd: readable once the run is over
	notify   int // eventfd: a worker has news
	command  int // eventfd: the controller has news for the keeper
	null     int
	all      []int
}

func (c *channels) open(runID string) (err error) {
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	add := func(what string) func(int, error) int {
		return func(fd int, e error) int {
			if e != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", what, e))
				return -1
			}
			c.all = append(c.all, fd)
			return fd
		}
	}
	c.arena = add("arena")(unix.MemfdCreate(memfdName(runID), unix.MFD_CLOEXEC))
	c.gate = add("gate")(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
	c.release = add("release")(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
	c.notify = add("notify")(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
	c.command = add("command")(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
	c.null = add("/dev/null")(unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0))
	var pipe [2]int
	e := unix.Pipe2(pipe[:], unix.O_CLOEXEC)
	c.live, c.lifeline = add("pipe")(pipe[0], e), add("pipe")(pipe[1], e)
	c.alive = c.live
	return err
}

// deafen gives the workers something that never ends instead of the pipe.
func (c *channels) deafen() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		c.all = append(c.all, fd)
		c.alive = fd
	}
	return err
}

// workerFiles are the descriptors of the root, from 0 on.
func (c *channels) workerFiles() []uintptr {
	list := make([]uintptr, 0, 8)
	for _, fd := range []int{c.null, c.null, c.null, c.arena, c.alive, c.gate, c.release, c.notify} {
		list = append(list, uintptr(fd))
	}
	return list
}

func (c *channels) close() {
	for _, fd := range c.all {
		unix.Close(fd)
	}
	c.all = nil
}

// signalFD makes an eventfd readable.
func signalFD(fd int) error {
	_, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	if errors.Is(err, unix.EAGAIN) { // it is readable already
		return nil
	}
	return err
}

// drainFD makes an eventfd unreadable again.
func drainFD(fd int) {
	var b [8]byte
	_, _ = unix.Read(fd, b[:]) //nolint:errcheck // EAGAIN: nothing to drain
}
