package inspect

import "time"

// mergeThreads walks the threads of two readings of one process, both sorted
// by TID.
func (d *differ) mergeThreads(out *Delta, q, p *Process, i int) {
	j := 0
	for k := range p.Threads {
		t := &p.Threads[k]
		for j < len(q.Threads) && q.Threads[j].ID.Compare(t.ID) < 0 {
			out.ExitedThreads = append(out.ExitedThreads, q.Threads[j].ID)
			j++
		}
		switch {
		case j < len(q.Threads) && q.Threads[j].ID == t.ID:
			diffThread(&out.Threads[k], &q.Threads[j], t, out.Interval)
			out.Reset = out.Reset || out.Threads[k].Reset
			j++
		case bornSince(d.prev, t.ID.Start):
			d.bornThread(&out.Threads[k], t, i)
			out.BornThreads = append(out.BornThreads, t.ID)
		default:
			out.Threads[k] = unknownThreadDelta(t.ID, SeenLate)
		}
	}
	for ; j < len(q.Threads); j++ {
		out.ExitedThreads = append(out.ExitedThreads, q.Threads[j].ID)
	}
}

// bornThread: the counters of a thread born since the previous sample are its
// delta. Its shares are of the same interval as everybody's, so that they can
// be added up; those of a thread that lived for half of it sum to 50.
func (d *differ) bornThread(out *ThreadDelta, t *Thread, i int) {
	z := func(k Known[uint64]) Known[uint64] { return Known[uint64]{Why: k.Why} }
	zero := Thread{
		ID: t.ID, State: 'S', CPULast: t.CPULast, RunNS: z(t.RunNS), ReadyNS: z(t.ReadyNS),
		UserNS: z(t.UserNS), SystemNS: z(t.SystemNS), Voluntary: z(t.Voluntary), Involuntary: z(t.Involuntary),
		MinorFaults: z(t.MinorFaults), MajorFaults: z(t.MajorFaults),
	}
	diffLived(out, &zero, t, d.sincePrev(i), d.lived(t.ID.Start, i))
	out.Born = true
}

func diffThread(out *ThreadDelta, q, t *Thread, dt time.Duration) { diffLived(out, q, t, dt, dt) }

// diffLived is the difference of two readings dt apart of a thread that lived
// for a part of that time.
func diffLived(out *ThreadDelta, q, t *Thread, dt, lived time.Duration) {
	*out = ThreadDelta{ID: t.ID}
	r := rater{dt: dt, reset: &out.Reset}
	out.VoluntaryRate = r.rate(q.Voluntary, t.Voluntary)
	out.InvoluntaryRate = r.rate(q.Involuntary, t.Involuntary)
	out.MinorFaultRate = r.rate(q.MinorFaults, t.MinorFaults)
	out.MajorFaultRate = r.rate(q.MajorFaults, t.MajorFaults)
	out.Migrations = moved(q.CPULast, t.CPULast)
	out.shares(r, q, t, lived)
	out.CPUPercent = out.RunningPercent
	if !t.RunNS.OK() {
		out.CPUPercent = r.percent(threadCPU(q), threadCPU(t))
	}
}

func moved(a, b Known[int]) Known[uint64] {
	switch {
	case !b.OK():
		return Unknown[uint64](b.Why)
	case !a.OK():
		return Unknown[uint64](NeedsTwoSamples)
	case a.V != b.V:
		return Know(uint64(1))
	}
	return Know(uint64(0))
}

// shares splits the interval into running, ready and blocked. The kernel books
// a wait for a CPU only when it ends, so a wait that still goes on has to be
// told in another way:
//
//   - A thread that was in state R at both samples and made no voluntary switch
//     in between never blocked: all the time it did not run it was ready, booked
//     or not. So is one whose counters all stood still.
//   - A thread that blocked in between and is in state R now may be waiting
//     too, but since when cannot be known: only what is booked counts.
//     (PendingReady says so if nothing moved since it was woken.)
//   - A source that tells for how long a wait has been going on needs none of
//     this guessing.
//   - When a delay lands it may be longer than the interval, because the
//     intervals before already showed it: it is cut to what running leaves of
//     this one.
//
// The running time may exceed the interval by up to a tick, because it is read
// at another instant than the clock; it is cut to the interval as well. So the
// three shares are never negative and add up to the time lived, except those of
// a thread that has exited: what is left over, nobody waited.
func (d *ThreadDelta) shares(r rater, q, t *Thread, lived time.Duration) {
	run, runWhy := r.delta(q.RunNS, t.RunNS)
	ready, readyWhy := r.delta(q.ReadyNS, t.ReadyNS)
	if runWhy != OK || readyWhy != OK {
		d.RunningPercent = Unknown[float64](runWhy)
		if runWhy == OK {
			d.RunningPercent = share(min(run, uint64(lived)), r.dt)
		}
		d.ReadyPercent = Unknown[float64](readyWhy)
		if readyWhy == OK {
			d.ReadyPercent = share(min(ready, uint64(lived)), r.dt)
		}
		why := runWhy
		if why == OK {
			why = readyWhy
		}
		d.BlockedPercent = Unknown[float64](why)
		return
	}
	whole := uint64(lived)
	if q.WaitingNS.OK() && t.WaitingNS.OK() {
		// It is known how long a wait has been going on.
		ready = ready + t.WaitingNS.V - min(ready+t.WaitingNS.V, q.WaitingNS.V)
		d.PendingReady = t.WaitingNS.V > 0
	} else if t.State == 'R' {
		still := run == 0 && ready == 0
		d.PendingReady = still
		if q.State == 'R' && (still || neverBlocked(q, t)) {
			d.PendingReady = still || whole > run+ready+uint64(clockTick)
			ready = whole
		}
	}
	run = min(run, whole)
	ready = min(ready, whole-run)
	d.RunningPercent = share(run, r.dt)
	d.ReadyPercent = share(ready, r.dt)
	d.BlockedPercent = share(whole-run-ready, r.dt)
	if t.State.exited() {
		// It waits for nothing: what is left of the time is nobody's.
		d.BlockedPercent = Unknown[float64](Zombie)
	}
}

func neverBlocked(q, t *Thread) bool {
	return q.Voluntary.OK() && q.Voluntary == t.Voluntary
}

func share(ns uint64, dt time.Duration) Known[float64] {
	return Know(100 * float64(ns) / float64(dt))
}

// sumThreads adds the shares of the threads up to those of the process. A
// thread whose share is unknown because it was seen late is left out; the sum
// is unknown only when no thread's share is known.
func sumThreads(out *Delta, p *Process) {
	why := p.ThreadsWhy
	if why == OK || why == NotRead {
		why = NoThreads
	}
	out.RunningPercent, out.ReadyPercent, out.BlockedPercent = Unknown[float64](why), Unknown[float64](why), Unknown[float64](why)
	out.Migrations = Unknown[uint64](why)
	for k := range out.Threads {
		t := &out.Threads[k]
		add(&out.RunningPercent, t.RunningPercent)
		add(&out.ReadyPercent, t.ReadyPercent)
		add(&out.BlockedPercent, t.BlockedPercent)
		add(&out.Migrations, t.Migrations)
	}
	out.Parallelism = out.RunningPercent
	out.Parallelism.V /= 100
}

// add adds a known value to a sum; as long as the sum has none, it takes over
// the reason.
func add[T float64 | uint64](sum *Known[T], k Known[T]) {
	switch {
	case k.OK():
		*sum = Know(sum.V + k.V)
	case !sum.OK():
		sum.Why = k.Why
	}
}
