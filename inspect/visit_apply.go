package inspect

import (
	"os"
	"slices"

	"taskscope/inspect/internal/proc"
)

var pageSize = uint64(os.Getpagesize())

// apply writes what is fresh into a copy of what was known. The order matters:
// whether there is memory at all is known after stat and status.
func (v *visit) apply(p *Process, c *counters) {
	if v.fresh[slotStat] {
		v.applyStat(p)
	}
	if v.fresh[slotStatus] {
		v.applyStatus(p, c)
	}
	if v.fresh[slotRest] {
		v.applyRest(p)
	}
	if v.fresh[slotStat] || v.fresh[slotStatus] || v.fresh[slotStatm] {
		v.applyStatm(p)
	}
	if v.fresh[slotSchedstat] {
		v.applySchedstat(c)
	}
	if !v.record || v.moved {
		v.applyClock(p)
	}
	if v.fresh[slotCmdline] {
		p.Cmdline, p.CmdlineCut = v.known(slotCmdline, p), v.cut
	}
	if v.fresh[slotCgroup] {
		p.Cgroup = Known[string]{V: v.cgroup, Why: v.whys[slotCgroup]}
	}
	if v.fresh[slotExe] {
		p.Exe = Known[string]{V: v.exe, Why: v.whys[slotExe]}
		if p.Exe.Why == NotSupported {
			p.Exe.Why = lacksMemory(p, v.alive)
		}
	}
	if v.fresh[slotIO] {
		v.applyIO(p)
	}
	if v.fresh[slotRollup] {
		v.applyRollup(p)
	}
	if v.fresh[slotFDs] {
		p.FDs = Known[int]{V: v.fds, Why: v.whys[slotFDs]}
		if p.FDs.Why == NotSupported {
			p.FDs.Why = lacksMemory(p, v.alive)
		}
	}
}

// lacksMemory is why a process has no address space, NotSupported when it
// should have one. alive is the thread whose files were read.
func lacksMemory(p *Process, alive int) Why {
	switch {
	case p.Kernel.OK() && p.Kernel.V:
		return KernelThread
	case p.LeaderState == 'Z' && alive == p.ID.PID:
		return Zombie
	}
	return NotSupported
}

// known is the command line; an empty one means different things.
func (v *visit) known(s slot, p *Process) Known[[]string] {
	if v.whys[s] != OK {
		return Unknown[[]string](v.whys[s])
	}
	if v.args == nil {
		if why := lacksMemory(p, v.alive); why != NotSupported {
			return Unknown[[]string](why)
		}
	}
	return Know(v.args)
}

func (v *visit) applyStat(p *Process) {
	if why := v.whys[slotStat]; why != OK {
		v.unknownStat(p, why)
		return
	}
	st := &v.stat
	p.ID = ID{PID: v.pid, Start: st.StartTicks}
	p.Comm = sameString(p.Comm, st.Comm)
	p.LeaderState, p.State = State(st.State), State(st.State)
	p.PPID, p.PGID, p.Session = Know(st.PPID), Know(st.PGRP), Know(st.Session)
	p.Flags, p.Kernel = Know(st.Flags), Know(st.Flags&proc.FlagKThread != 0)
	p.ThreadCount = Know(st.NumThreads)
	p.Nice, p.Priority = Know(st.Nice), Know(st.Priority)
	p.RTPriority, p.Policy, p.CPULast = Know(int(st.RTPriority)), Know(int(st.Policy)), Know(st.Processor)
	p.UserNS, p.SystemNS = v.rising(st.UTime, v.before, true), v.rising(st.STime, v.before, false)
	p.MinorFaults, p.MajorFaults = Know(st.MinFlt), Know(st.MajFlt)
	if v.record {
		p.ExecID = v.execID
		return
	}
	p.ExecID = Unknown[uint64](SourceLacks)
	p.TTY = Know(st.TTYNr)
	v.applyAddresses(p)
}

// applyRest takes over what was read of stat although the rest of it comes from
// records.
func (v *visit) applyRest(p *Process) {
	why := v.whys[slotRest]
	if why == OK {
		p.TTY = Know(v.stat.TTYNr)
		v.applyAddresses(p)
		return
	}
	u := Unknown[uint64](why)
	p.TTY = Unknown[int](why)
	p.StartCode, p.EndCode, p.StartStack, p.StartData, p.EndData, p.StartBrk = u, u, u, u, u, u
}

// rising is a CPU time of the process in whole ticks. Both sources split the
// same total into user and system time, but each remembers what it said last on
// its own: after a change of source one of the two may come out a tick or two
// smaller, and stays where it was until it is larger again.
func (v *visit) rising(ticks uint64, before *entry, user bool) Known[uint64] {
	now := Know(ticks * uint64(clockTick))
	if before == nil {
		return now
	}
	old := before.p.SystemNS
	if user {
		old = before.p.UserNS
	}
	if old.OK() && old.V > now.V {
		return old
	}
	return now
}

