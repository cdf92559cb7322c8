package inspect

import (
	"slices"
)

// finish makes the entry of the visit: the very same one as in the pass before
// when no text has changed.
func (v *visit) finish() {
	v.singleThread()
	changed := v.old == nil || v.threadsNew || v.grown() || !slices.Equal(v.stuck, v.old.p.StuckFiles)
	for _, f := range v.fresh {
		changed = changed || f
	}
	if !changed {
		v.entry = v.again()
		return
	}
	e := &entry{p: new(Process), want: v.want, sums: v.sums, bpf: v.record, dirty: v.dirty(), ending: v.ending, rollupNext: v.rollupNext}
	p := e.p
	switch {
	case v.old != nil:
		*p, e.leader = *v.old.p, v.old.leader
	case v.before != nil:
		// Other files than last time: only stat's values may stay, in case
		// stat itself is stuck, what has exited, and what is read rarely.
		b := v.before.p
		*p = Process{ID: b.ID, Comm: b.Comm, Exited: b.Exited, CmdlineCut: b.CmdlineCut}
		carry(&p.Cmdline, b.Cmdline, v.want&WantCmdline)
		carry(&p.Cgroup, b.Cgroup, v.want&WantCgroup)
		carry(&p.Exe, b.Exe, v.want&WantExe)
	}
	v.apply(p, &e.leader)
	if v.before != nil && v.whys[slotStat] == Stuck {
		p.ID = v.before.p.ID // who it is is known from before
	}
	p.bpf = v.record
	p.StuckFiles = slices.Clone(v.stuck)
	p.Partial = len(v.stuck) > 0
	v.applyThreads(p, e)
	v.entry = e
}

func carry[T any](to *Known[T], from Known[T], wanted Want) {
	if wanted != 0 {
		*to = from
	}
}

// again is the entry of a process whose text is the same as in the pass before:
// the same process, and the same entry unless a note in it has to change.
func (v *visit) again() *entry {
	e := v.old.seen(v.sums[slotGlance])
	if dirty := v.dirty(); dirty != e.dirty || v.rollupNext != e.rollupNext {
		c := *e
		c.dirty, c.rollupNext = dirty, v.rollupNext
		return &c
	}
	return e
}

// seen is the entry of a process that is the same but for how it looks at a
// glance, 0 when nobody looked.
func (e *entry) seen(glance uint64) *entry {
	if e.sums[slotGlance] == glance {
		return e
	}
	c := *e
	c.sums[slotGlance] = glance
	return &c
}

// dirty: the process has run since its command line was read.
func (v *visit) dirty() bool {
	read := v.want&WantCmdline != 0 && v.onceDue(slotCmdline, WantCmdline)
	return !read && (v.ran() || v.before != nil && v.before.dirty)
}

// ran: the process has run since the last pass, whatever was read of it then.
func (v *visit) ran() bool {
	b := v.before
	if b == nil || v.sums[slotClock] == 0 || b.sums[slotClock] == 0 {
		return v.moved
	}
	return v.sums[slotClock] != b.sums[slotClock]
}

// grown: threads were born and have died since the last pass without having been
// seen; only the kernel's totals show what they did.
func (v *visit) grown() bool {
	s := &v.old.p.Switches
	return !v.record && v.exact && (!s.Exact || s.Voluntary.OK() && v.totals.Voluntary > s.Voluntary.V ||
		s.Involuntary.OK() && v.totals.Involuntary > s.Involuntary.V)
}

// singleThread settles whether a process with one thread needs its thread made
// of its own files.
func (v *visit) singleThread() {
	if v.record || v.want&WantThreads == 0 || v.listed != NotRead {
		return
	}
	if v.old == nil || len(v.old.threads) != 1 ||
		v.fresh[slotStat] || v.fresh[slotStatus] || v.fresh[slotSchedstat] {
		v.threadsNew = true
	}
}

// applyThreads fills the threads and what is summed over them.
func (v *visit) applyThreads(p *Process, e *entry) {
	if v.record && !v.moved {
		v.keepThreads(e) // and all that is summed over them
		return
	}
	if v.rested { // nothing can have been counted since
		v.keepThreads(e)
		p.State = deriveState(p.LeaderState, p.Threads)
		return
	}
	wanted := v.want&WantThreads != 0 || v.listed != NotRead
	switch {
	case !wanted:
		v.keepThreads(e)
		p.Threads, p.ThreadsWhy = nil, NotRead
	case v.listed == NotRead:
		e.threads = []Thread{ownThread(p, &e.leader)}
		e.threadSums = []threadSum{{}}
	case v.listed != OK:
		v.keepThreads(e)
		p.Threads, p.ThreadsWhy = nil, v.listed
	case v.threadsNew || v.before == nil:
		e.threads, e.threadSums = slices.Clone(v.list), slices.Clone(v.listSums)
	default:
		v.keepThreads(e)
	}
	if wanted && (v.listed == OK || v.listed == NotRead) {
		p.Threads, p.ThreadsWhy = e.threads, OK
		if v.before != nil {
			p.Exited = v.before.p.Exited.plus(v.before.threads, e.threads)
		}
		p.State = deriveState(p.LeaderState, p.Threads)
	}
	if v.record {
		v.sumRecords(p)
		return
	}
	v.sumCounters(p, &e.leader)
}

