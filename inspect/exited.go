package inspect

// plus adds what the threads that are in old but no longer in cur had counted
// when they were last seen. Both are sorted by TID.
//
// When a thread other than the leader calls execve, all others die, and it
// takes over the PID and start time of the leader: its TID vanishes although
// its counters live on, and the leader's counters, which jump to those of the
// new leader, are the ones that ended. That shows as the leader's counters
// going back. Then the leader's old counters count as exited, and the vanished
// thread that the new leader may have been (the largest that fits) does not.
func (x Exited) plus(old, cur []Thread) Exited {
	var gone []*Thread
	k := 0
	for i := range old {
		o := &old[i]
		for k < len(cur) && cur[k].ID.Compare(o.ID) < 0 {
			k++
		}
		if k == len(cur) || cur[k].ID != o.ID {
			gone = append(gone, o)
			continue
		}
		if wentBack(o, &cur[k]) {
			return x.addAll(takeOver(old, cur, o, &cur[k]))
		}
	}
	return x.addAll(gone)
}

func (x Exited) addAll(gone []*Thread) Exited {
	for _, t := range gone {
		x.Threads++
		x.Voluntary += t.Voluntary.Or(0)
		x.Involuntary += t.Involuntary.Or(0)
		x.RunNS += t.RunNS.Or(0)
		x.ReadyNS += t.ReadyNS.Or(0)
		x.Slices += t.Slices.Or(0)
	}
	return x
}

// keepUp lifts what exited threads have counted until the totals over them and
// the living are not below those of before: a total never falls. It may seem to
// where the living threads and the total were not read at one instant, and a
// thread was between the two.
func (x Exited) keepUp(living *counters, before *Process) Exited {
	lift := func(exited *uint64, alive, before Known[uint64]) {
		if before.OK() && alive.OK() && alive.V+*exited < before.V {
			*exited = before.V - alive.V
		}
	}
	lift(&x.Voluntary, living.voluntary, before.Switches.Voluntary)
	lift(&x.Involuntary, living.involuntary, before.Switches.Involuntary)
	lift(&x.RunNS, living.run, before.RunNS)
	lift(&x.ReadyNS, living.ready, before.ReadyNS)
	lift(&x.Slices, living.slices, before.Slices)
	return x
}

// above gives how many more switches x has than y, which it is made of.
func (x Exited) above(y Exited) [2]uint64 {
	return [2]uint64{x.Voluntary - min(x.Voluntary, y.Voluntary), x.Involuntary - min(x.Involuntary, y.Involuntary)}
}

func wentBack(o, n *Thread) bool {
	back := func(a, b Known[uint64]) bool { return a.OK() && b.OK() && b.V < a.V }
	return back(o.Voluntary, n.Voluntary) || back(o.Involuntary, n.Involuntary) || back(o.RunNS, n.RunNS)
}

// takeOver lists the threads that ended when another thread took the place of
// the leader.
func takeOver(old, cur []Thread, leader, heir *Thread) []*Thread {
	gone := []*Thread{leader}
	best := -1
	for i := range old {
		o := &old[i]
		if o == leader || alive(cur, o.ID) {
			continue
		}
		gone = append(gone, o)
		if !wentBack(o, heir) && (best < 0 || o.RunNS.V > gone[best].RunNS.V) {
			best = len(gone) - 1
		}
	}
	if best > 0 {
		gone = append(gone[:best], gone[best+1:]...)
	}
	return gone
}

func alive(cur []Thread, id ThreadID) bool {
	for i := range cur {
		if cur[i].ID == id {
			return true
		}
	}
	return false
}
