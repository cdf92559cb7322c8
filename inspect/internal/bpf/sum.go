package bpf

// Sum adds up a process from the records of its threads. Give it every record
// of the process from one pass, in the order of the pass, then ask for Totals.
// The records must stay as they are until then. The zero Sum is empty.
type Sum struct {
	threads        int
	seq            uint32
	unsettled      bool
	last           *Task // record read last: its Sig… values are the newest
	mm             *Task // best record of the memory that the threads share
	ut, st, exec   uint64
	vol, invol     uint64
	minFlt, majFlt uint64
	io             IO
	ready          uint64
	slices, moves  uint64
	// What was last said of user and system time, see Continue.
	user, system uint64
}

// IO is what /proc/PID/io shows, in bytes and calls.
type IO struct {
	RChar, WChar, SyscR, SyscW, ReadBytes, WriteBytes uint64
}

func (a *IO) add(b IO) {
	a.RChar += b.RChar
	a.WChar += b.WChar
	a.SyscR += b.SyscR
	a.SyscW += b.SyscW
	a.ReadBytes += b.ReadBytes
	a.WriteBytes += b.WriteBytes
}

// Add takes the record of one thread.
func (s *Sum) Add(t *Task) {
	if s.threads == 0 {
		s.seq = t.Seq
	}
	// The same even sequence in all records: no thread exited between the
	// first and the last of them.
	if t.Have&HaveSeq == 0 || t.Seq != s.seq || t.Seq&1 != 0 {
		s.unsettled = true
	}
	s.threads++
	s.last = t
	if better(t, s.mm) {
		s.mm = t
	}
	s.ut += t.UTime
	s.st += t.STime
	s.exec += t.SumExec
	s.vol += t.NVCSw
	s.invol += t.NIvCSw
	s.minFlt += t.MinFlt
	s.majFlt += t.MajFlt
	s.io.add(IO{t.RChar, t.WChar, t.SyscR, t.SyscW, t.ReadBytes, t.WriteBytes})
	s.ready += t.RunDelay
	s.slices += t.PCount
	s.moves += t.Migrations
}

// better: a has the memory figures and b not, or a has them exact.
func better(a, b *Task) bool {
	const parts = HaveMM | HaveRSSExact
	return a.Have&HaveMM != 0 && (b == nil || a.Have&parts > b.Have&parts)
}

// Continue makes Totals go on from the user and system time it gave for this
// process before, if that was more than what the kernel remembers to have said:
// it remembers only what was read from /proc, and the split of a total into the
// two may shift without that.
func (s *Sum) Continue(user, system uint64) { s.user, s.system = user, system }

// Memory is the record to take RSS, TotalVM and HiwaterRSS from: that of the
// leader, or of a living thread where the leader has exited before the others.
// Nil when no thread has memory (kernel threads, zombies).
func (s *Sum) Memory() *Task { return s.mm }

// ProcessTotals is a process over its living and its exited threads, except
// where said otherwise.
type ProcessTotals struct {
	TGID                   uint32
	Threads                int    // records seen
	UserNS, SystemNS       uint64 // as fields 14 and 15 of /proc/PID/stat, in ns
	ExecNS                 uint64 // time on a CPU
	Voluntary, Involuntary uint64
	MinorFaults            uint64
	MajorFaults            uint64
	IO                     IO // needs HaveIO
	// Living threads only: the kernel does not keep them for exited ones.
	ReadyNS, Slices, Migrations uint64
	// Settled: no thread exited while the records were made and none is
	// missing, so the totals are exact. Otherwise a thread may be counted
	// twice or not at all: read the process again, on its own.
	Settled bool
}

// Totals is the result. It is the way to exact switch totals before Linux 6.7,
// where OpenTotals fails: accept settled results, and read an unsettled process
// again with Source.One.
func (s *Sum) Totals() ProcessTotals {
	l := s.last
	if l == nil {
		return ProcessTotals{}
	}
	p := ProcessTotals{
		TGID: l.TGID, Threads: s.threads,
		ExecNS:      s.exec + l.SigSumExec,
		Voluntary:   s.vol + l.SigNVCSw,
		Involuntary: s.invol + l.SigNIvCSw,
		MinorFaults: s.minFlt + l.SigMinFlt,
		MajorFaults: s.majFlt + l.SigMajFlt,
		IO:          s.io,
		ReadyNS:     s.ready, Slices: s.slices, Migrations: s.moves,
		Settled: !s.unsettled && s.threads == int(l.NrThreads),
	}
	p.IO.add(IO{l.SigRChar, l.SigWChar, l.SigSyscR, l.SigSyscW, l.SigReadBytes, l.SigWriteBytes})
	user, system := later(l.SigPrevUTime, l.SigPrevSTime, s.user, s.system)
	p.UserNS, p.SystemNS = AdjustCPUTime(s.ut+l.SigUTime, s.st+l.SigSTime, p.ExecNS, user, system)
	return p
}
