package proc

import "bytes"

// Statm is /proc/PID/statm, in pages. All zero for kernel threads and zombies:
// they have no memory. Exact since Linux 6.16.
type Statm struct {
	Size     uint64 // 1: virtual size
	Resident uint64 // 2: RSS
	Shared   uint64 // 3: resident pages of files and shared memory
	Text     uint64 // 4: of the executable only
	Data     uint64 // 6: data and stack, virtual
}

// ParseStatm parses statm.
func ParseStatm(b []byte, s *Statm) error {
	var v [7]uint64
	if !parseUints(b, v[:]) {
		return malformed(FileStatm, "numbers")
	}
	*s = Statm{Size: v[0], Resident: v[1], Shared: v[2], Text: v[3], Data: v[5]}
	return nil
}

// Schedstat is /proc/PID/schedstat (the leader only) or
// /proc/PID/task/TID/schedstat. A wait is booked when it ends.
type Schedstat struct {
	RunNS  uint64 // 1: time on a CPU, ns
	WaitNS uint64 // 2: time ready but waiting for a CPU, ns
	Slices uint64 // 3: times it was put on a CPU
}

// ParseSchedstat parses schedstat.
func ParseSchedstat(b []byte, s *Schedstat) error {
	var v [3]uint64
	if !parseUints(b, v[:]) {
		return malformed(FileSchedstat, "numbers")
	}
	*s = Schedstat{RunNS: v[0], WaitNS: v[1], Slices: v[2]}
	return nil
}

// parseUints parses exactly len(v) numbers on one line.
func parseUints(b []byte, v []uint64) bool {
	for i := range v {
		var word []byte
		var ok bool
		word, b = nextField(b)
		if v[i], ok = parseUint(word); !ok {
			return false
		}
	}
	return len(bytes.TrimRight(b, " \n")) == 0
}

// IO is /proc/PID/io: bytes and calls of the whole process, exited threads
// included.
type IO struct {
	ReadChars, WriteChars uint64 // rchar, wchar: through read and write calls
	ReadCalls, WriteCalls uint64 // syscr, syscw
	ReadBytes, WriteBytes uint64 // read_bytes, write_bytes: storage
	CancelledWriteBytes   uint64 // truncated before they were written
}

// ParseIO parses io.
func ParseIO(b []byte, s *IO) error {
	*s = IO{}
	seen := 0
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return malformed(FileIO, "line without a colon")
		}
		p := s.field(line[:colon])
		if p == nil {
			continue
		}
		v, ok := fieldUint(line[colon+1:])
		if !ok {
			return malformed(FileIO, string(line[:colon]))
		}
		*p = v
		seen++
	}
	if seen < 7 {
		return malformed(FileIO, "lines missing")
	}
	return nil
}

func (s *IO) field(key []byte) *uint64 {
	switch string(key) {
	case "rchar":
		return &s.ReadChars
	case "wchar":
		return &s.WriteChars
	case "syscr":
		return &s.ReadCalls
	case "syscw":
		return &s.WriteCalls
	case "read_bytes":
		return &s.ReadBytes
	case "write_bytes":
		return &s.WriteBytes
	case "cancelled_write_bytes":
		return &s.CancelledWriteBytes
	}
	return nil
}

// ParseComm returns the name in comm: everything but the one newline that the
// kernel appends. Names of kernel threads may be longer than 15 bytes.
func ParseComm(b []byte) []byte { return bytes.TrimSuffix(b, newline) }

var newline = []byte{'\n'}

// Statm reads and parses the statm of a process.
func (r *Reader) Statm(pid int, s *Statm) error {
	b, err := r.File(pid, FileStatm)
	if err != nil {
		return err
	}
	return ParseStatm(b, s)
}

// Schedstat reads and parses the schedstat of the leader of a process.
func (r *Reader) Schedstat(pid int, s *Schedstat) error {
	b, err := r.File(pid, FileSchedstat)
	if err != nil {
		return err
	}
	return ParseSchedstat(b, s)
}

// ThreadSchedstat reads and parses the schedstat of a thread.
func (r *Reader) ThreadSchedstat(pid, tid int, s *Schedstat) error {
	b, err := r.ThreadFile(pid, tid, FileSchedstat)
	if err != nil {
		return err
	}
	return ParseSchedstat(b, s)
}

// IO reads and parses the io of a process.
func (r *Reader) IO(pid int, s *IO) error {
	b, err := r.File(pid, FileIO)
	if err != nil {
		return err
	}
	return ParseIO(b, s)
}

// Comm reads the name of a process (of its leader).
func (r *Reader) Comm(pid int) ([]byte, error) {
	b, err := r.File(pid, FileComm)
	return ParseComm(b), err
}
