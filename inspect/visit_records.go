package inspect

import (
	"bytes"

	"taskscope/inspect/internal/bpf"
	"taskscope/inspect/internal/proc"
)

// takeRecords makes of the records of a process what would have been read from
// stat, statm, status, schedstat and io, and finds out which files are to be
// read all the same. After that the records are not needed any more.
func (v *visit) takeRecords(g *group) {
	x := v.ps.recs
	v.record = true
	v.task = x.tasks[g.leader]
	v.at = x.at(g)
	if b := v.before; b != nil && b.p.ID.Start != v.task.StartTicks() {
		v.before = nil
	}
	v.old = nil
	if b := v.before; b != nil && b.bpf && b.want == v.want {
		v.old = b
	}
	v.checkExited(State(v.task.StateLetter()))
	// Threads' status files change without the threads running.
	const anyway = WantThreads | WantStatusRest
	v.moved = v.old == nil || v.old.sums[slotTask] != g.sum || v.want&anyway == anyway
	v.threads = int(g.n)
	v.sums[slotTask], v.whys[slotTask] = g.sum, OK
	v.sums[slotGlance], v.sums[slotLeader] = g.glance, x.sums[g.leader]
	v.takeLeader()
	v.findAlive(g)
	if v.moved {
		v.addUp(g)
		v.takeProcess()
		v.takeMemory()
		v.takeStatus()
		v.takeThreads(g)
		v.settle(g)
		v.sums[slotClock] = v.clock
	} else {
		v.sums[slotClock] = v.old.sums[slotClock]
	}
	v.chooseFiles()
}

// takeLeader fills what stat says of the leader alone.
func (v *visit) takeLeader() {
	t, st := &v.task, &v.stat
	*st = proc.Stat{
		PID: v.pid, Comm: append(st.Comm[:0], rawName(t)...), State: t.StateLetter(),
		PPID: int(t.PPID), PGRP: int(t.PGID), Session: int(t.Session), Flags: uint64(t.Flags),
		Priority: t.Priority(), Nice: t.Nice(), NumThreads: int(t.NrThreads), StartTicks: t.StartTicks(),
		Processor: int(t.CPU), RTPriority: uint64(t.RTPrio), Policy: uint64(t.Policy),
	}
	if v.before != nil && t.KernelThread() {
		st.Comm = append(st.Comm[:0], v.before.p.Comm...) // whole; see nameDue
	}
	v.execID = Unknown[uint64](NotSupported)
	if t.Have&bpf.HaveExecID != 0 {
		v.execID = Know(t.ExecID)
	}
}

// rawName is the name of a task without an allocation.
func rawName(t *bpf.Task) []byte {
	if i := bytes.IndexByte(t.CommBytes[:], 0); i >= 0 {
		return t.CommBytes[:i]
	}
	return t.CommBytes[:]
}

// newProgram: the leader has executed since p was read.
func (v *visit) newProgram(p *Process) bool {
	return v.execID.OK() && p.ExecID.OK() && v.execID.V != p.ExecID.V
}

// findAlive finds the thread through whose files a process is still to be seen
// when its leader has exited.
func (v *visit) findAlive(g *group) {
	if v.stat.State != 'Z' {
		return
	}
	x := v.ps.recs
	for i := g.first; i != none; i = x.next[i] {
		if s := x.tasks[i].StateLetter(); s != 'Z' && s != 'X' {
			v.alive = int(x.tasks[i].TID)
			return
		}
	}
}

// addUp adds up the threads.
func (v *visit) addUp(g *group) {
	x := v.ps.recs
	v.sum, v.living, v.state = bpf.Sum{}, liveSums{}, 0
	if b := v.before; b != nil {
		v.sum.Continue(b.p.UserNS.V, b.p.SystemNS.V)
	}
	for i := g.first; i != none; i = x.next[i] {
		t := &x.tasks[i]
		v.sum.Add(t)
		v.living.add(t)
		if s := State(t.StateLetter()); v.state == 0 || stateRank(s) < stateRank(v.state) {
			v.state = s
		}
	}
}

// takeProcess fills what stat, schedstat and io say of the process.
func (v *visit) takeProcess() {
	t, p := &v.task, v.sum.Totals()
	v.stat.UTime, v.stat.STime = p.UserNS/uint64(clockTick), p.SystemNS/uint64(clockTick)
	v.stat.MinFlt, v.stat.MajFlt = p.MinorFaults, p.MajorFaults
	v.supply(slotStat, OK, true)
	if v.clock = p.ExecNS; v.want&WantCPUClock != 0 {
		v.supply(slotClock, OK, true)
	}
	v.sched = proc.Schedstat{RunNS: t.SumExec, WaitNS: t.RunDelay, Slices: t.PCount}
	v.supply(slotSchedstat, lacking(t.Have&bpf.HaveSchedInfo), v.want&WantSchedstat != 0)
	v.io = proc.IO{
		ReadChars: p.IO.RChar, WriteChars: p.IO.WChar, ReadCalls: p.IO.SyscR, WriteCalls: p.IO.SyscW,
		ReadBytes: p.IO.ReadBytes, WriteBytes: p.IO.WriteBytes,
	}
	v.supply(slotIO, lacking(t.Have&bpf.HaveIO), v.want&WantIO != 0)
}

// supply notes that the records have supplied the content of a file.
func (v *visit) supply(s slot, why Why, wanted bool) { v.whys[s], v.fresh[s] = why, wanted }

func lacking(have bpf.Have) Why {
	if have == 0 {
		return NotSupported
	}
	return OK
}

// takeMemory fills statm. A process without memory has zeros there.
func (v *visit) takeMemory() {
	v.statm = proc.Statm{}
	if m := v.sum.Memory(); m != nil {
		v.statm.Size, v.statm.Resident = m.TotalVM, m.RSSPages()
	}
	v.supply(slotStatm, OK, true)
}

// takeStatus fills those lines of status for which there is something in the
// records.
func (v *visit) takeStatus() {
	t, st := &v.task, &v.status
	*st = proc.Status{
		Name: st.Name[:0], Groups: st.Groups[:0], NStgid: st.NStgid[:0], NSpid: st.NSpid[:0], CpusAllowedList: st.CpusAllowedList[:0],
		UID: proc.IDs{t.UID, t.EUID}, GID: proc.IDs{t.GID}, Voluntary: t.NVCSw, Nonvoluntary: t.NIvCSw,
	}
	st.Supply(proc.StatusUid, proc.StatusGid, proc.StatusVoluntary, proc.StatusNonvoluntary)
	if m := v.sum.Memory(); m != nil {
		st.RssAnon, st.RssFile, st.RssShmem = m.AnonPages()*pageSize, m.FilePages()*pageSize, m.ShmemPages()*pageSize
		st.VmSwap, st.VmHWM = m.SwapPages()*pageSize, max(m.HiwaterRSS, m.RSSPages())*pageSize
		st.Supply(proc.StatusRssAnon, proc.StatusRssFile, proc.StatusRssShmem, proc.StatusVmSwap, proc.StatusVmHWM)
	}
	v.supply(slotStatus, OK, v.want&WantStatus != 0)
}