// applyAddresses: without ptrace access the kernel writes 1 or 0 for them.
func (v *visit) applyAddresses(p *Process) {
	st := &v.stat
	why := OK
	if st.StartCode <= 1 && st.StartStack == 0 {
		if why = lacksMemory(p, v.pid); why == NotSupported {
			why = v.ps.own.denied(proc.FileMaps)
		}
	}
	set := func(k *Known[uint64], addr uint64) {
		*k = Known[uint64]{Why: why}
		if why == OK {
			k.V = addr
		}
	}
	set(&p.StartCode, st.StartCode)
	set(&p.EndCode, st.EndCode)
	set(&p.StartStack, st.StartStack)
	set(&p.StartData, st.StartData)
	set(&p.EndData, st.EndData)
	set(&p.StartBrk, st.StartBrk)
}

// unknownStat: stat could not be read and was not before either. status, which
// never blocks, supplies the name, the parent and the state.
func (v *visit) unknownStat(p *Process, why Why) {
	p.ID.PID = v.pid
	n, u := Unknown[int](why), Unknown[uint64](why)
	p.PPID, p.PGID, p.Session, p.TTY = n, n, n, n
	p.ThreadCount, p.Nice, p.Priority, p.RTPriority, p.Policy, p.CPULast = n, n, n, n, n, n
	p.Flags, p.Kernel = u, Unknown[bool](why)
	p.UserNS, p.SystemNS, p.MinorFaults, p.MajorFaults = u, u, u, u
	p.StartCode, p.EndCode, p.StartStack, p.StartData, p.EndData, p.StartBrk = u, u, u, u, u, u
}

func (v *visit) applyStatus(p *Process, c *counters) {
	why, st := v.whys[slotStatus], &v.status
	if why != OK {
		*st = proc.Status{}
	}
	u := func(f proc.StatusField, n uint64) Known[uint64] { return lineOr(st, f, n, why) }
	if v.whys[slotStat] != OK && why == OK {
		v.statFromStatus(p)
	}
	if why == OK && st.Has(proc.StatusKthread) {
		p.Kernel = Know(st.Kthread)
	}
	v.applyCredentials(p, why)
	p.CPUsAllowed = lineOr(st, proc.StatusCpusAllowedList, "", why)
	if p.CPUsAllowed.OK() {
		p.CPUsAllowed.V = string(st.CpusAllowedList)
	}
	p.NSPIDs = nil
	if st.Has(proc.StatusNSpid) {
		p.NSPIDs = slices.Clone(st.NSpid)
	}
	p.TracerPID = lineOr(st, proc.StatusTracerPid, st.TracerPid, why)
	p.SigPnd, p.ShdPnd = u(proc.StatusSigPnd, st.SigPnd), u(proc.StatusShdPnd, st.ShdPnd)
	p.SigBlk, p.SigIgn, p.SigCgt = u(proc.StatusSigBlk, st.SigBlk), u(proc.StatusSigIgn, st.SigIgn), u(proc.StatusSigCgt, st.SigCgt)
	c.voluntary, c.involuntary = u(proc.StatusVoluntary, st.Voluntary), u(proc.StatusNonvoluntary, st.Nonvoluntary)
	v.applyMemoryLines(p, why)
	if v.record && v.due&(1<<slotStatus) == 0 {
		forgetStatusRest(p)
	}
}

// forgetStatusRest marks what no source but the status file has, and nobody
// asked for.
func forgetStatusRest(p *Process) {
	u, n := Unknown[uint64](NotRead), Unknown[int](NotRead)
	p.CPUsAllowed, p.NSPIDs, p.TracerPID = Unknown[string](NotRead), nil, n
	p.SigPnd, p.ShdPnd, p.SigBlk, p.SigIgn, p.SigCgt, p.CapEff = u, u, u, u, u, u
	p.Seccomp, p.NoNewPrivs = n, Unknown[bool](NotRead)
	p.TextBytes, p.DataBytes, p.StackBytes, p.PageTableBytes, p.HugetlbBytes = u, u, u, u, u
}

func (v *visit) applyCredentials(p *Process, why Why) {
	st := &v.status
	p.UID = lineOr(st, proc.StatusUid, st.UID[0], why)
	p.EUID = lineOr(st, proc.StatusUid, st.UID[1], why)
	p.GID = lineOr(st, proc.StatusGid, st.GID[0], why)
	p.User = ""
	if p.UID.OK() {
		p.User = userName(v.ps.users, p.UID.V)
	}
	p.CapEff = lineOr(st, proc.StatusCapEff, st.CapEff, why)
	p.Seccomp = lineOr(st, proc.StatusSeccomp, st.Seccomp, why)
	p.NoNewPrivs = lineOr(st, proc.StatusNoNewPrivs, st.NoNewPrivs, why)
}

