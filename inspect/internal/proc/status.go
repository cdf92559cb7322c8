package proc

import "bytes"

// StatusField names a line of /proc/PID/status.
type StatusField uint8

// The lines that are parsed.
const (
	StatusName StatusField = iota
	StatusState
	StatusTgid
	StatusPid
	StatusPPid
	StatusTracerPid
	StatusUid
	StatusGid
	StatusGroups
	StatusNStgid
	StatusNSpid
	StatusKthread
	StatusVmPeak
	StatusVmSize
	StatusVmLck
	StatusVmPin
	StatusVmHWM
	StatusVmRSS
	StatusRssAnon
	StatusRssFile
	StatusRssShmem
	StatusVmData
	StatusVmStk
	StatusVmExe
	StatusVmLib
	StatusVmPTE
	StatusVmSwap
	StatusHugetlbPages
	StatusCoreDumping
	StatusThreads
	StatusSigQ
	StatusSigPnd
	StatusShdPnd
	StatusSigBlk
	StatusSigIgn
	StatusSigCgt
	StatusCapInh
	StatusCapPrm
	StatusCapEff
	StatusCapBnd
	StatusCapAmb
	StatusNoNewPrivs
	StatusSeccomp
	StatusCpusAllowedList
	StatusVoluntary
	StatusNonvoluntary
	statusFieldCount
)

// IDs are the real, effective, saved and filesystem user or group IDs, as seen
// from the reader's user namespace (65534: not mapped there).
type IDs [4]uint32

// Status is /proc/PID/status or /proc/PID/task/TID/status. What it says of
// credentials, signals blocked, affinity and context switches is the leader's
// alone in the file of a process. Which lines there were, Has tells: a value
// whose line is missing is 0 but means nothing. Slices reuse their storage.
type Status struct {
	Name      []byte // raw bytes: the kernel's escaping is undone
	State     byte
	Tgid, Pid int
	PPid      int
	TracerPid int
	UID, GID  IDs
	Groups    []uint32
	NStgid    []int // outermost namespace first
	NSpid     []int
	Kthread   bool

	// Bytes.
	VmPeak, VmSize, VmLck, VmPin, VmHWM, VmRSS uint64
	RssAnon, RssFile, RssShmem                 uint64
	VmData, VmStk, VmExe, VmLib, VmPTE, VmSwap uint64
	HugetlbPages                               uint64

	CoreDumping    bool
	Threads        int
	SigQ, SigQMax  uint64
	SigPnd, ShdPnd uint64 // bit n-1: signal n
	SigBlk, SigIgn uint64
	SigCgt         uint64
	CapInh, CapPrm uint64
	CapEff, CapBnd uint64
	CapAmb         uint64
	NoNewPrivs     bool
	Seccomp        int

	CpusAllowedList []byte // "0-1,4"

	Voluntary, Nonvoluntary uint64 // context switches

	have uint64
}

// Has reports whether the line was there.
func (s *Status) Has(f StatusField) bool { return s.have>>f&1 != 0 }

// ParseStatus parses status. Unknown lines are skipped, since every kernel
// adds some; missing ones are reported by Has.
func ParseStatus(b []byte, s *Status) error {
	*s = Status{
		Name: s.Name[:0], Groups: s.Groups[:0], NStgid: s.NStgid[:0], NSpid: s.NSpid[:0],
		CpusAllowedList: s.CpusAllowedList[:0],
	}
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return malformed(FileStatus, "line without a colon")
		}
		f, ok := statusField(line[:colon])
		if !ok {
			continue
		}
		if !s.set(f, line[colon+1:]) {
			return malformed(FileStatus, string(line[:colon]))
		}
		s.have |= 1 << f
	}
	if !s.Has(StatusName) || !s.Has(StatusPid) {
		return malformed(FileStatus, "no Name or no Pid")
	}
	return nil
}

// statusField finds the field of a line; the compiler turns the switch on the
// converted bytes into comparisons without an allocation.
func statusField(key []byte) (StatusField, bool) {
	switch string(key) {
	case "Name":
		return StatusName, true
	case "State":
		return StatusState, true
	case "Tgid":
		return StatusTgid, true
	case "Pid":
		return StatusPid, true
	case "PPid":
		return StatusPPid, true
	case "TracerPid":
		return StatusTracerPid, true
	case "Uid":
		return StatusUid, true
	case "Gid":
		return StatusGid, true
	case "Groups":
		return StatusGroups, true
	case "NStgid":
		return StatusNStgid, true
	case "NSpid":
		return StatusNSpid, true
	case "Kthread":
		return StatusKthread, true
	case "CoreDumping":
		return StatusCoreDumping, true
	case "Threads":
		return StatusThreads, true
	case "NoNewPrivs":
		return StatusNoNewPrivs, true
	case "Seccomp":
		return StatusSeccomp, true
	case "Cpus_allowed_list":
		return StatusCpusAllowedList, true
	case "voluntary_ctxt_switches":
		return StatusVoluntary, true
	case "nonvoluntary_ctxt_switches":
		return StatusNonvoluntary, true
	}
	if f, ok := statusMemory(key); ok {
		return f, true
	}
	return statusMask(key)
}

