package inspect

import "taskscope/inspect/internal/proc"

// The kernel counts a thread twice from when it notes what an exiting thread did
// until that has exited. So its totals are believed only if no thread was on its
// way out when they were asked for: those listed before are all there afterwards,
// and none of them is seen exiting.

// askTotals asks for the totals over all threads, exited ones included, before
// the threads are read.
func (v *visit) askTotals() {
	if v.want&WantThreads != 0 && v.threadCount() > 1 {
		var err error
		if v.asked, err = v.r.TIDs(v.asked[:0], v.pid); err != nil {
			return
		}
	}
	v.totals, v.exact = v.ps.totals.ask(v.pid)
}

// confirmTotals asks once more, now that the threads have been read: of two
// answers the lower one is nearer the truth, should a thread have come and gone
// between two looks.
func (v *visit) confirmTotals() {
	if !v.exact || v.listed != OK {
		return
	}
	if v.kept && !v.stillStands() {
		// Threads were taken for those of the last pass because none had run until
		// this pass began. The totals know what they did since: without that their
		// switches would be taken for those of exited threads, for good.
		v.list, v.listSums, v.listed, v.restless = v.list[:0], v.listSums[:0], NotRead, true
		if v.readThreads(); v.listed != OK {
			v.exact = false
			return
		}
	}
	again, ok := v.ps.totals.ask(v.pid)
	if v.exact = ok && !v.ending; !v.exact {
		return
	}
	t := &v.totals
	t.Voluntary, t.Involuntary = min(t.Voluntary, again.Voluntary), min(t.Involuntary, again.Involuntary)
	t.RunNS, t.ReadyNS, t.Slices = min(t.RunNS, again.RunNS), min(t.ReadyNS, again.ReadyNS), min(t.Slices, again.Slices)
}

// stillStands reports whether no thread of the process has run since its CPU
// clock was read, or since its records were made.
func (v *visit) stillStands() bool {
	ns, err := proc.CPUClock(v.pid)
	return err == nil && ns == v.clock
}

// subset reports whether all of a are in b; both are sorted.
func subset(a, b []int) bool {
	k := 0
	for _, x := range a {
		for k < len(b) && b[k] < x {
			k++
		}
		if k == len(b) || b[k] != x {
			return false
		}
	}
	return true
}
