package inspect

import (
	"taskscope/inspect/internal/bpf"
)

// exactTotals are totals of one process over living and exited threads, read at
// one instant.
type exactTotals interface {
	Totals(pid int) (bpf.SwitchTotals, error)
}

// liveSums are sums over the living threads.
type liveSums struct{ voluntary, involuntary, run, ready, slices uint64 }

func (s *liveSums) add(t *bpf.Task) {
	s.voluntary += t.NVCSw
	s.involuntary += t.NIvCSw
	s.run += t.SumExec
	s.ready += t.RunDelay
	s.slices += t.PCount
}

// deadSums are what the kernel has added up of the threads that exited. exact:
// they belong to the same instant as the sums over the living, so that no thread
// is in both or in neither.
type deadSums struct {
	voluntary, involuntary, run uint64
	exact                       bool
}

// settle finds what exited threads have counted, if that is wanted. While
// threads exit, the records of one pass do not fit together; then the process is
// asked about on its own.
func (v *visit) settle(g *group) {
	v.dead = deadSums{}
	if v.want&WantTotals == 0 {
		return
	}
	first := &v.ps.recs.tasks[g.first]
	if g.settled && uint32(g.n) == v.task.NrThreads {
		v.dead = deadSums{first.SigNVCSw, first.SigNIvCSw, first.SigSumExec, true}
		return
	}
	if v.ps.exact != nil {
		if t, err := v.ps.exact.Totals(v.pid); err == nil && t.Start == v.task.Start {
			v.dead = deadSums{t.ExitedVoluntary, t.ExitedInvoluntary, t.ExecNS - min(t.ExecNS, v.living.run), true}
			v.living.voluntary = t.Voluntary - t.ExitedVoluntary
			v.living.involuntary = t.Involuntary - t.ExitedInvoluntary
			v.clock = t.ExecNS
			return
		}
	}
	if v.ps.totals != nil && !v.task.KernelThread() {
		// The totals are of now, the records of a moment ago: they belong together
		// only if nothing has run between the two.
		v.totals, v.exact = v.ps.totals.ask(v.pid)
		v.exact = v.exact && v.stillStands()
	}
}

// sumRecords fills what is summed over all threads. That exited threads are
// contained exactly is said only where it was asked for (WantTotals), so that
// the numbers do not depend on the source.
func (v *visit) sumRecords(p *Process) {
	if p.Threads == nil {
		p.State = v.state
	}
	known := func(n uint64, want Want, slot slot) Known[uint64] {
		switch {
		case v.want&want == 0:
			return Unknown[uint64](NotRead)
		case v.whys[slot] != OK:
			return Unknown[uint64](v.whys[slot])
		}
		return Know(n)
	}
	l := &v.living
	living := counters{
		voluntary: known(l.voluntary, WantStatus, slotTask), involuntary: known(l.involuntary, WantStatus, slotTask),
		run: known(l.run, WantSchedstat, slotTask), ready: known(l.ready, WantSchedstat, slotSchedstat),
		slices: known(l.slices, WantSchedstat, slotSchedstat),
	}
	floor := p.Exited
	p.Exited = v.exited(floor, &living)
	x := &p.Exited
	living.add(&counters{Know(x.Voluntary), Know(x.Involuntary), Know(x.RunNS), Know(x.ReadyNS), Know(x.Slices)})
	p.RunNS, p.ReadyNS, p.Slices = living.run, living.ready, living.slices
	p.Switches = Switches{Voluntary: living.voluntary, Involuntary: living.involuntary, lifted: x.above(floor)}
	if living.voluntary.OK() {
		p.Switches.Exact = v.exact || v.dead.exact
		p.Switches.Scope = ScopeProcessLive
		if p.Switches.Exact || *x != (Exited{}) {
			p.Switches.Scope = ScopeProcess
		}
	}
}

// exited improves the floor of what exited threads have counted.
func (v *visit) exited(x Exited, living *counters) Exited {
	switch {
	case v.dead.exact:
		x.Voluntary, x.Involuntary, x.RunNS = v.dead.voluntary, v.dead.involuntary, v.dead.run
	case v.exact:
		x = x.raise(v.totals, living)
	}
	b := v.before
	if b == nil || v.dead.exact && b.bpf && b.p.Switches.Exact {
		return x
	}
	return x.keepUp(living, b.p)
}