// statusMemory finds the lines that give a size.
func statusMemory(key []byte) (StatusField, bool) {
	switch string(key) {
	case "VmPeak":
		return StatusVmPeak, true
	case "VmSize":
		return StatusVmSize, true
	case "VmLck":
		return StatusVmLck, true
	case "VmPin":
		return StatusVmPin, true
	case "VmHWM":
		return StatusVmHWM, true
	case "VmRSS":
		return StatusVmRSS, true
	case "RssAnon":
		return StatusRssAnon, true
	case "RssFile":
		return StatusRssFile, true
	case "RssShmem":
		return StatusRssShmem, true
	case "VmData":
		return StatusVmData, true
	case "VmStk":
		return StatusVmStk, true
	case "VmExe":
		return StatusVmExe, true
	case "VmLib":
		return StatusVmLib, true
	case "VmPTE":
		return StatusVmPTE, true
	case "VmSwap":
		return StatusVmSwap, true
	case "HugetlbPages":
		return StatusHugetlbPages, true
	}
	return 0, false
}

// statusMask finds the lines about signals and capabilities.
func statusMask(key []byte) (StatusField, bool) {
	switch string(key) {
	case "SigQ":
		return StatusSigQ, true
	case "SigPnd":
		return StatusSigPnd, true
	case "ShdPnd":
		return StatusShdPnd, true
	case "SigBlk":
		return StatusSigBlk, true
	case "SigIgn":
		return StatusSigIgn, true
	case "SigCgt":
		return StatusSigCgt, true
	case "CapInh":
		return StatusCapInh, true
	case "CapPrm":
		return StatusCapPrm, true
	case "CapEff":
		return StatusCapEff, true
	case "CapBnd":
		return StatusCapBnd, true
	case "CapAmb":
		return StatusCapAmb, true
	}
	return 0, false
}

// set parses the value of one line, which begins with the tab after the colon.
func (s *Status) set(f StatusField, v []byte) (ok bool) {
	if p := s.size(f); p != nil {
		*p, ok = kilobytes(v)
		return ok
	}
	if p := s.mask(f); p != nil {
		word, _ := nextField(v)
		*p, ok = parseHex(word)
		return ok
	}
	if p := s.number(f); p != nil {
		n, ok := fieldUint(v)
		*p = int(n)
		return ok && n <= maxPID
	}
	switch f {
	case StatusName:
		return s.setName(v)
	case StatusState:
		word, _ := nextField(v)
		if len(word) == 1 {
			s.State = word[0]
		}
		return len(word) == 1
	case StatusUid:
		return setIDs(v, &s.UID)
	case StatusGid:
		return setIDs(v, &s.GID)
	case StatusGroups:
		return s.setGroups(v)
	case StatusNStgid:
		s.NStgid, ok = appendPIDs(s.NStgid, v)
	case StatusNSpid:
		s.NSpid, ok = appendPIDs(s.NSpid, v)
	case StatusKthread:
		s.Kthread, ok = flag(v)
	case StatusCoreDumping:
		s.CoreDumping, ok = flag(v)
	case StatusNoNewPrivs:
		s.NoNewPrivs, ok = flag(v)
	case StatusSigQ:
		return s.setSigQ(v)
	case StatusCpusAllowedList:
		s.CpusAllowedList = append(s.CpusAllowedList, bytes.TrimSpace(v)...)
		ok = true
	case StatusVoluntary:
		s.Voluntary, ok = fieldUint(v)
	case StatusNonvoluntary:
		s.Nonvoluntary, ok = fieldUint(v)
	}
	return ok
}

