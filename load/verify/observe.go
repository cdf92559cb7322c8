package verify

import (
	"fmt"
	"math"
	"slices"

	"taskscope/inspect"
	"taskscope/load"
)

// observe finds the value of a promise in the samples of its phase.
func (j *judge) observe(q *load.Promise) reading {
	if d := j.derived[q.Field]; d != nil && d.all != nil {
		return d.all(j, q)
	}
	switch q.When {
	case load.WhenDelta:
		return j.difference(q, j.newest(q, load.WhenReady), j.newest(q, load.WhenParked))
	case load.WhenLiveDelta:
		live := j.usable(q, load.WhenLive)
		if len(live) < 2 {
			return unknown(fmt.Sprintf("%d samples were taken while it worked, two are needed", len(live)))
		}
		return j.difference(q, live[0], live[len(live)-1])
	case load.WhenLive:
		return j.middle(q)
	case load.WhenGone:
		return j.gone(q)
	}
	s := j.newest(q, q.When)
	if s == nil {
		return unknown(noSample(q.When))
	}
	return j.in(s, q)
}

func noSample(when load.When) string { return "no sample was taken in the phase " + string(when) }

// usable are the samples of a phase that can tell a promise's field, oldest
// first: those with the segments of its process where it needs them.
func (j *judge) usable(q *load.Promise, when load.When) []*inspect.Snapshot {
	d := j.derived[q.Field]
	switch {
	case d != nil && d.wide:
		return j.wide[when]
	case d == nil || !d.segments:
		return j.narrow[when]
	}
	var out []*inspect.Snapshot
	for _, s := range j.detailed[when] {
		if q.Process >= 0 && q.Process < len(j.ids) && s.Detail.ID == j.ids[q.Process] {
			out = append(out, s)
		}
	}
	return out
}

func (j *judge) newest(q *load.Promise, when load.When) *inspect.Snapshot {
	s := j.usable(q, when)
	if len(s) == 0 {
		return nil
	}
	return s[len(s)-1]
}

// in reads a promise's field in one snapshot.
func (j *judge) in(s *inspect.Snapshot, q *load.Promise) reading {
	r := j.read(s, q)
	if r.source == "" {
		r.source = s.Source
	}
	return r
}

func (j *judge) read(s *inspect.Snapshot, q *load.Promise) reading {
	if d := j.derived[q.Field]; d != nil {
		return d.get(j, s, q)
	}
	return j.plain(s, q)
}

// plain reads a field of the inspector's table: of a thread, a process, or
// summed over the tree.
func (j *judge) plain(s *inspect.Snapshot, q *load.Promise) reading {
	f, ok := inspect.FieldByID(q.Field)
	if !ok {
		return unknown("the inspector has no such field")
	}
	if q.Process >= 0 {
		return j.row(s, q.Process, q.Thread, func(row inspect.Row) reading { return fieldValue(f.Get(row)) })
	}
	return j.sum(s, func(row inspect.Row) reading { return fieldValue(f.Get(row)) })
}

// row reads a value of one process or thread of the manifest.
func (j *judge) row(s *inspect.Snapshot, process, thread int, get func(inspect.Row) reading) reading {
	p := j.process(s, process)
	if p == nil {
		return absent("the process is not in the sample")
	}
	row := inspect.Row{Snapshot: s, Process: p}
	if thread >= 0 {
		if p.Threads == nil {
			return unread(p.ThreadsWhy)
		}
		if row.Thread = j.thread(p, process, thread); row.Thread == nil {
			return absent("the thread is not in the sample")
		}
	}
	return get(row)
}

// sum adds a value over the processes of the tree.
func (j *judge) sum(s *inspect.Snapshot, get func(inspect.Row) reading) reading {
	total := number(0)
	for i := range j.m.Processes {
		if j.reaped(s, i) {
			continue
		}
		r := j.row(s, i, -1, get)
		if !r.ok || r.isText {
			return r
		}
		total.num += r.num
	}
	return total
}

// difference is the later value less the earlier one.
func (j *judge) difference(q *load.Promise, before, after *inspect.Snapshot) reading {
	if before == nil {
		return unknown(noSample(load.WhenReady))
	}
	if after == nil {
		return unknown(noSample(load.WhenParked))
	}
	if d := j.derived[q.Field]; d != nil && d.between != nil {
		r := d.between(j, before, after, q)
		r.source = after.Source
		return r
	}
	a, b := j.in(before, q), j.in(after, q)
	switch {
	case !b.ok:
		return b
	case !a.ok:
		return a
	case a.isText || b.isText:
		return unknown("a text has no difference")
	}
	b.num -= a.num
	return b
}

