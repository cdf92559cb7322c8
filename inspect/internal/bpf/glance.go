package bpf

// Glance is what a quick look at a thread takes. Two that are the same, of one
// thread and with Busy 0, say that it has not run in between, and that its place
// in the tree, its state and its priority are the same. What others did to it
// otherwise (taking pages away, another control group) does not show.
type Glance struct {
	TGID, TID, PPID  uint32
	State            uint32 // of the kernel, with the exit state
	Prio, StaticPrio int32
	Policy           uint32
	Busy             uint32 // 1: it is on a CPU, or waits for one
	SumExec          uint64 // ns on a CPU; up to a tick old while it runs
}

// Sum adds a number for this look to that of other threads; their order matters.
func (g *Glance) Sum(all uint64) uint64 {
	const mix = 0x9e3779b97f4a7c15
	for _, w := range [...]uint64{
		uint64(g.TID)<<32 | uint64(g.PPID), uint64(g.State)<<32 | uint64(g.Policy),
		uint64(uint32(g.Prio))<<32 | uint64(uint32(g.StaticPrio)), g.SumExec,
	} {
		all = (all ^ w) * mix
		all ^= all >> 29
	}
	return all
}

// Glance is what a look at the thread would have taken when the record was made.
func (t *Task) Glance() Glance {
	g := Glance{
		TGID: t.TGID, TID: t.TID, PPID: t.PPID, State: t.State | t.ExitState,
		Prio: t.Prio, StaticPrio: t.StaticPrio, Policy: t.Policy, SumExec: t.SumExec,
	}
	if t.OnCPU != 0 || g.State == 0 {
		g.Busy = 1
	}
	return g
}

// Glances makes a pass that looks at every task and no closer than needed to see
// that it rests, which costs a third of one that reads it. They are handed to
// take as by Each.
func (s *Source) Glances(take func(batch []Glance)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link < 0 {
		return ErrClosed
	}
	return eachRecord(s.glance, s.buf, take)
}