func (v *visit) keepThreads(e *entry) {
	if v.before != nil {
		e.threads, e.threadSums = v.before.threads, v.before.threadSums
	}
}

// ownThread makes the only thread of a process from the process's own files,
// which speak of the leader and, where of the whole process, of nobody else.
func ownThread(p *Process, c *counters) Thread {
	return Thread{
		ID: ThreadID{TID: p.ID.PID, Start: p.ID.Start}, Comm: p.Comm, State: p.LeaderState,
		Voluntary: c.voluntary, Involuntary: c.involuntary, RunNS: c.run, ReadyNS: c.ready, Slices: c.slices,
		UserNS: p.UserNS, SystemNS: p.SystemNS, MinorFaults: p.MinorFaults, MajorFaults: p.MajorFaults,
		CPULast: p.CPULast, Nice: p.Nice, Priority: p.Priority, RTPriority: p.RTPriority, Policy: p.Policy,
		CPUsAllowed: p.CPUsAllowed, UID: p.UID, NSTIDs: p.NSPIDs,
	}
}

// sumCounters fills the totals over all threads: of this pass's living threads
// plus those that have exited. Without the threads, the leader alone stands
// for the process only if it is its only thread.
func (v *visit) sumCounters(p *Process, leader *counters) {
	living, known := livingCounters(p, leader)
	before := p.Exited
	switch {
	case known && v.exact:
		p.Exited = p.Exited.raise(v.totals, &living)
	case !known && v.exact:
		t := &v.totals
		p.RunNS, p.ReadyNS, p.Slices = Know(t.RunNS), Know(t.ReadyNS), Know(t.Slices)
		p.Switches = Switches{Voluntary: Know(t.Voluntary), Involuntary: Know(t.Involuntary), Scope: ScopeProcess, Exact: true}
		return
	}
	lifted := p.Exited.above(before)
	if v.before != nil && v.before.bpf {
		p.Exited = p.Exited.keepUp(&living, v.before.p)
	}
	x := &p.Exited
	living.add(&counters{Know(x.Voluntary), Know(x.Involuntary), Know(x.RunNS), Know(x.ReadyNS), Know(x.Slices)})
	p.RunNS, p.ReadyNS, p.Slices = living.run, living.ready, living.slices
	p.Switches = Switches{Voluntary: living.voluntary, Involuntary: living.involuntary, lifted: lifted}
	if living.voluntary.OK() || living.involuntary.OK() {
		p.Switches.Exact = v.exact
		p.Switches.Scope = ScopeProcessLive
		if v.exact || x.Threads > 0 {
			p.Switches.Scope = ScopeProcess
		}
	}
}

// livingCounters are the sums over the living threads; known is false when
// they were not read.
func livingCounters(p *Process, leader *counters) (sum counters, known bool) {
	switch {
	case p.ThreadsWhy == OK:
		zero := Know(uint64(0))
		sum = counters{zero, zero, zero, zero, zero}
		for i := range p.Threads {
			t := &p.Threads[i]
			sum.add(&counters{t.Voluntary, t.Involuntary, t.RunNS, t.ReadyNS, t.Slices})
		}
		return sum, true
	case p.ThreadCount.OK() && p.ThreadCount.V == 1:
		return *leader, true
	}
	u := Unknown[uint64](NoThreads)
	return counters{u, u, u, u, u}, false
}

// add adds counter by counter; a sum with an unknown part is unknown.
func (c *counters) add(o *counters) {
	plus := func(a *Known[uint64], b Known[uint64]) {
		switch {
		case a.OK() && b.OK():
			a.V += b.V
		case a.OK():
			*a = Unknown[uint64](b.Why)
		}
	}
	plus(&c.voluntary, o.voluntary)
	plus(&c.involuntary, o.involuntary)
	plus(&c.run, o.run)
	plus(&c.ready, o.ready)
	plus(&c.slices, o.slices)
}
