package proc

import "bytes"

// StatusField names a line of /proc/PID/status.
type StatusField uint8

// The lines that are parsed, in the kernel's order.
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

// Supply marks lines as there, for a Status that another source than the file
// has filled in.
func (s *Status) Supply(lines ...StatusField) {
	for _, f := range lines {
		s.have |= 1 << f
	}
}

// StatusLines is a set of lines of status.
type StatusLines uint64

// AllStatusLines are all that are parsed.
const AllStatusLines StatusLines = 1<<statusFieldCount - 1

// LinesOf is the set of these lines.
func LinesOf(lines ...StatusField) StatusLines {
	var set StatusLines
	for _, f := range lines {
		set |= 1 << f
	}
	return set
}

// ParseStatus parses status. Unknown lines are skipped, since every kernel
// adds some; missing ones are reported by Has.
func ParseStatus(b []byte, s *Status) error { return ParseStatusLines(b, s, AllStatusLines) }

// ParseStatusLines parses name and PID, and of all other lines only those that
// are wanted; the rest are as if they were missing, and may be malformed.
func ParseStatusLines(b []byte, s *Status, want StatusLines) error {
	*s = Status{
		Name: s.Name[:0], Groups: s.Groups[:0], NStgid: s.NStgid[:0], NSpid: s.NSpid[:0],
		CpusAllowedList: s.CpusAllowedList[:0],
	}
	want |= 1<<StatusName | 1<<StatusPid
	next := StatusName
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		f, key := statusField(line, next)
		switch {
		case key < 0:
			return malformed(FileStatus, "line without a colon")
		case f == statusFieldCount:
			continue
		}
		next = f + 1
		if want>>f&1 == 0 {
			continue
		}
		if !statusLines[f].set(s, line[key+1:]) {
			return malformed(FileStatus, string(line[:key]))
		}
		s.have |= 1 << f
	}
	if !s.Has(StatusName) || !s.Has(StatusPid) {
		return malformed(FileStatus, "no Name or no Pid")
	}
	return nil
}

// statusField finds the field of a line, mostly the one that comes next in the
// kernel's order, and the length of its key; statusFieldCount for a line that is
// not known, a negative length for one without a colon.
func statusField(line []byte, next StatusField) (f StatusField, key int) {
	if next < statusFieldCount {
		name := statusLines[next].name
		if n := len(name); n < len(line) && line[n] == ':' && string(line[:n]) == name {
			return next, n
		}
	}
	key = bytes.IndexByte(line, ':')
	if key < 0 {
		return statusFieldCount, key
	}
	if f, ok := statusByName[string(line[:key])]; ok {
		return f, key
	}
	return statusFieldCount, key
}

// statusLine is a line that is parsed: its name and how to take over its value,
// which begins with the blank after the colon.
type statusLine struct {
	name string
	set  func(s *Status, v []byte) bool
}

