package inspect

import (
	"bytes"

	"taskscope/inspect/internal/bpf"
	"taskscope/inspect/internal/proc"
)

// chooseFiles notes in v.due which files the records do not replace. A process
// for which there are none is done without any system call.
func (v *visit) chooseFiles() {
	for _, o := range onceSlots {
		switch {
		case v.onceDue(o.slot, o.want):
			v.mark(o.slot)
		case v.want&o.want != 0:
			v.keep(o.slot)
		}
	}
	if v.want&WantStatRest != 0 {
		if v.old == nil || v.execed() || v.turn() || v.newSession() {
			v.mark(slotRest)
		} else {
			v.keep(slotRest)
		}
	}
	if v.nameDue() {
		v.mark(slotComm)
	}
	v.chooseStatus()
	if v.want&WantIO != 0 && v.task.Have&bpf.HaveIO == 0 {
		v.mark(slotIO)
	}
	if v.want&WantRollup != 0 {
		v.mark(slotRollup)
	}
	if v.want&WantFDs != 0 {
		v.mark(slotFDs)
	}
}

// chooseStatus: the sizes in a record are exact where the kernel lets us add up
// its per-CPU counters; elsewhere the files are.
func (v *visit) chooseStatus() {
	if v.want&WantStatusRest != 0 {
		v.mark(slotStatus)
	}
	if m := v.sum.Memory(); v.moved && m != nil && m.Have&bpf.HaveRSSExact == 0 {
		v.mark(slotStatm)
		if v.want&WantStatus != 0 {
			v.mark(slotStatus)
		}
	}
}

func (v *visit) mark(s slot)        { v.due |= 1 << s }
func (v *visit) marked(s slot) bool { return v.due>>s&1 != 0 }

func (v *visit) newSession() bool {
	p := v.before.p
	return p.PGID.V != v.stat.PGRP || p.Session.V != v.stat.Session
}

// nameDue: names of kernel threads are longer than what a record holds, and
// those of workers end in what they work on.
func (v *visit) nameDue() bool {
	if !v.task.KernelThread() {
		return false
	}
	return v.before == nil || v.moved && (v.task.Flags&bpf.FlagWorkqueue != 0 || !bytes.HasPrefix(v.stat.Comm, rawName(&v.task)))
}

// readDue reads the files that chooseFiles chose. What vanishes meanwhile leaves
// its values unknown: the process was there.
func (v *visit) readDue() {
	for s := slot(0); s < slotCount; s++ {
		if !v.marked(s) {
			continue
		}
		switch s {
		case slotStatm:
			v.readStatm()
		case slotStatus:
			v.readStatus()
		case slotIO:
			v.readIO()
		case slotRollup:
			v.readRollup()
		case slotFDs:
			v.readFDs()
		case slotRest:
			v.readStatRest()
		case slotComm:
			v.readComm()
		default:
			v.readSlot(s)
		}
	}
	if v.marked(slotStatus) && v.listed == OK {
		v.readThreadsRest()
	}
}

// readStatRest reads the terminal and the places in memory.
func (v *visit) readStatRest() {
	b, err := v.r.File(v.pid, proc.FileStat)
	if !v.take(slotRest, proc.FileStat, b, err) {
		return
	}
	if err := proc.ParseStat(b, &v.tstat); err != nil {
		v.failed(slotRest, proc.FileStat, err)
		return
	}
	st, t := &v.stat, &v.tstat
	st.TTYNr = t.TTYNr
	st.StartCode, st.EndCode, st.StartStack = t.StartCode, t.EndCode, t.StartStack
	st.StartData, st.EndData, st.StartBrk = t.StartData, t.EndData, t.StartBrk
}

// readComm reads the whole name of a kernel thread; without it the short one
// will do.
func (v *visit) readComm() {
	b, err := v.r.File(v.pid, proc.FileComm)
	if err != nil {
		return
	}
	v.stat.Comm = append(v.stat.Comm[:0], proc.ParseComm(b)...)
	v.fresh[slotStat] = v.fresh[slotStat] || v.old == nil || string(v.stat.Comm) != v.old.p.Comm
	for i := range v.list {
		v.list[i].Comm = sameString(v.list[i].Comm, v.stat.Comm)
	}
}

// readThreadsRest reads what only the status files of threads have. It does so
// each time: affinity is changed from outside.
func (v *visit) readThreadsRest() {
	for i := range v.list {
		t := &v.list[i]
		text, err := v.r.ThreadFile(v.pid, t.ID.TID, proc.FileStatus)
		why := v.threadText(proc.FileStatus, text, err, &v.listSums[i].status)
		if why == OK && proc.ParseStatusLines(text, &v.tstatus, threadLines) != nil {
			why = Malformed
		}
		if why != OK {
			t.CPUsAllowed, t.NSTIDs = Unknown[string](why), nil
			continue
		}
		v.setThreadRest(t)
	}
}