// statFromStatus: what status knows of what stat would have said.
func (v *visit) statFromStatus(p *Process) {
	st := &v.status
	p.Comm = sameString(p.Comm, st.Name)
	p.LeaderState, p.State = State(st.State), State(st.State)
	p.PPID = line(st, proc.StatusPPid, st.PPid)
	p.ThreadCount = line(st, proc.StatusThreads, st.Threads)
}

func (v *visit) applyMemoryLines(p *Process, why Why) {
	st := &v.status
	lack := why
	if why == OK {
		lack = lacksMemory(p, v.alive)
	}
	mem := func(k *Known[uint64], f proc.StatusField, n uint64) {
		*k = Unknown[uint64](lack)
		if st.Has(f) {
			*k = Know(n)
		}
	}
	mem(&p.RSSAnonBytes, proc.StatusRssAnon, st.RssAnon)
	mem(&p.RSSFileBytes, proc.StatusRssFile, st.RssFile)
	mem(&p.RSSShmemBytes, proc.StatusRssShmem, st.RssShmem)
	mem(&p.SwapBytes, proc.StatusVmSwap, st.VmSwap)
	mem(&p.PeakRSSBytes, proc.StatusVmHWM, st.VmHWM)
	mem(&p.TextBytes, proc.StatusVmExe, st.VmExe)
	mem(&p.DataBytes, proc.StatusVmData, st.VmData)
	mem(&p.StackBytes, proc.StatusVmStk, st.VmStk)
	mem(&p.PageTableBytes, proc.StatusVmPTE, st.VmPTE)
	mem(&p.HugetlbBytes, proc.StatusHugetlbPages, st.HugetlbPages)
}

// lineOr is a line of status; why tells why there is no status at all.
func lineOr[T any](s *proc.Status, f proc.StatusField, v T, why Why) Known[T] {
	if why != OK {
		return Unknown[T](why)
	}
	return line(s, f, v)
}

// applyStatm: the resident size comes from here and not from stat, whose
// number is approximate. All zero means that there is no memory.
func (v *visit) applyStatm(p *Process) {
	why := v.whys[slotStatm]
	if v.fresh[slotStatm] || v.old == nil {
		p.VSizeBytes, p.RSSBytes = Unknown[uint64](why), Unknown[uint64](why)
		if why == OK {
			p.VSizeBytes, p.RSSBytes = Know(v.statm.Size*pageSize), Know(v.statm.Resident*pageSize)
		}
	}
	if lack := lacksMemory(p, v.alive); lack != NotSupported && p.VSizeBytes.V == 0 {
		p.VSizeBytes, p.RSSBytes = Unknown[uint64](lack), Unknown[uint64](lack)
	}
}

func (v *visit) applySchedstat(c *counters) {
	why, s := v.whys[slotSchedstat], &v.sched
	c.run = Known[uint64]{V: s.RunNS, Why: why}
	c.ready = Known[uint64]{V: s.WaitNS, Why: why}
	c.slices = Known[uint64]{V: s.Slices, Why: why}
}

func (v *visit) applyClock(p *Process) {
	switch {
	case v.whys[slotClock] == OK:
		p.CPUTimeNS = Know(v.clock)
	case p.UserNS.OK() && p.SystemNS.OK():
		p.CPUTimeNS = Know(p.UserNS.V + p.SystemNS.V)
	default:
		p.CPUTimeNS = Unknown[uint64](p.UserNS.Why)
	}
}

func (v *visit) applyIO(p *Process) {
	why, io := v.whys[slotIO], &v.io
	k := func(n uint64) Known[uint64] {
		if why != OK {
			return Unknown[uint64](why)
		}
		return Know(n)
	}
	p.ReadBytes, p.WriteBytes = k(io.ReadBytes), k(io.WriteBytes)
	p.ReadChars, p.WriteChars = k(io.ReadChars), k(io.WriteChars)
	p.ReadCalls, p.WriteCalls = k(io.ReadCalls), k(io.WriteCalls)
}

func (v *visit) applyRollup(p *Process) {
	why := v.whys[slotRollup]
	if why == NotSupported || why == Gone {
		why = lacksMemory(p, v.alive)
	}
	if why != OK {
		p.PSSBytes, p.USSBytes = Unknown[uint64](why), Unknown[uint64](why)
		return
	}
	p.PSSBytes, p.USSBytes = Know(v.rollup.PSS), Know(v.rollup.USS())
}