// statusLines is indexed by StatusField, which is the kernel's order.
var statusLines = [statusFieldCount]statusLine{
	StatusName:            {"Name", (*Status).setName},
	StatusState:           {"State", (*Status).setState},
	StatusTgid:            number("Tgid", func(s *Status) *int { return &s.Tgid }),
	StatusPid:             number("Pid", func(s *Status) *int { return &s.Pid }),
	StatusPPid:            number("PPid", func(s *Status) *int { return &s.PPid }),
	StatusTracerPid:       number("TracerPid", func(s *Status) *int { return &s.TracerPid }),
	StatusUid:             {"Uid", func(s *Status, v []byte) bool { return setIDs(v, &s.UID) }},
	StatusGid:             {"Gid", func(s *Status, v []byte) bool { return setIDs(v, &s.GID) }},
	StatusGroups:          {"Groups", (*Status).setGroups},
	StatusNStgid:          numbers("NStgid", func(s *Status) *[]int { return &s.NStgid }),
	StatusNSpid:           numbers("NSpid", func(s *Status) *[]int { return &s.NSpid }),
	StatusKthread:         flag("Kthread", func(s *Status) *bool { return &s.Kthread }),
	StatusVmPeak:          size("VmPeak", func(s *Status) *uint64 { return &s.VmPeak }),
	StatusVmSize:          size("VmSize", func(s *Status) *uint64 { return &s.VmSize }),
	StatusVmLck:           size("VmLck", func(s *Status) *uint64 { return &s.VmLck }),
	StatusVmPin:           size("VmPin", func(s *Status) *uint64 { return &s.VmPin }),
	StatusVmHWM:           size("VmHWM", func(s *Status) *uint64 { return &s.VmHWM }),
	StatusVmRSS:           size("VmRSS", func(s *Status) *uint64 { return &s.VmRSS }),
	StatusRssAnon:         size("RssAnon", func(s *Status) *uint64 { return &s.RssAnon }),
	StatusRssFile:         size("RssFile", func(s *Status) *uint64 { return &s.RssFile }),
	StatusRssShmem:        size("RssShmem", func(s *Status) *uint64 { return &s.RssShmem }),
	StatusVmData:          size("VmData", func(s *Status) *uint64 { return &s.VmData }),
	StatusVmStk:           size("VmStk", func(s *Status) *uint64 { return &s.VmStk }),
	StatusVmExe:           size("VmExe", func(s *Status) *uint64 { return &s.VmExe }),
	StatusVmLib:           size("VmLib", func(s *Status) *uint64 { return &s.VmLib }),
	StatusVmPTE:           size("VmPTE", func(s *Status) *uint64 { return &s.VmPTE }),
	StatusVmSwap:          size("VmSwap", func(s *Status) *uint64 { return &s.VmSwap }),
	StatusHugetlbPages:    size("HugetlbPages", func(s *Status) *uint64 { return &s.HugetlbPages }),
	StatusCoreDumping:     flag("CoreDumping", func(s *Status) *bool { return &s.CoreDumping }),
	StatusThreads:         number("Threads", func(s *Status) *int { return &s.Threads }),
	StatusSigQ:            {"SigQ", (*Status).setSigQ},
	StatusSigPnd:          mask("SigPnd", func(s *Status) *uint64 { return &s.SigPnd }),
	StatusShdPnd:          mask("ShdPnd", func(s *Status) *uint64 { return &s.ShdPnd }),
	StatusSigBlk:          mask("SigBlk", func(s *Status) *uint64 { return &s.SigBlk }),
	StatusSigIgn:          mask("SigIgn", func(s *Status) *uint64 { return &s.SigIgn }),
	StatusSigCgt:          mask("SigCgt", func(s *Status) *uint64 { return &s.SigCgt }),
	StatusCapInh:          mask("CapInh", func(s *Status) *uint64 { return &s.CapInh }),
	StatusCapPrm:          mask("CapPrm", func(s *Status) *uint64 { return &s.CapPrm }),
	StatusCapEff:          mask("CapEff", func(s *Status) *uint64 { return &s.CapEff }),
	StatusCapBnd:          mask("CapBnd", func(s *Status) *uint64 { return &s.CapBnd }),
	StatusCapAmb:          mask("CapAmb", func(s *Status) *uint64 { return &s.CapAmb }),
	StatusNoNewPrivs:      flag("NoNewPrivs", func(s *Status) *bool { return &s.NoNewPrivs }),
	StatusSeccomp:         number("Seccomp", func(s *Status) *int { return &s.Seccomp }),
	StatusCpusAllowedList: {"Cpus_allowed_list", (*Status).setCPUs},
	StatusVoluntary:       count("voluntary_ctxt_switches", func(s *Status) *uint64 { return &s.Voluntary }),
	StatusNonvoluntary:    count("nonvoluntary_ctxt_switches", func(s *Status) *uint64 { return &s.Nonvoluntary }),
}

// statusByName finds a line that is not where it was expected.
var statusByName = func() map[string]StatusField {
	m := make(map[string]StatusField, statusFieldCount)
	for f := range statusLines {
		m[statusLines[f].name] = StatusField(f)
	}
	return m
}()

func number(name string, at func(*Status) *int) statusLine {
	return statusLine{name, func(s *Status, v []byte) bool {
		n, ok := fieldUint(v)
		*at(s) = int(n)
		return ok && n <= maxPID
	}}
}

func numbers(name string, at func(*Status) *[]int) statusLine {
	return statusLine{name, func(s *Status, v []byte) (ok bool) {
		p := at(s)
		*p, ok = appendPIDs(*p, v)
		return ok
	}}
}

func flag(name string, at func(*Status) *bool) statusLine {
	return statusLine{name, func(s *Status, v []byte) bool {
		n, ok := fieldUint(v)
		*at(s) = n != 0
		return ok
	}}
}

func size(name string, at func(*Status) *uint64) statusLine {
	return statusLine{name, func(s *Status, v []byte) (ok bool) {
		*at(s), ok = kilobytes(v)
		return ok
	}}
}

func mask(name string, at func(*Status) *uint64) statusLine {
	return statusLine{name, func(s *Status, v []byte) (ok bool) {
		word, _ := nextField(v)
		*at(s), ok = parseHex(word)
		return ok
	}}
}

func count(name string, at func(*Status) *uint64) statusLine {
	return statusLine{name, func(s *Status, v []byte) (ok bool) {
		*at(s), ok = fieldUint(v)
		return ok
	}}
}

func (s *Status) setState(v []byte) bool {
	word, _ := nextField(v)
	if len(word) != 1 {
		return false
	}
	s.State = word[0]
	return true
}

func (s *Status) setCPUs(v []byte) bool {
	s.CpusAllowedList = append(s.CpusAllowedList, bytes.TrimSpace(v)...)
	return true
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
