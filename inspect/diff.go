package inspect

import "time"

// Diff compares two snapshots; prev may be nil. Pure.
//
// The rules, per process and per thread:
//
//	in both            the difference over the time between the two reads
//	new, born since    its counters are the difference, over the time since prev
//	new, but older     unknown: SeenLate
//	only in prev       listed as exited
//	counter went back  unknown: WasReset (execve from a thread that is not the leader)
func Diff(prev, cur *Snapshot) *Changes { return diffAfter(nil, prev, cur) }

// diffAfter is Diff, and takes the deltas of processes that still rest from the
// changes before, if those were the changes up to prev.
func diffAfter(last *Changes, prev, cur *Snapshot) *Changes {
	c := &Changes{Prev: prev, Cur: cur}
	if cur == nil {
		return c
	}
	c.Deltas = make([]*Delta, len(cur.Processes))
	d := differ{prev: prev, cur: cur}
	if prev == nil {
		for i, p := range cur.Processes {
			c.Deltas[i] = d.first(p, NeedsTwoSamples)
		}
		return c
	}
	if last != nil && last.Cur == prev {
		d.last = last.Deltas
	}
	c.Interval = time.Duration(cur.MonoNS - prev.MonoNS)
	c.Host = diffHost(&prev.Host, &cur.Host, c.Interval)
	j := 0
	for i, p := range cur.Processes {
		for j < len(prev.Processes) && prev.Processes[j].ID.Compare(p.ID) < 0 {
			c.Exited = append(c.Exited, prev.Processes[j])
			j++
		}
		if j < len(prev.Processes) && prev.Processes[j].ID == p.ID {
			c.Deltas[i] = d.both(j, i)
			j++
			continue
		}
		c.Deltas[i] = d.onlyNow(i)
	}
	c.Exited = append(c.Exited, prev.Processes[j:]...)
	return c
}

// differ is the scratch of one Diff. Deltas are cut from slabs, except those that
// may outlive the others: one of them would keep its whole slab.
type differ struct {
	prev, cur *Snapshot
	last      []*Delta // of the processes of prev; nil when there is nothing to take
	deltas    []Delta
	slab      []ThreadDelta
}

// slabSize is how many deltas are allocated at once.
const slabSize = 64

func (d *differ) delta() *Delta {
	if len(d.deltas) == 0 {
		d.deltas = make([]Delta, slabSize)
	}
	out := &d.deltas[0]
	d.deltas = d.deltas[1:]
	return out
}

func (d *differ) threads(p *Process) []ThreadDelta {
	n := len(p.Threads)
	if n == 0 {
		return nil
	}
	if len(d.slab) < n {
		d.slab = make([]ThreadDelta, max(n, slabSize))
	}
	out := d.slab[:n:n]
	d.slab = d.slab[n:]
	return out
}

func (s *Snapshot) readAt(i int) int64 {
	if i < len(s.ReadAt) && s.ReadAt[i] != 0 {
		return s.ReadAt[i]
	}
	return s.MonoNS
}

// bornSince reports whether a task that is absent from prev, with that start
// time, started after prev was taken. Start times are cut to whole ticks.
func bornSince(prev *Snapshot, start uint64) bool {
	at := bootInstant(prev)
	return at > 0 && int64(start+1)*int64(clockTick) > at
}

// bootInstant is the CLOCK_BOOTTIME instant of a snapshot, 0 when unknown.
func bootInstant(s *Snapshot) int64 {
	if s.BootNS > 0 {
		return s.BootNS
	}
	if boot, ok := s.Host.BootTime.Get(); ok {
		return int64(s.Taken.Sub(boot))
	}
	return 0
}

// lived is how long a task started at start had lived when process i of the
// current snapshot was read, at most the interval since prev.
func (d *differ) lived(start uint64, i int) time.Duration {
	at := bootInstant(d.cur) + d.cur.readAt(i) - d.cur.MonoNS
	return max(0, min(d.sincePrev(i), time.Duration(at-int64(start)*int64(clockTick))))
}

// sincePrev is the interval of a task that was born since prev.
func (d *differ) sincePrev(i int) time.Duration {
	return max(1, time.Duration(d.cur.readAt(i)-d.prev.MonoNS))
}

