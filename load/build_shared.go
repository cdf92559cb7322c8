package load

import (
	"runtime"
	"time"
)

// stayParam is the duration of a load whose job is of fixed size.
func stayParam() Param {
	return Param{
		Name: "seconds", Kind: ParamDuration, Default: "2s", Min: 1e6, Max: maxSeconds,
		Doc: "how long the workers stay: what the job leaves of it they wait; a longer job takes its time",
	}
}

// thenStay ends the operations of every worker by waiting for the end of
// seconds, so that what has been done can be looked at.
func (p *Plan) thenStay(v Values, workers []site) {
	for _, s := range workers {
		t := &p.Processes[s.process].Threads[s.thread]
		t.Ops = append(t.Ops, hold(v))
	}
}

// atLeast stretches the planned duration to what the job itself will take.
func (p *Plan) atLeast(d time.Duration) { p.Duration = max(p.Duration, d) }

// onlyCountedWaits promises that every voluntary switch of every thread is one
// of the waits that it counted itself, and its final park.
func (p *Plan) onlyCountedWaits(because string) {
	p.switches(Identity, because, func(site) Formula { return Formula{}.Plus(1, "waits") })
}

// told promises a number that only the workers can know. about is the site it
// is about; process -1 is the tree.
func (p *Plan) told(about site, field string, kind CheckKind, expect, self Formula, because string) {
	scope := "thread"
	if about.process < 0 {
		scope = "subtree"
	}
	p.promise(Promise{
		Process: about.process, Thread: about.thread, Field: field, Scope: scope, Kind: kind, When: WhenParked,
		Expect: expect, Self: &self, Because: because,
	})
}

// toldAtLeast is told for a lower bound.
func (p *Plan) toldAtLeast(about site, field string, expect, self Formula, because string) {
	p.told(about, field, Bound, expect, self, because)
	p.Promises[len(p.Promises)-1].AtLeast = true
}

var wholeTree = site{-1, -1}

// jobSpan is from when the first thread began to when the last was done with
// its job.
func jobSpan() Formula {
	return Formula{}.with(Term{Key: "job_end_mono_ns", Factor: 1, Agg: AggMax}).
		with(Term{Key: "start_mono_ns", Factor: -1, Agg: AggMin})
}

// parallel is on how many CPUs that many workers may run at once.
func parallel(v Values, workers int) int {
	n := runtime.NumCPU()
	if cpus := v.CPUs("cpus"); len(cpus) > 0 {
		n = min(n, len(cpus))
	}
	return min(workers, n)
}

// coresAtMost promises that the run time of all threads together is no more
// than that many CPUs can give while the job lasts.
func (p *Plan) coresAtMost(n int, tolerance float64, because string) {
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "cores_used", Scope: "subtree", Kind: Bound, When: WhenDelta,
		Expect: Exactly(float64(n)), TolAbs: tolerance, Because: because,
	})
}

// coresTolerance allows for run time outside the measured span: the gate, the
// park, and the tick by which run time may lag.
func (p *Plan) coresTolerance(span time.Duration) float64 {
	return (float64(TickNS) + float64(len(p.Processes)+4)*bookingSlackNS) / float64(span)
}

// lookedAt is how long a state must last for an observer, who looks about four
// times a second, to see it for sure.
const lookedAt = 400 * time.Millisecond

// seenIn promises that so many threads of a process are seen waiting like that
// at least once, if they do so long enough.
func (p *Plan) seenIn(field string, process, threads int, lasts time.Duration, because string) {
	if lasts < lookedAt {
		return
	}
	p.promise(Promise{
		Process: process, Thread: -1, Field: field, Scope: "process_live", Kind: Bound, AtLeast: true, When: WhenLive,
		Expect: Exactly(float64(threads)), Because: because,
	})
}

// runTime promises the CPU time of a worker that computes until its own CPU clock
// says so: never less; and as much, but for what is booked to it while its CPU
// serves an interrupt or is stopped by the hypervisor between two looks at the
// clock (1.6 ms at a load average of 20).
func (p *Plan) runTime(s site, ns float64, because string) {
	self := Formula{}.Plus(1, "cpu_ns")
	q := Promise{
		Process: s.process, Thread: s.thread, Field: "run_ns", Scope: "thread", When: WhenDelta,
		Expect: Exactly(ns), Self: &self, Because: because,
	}
	q.Kind, q.AtLeast = Identity, true
	p.promise(q)
	q.Kind, q.AtLeast, q.TolRel, q.TolAbs = Statistical, false, dutyPrecision, bookingSlackNS
	p.promise(q)
}
