package inspect

import (
	"slices"

	"taskscope/inspect/internal/proc"
)

// threadSum are the hashes of the files of one thread, as in entry,
// or of its record.
type threadSum struct{ stat, status, sched, task uint64 }

// readThreads reads the threads of the process into v.list. A process with one
// thread is not read a second time through task/: its thread is made of its
// own files (see finish), unless they include what exited threads did.
func (v *visit) readThreads() {
	if v.threadCount() <= 1 && !v.hadThreads() {
		return
	}
	if v.rested {
		v.listed, v.threads = OK, len(v.old.threads)
		return
	}
	var err error
	if v.tids, v.tasks, err = v.r.OpenTasks(v.tids[:0], v.pid); err != nil {
		v.listed = v.ps.own.whyNot(proc.FileTask, err)
		if v.listed == ReadFailed {
			v.errors++
		}
		return
	}
	defer v.tasks.Close()
	v.listed = OK
	v.ending = v.ending || !subset(v.asked, v.tids)
	v.list = slices.Grow(v.list, len(v.tids))
	v.alive = 0
	if len(v.tids) > heldThreads {
		v.r.Hold(nil)
	}
	still := v.old != nil && !v.restless && v.clockStood()
	var old []Thread
	if v.before != nil {
		old = v.before.threads
	}
	k := 0
	for _, tid := range v.tids {
		for k < len(old) && old[k].ID.TID < tid {
			k++
		}
		if k < len(old) && old[k].ID.TID == tid {
			v.readThread(tid, &old[k], v.before.threadSums[k], still)
			continue
		}
		v.readThread(tid, nil, threadSum{}, false)
	}
	v.threads = len(v.list)
	v.threadsNew = v.threadsNew || len(v.list) != len(old)
	if v.alive == 0 {
		v.alive = v.pid
	}
	if len(v.list) == 0 {
		v.listed = Gone
	}
}

// hadThreads: the process has used more CPU time than its only thread, so
// other threads have been here, and its own files count for them too.
func (v *visit) hadThreads() bool {
	if v.before != nil && len(v.before.threads) > 1 || v.before != nil && v.before.p.Exited.Threads > 0 {
		return true
	}
	if !v.statKnown() || v.whys[slotSchedstat] != OK || !v.fresh[slotSchedstat] {
		return v.before != nil && v.before.threads != nil && v.before.threadSums[0].stat != 0
	}
	const slack = 2 * uint64(clockTick) // of two counters cut to ticks
	return (v.stat.UTime+v.stat.STime)*uint64(clockTick) > v.sched.RunNS+slack
}

// readThread appends one thread; one that vanished meanwhile is left out. The
// order matters: schedstat moves whenever a context switch is counted, so when
// it has not moved, status cannot have counted one, and is not read again
// unless something shows in stat. stat is read always: a thread that becomes
// ready changes its state there and nothing anywhere else. still: no thread of the
// process has run since the last pass.
func (v *visit) readThread(tid int, old *Thread, sum threadSum, still bool) {
	if still && v.sameThread(tid, sum) {
		v.kept = true
		v.appendThread(old, sum)
		return
	}
	var now threadSum
	var t Thread
	sched, err := v.tasks.File(tid, proc.FileSchedstat)
	schedWhy := v.threadText(proc.FileSchedstat, sched, err, &now.sched)
	if schedWhy == Gone {
		v.ending = true
		return
	}
	var s proc.Schedstat
	if schedWhy == OK && proc.ParseSchedstat(sched, &s) != nil {
		schedWhy = Malformed
	}
	stat, err := v.tasks.File(tid, proc.FileStat)
	statWhy := v.threadText(proc.FileStat, stat, err, &now.stat)
	if statWhy == Gone {
		v.ending = true
		return
	}
	if old != nil && now.stat == sum.stat && now.sched == sum.sched && sum.status != 0 && schedWhy == OK && !v.before.ending {
		now.status = sum.status
		v.appendThread(old, now)
		return
	}
	if statWhy == OK && proc.ParseStat(stat, &v.tstat) != nil {
		statWhy = Malformed
	}
	if old != nil && statWhy == OK && old.ID.Start != v.tstat.StartTicks {
		old = nil // the TID belongs to another thread now
	}
	if old != nil {
		t = *old
		if v.before.bpf {
			t.WaitingNS, t.SP, t.PC = Known[uint64]{}, Known[uint64]{}, Known[uint64]{}
		}
	}
	v.setThreadStat(&t, tid, statWhy)
	v.ending = v.ending || statWhy != OK || v.tstat.Flags&proc.FlagExiting != 0 && (old == nil || !old.State.exited())
	setThreadSched(&t, &s, schedWhy)
	text, err := v.tasks.File(tid, proc.FileStatus)
	statusWhy := v.threadText(proc.FileStatus, text, err, &now.status)
	if statusWhy == Gone {
		v.ending = true
		return
	}
	if statusWhy == OK && proc.ParseStatusLines(text, &v.tstatus, threadLines) != nil {
		statusWhy = Malformed
	}
	v.setThreadStatus(&t, statusWhy, statWhy)
	v.threadsNew = true
	v.appendThread(&t, now)
}