// first makes the delta of a process that has no past, for the given reason.
func (d *differ) first(p *Process, why Why) *Delta {
	out := d.delta()
	*out = unknownDelta(p.ID, why)
	out.Threads = d.threads(p)
	for k := range out.Threads {
		out.Threads[k] = unknownThreadDelta(p.Threads[k].ID, why)
	}
	return out
}

func unknownDelta(id ID, why Why) Delta {
	f := Unknown[float64](why)
	return Delta{
		ID: id, CPUPercent: f, UserPercent: f, SystemPercent: f,
		RunningPercent: f, ReadyPercent: f, BlockedPercent: f, VoluntaryRate: f, InvoluntaryRate: f,
		MinorFaultRate: f, MajorFaultRate: f, ReadRate: f, WriteRate: f, Parallelism: f,
		Migrations: Unknown[uint64](why), RSSGrowth: Unknown[int64](why),
	}
}

func unknownThreadDelta(id ThreadID, why Why) ThreadDelta {
	f := Unknown[float64](why)
	return ThreadDelta{
		ID: id, RunningPercent: f, ReadyPercent: f, BlockedPercent: f, CPUPercent: f,
		VoluntaryRate: f, InvoluntaryRate: f, MinorFaultRate: f, MajorFaultRate: f,
		Migrations: Unknown[uint64](why),
	}
}

func (d *differ) onlyNow(i int) *Delta {
	p := d.cur.Processes[i]
	if !bornSince(d.prev, p.ID.Start) {
		return d.first(p, SeenLate)
	}
	out := d.delta()
	*out = Delta{ID: p.ID, Born: true, Interval: d.sincePrev(i)}
	zero := zeroOf(p)
	d.counters(out, &zero, p)
	out.RSSGrowth = growth(Know(uint64(0)), p.RSSBytes)
	out.Threads = d.threads(p)
	for k := range p.Threads {
		t := &p.Threads[k]
		d.bornThread(&out.Threads[k], t, i)
		out.BornThreads = append(out.BornThreads, t.ID)
	}
	sumThreads(out, p)
	return out
}

// zeroOf is the past of a process that was just born: everything that is known
// now was zero.
func zeroOf(p *Process) Process {
	z := func(k Known[uint64]) Known[uint64] { return Known[uint64]{Why: k.Why} }
	return Process{
		ID: p.ID, UserNS: z(p.UserNS), SystemNS: z(p.SystemNS), CPUTimeNS: z(p.CPUTimeNS),
		Switches:    Switches{Voluntary: z(p.Switches.Voluntary), Involuntary: z(p.Switches.Involuntary)},
		MinorFaults: z(p.MinorFaults), MajorFaults: z(p.MajorFaults),
		ReadBytes: z(p.ReadBytes), WriteBytes: z(p.WriteBytes),
	}
}

func (d *differ) both(j, i int) *Delta {
	p, q := d.cur.Processes[i], d.prev.Processes[j]
	interval := time.Duration(d.cur.readAt(i) - d.prev.readAt(j))
	switch {
	case interval <= 0:
		return d.first(p, NeedsTwoSamples)
	case p == q:
		return d.atRest(j, p, interval)
	}
	out := d.delta()
	*out = Delta{ID: p.ID, Interval: interval}
	d.counters(out, q, p)
	out.Execed = execed(q, p)
	out.RSSGrowth = growth(q.RSSBytes, p.RSSBytes)
	out.Threads = d.threads(p)
	switch {
	case q.Threads == nil:
		for k := range p.Threads {
			if bornSince(d.prev, p.Threads[k].ID.Start) {
				d.bornThread(&out.Threads[k], &p.Threads[k], i)
				continue
			}
			out.Threads[k] = unknownThreadDelta(p.Threads[k].ID, NeedsTwoSamples)
		}
	default:
		d.mergeThreads(out, q, p, i)
	}
	sumThreads(out, p)
	return out
}

// atRest gives the delta of a process that was found unchanged.
func (d *differ) atRest(j int, p *Process, interval time.Duration) *Delta {
	if d.last != nil && d.last[j].still {
		return d.last[j]
	}
	out := &Delta{ID: p.ID, Interval: interval, still: true}
	d.counters(out, p, p)
	out.RSSGrowth = growth(p.RSSBytes, p.RSSBytes)
	if len(p.Threads) > 0 {
		out.Threads = make([]ThreadDelta, len(p.Threads))
	}
	for k := range p.Threads {
		diffThread(&out.Threads[k], &p.Threads[k], &p.Threads[k], interval)
	}
	sumThreads(out, p)
	return out
}

