package taskstats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many requests go into one message: more save nothing, and the
// answers to these fit into a receive buffer of the usual size.
const batch = 32

// Stats is what the kernel tells about a thread (Threads) or a process
// (Processes).
type Stats struct {
	ID  int   // as asked for
	Err error // ErrGone, or another reason why the rest is empty

	Version uint16 // of the kernel's structure
	Totals
	// UserNS and SystemNS are sampled at ticks, and not scaled to RunNS as in
	// the stat file.
	UserNS, SystemNS uint64
	// The delays are zero unless kernel.task_delayacct is 1 and was so when
	// the task was started.
	BlockIODelayNS, SwapInDelayNS, ReclaimDelayNS, ThrashingDelayNS uint64

	// Of threads only; empty for a process.
	Comm                     string // raw bytes
	PPID                     int
	UID, GID                 uint32
	MinorFaults, MajorFaults uint64
	// The kernel rounds these down to multiples of 1024 (kernel/tsacct.c),
	// unlike the io file. Its numbers of calls are rounded too, and left out.
	ReadChars, WriteChars uint64
	ReadBytes, WriteBytes uint64 // storage
	// PeakRSSBytes is of the whole process, and approximate from Linux 6.2 on,
	// unlike VmHWM of the status file.
	PeakRSSBytes   uint64
	PeakVSizeBytes uint64
}

// Threads asks about many threads: it appends one Stats for each of tids, in
// their order, and returns the extended slice. The error is about the
// conversation as a whole (EPERM: no CAP_NET_ADMIN); dst is then as it was.
func (c *Conn) Threads(tids []int, dst []Stats) ([]Stats, error) {
	return c.query(unix.TASKSTATS_CMD_ATTR_PID, tids, dst)
}

// Processes asks about many processes, like Threads. What exited threads did is
// contained if Complete says so.
func (c *Conn) Processes(pids []int, dst []Stats) ([]Stats, error) {
	return c.query(unix.TASKSTATS_CMD_ATTR_TGID, pids, dst)
}

func (c *Conn) query(attr uint16, ids []int, dst []Stats) ([]Stats, error) {
	base := len(dst)
	for len(ids) > 0 {
		n := min(batch, len(ids))
		for _, id := range ids[:n] {
			dst = append(dst, Stats{ID: id})
		}
		if err := c.ask(attr, dst[len(dst)-n:]); err != nil {
			return dst[:base], fmt.Errorf("taskstats: %w", err)
		}
		ids = ids[n:]
	}
	return dst, nil
}

// ask sends one request for each of s in one go and fills in the answers, which
// it tells apart by their sequence numbers.
func (c *Conn) ask(attr uint16, s []Stats) error {
	first := c.seq + 1
	c.seq += uint32(len(s))
	c.out = c.out[:0]
	for i := range s {
		c.out = appendGet(c.out, c.family, first+uint32(i), attr, uint32(s[i].ID))
	}
	if _, err := unix.Write(c.fd, c.out); err != nil {
		return err
	}
	for left := len(s); left > 0; {
		n, err := unix.Read(c.fd, c.buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil { // EAGAIN: no answer in time; ENOBUFS: answers were lost
			return err
		}
		for rest := c.buf[:n]; len(rest) > 0; {
			var m message
			if m, rest, err = nextMessage(rest); err != nil {
				return err
			}
			// The difference is huge for answers to requests given up.
			i := m.seq - first
			if i >= uint32(len(s)) {
				continue
			}
			if err := s[i].fill(m); err != nil {
				return err
			}
			left--
		}
	}
	return nil
}

// appendGet appends the request for one task.
func appendGet(b []byte, family uint16, seq uint32, attr uint16, id uint32) []byte {
	b = binary.NativeEndian.AppendUint32(b, headerLen+genericLen+attrLen+4)
	b = binary.NativeEndian.AppendUint16(b, family)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0) // from: the kernel fills it in
	b = append(b, unix.TASKSTATS_CMD_GET, unix.TASKSTATS_GENL_VERSION, 0, 0)
	b = binary.NativeEndian.AppendUint16(b, attrLen+4)
	b = binary.NativeEndian.AppendUint16(b, attr)
	return binary.NativeEndian.AppendUint32(b, id)
}

// message is one answer: its attributes, or the error it carries.
type message struct {
	seq   uint32
	attrs []byte
	err   error
}

var errCut = errors.New("message cut short")

// nextMessage takes the first message off b.
func nextMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < headerLen+4 {
		return m, nil, errCut
	}
	size := binary.NativeEndian.Uint32(b)
	if size < headerLen+4 || uint64(size) > uint64(len(b)) {
		return m, nil, errCut
	}
	body := b[headerLen:size]
	m.seq = binary.NativeEndian.Uint32(b[8:])
	if binary.NativeEndian.Uint16(b[4:]) == unix.NLMSG_ERROR {
		m.err = unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
	} else {
		m.attrs = body[genericLen:]
	}
	return m, b[min(align(int(size)), len(b)):], nil
}

// fill takes an answer. Being refused is about all requests, not this one.
func (s *Stats) fill(m message) error {
	switch {
	case errors.Is(m.err, unix.EPERM), errors.Is(m.err, unix.EACCES):
		return m.err
	case errors.Is(m.err, unix.ESRCH):
		s.Err = ErrGone
		return nil
	case m.err != nil:
		s.Err = m.err
		return nil
	}
	group := attribute(m.attrs, unix.TASKSTATS_TYPE_AGGR_PID)
	if group == nil {
		group = attribute(m.attrs, unix.TASKSTATS_TYPE_AGGR_TGID)
	}
	b := attribute(group, unix.TASKSTATS_TYPE_STATS)
	totals, err := parse(b)
	if err != nil {
		s.Err = err
		return nil
	}
	// What an older kernel does not send stays zero, what a newer one adds is
	// left: the structure only ever grows at its end.
	var r unix.Taskstats
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&r)), unsafe.Sizeof(r)), b)
	*s = convert(s.ID, totals, &r)
	return nil
}

func convert(id int, totals Totals, r *unix.Taskstats) Stats {
	const us, kib = 1000, 1024
	comm := unsafe.Slice((*byte)(unsafe.Pointer(&r.Ac_comm[0])), len(r.Ac_comm))
	return Stats{
		ID: id, Version: r.Version, Totals: totals,
		UserNS: r.Ac_utime * us, SystemNS: r.Ac_stime * us,
		BlockIODelayNS: r.Blkio_delay_total, SwapInDelayNS: r.Swapin_delay_total,
		ReclaimDelayNS: r.Freepages_delay_total, ThrashingDelayNS: r.Thrashing_delay_total,
		Comm: unix.ByteSliceToString(comm), PPID: int(r.Ac_ppid), UID: r.Ac_uid, GID: r.Ac_gid,
		MinorFaults: r.Ac_minflt, MajorFaults: r.Ac_majflt,
		ReadChars: r.Read_char, WriteChars: r.Write_char,
		ReadBytes: r.Read_bytes, WriteBytes: r.Write_bytes,
		PeakRSSBytes: r.Hiwater_rss * kib, PeakVSizeBytes: r.Hiwater_vm * kib,
	}
}
