package verify

import (
	"fmt"

	"taskscope/inspect"
	"taskscope/load"
)

// paceFields compare what was seen of a worker at some instant with what the
// worker has noted of what it did before and after.
func paceFields() []DerivedField {
	return []DerivedField{
		{
			ID: "faults_off_log", Unit: "count",
			Doc: "Minor faults between two looks at a thread that its log of the pages it wrote does not account for, or misses; the most over all pairs of looks one after the other.",
			get: minorFaults, all: faultsOffLog,
		},
		{
			ID: "minor_faults_per_second", Unit: "1/s", Doc: "Minor faults of a thread per second, between the first and the last look at it while it wrote by its log.",
			get: minorFaults, all: faultRate, self: pagesPerSecond,
		},
	}
}

func minorFaults(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	one := *q
	one.Field = "minor_faults"
	return j.plain(s, &one)
}

// logOf is what the thread of a promise has noted of what it wrote; nil: nothing.
func (j *judge) logOf(q *load.Promise) []load.LogEntry {
	for _, op := range j.m.Plan.Processes[q.Process].Threads[q.Thread].Ops {
		if op.Kind == load.OpPace && op.Object < len(j.m.Objects) {
			return j.m.Objects[op.Object].Log
		}
	}
	return nil
}

// writtenBy is how many pages were written by an instant for certain, and how
// many may have been.
func writtenBy(log []load.LogEntry, begin, end int64) (least, most float64) {
	for _, e := range log {
		if e.UntilNS != 0 && e.UntilNS <= begin {
			least += float64(e.Pages)
		}
		if e.FromNS <= end {
			most += float64(e.Pages)
		}
	}
	return least, most
}

// lookEnd is when a snapshot was complete.
func lookEnd(s *inspect.Snapshot) int64 {
	end := s.MonoNS + int64(s.Cost.Wall)
	for _, at := range s.ReadAt {
		end = max(end, at)
	}
	return end
}

// faultsOffLog needs no quiet machine: however long a look took, or the worker
// was kept from its edges, the faults lie between what was written before the
// look began and what was begun before it ended.
func faultsOffLog(j *judge, q *load.Promise) reading {
	log := j.logOf(q)
	if len(log) == 0 {
		return unknown("the worker has noted nothing")
	}
	looks := append([]*inspect.Snapshot(nil), j.narrow[load.WhenReady]...)
	looks = append(append(looks, j.narrow[load.WhenLive]...), j.narrow[load.WhenParked]...)
	var (
		before      reading
		least, most float64
		off, open   float64
		pairs       int
	)
	for _, s := range looks {
		now := minorFaults(j, s, q)
		if !now.ok {
			return now
		}
		l, m := writtenBy(log, s.MonoNS, lookEnd(s))
		if before.ok {
			pairs++
			d := now.num - before.num
			off = max(off, (l-most)-d, d-(m-least))
			open = max(open, (m-least)-(l-most))
		}
		before, least, most = now, l, m
	}
	if pairs == 0 {
		return unknown(noSample(load.WhenParked))
	}
	r := number(off)
	r.source, r.note = before.source, fmt.Sprintf(" (%d pairs of looks, of which the log leaves at most %.0f pages open)", pairs, open)
	if r.source == "" {
		r.source = looks[len(looks)-1].Source
	}
	return r
}

// faultRate goes by the looks that were over before the worker was done.
func faultRate(j *judge, q *load.Promise) reading {
	log := j.logOf(q)
	if len(log) < 2 {
		return unknown("the worker has noted less than two edges")
	}
	var looks []*inspect.Snapshot
	for _, s := range j.usable(q, load.WhenLive) {
		if s.MonoNS > log[0].FromNS && lookEnd(s) < log[len(log)-1].FromNS {
			looks = append(looks, s)
		}
	}
	if len(looks) < 2 {
		return unknown(fmt.Sprintf("%d samples were taken while it wrote, two are needed", len(looks)))
	}
	first, last := looks[0], looks[len(looks)-1]
	a, b := minorFaults(j, first, q), minorFaults(j, last, q)
	from, to := j.readAt(first, q.Process), j.readAt(last, q.Process)
	switch {
	case !a.ok:
		return a
	case !b.ok:
		return b
	case from == 0 || to <= from:
		return unknown("when the samples were read is not known")
	case float64(to-from) < leastRateSpan:
		return unknown(fmt.Sprintf("the samples are %s apart: an edge more or less is too much of that", millis(float64(to-from))))
	}
	b.num = (b.num - a.num) / float64(to-from) * 1e9
	b.source = last.Source
	return b
}

// leastRateSpan is how far apart, in ns, two samples must be for a rate within
// 5 %: an edge, and the delay of one, are 10 ms at the most.
const leastRateSpan = 300e6

// pagesPerSecond is the same by the worker's log.
func pagesPerSecond(j *judge, q *load.Promise) reading {
	log := j.logOf(q)
	if len(log) < 2 {
		return reading{}
	}
	written := 0.0
	for _, e := range log[:len(log)-1] {
		written += float64(e.Pages)
	}
	span := log[len(log)-1].FromNS - log[0].FromNS
	if span <= 0 {
		return reading{}
	}
	return number(written / float64(span) * 1e9)
}
