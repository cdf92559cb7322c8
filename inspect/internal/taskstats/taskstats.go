// Package taskstats asks the kernel, over generic netlink, what a whole process
// has counted: all its threads, those that have exited included. It is the only
// source of those totals besides BPF; it needs CAP_NET_ADMIN.
//
// Kernels before the fix "taskstats: retain dead thread stats in TGID queries"
// (stable in 2026) forget what exited threads counted: [Conn.Complete] finds out
// which kind this is.
//
// A Conn belongs to one goroutine.
package taskstats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrGone: there is no such process.
var ErrGone = errors.New("taskstats: no such process")

// Totals are counters of a process over all its threads.
type Totals struct {
	Voluntary   uint64 // context switches because it blocked
	Involuntary uint64 // context switches because the CPU was taken away
	RunNS       uint64 // on a CPU
	ReadyNS     uint64 // ready and waiting for a CPU
	Slices      uint64 // times it was given a CPU
}

// Conn is a netlink socket.
type Conn struct {
	fd     int
	family uint16
	seq    uint32
	buf    []byte // answers
	out    []byte // requests of a batch
}

// Sizes and offsets of netlink messages, in bytes (netlink.h, genetlink.h).
const (
	headerLen    = unix.NLMSG_HDRLEN // nlmsghdr
	genericLen   = 4                 // genlmsghdr
	attrLen      = 4                 // nlattr
	familyIDCtrl = 16                // GENL_ID_CTRL
	typeMask     = 1<<14 - 1         // NLA_TYPE_MASK: without the flags
)

// Open connects and finds the number of the taskstats family.
func Open() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("taskstats: socket: %w", err)
	}
	c := &Conn{fd: fd, buf: make([]byte, 8<<10)}
	// The kernel answers within the call to sendto; the limit is for bugs.
	timeout := unix.Timeval{Sec: 1}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("taskstats: set timeout: %w", err)
	}
	if err := c.findFamily(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

// Close closes the socket.
func (c *Conn) Close() error { return unix.Close(c.fd) }

func (c *Conn) findFamily() error {
	name := append([]byte(unix.TASKSTATS_GENL_NAME), 0)
	body, err := c.call(familyIDCtrl, unix.CTRL_CMD_GETFAMILY, 1, unix.CTRL_ATTR_FAMILY_NAME, name)
	if err != nil {
		return fmt.Errorf("taskstats: find family: %w", err)
	}
	id := attribute(body, unix.CTRL_ATTR_FAMILY_ID)
	if len(id) < 2 {
		return errors.New("taskstats: find family: no number in the answer")
	}
	c.family = binary.NativeEndian.Uint16(id)
	return nil
}

// Process asks for the totals of a process.
func (c *Conn) Process(pid int) (Totals, error) {
	var id [4]byte
	binary.NativeEndian.PutUint32(id[:], uint32(pid))
	body, err := c.call(c.family, unix.TASKSTATS_CMD_GET, unix.TASKSTATS_GENL_VERSION, unix.TASKSTATS_CMD_ATTR_TGID, id[:])
	switch {
	case errors.Is(err, unix.ESRCH):
		return Totals{}, ErrGone
	case err != nil:
		return Totals{}, fmt.Errorf("taskstats: process %d: %w", pid, err)
	}
	stats := attribute(attribute(body, unix.TASKSTATS_TYPE_AGGR_TGID), unix.TASKSTATS_TYPE_STATS)
	return parse(stats)
}

// parse takes the counters out of struct taskstats, which grows from version to
// version of the kernel; the places of old members never change.
func parse(b []byte) (Totals, error) {
	var s unix.Taskstats
	need := unsafe.Offsetof(s.Nivcsw) + unsafe.Sizeof(s.Nivcsw)
	if uintptr(len(b)) < need {
		return Totals{}, errors.New("taskstats: answer too short")
	}
	at := func(off uintptr) uint64 { return binary.NativeEndian.Uint64(b[off:]) }
	return Totals{
		Voluntary:   at(unsafe.Offsetof(s.Nvcsw)),
		Involuntary: at(unsafe.Offsetof(s.Nivcsw)),
		RunNS:       at(unsafe.Offsetof(s.Cpu_run_virtual_total)),
		ReadyNS:     at(unsafe.Offsetof(s.Cpu_delay_total)),
		Slices:      at(unsafe.Offsetof(s.Cpu_count)),
	}, nil
}

// call sends one request with one attribute and returns the attributes of the
// answer, valid until the next call.
func (c *Conn) call(family uint16, cmd, version uint8, attr uint16, value []byte) ([]byte, error) {
	c.seq++
	m := c.buf[:0]
	size := headerLen + genericLen + attrLen + align(len(value))
	m = binary.NativeEndian.AppendUint32(m, uint32(size))
	m = binary.NativeEndian.AppendUint16(m, family)
	m = binary.NativeEndian.AppendUint16(m, unix.NLM_F_REQUEST)
	m = binary.NativeEndian.AppendUint32(m, c.seq)
	m = binary.NativeEndian.AppendUint32(m, 0) // from: the kernel fills it in
	m = append(m, cmd, version, 0, 0)
	m = binary.NativeEndian.AppendUint16(m, uint16(attrLen+len(value)))
	m = binary.NativeEndian.AppendUint16(m, attr)
	m = append(m, value...)
	for len(m) < size {
		m = append(m, 0)
	}
	if _, err := unix.Write(c.fd, m); err != nil {
		return nil, err
	}
	return c.receive()
}

// receive waits for the answer to the last request; answers to earlier ones
// that were given up are dropped.
func (c *Conn) receive() ([]byte, error) {
	for {
		n, err := unix.Read(c.fd, c.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		b := c.buf[:n]
		if len(b) < headerLen+4 {
			return nil, errors.New("short message")
		}
		kind, seq := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:])
		switch {
		case seq != c.seq:
			continue
		case kind == unix.NLMSG_ERROR:
			return nil, unix.Errno(-int32(binary.NativeEndian.Uint32(b[headerLen:])))
		}
		return b[headerLen+genericLen:], nil
	}
}

// attribute finds an attribute in a list of them, nil if it is not there.
func attribute(b []byte, kind uint16) []byte {
	for len(b) >= attrLen {
		size := int(binary.NativeEndian.Uint16(b))
		if size < attrLen || size > len(b) {
			return nil
		}
		if binary.NativeEndian.Uint16(b[2:])&typeMask == kind {
			return b[attrLen:size]
		}
		b = b[min(align(size), len(b)):]
	}
	return nil
}

// align rounds up to a multiple of 4.
func align(n int) int { return (n + 3) &^ 3 }