// sameThread reports whether a thread that cannot have run, and so has counted
// nothing, is the same in all else.
func (v *visit) sameThread(tid int, sum threadSum) bool {
	if sum.status == 0 || v.before.ending {
		return false
	}
	stat, err := v.tasks.File(tid, proc.FileStat)
	return err == nil && v.ps.hash(stat) == sum.stat
}

func (v *visit) appendThread(t *Thread, sum threadSum) {
	if t.State != 'Z' && t.State != 'X' && v.alive == 0 {
		v.alive = t.ID.TID
	}
	v.list = append(v.list, *t)
	v.listSums = append(v.listSums, sum)
}

func (v *visit) threadText(f proc.File, b []byte, err error, sum *uint64) Why {
	why := v.ps.own.whyNot(f, err)
	switch why {
	case OK:
		*sum = v.ps.hash(b)
		return OK
	case Stuck:
		if name := "task/" + f.String(); !slices.Contains(v.stuck, name) {
			v.stuck = append(v.stuck, name)
		}
	case ReadFailed, Malformed:
		v.errors++
	}
	*sum = uint64(why)
	return why
}

// setThreadStat takes over v.tstat. While the read is stuck, the last known
// values stay.
func (v *visit) setThreadStat(t *Thread, tid int, why Why) {
	st := &v.tstat
	switch {
	case why == Stuck && t.ID.TID != 0:
		return
	case why != OK:
		*t = Thread{ID: ThreadID{TID: tid}}
		u, n := Unknown[uint64](why), Unknown[int](why)
		t.UserNS, t.SystemNS, t.MinorFaults, t.MajorFaults = u, u, u, u
		t.CPULast, t.Nice, t.Priority, t.RTPriority, t.Policy = n, n, n, n, n
		return
	}
	t.ID = ThreadID{TID: tid, Start: st.StartTicks}
	t.Comm = sameString(t.Comm, st.Comm)
	t.State = State(st.State)
	t.UserNS, t.SystemNS = Know(st.UTime*uint64(clockTick)), Know(st.STime*uint64(clockTick))
	t.MinorFaults, t.MajorFaults = Know(st.MinFlt), Know(st.MajFlt)
	t.CPULast, t.Nice, t.Priority = Know(st.Processor), Know(st.Nice), Know(st.Priority)
	t.RTPriority, t.Policy = Know(int(st.RTPriority)), Know(int(st.Policy))
	t.IOWorker = st.Flags&proc.FlagIOWorker != 0
}

// threadLines are the lines of status that say something of a thread, and what
// stat would have said had it been read.
var threadLines = proc.LinesOf(proc.StatusState, proc.StatusUid, proc.StatusNSpid, proc.StatusCpusAllowedList,
	proc.StatusVoluntary, proc.StatusNonvoluntary)

func setThreadSched(t *Thread, s *proc.Schedstat, why Why) {
	if why != OK {
		u := Unknown[uint64](why)
		t.RunNS, t.ReadyNS, t.Slices = u, u, u
		return
	}
	t.RunNS, t.ReadyNS, t.Slices = Know(s.RunNS), Know(s.WaitNS), Know(s.Slices)
}

func (v *visit) setThreadStatus(t *Thread, why, statWhy Why) {
	st := &v.tstatus
	if why != OK {
		u := Unknown[uint64](why)
		t.Voluntary, t.Involuntary = u, u
		t.UID, t.CPUsAllowed, t.NSTIDs = Unknown[uint32](why), Unknown[string](why), nil
		return
	}
	if statWhy != OK {
		t.Comm, t.State = sameString(t.Comm, st.Name), State(st.State)
	}
	t.Voluntary = line(st, proc.StatusVoluntary, st.Voluntary)
	t.Involuntary = line(st, proc.StatusNonvoluntary, st.Nonvoluntary)
	t.UID = line(st, proc.StatusUid, st.UID[0])
	v.setThreadRest(t)
}

// setThreadRest takes over the lines of v.tstatus that no other source has.
func (v *visit) setThreadRest(t *Thread) {
	st := &v.tstatus
	if !t.CPUsAllowed.OK() || t.CPUsAllowed.V != string(st.CpusAllowedList) {
		t.CPUsAllowed = line(st, proc.StatusCpusAllowedList, string(st.CpusAllowedList))
	}
	if !slices.Equal(t.NSTIDs, st.NSpid) {
		t.NSTIDs = slices.Clone(st.NSpid)
	}
}

// line is the value of a line of status, NotSupported when it was missing.
func line[T any](s *proc.Status, f proc.StatusField, v T) Known[T] {
	if !s.Has(f) {
		return Unknown[T](NotSupported)
	}
	return Know(v)
}

// sameString is string(b), the old one where it is equal.
func sameString(old string, b []byte) string {
	if old == string(b) {
		return old
	}
	return string(b)
}