func (s *Status) size(f StatusField) *uint64 {
	switch f {
	case StatusVmPeak:
		return &s.VmPeak
	case StatusVmSize:
		return &s.VmSize
	case StatusVmLck:
		return &s.VmLck
	case StatusVmPin:
		return &s.VmPin
	case StatusVmHWM:
		return &s.VmHWM
	case StatusVmRSS:
		return &s.VmRSS
	case StatusRssAnon:
		return &s.RssAnon
	case StatusRssFile:
		return &s.RssFile
	case StatusRssShmem:
		return &s.RssShmem
	case StatusVmData:
		return &s.VmData
	case StatusVmStk:
		return &s.VmStk
	case StatusVmExe:
		return &s.VmExe
	case StatusVmLib:
		return &s.VmLib
	case StatusVmPTE:
		return &s.VmPTE
	case StatusVmSwap:
		return &s.VmSwap
	case StatusHugetlbPages:
		return &s.HugetlbPages
	}
	return nil
}

func (s *Status) mask(f StatusField) *uint64 {
	switch f {
	case StatusSigPnd:
		return &s.SigPnd
	case StatusShdPnd:
		return &s.ShdPnd
	case StatusSigBlk:
		return &s.SigBlk
	case StatusSigIgn:
		return &s.SigIgn
	case StatusSigCgt:
		return &s.SigCgt
	case StatusCapInh:
		return &s.CapInh
	case StatusCapPrm:
		return &s.CapPrm
	case StatusCapEff:
		return &s.CapEff
	case StatusCapBnd:
		return &s.CapBnd
	case StatusCapAmb:
		return &s.CapAmb
	}
	return nil
}

func (s *Status) number(f StatusField) *int {
	switch f {
	case StatusTgid:
		return &s.Tgid
	case StatusPid:
		return &s.Pid
	case StatusPPid:
		return &s.PPid
	case StatusTracerPid:
		return &s.TracerPid
	case StatusThreads:
		return &s.Threads
	case StatusSeccomp:
		return &s.Seccomp
	}
	return nil
}

// setName undoes the escaping of the name: only newline and backslash are
// escaped. Nothing is trimmed: blanks and " kB" belong to the name.
func (s *Status) setName(v []byte) bool {
	if len(v) == 0 || v[0] != '\t' {
		return false
	}
	v = v[1:]
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == '\\' && i+1 < len(v) {
			switch v[i+1] {
			case 'n':
				c = '\n'
				i++
			case '\\':
				i++
			}
		}
		s.Name = append(s.Name, c)
	}
	return true
}

func setIDs(v []byte, ids *IDs) bool {
	for i := range ids {
		var word []byte
		word, v = nextField(v)
		n, ok := parseUint(word)
		if !ok || n > 1<<32-1 {
			return false
		}
		ids[i] = uint32(n)
	}
	return true
}

func (s *Status) setGroups(v []byte) bool {
	for {
		var word []byte
		if word, v = nextField(v); len(word) == 0 {
			return true
		}
		n, ok := parseUint(word)
		if !ok || n > 1<<32-1 {
			return false
		}
		s.Groups = append(s.Groups, uint32(n))
	}
}

func (s *Status) setSigQ(v []byte) (ok bool) {
	word, _ := nextField(v)
	slash := bytes.IndexByte(word, '/')
	if slash < 0 {
		return false
	}
	if s.SigQ, ok = parseUint(word[:slash]); !ok {
		return false
	}
	s.SigQMax, ok = parseUint(word[slash+1:])
	return ok
}

func appendPIDs(dst []int, v []byte) ([]int, bool) {
	for {
		var word []byte
		if word, v = nextField(v); len(word) == 0 {
			return dst, true
		}
		n, ok := parseUint(word)
		if !ok || n > maxPID {
			return dst, false
		}
		dst = append(dst, int(n))
	}
}

func flag(v []byte) (bool, bool) {
	n, ok := fieldUint(v)
	return n != 0, ok
}

func fieldUint(v []byte) (uint64, bool) {
	word, _ := nextField(v)
	return parseUint(word)
}

// kilobytes parses "  1234 kB" into bytes.
func kilobytes(v []byte) (uint64, bool) {
	word, rest := nextField(v)
	n, ok := parseUint(word)
	unit, _ := nextField(rest)
	return n << 10, ok && n>>54 == 0 && string(unit) == "kB"
}

// Status reads and parses the status of a process. /proc/TID of a thread that
// is not a leader opens too: the process is Tgid.
func (r *Reader) Status(pid int, s *Status) error {
	b, err := r.File(pid, FileStatus)
	if err != nil {
		return err
	}
	return ParseStatus(b, s)
}

// ThreadStatus reads and parses the status of a thread.
func (r *Reader) ThreadStatus(pid, tid int, s *Status) error {
	b, err := r.ThreadFile(pid, tid, FileStatus)
	if err != nil {
		return err
	}
	return ParseStatus(b, s)
}
