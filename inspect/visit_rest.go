package inspect

import (
	"slices"
)

const (
	// fullRounds: a process that rests is read in full every so many passes,
	// because a few things are done to it from outside: another nice value,
	// affinity or tracer, pages that are taken away.
	fullRounds = 16
	// maxHeld bounds the descriptors kept open for the visible rows.
	maxHeld = 512
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