// counters fills the rates of the counters of the whole process.
func (d *differ) counters(out *Delta, q, p *Process) {
	dt := out.Interval
	r := rater{dt: dt, reset: &out.Reset}
	out.CPUPercent = r.percent(q.CPUTimeNS, p.CPUTimeNS)
	if d.prev.wantOf(p.ID.PID)&WantCPUClock != d.cur.wantOf(p.ID.PID)&WantCPUClock && !out.Born {
		// One of the two was counted in ticks, the other by the clock.
		out.CPUPercent = r.percent(ticks(q), ticks(p))
	}
	out.UserPercent = r.percent(q.UserNS, p.UserNS)
	out.SystemPercent = r.percent(q.SystemNS, p.SystemNS)
	out.VoluntaryRate = r.rate(q.Switches.Voluntary, p.Switches.Voluntary)
	out.InvoluntaryRate = r.rate(q.Switches.Involuntary, p.Switches.Involuntary)
	if q.bpf != p.bpf && !out.Born {
		out.VoluntaryRate = r.acrossSources(q.Switches.Voluntary, p.Switches.Voluntary, p.Switches.lifted[0])
		out.InvoluntaryRate = r.acrossSources(q.Switches.Involuntary, p.Switches.Involuntary, p.Switches.lifted[1])
	}
	out.MinorFaultRate = r.rate(q.MinorFaults, p.MinorFaults)
	out.MajorFaultRate = r.rate(q.MajorFaults, p.MajorFaults)
	out.ReadRate = r.rate(q.ReadBytes, p.ReadBytes)
	out.WriteRate = r.rate(q.WriteBytes, p.WriteBytes)
}

func ticks(p *Process) Known[uint64] {
	if !p.UserNS.OK() {
		return p.UserNS
	}
	return Known[uint64]{V: p.UserNS.V + p.SystemNS.V, Why: p.SystemNS.Why}
}

// execed reports whether the process runs another program than before: the
// program file changed, or the place of its code or of its stack, which every
// execve draws anew (both are 0 or 1 where we may not see them).
func execed(q, p *Process) bool {
	if q.ExecID.OK() && p.ExecID.OK() {
		return q.ExecID.V != p.ExecID.V
	}
	if q.Exe.OK() && p.Exe.OK() && q.Exe.V != p.Exe.V {
		return true
	}
	moved := func(a, b Known[uint64]) bool {
		return a.OK() && b.OK() && a.V > 1 && b.V > 1 && a.V != b.V
	}
	return moved(q.StartCode, p.StartCode) || moved(q.StartStack, p.StartStack)
}

func growth(a, b Known[uint64]) Known[int64] {
	switch {
	case !b.OK():
		return Unknown[int64](b.Why)
	case !a.OK():
		return Unknown[int64](NeedsTwoSamples)
	}
	return Know(int64(b.V - a.V))
}

// rater turns two readings of a counter into a rate.
type rater struct {
	dt    time.Duration
	reset *bool
}

// delta is b-a; unknown when either is, or when the counter went back.
func (r rater) delta(a, b Known[uint64]) (uint64, Why) {
	switch {
	case !b.OK():
		return 0, b.Why
	case !a.OK():
		return 0, NeedsTwoSamples
	case r.dt <= 0:
		return 0, NeedsTwoSamples
	case b.V < a.V:
		*r.reset = true
		return 0, WasReset
	}
	return b.V - a.V, OK
}

func (r rater) rate(a, b Known[uint64]) Known[float64] {
	n, why := r.delta(a, b)
	if why != OK {
		return Unknown[float64](why)
	}
	return Know(float64(n) / r.dt.Seconds())
}

// acrossSources is the rate of a counter whose two readings come from different
// sources, of which the second may know of exited threads that the first did
// not: what they did in the past is no rate.
func (r rater) acrossSources(a, b Known[uint64], lifted uint64) Known[float64] {
	if a.OK() && b.OK() && b.V < a.V+lifted {
		return Unknown[float64](NeedsTwoSamples)
	}
	if b.OK() {
		b.V -= lifted
	}
	return r.rate(a, b)
}

// percent is for counters of nanoseconds.
func (r rater) percent(a, b Known[uint64]) Known[float64] {
	n, why := r.delta(a, b)
	if why != OK {
		return Unknown[float64](why)
	}
	return Know(100 * float64(n) / float64(r.dt))
}
