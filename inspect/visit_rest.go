package inspect

import (
	"slices"
	"time"
)

const (
	// fullRounds: a process that rests is read in full every so many passes,
	// because a few things are done to it from outside: another nice value,
	// affinity or tracer, pages that are taken away.
	fullRounds = 16
	// maxHeld bounds the descriptors kept open for the visible rows.
	maxHeld = 512
	// heldThreads: the files of more threads than this are not kept open, since
	// there is no room for those of many such processes.
	heldThreads = 32
	// threadsAge is how old what is known of threads at rest may become, for each
	// crowdPart of them and at most maxAge times as long.
	threadsAge = 4 * time.Second
	crowdPart  = 64
	maxAge     = 4
	// waitAge is the same for threads of which one may have become ready to run
	// and wait for a CPU; those of no crowd are then read every time.
	waitAge = time.Second
	// shortWait: threads that wait for a CPU for less than this may be taken for
	// still asleep.
	shortWait = 50 * time.Millisecond
)

// rests reports whether the process need not be read: its CPU clock, which
// counts every nanosecond that any of its threads runs, has not moved, so none
// of its threads has done anything since the last pass. Reading the clock costs
// a fiftieth of reading the files. Left to chance is that a PID was reused by a
// process whose clock stood at the very same nanosecond.
//
// What is on screen is read in any case, and so is what waits for a CPU, whose
// parent has exited, or of which a file was stuck.
func (v *visit) rests() bool {
	ps, e := v.ps, v.old
	switch {
	case e == nil || !ps.live || ps.only || v.want&WantRollup != 0 && ps.rollupTurn(v.pid, e),
		(v.pid+ps.round)%fullRounds == 0,
		e.p.State == 'R' || e.p.LeaderState == 'R' || len(e.p.StuckFiles) > 0,
		contains(ps.visible, v.pid) || contains(ps.threads, v.pid) || contains(ps.ended, e.p.PPID.V):
		return false
	}
	if v.sums[slotClock] == 0 || v.sums[slotClock] != e.sums[slotClock] {
		return false
	}
	v.entry, v.at = e, ps.now()
	return true
}

// clockStood reports whether the CPU clock of the process, which was read before
// its files, says that none of its threads has run since the last pass.
func (v *visit) clockStood() bool {
	return v.ps.live && v.sums[slotClock] != 0 && v.sums[slotClock] == v.old.sums[slotClock]
}

// threadsRest reports whether the threads need not be read, although the process
// is: none of them has run, as the CPU clock of the process tells, and none can
// have become ready to run without having got a CPU yet, which the clock does not
// tell. While tasks wait for CPUs, the threads of crowds are read in turn all the
// same, lest a busy machine is burdened further. What others do to threads (another nice value) is looked at when it is
// their turn, at once where they did it to the leader too, and always of the
// process in focus and of those that a pass is all about.
func (v *visit) threadsRest() bool {
	e := v.old
	age := threadsAge
	if !v.ps.noneWaits {
		age = waitAge
	}
	switch {
	case e == nil || v.ps.only || v.pid == v.ps.focus || v.zombieLeader() || !v.clockStood(),
		len(v.stuck) > 0 || len(e.p.StuckFiles) > 0 || e.p.State == 'R' || e.p.ThreadsWhy != OK,
		len(e.threads) <= 1 || len(e.threads) != v.threadCount(),
		!v.ps.noneWaits && len(e.threads) <= crowdPart || v.ps.threadsTurn(v.pid, len(e.threads), age):
		return false
	}
	st, p := &v.stat, e.p
	return !v.statKnown() || State(st.State) == p.LeaderState && Know(st.Nice) == p.Nice && Know(st.Priority) == p.Priority &&
		Know(int(st.Policy)) == p.Policy && Know(int(st.RTPriority)) == p.RTPriority
}

// threadsTurn reports whether the threads of a process at rest are read again in
// this pass: once in that time, those of large crowds more rarely.
func (ps *pass) threadsTurn(pid, n int, age time.Duration) bool {
	const slots = 16 // so that not all processes have their turn in the same pass
	period := int64(age) * int64(min(max(n/crowdPart, 1), maxAge))
	offset := int64(pid%slots) * period / slots
	return ps.last == 0 || (ps.began+offset)/period != (ps.last+offset)/period
}

// noneWaits reports whether no task waits for a CPU, as far as is known: at most
// one per CPU is able to run, or tasks have not waited for longer than shortWait
// since the last pass. What the kernel calls pressure is a mean over the CPUs,
// each with the weight of its busy time, which is at least the time waited there:
// so the wait is at most the root of pressure × interval × CPUs.
func (r *Reader) noneWaits(h *Host) bool {
	running, ok := h.RunningTasks.Get()
	if ok && h.CPUs > 0 && running <= uint64(h.CPUs) {
		return true
	}
	if !r.waited.OK() || !r.waitedLast.OK() || r.waited.V < r.waitedLast.V || h.CPUs == 0 || r.last == 0 {
		return false
	}
	pressure, interval := time.Duration(r.waited.V-r.waitedLast.V).Seconds(), time.Duration(r.began-r.last).Seconds()
	return pressure*interval*float64(h.CPUs) < shortWait.Seconds()*shortWait.Seconds()
}

// endedParents are the processes of the last pass that are not listed any more,
// or had become zombies.
func endedParents(prev []*entry, pids []int) []int {
	var out []int
	k := 0
	for _, e := range prev {
		pid := e.p.ID.PID
		for k < len(pids) && pids[k] < pid {
			k++
		}
		if k == len(pids) || pids[k] != pid || e.p.LeaderState == 'Z' {
			out = append(out, pid)
		}
	}
	return slices.Clip(out)
}
