package verify

import (
	"fmt"
	"slices"

	"taskscope/inspect"
	"taskscope/load"
)

// toldFields are what a job computes: its result is in no file of the kernel,
// so the inspector cannot see it and the workers' word is compared with the
// promise.
func toldFields() []DerivedField {
	const result = "what a job computes is in its memory: no file of the kernel tells it"
	const clock = "when a job was done is known to the workers: they go on to wait for the end"
	return []DerivedField{
		{ID: "result", Doc: "What the operations of a worker, or of all, computed.", told: result},
		{ID: "value", Doc: "Value of a counter, or how often a lock was taken, in memory that the workers share.", told: result},
		{ID: "increments", Unit: "count", Doc: "How often one was added.", told: result},
		{ID: "lost_updates", Unit: "count", Doc: "Additions that were made and are not in the value.", told: result},
		{ID: "acquisitions", Unit: "count", Doc: "How often a lock was taken.", told: result},
		{ID: "messages", Unit: "count", Doc: "Messages received.", told: result},
		{ID: "connections", Unit: "count", Doc: "Connections accepted.", told: result},
		{ID: "requests", Unit: "count", Doc: "Requests answered.", told: result},
		{ID: "pages", Unit: "count", Doc: "Pages fetched.", told: result},
		{ID: "bytes", Unit: "bytes", Doc: "Bytes read from the network.", told: result},
		{ID: "items", Unit: "count", Doc: "Elements of the array that were worked on.", told: result},
		{ID: "duplicates", Unit: "count", Doc: "Elements that were worked on more than once.", told: result},
		{ID: "chunks", Unit: "count", Doc: "Chunks of the array that were taken.", told: result},
		{
			ID: "same_address", Doc: "1 when the address in the worker's slot is that of the first worker who reports one.", told: result,
			self: sameAddress,
		},
		{ID: "elapsed_ns", Unit: "ns", Doc: "From the first worker's begin to the last one's end of its job.", told: clock},
		{ID: "cost_per_switch_ns", Unit: "ns", Doc: "Time of a message and its answer, halved.", told: clock},
		{
			ID: "lock_utilisation_percent", Unit: "percent", Doc: "Time in critical sections of the time the job took.", told: clock,
			report: lockUtilisation,
		},
	}
}

// onlyTold judges a promise that nothing but the workers' word can tell.
func (j *judge) onlyTold(c *Check, q *load.Promise, why string, exp, self reading) {
	c.Source = "report"
	switch {
	case !exp.ok:
		c.Verdict, c.Why = Undecided, "no expected value: "+exp.why
	case !self.ok:
		c.Verdict, c.Why = Undecided, "the worker has not reported"
	case !within(q, exp, self, c.Tolerance):
		c.Verdict, c.Why = j.missed(q, j.miss(q, exp, self, c.Tolerance), "the workers report "+self.text()+", expected "+bound(q)+exp.text())
	default:
		c.Verdict, c.Why = Pass, "not observed: "+why
	}
}

// jobSpanNS is how long the job took by the workers' own clocks.
func (j *judge) jobSpanNS() (float64, bool) {
	var begin, end int64
	for i := range j.m.Processes {
		for k := range j.m.Processes[i].Threads {
			r := &j.m.Processes[i].Threads[k].Report
			if r.Phase < load.ReportParked || r.JobEndNS == 0 {
				continue
			}
			if begin == 0 || r.StartNS < begin {
				begin = r.StartNS
			}
			end = max(end, r.JobEndNS)
		}
	}
	return float64(end - begin), end > begin
}

// lockUtilisation adds up the critical sections by the plan and the number of
// acquisitions by the report.
func lockUtilisation(j *judge) reading {
	span, ok := j.jobSpanNS()
	if !ok {
		return unknown("the workers have not reported")
	}
	held := 0.0
	for i := range j.m.Processes {
		for k := range j.m.Processes[i].Threads {
			for _, op := range j.m.Plan.Processes[i].Threads[k].Ops {
				if op.Kind == load.OpLock {
					held += float64(j.m.Processes[i].Threads[k].Report.Acquired) * float64(op.B)
				}
			}
		}
	}
	return number(100 * held / span)
}

func coresUsed(j *judge, before, after *inspect.Snapshot, q *load.Promise) reading {
	all := *q
	all.Field, all.Process, all.Thread = "run_ns", -1, -1
	span, ok := j.jobSpanNS()
	if !ok {
		return unknown("the workers have not reported")
	}
	r := j.growth(&all, before, after)
	r.num /= span
	return r
}

// coresBusy needs the CPUs' own times, which the samples of the whole host
// have: they begin a little before the job and end a little after it.
func coresBusy(j *judge, _, _ *inspect.Snapshot, _ *load.Promise) reading {
	before, after := j.wide[load.WhenReady], j.wide[load.WhenParked]
	span, ok := j.jobSpanNS()
	switch {
	case len(before) == 0 || len(after) == 0:
		return unknown("no sample of the whole host before and after")
	case !ok:
		return unknown("the workers have not reported")
	}
	a, b := before[len(before)-1], after[0]
	used, busy := j.usedCPUs(), 0.0
	for i, c := range inspect.Diff(a, b).Host.PerCPU {
		if used != nil && !slices.Contains(used, i) {
			continue
		}
		percent, ok := c.Get()
		if !ok {
			return unread(c.Why)
		}
		busy += percent / 100
	}
	return number(busy * float64(b.MonoNS-a.MonoNS) / span)
}

func addressSpaces(j *judge, s *inspect.Snapshot, _ *load.Promise) reading {
	t := j.tree(s)
	if t == nil {
		return absent("the root is not in the sample")
	}
	return number(float64(len(t)))
}

// sameAddress compares a worker's reported address with that of the first
// worker of the run that reports one.
func sameAddress(j *judge, q *load.Promise) reading {
	slot := fmt.Sprint(q.Slot)
	mine, ok := j.m.Processes[q.Process].Threads[q.Thread].Report.Slots[slot]
	if !ok {
		return unknown("the worker reports no address")
	}
	for i := range j.m.Processes {
		for k := range j.m.Processes[i].Threads {
			if first, ok := j.m.Processes[i].Threads[k].Report.Slots[slot]; ok {
				if first == mine {
					return number(1)
				}
				return number(0)
			}
		}
	}
	return unknown("no worker reports an address")
}