// middle is the median over the live samples; a text must be the same in all
// of them, or all that were seen are given.
func (j *judge) middle(q *load.Promise) reading {
	live := j.usable(q, load.WhenLive)
	if len(live) == 0 {
		return unknown("no sample was taken while it worked")
	}
	var (
		nums   []float64
		texts  []string
		source string
	)
	for _, s := range live {
		r := j.in(s, q)
		if !r.ok {
			return r
		}
		source = r.source
		if !r.isText {
			nums = append(nums, r.num)
		} else if !slices.Contains(texts, r.str) {
			texts = append(texts, r.str)
		}
	}
	var r reading
	if len(texts) > 0 {
		r = words(unite(texts))
	} else {
		slices.Sort(nums)
		r = number(nums[len(nums)/2])
		if lo, hi := nums[0], nums[len(nums)-1]; lo != hi {
			r.note = fmt.Sprintf(" (%d samples from %s to %s)", len(nums), number(lo).text(), number(hi).text())
		}
	}
	r.source = source
	return r
}

// unite joins several texts in order.
func unite(texts []string) string {
	slices.Sort(texts)
	out := texts[0]
	for _, t := range texts[1:] {
		out += "," + t
	}
	return out
}

// gone reads a promise about the time after the run: in the last snapshot of
// the whole host, or of the tree if there is none.
func (j *judge) gone(q *load.Promise) reading {
	list := j.wide[load.WhenGone]
	if len(list) == 0 {
		list = j.narrow[load.WhenGone]
	}
	if len(list) == 0 {
		return unknown(noSample(load.WhenGone))
	}
	return j.in(list[len(list)-1], q)
}

// PhaseOf says in which phase of a run a snapshot was taken, by the
// monotonic clock alone. The second result is false when it overlaps a
// border: such a snapshot proves nothing. settled is how long the workers are
// left alone before a sample counts as live: after the last of them has begun,
// which on a crowded machine may be long after the gate.
func PhaseOf(m *load.Manifest, s *inspect.Snapshot, settled int64) (load.When, bool) {
	start, end := s.MonoNS, s.MonoNS+int64(s.Cost.Wall)
	for _, at := range s.ReadAt {
		end = max(end, at)
	}
	begun, first := workSpan(m)
	switch {
	case m.GateMonoNS == 0 || end < m.GateMonoNS:
		return load.WhenReady, true
	case m.ParkedMonoNS != 0 && start > m.ParkedMonoNS:
		return load.WhenParked, true
	case start > begun+settled && end < first:
		return load.WhenLive, true
	}
	return "", false
}

// workSpan is from when the last worker had begun, as far as they have
// reported, to when the first with anything to do was done with it. Where
// workers mark the span themselves, their marks count instead: one of them may
// begin when it is over (a process that a debugger stops at once).
func workSpan(m *load.Manifest) (begun, first int64) {
	begun, first = m.GateMonoNS, math.MaxInt64
	marked := int64(0)
	if m.Plan == nil {
		return begun, first
	}
	for i := range m.Processes {
		for k := range m.Processes[i].Threads {
			r := &m.Processes[i].Threads[k].Report
			begun, marked = max(begun, r.StartNS), max(marked, r.FromNS)
			// From then on it is ready, although it may have to wait for a CPU
			// before it can say so (a sample saw that at a load average of 10).
			if woken := wokenAt(m, i, k); woken != 0 {
				first = min(first, woken)
			}
			switch {
			case r.UntilNS != 0:
				first = min(first, r.UntilNS)
			case r.Phase >= load.ReportParked && hasWork(m.Plan, i, k) && m.Plan.Processes[i].End == nil:
				first = min(first, r.EndNS)
			}
		}
	}
	if marked != 0 {
		begun = marked
	}
	return begun, first
}

// wokenAt is when a thread that stays to the end, or sleeps once before it does,
// is woken, 0 for any other thread, and for one whose job took longer.
func wokenAt(m *load.Manifest, process, thread int) int64 {
	if process >= len(m.Plan.Processes) || thread >= len(m.Plan.Processes[process].Threads) || m.GateMonoNS == 0 ||
		m.Plan.Processes[process].End != nil {
		return 0
	}
	r := &m.Processes[process].Threads[thread].Report
	at, first, after := int64(0), load.Op{}, false
	n := 0
	for _, op := range m.Plan.Processes[process].Threads[thread].Ops {
		switch {
		case op.Kind == load.OpMark:
			continue
		case op.Kind == load.OpHold:
			at, after = m.GateMonoNS+int64(op.A), false
		default:
			after = true
		}
		if n++; n == 1 {
			first = op
		}
	}
	switch {
	case first.Kind == load.OpSleepRel && first.A == 1 && n <= 2 && !after && r.StartNS != 0:
		return r.StartNS + int64(first.B)
	case at != 0 && !after && r.JobEndNS > at:
		return 0
	}
	return at
}

// reaped says whether a process is absent from a snapshot and may be: it ends
// by plan, and its parent reaps it.
func (j *judge) reaped(s *inspect.Snapshot, i int) bool {
	end := j.m.Plan.Processes[i].End
	return end != nil && end.Reaped && j.process(s, i) == nil
}

func hasWork(p *load.Plan, process, thread int) bool {
	return process < len(p.Processes) && thread < len(p.Processes[process].Threads) &&
		len(p.Processes[process].Threads[thread].Ops) > 0
}
