package inspect

import (
	"slices"

	"taskscope/inspect/internal/bpf"
)

// takeThreads makes the threads of the process, if they are wanted. Those whose
// records did not change are taken over.
func (v *visit) takeThreads(g *group) {
	if v.want&WantThreads == 0 {
		return
	}
	v.listed, v.threadsNew = OK, true
	v.list = slices.Grow(v.list, int(g.n))
	var old []Thread
	if v.before != nil {
		old = v.before.threads
	}
	x, k := v.ps.recs, 0
	for i := g.first; i != none; i = x.next[i] {
		t := &x.tasks[i]
		for k < len(old) && old[k].ID.TID < int(t.TID) {
			k++
		}
		var was *Thread
		if k < len(old) && old[k].ID == (ThreadID{TID: int(t.TID), Start: t.StartTicks()}) {
			was = &old[k]
		}
		v.list = append(v.list, Thread{})
		th := &v.list[len(v.list)-1]
		if was != nil && v.old != nil && v.before.threadSums[k].task == x.sums[i] {
			*th = *was
		} else {
			v.setThread(th, t, was)
		}
		v.listSums = append(v.listSums, threadSum{task: x.sums[i]})
	}
}

// setThread makes a thread, so far zero, of its record; old is the same thread
// before, or nil.
func (v *visit) setThread(th *Thread, t *bpf.Task, old *Thread) {
	th.ID, th.State = ThreadID{TID: int(t.TID), Start: t.StartTicks()}, State(t.StateLetter())
	th.Voluntary, th.Involuntary, th.RunNS = Know(t.NVCSw), Know(t.NIvCSw), Know(t.SumExec)
	th.ReadyNS = Known[uint64]{V: t.RunDelay, Why: lacking(t.Have & bpf.HaveSchedInfo)}
	th.Slices = Known[uint64]{V: t.PCount, Why: lacking(t.Have & bpf.HaveSchedInfo)}
	th.MinorFaults, th.MajorFaults = Know(t.MinFlt), Know(t.MajFlt)
	th.CPULast, th.Nice, th.Priority = Know(int(t.CPU)), Know(t.Nice()), Know(t.Priority())
	th.RTPriority, th.Policy, th.UID = Know(int(t.RTPrio)), Know(int(t.Policy)), Know(t.UID)
	th.IOWorker = t.Flags&bpf.FlagIOWorker != 0
	if wait, ok := t.ReadySince(); ok {
		th.WaitingNS = Know(uint64(wait))
	} else {
		th.WaitingNS = Unknown[uint64](NotSupported)
	}
	th.SP, th.PC = v.userRegisters(t)
	var was struct { // of the thread before
		comm         string
		user, system Known[uint64]
		run          uint64
	}
	if old != nil {
		was.comm, was.user, was.system, was.run = old.Comm, old.UserNS, old.SystemNS, old.RunNS.V
	}
	switch {
	case t.KernelThread():
		th.Comm = sameString(was.comm, v.stat.Comm) // whole
	default:
		th.Comm = sameString(was.comm, rawName(t))
	}
	user, system := t.CPUTimesAfter(was.user.V, was.system.V)
	if t.NrThreads == 1 && t.SigSumExec == 0 {
		// It is the process: the kernel remembers the two splits apart.
		user, system = v.stat.UTime*uint64(clockTick), v.stat.STime*uint64(clockTick)
	}
	if t.SumExec < was.run { // another thread took the leader's place
		was.user, was.system = Known[uint64]{}, Known[uint64]{}
	}
	th.UserNS, th.SystemNS = risingTicks(was.user, user), risingTicks(was.system, system)
}

// risingTicks cuts ns to whole ticks, and does not fall below what was said
// before.
func risingTicks(before Known[uint64], ns uint64) Known[uint64] {
	ns -= ns % uint64(clockTick)
	if before.OK() {
		ns = max(ns, before.V)
	}
	return Know(ns)
}

// userRegisters are where the thread was in user space when it last entered the
// kernel.
func (v *visit) userRegisters(t *bpf.Task) (sp, pc Known[uint64]) {
	switch {
	case t.Have&bpf.HaveRegs != 0 && t.UserSP|t.UserIP != 0:
		return Know(t.UserSP), Know(t.UserIP)
	case t.KernelThread() || t.Flags&bpf.FlagIOWorker != 0:
		return Unknown[uint64](KernelThread), Unknown[uint64](KernelThread)
	case t.StateLetter() == 'Z' || t.StateLetter() == 'X':
		return Unknown[uint64](Zombie), Unknown[uint64](Zombie)
	case v.ps.without&bpf.PartRegs != 0:
		return Unknown[uint64](NotRead), Unknown[uint64](NotRead)
	}
	return Unknown[uint64](NotSupported), Unknown[uint64](NotSupported)
}
