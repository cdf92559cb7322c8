package proc

import "bytes"

// Bits of Stat.Flags (include/linux/sched.h).
const (
	FlagExiting  = 0x00000004 // PF_EXITING: on its way out
	FlagIOWorker = 0x00000010 // PF_IO_WORKER: io_uring worker, a user thread
	FlagKThread  = 0x00200000 // PF_KTHREAD
)

// Stat is /proc/PID/stat or /proc/PID/task/TID/stat. The file of a process
// mixes scopes: state, priority, nice, policy, processor and the like are the
// leader's; CPU times, faults, threads and sizes the whole process's.
type Stat struct {
	PID   int    // 1
	Comm  []byte // 2: raw bytes; the buffer is reused by the next ParseStat
	State byte   // 3

	PPID    int    // 4
	PGRP    int    // 5
	Session int    // 6
	TTYNr   int    // 7: device number; may be negative
	TPGID   int    // 8: -1 none
	Flags   uint64 // 9: PF_…

	MinFlt      uint64 // 10
	ChildMinFlt uint64 // 11: of waited-for children
	MajFlt      uint64 // 12
	ChildMajFlt uint64 // 13
	UTime       uint64 // 14: ticks, guest time included
	STime       uint64 // 15: ticks
	ChildUTime  int64  // 16: ticks
	ChildSTime  int64  // 17: ticks

	Priority   int    // 18: 20+nice; -1-rt priority; -101 deadline
	Nice       int    // 19
	NumThreads int    // 20
	StartTicks uint64 // 22: ticks since boot (CLOCK_BOOTTIME)
	VSize      uint64 // 23: bytes
	RSSPages   uint64 // 24: approximate since Linux 6.2; use Statm
	RSSLimit   uint64 // 25: bytes

	StartCode, EndCode uint64 // 26, 27: addresses, 1 without ptrace access
	StartStack         uint64 // 28: 0 without ptrace access
	ESP, EIP           uint64 // 29, 30: 0 unless exiting
	WChan              uint64 // 35: 1 sleeps somewhere, 0 does not or denied
	ExitSignal         int    // 38
	Processor          int    // 39: CPU last run on
	RTPriority         uint64 // 40
	Policy             uint64 // 41
	BlkIODelay         uint64 // 42: ticks; 0 unless kernel.task_delayacct
	GuestTime          uint64 // 43: ticks, contained in UTime
	ChildGuestTime     int64  // 44: ticks

	StartData, EndData uint64 // 45, 46: 0 without ptrace access
	StartBrk           uint64 // 47
	ArgStart, ArgEnd   uint64 // 48, 49
	EnvStart, EnvEnd   uint64 // 50, 51
	ExitCode           int    // 52: as waitpid gives it; 0 without ptrace access

	Fields int // how many fields there were; old kernels have fewer than 52
}

const (
	statFields    = 52
	minStatFields = 24 // every kernel since 2.4
)

// statSigned has bit n set if field n is signed.
const statSigned uint64 = 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<16 | 1<<17 | 1<<18 | 1<<19 |
	1<<20 | 1<<21 | 1<<38 | 1<<39 | 1<<44 | 1<<52

// ParseStat parses stat. The name may contain anything, also parentheses and
// newlines: it ends at the last ')'.
func ParseStat(b []byte, s *Stat) error {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 2 || end < open || b[open-1] != ' ' {
		return malformed(FileStat, "no name")
	}
	pid, ok := parseUint(b[:open-1])
	if !ok || pid > maxPID {
		return malformed(FileStat, "PID")
	}
	comm := append(s.Comm[:0], b[open+1:end]...)
	rest := b[end+1:]
	if len(rest) < 2 || rest[0] != ' ' || rest[1] == ' ' || rest[1] == '\n' {
		return malformed(FileStat, "no state")
	}
	*s = Stat{PID: int(pid), Comm: comm, State: rest[1]}
	var v [statFields + 1]uint64
	if s.Fields, ok = statNumbers(rest[2:], &v); !ok || s.Fields < minStatFields {
		return malformed(FileStat, "numbers")
	}
	s.fill(&v)
	return nil
}

// statNumbers parses the fields from the fourth on into v[4]…; signed ones as
// their bit pattern. It returns the number of the last field.
func statNumbers(b []byte, v *[statFields + 1]uint64) (int, bool) {
	n, i := 3, 0
	for n < statFields {
		for i < len(b) && b[i] == ' ' {
			i++
		}
		if i == len(b) || b[i] == '\n' {
			return n, true
		}
		n++
		neg := b[i] == '-'
		if neg {
			i++
		}
		u, digits, ok := leadingUint(b[i:])
		if statSigned>>n&1 != 0 {
			var s int64
			s, ok = signed(u, neg, ok)
			u = uint64(s)
		} else if neg {
			ok = false
		}
		i += digits
		if !ok || (i < len(b) && b[i] != ' ' && b[i] != '\n') {
			return n, false
		}
		v[n] = u
	}
	return n, true
}

func (s *Stat) fill(v *[statFields + 1]uint64) {
	s.PPID, s.PGRP, s.Session, s.TTYNr, s.TPGID = int(v[4]), int(v[5]), int(v[6]), int(v[7]), int(v[8])
	s.Flags = v[9]
	s.MinFlt, s.ChildMinFlt, s.MajFlt, s.ChildMajFlt = v[10], v[11], v[12], v[13]
	s.UTime, s.STime, s.ChildUTime, s.ChildSTime = v[14], v[15], int64(v[16]), int64(v[17])
	s.Priority, s.Nice, s.NumThreads = int(v[18]), int(v[19]), int(v[20])
	s.StartTicks, s.VSize, s.RSSPages, s.RSSLimit = v[22], v[23], v[24], v[25]
	s.StartCode, s.EndCode, s.StartStack, s.ESP, s.EIP = v[26], v[27], v[28], v[29], v[30]
	s.WChan, s.ExitSignal, s.Processor = v[35], int(v[38]), int(v[39])
	s.RTPriority, s.Policy, s.BlkIODelay = v[40], v[41], v[42]
	s.GuestTime, s.ChildGuestTime = v[43], int64(v[44])
	s.StartData, s.EndData, s.StartBrk = v[45], v[46], v[47]
	s.ArgStart, s.ArgEnd, s.EnvStart, s.EnvEnd = v[48], v[49], v[50], v[51]
	s.ExitCode = int(v[52])
}

// Stat reads and parses the stat of a process.
func (r *Reader) Stat(pid int, s *Stat) error {
	b, err := r.File(pid, FileStat)
	if err != nil {
		return err
	}
	return ParseStat(b, s)
}

// ThreadStat reads and parses the stat of a thread.
func (r *Reader) ThreadStat(pid, tid int, s *Stat) error {
	b, err := r.ThreadFile(pid, tid, FileStat)
	if err != nil {
		return err
	}
	return ParseStat(b, s)
}
