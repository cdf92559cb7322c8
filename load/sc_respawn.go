package load

import (
	"errors"
	"time"
)

func scRespawn() Scenario {
	return Scenario{
		Name:  "respawn",
		Title: "A supervisor that replaces workers that fail",
		Teaches: "Servers keep a pool of worker processes. When one of them fails, the others go on, and the supervisor, who is told by the system, starts another in its place. " +
			"So the number of workers stays the same while the PIDs change.",
		Params: []Param{
			workersParam("4", 1, maxSupervised),
			{Name: "failures", Kind: ParamInt, Default: "20", Min: 1, Max: maxFailures, Doc: "how many workers fail, one after the other"},
			{Name: "every", Kind: ParamDuration, Default: "200ms", Min: 10e6, Max: 60e9, Doc: "time between two failures"},
			secondsParam("length of the run; at least failures times every"),
		},
		Quick: []string{"seconds=1800ms", "failures=6", "every=200ms", "workers=3"},
		Build: buildRespawn,
	}
}

// What one supervisor can do.
const (
	maxSupervised = 32
	maxFailures   = 10_000
)

func buildRespawn(v Values) (*Plan, error) {
	failures, every := v.Int("failures"), v.Duration("every")
	if estimate(failures+1, every) > v.Duration("seconds") {
		return nil, errors.New("seconds must be longer than failures times every")
	}
	p := newPlan("respawn", v)
	p.supervised(v, v.Int("workers"), failures, every)
	return p.finish(), nil
}

// supervised adds n workers below a supervisor who replaces each that fails:
// so many do, one after the other, at that distance.
func (p *Plan) supervised(v Values, n, failures int, every time.Duration) {
	p.crew(asProcesses, n, func(i int) ThreadPlan {
		if i >= failures {
			return ThreadPlan{Ops: []Op{hold(v)}}
		}
		return ThreadPlan{Ops: []Op{
			{Kind: OpHold, A: uint64(estimate(i+1, every))}, {Kind: OpExit, A: 1},
		}}
	})
	for i := range min(n, failures) {
		p.Processes[1+i].End = &End{Code: 1, Reaped: true}
	}
	p.Unnamed = min(n, failures)
	p.Processes[0].Threads[0].Ops = []Op{
		{Kind: OpSupervise, A: uint64(failures), B: uint64(every), C: uint64(n)}, {Kind: OpMark, A: MarkUntil}, hold(v),
	}
	// While workers come and go, no list of them is of one instant: who is
	// found may be gone, and who has come not be listed yet (1 of 3 seen at a
	// load average of 31).
	at := func(when When, kind CheckKind) {
		p.promise(Promise{
			Process: 0, Thread: -1, Field: "children", Scope: "process", Kind: kind, When: when,
			Expect: Exactly(float64(n)), Because: "each worker that fails is replaced: there are always as many",
		})
	}
	at(WhenLive, Statistical)
	at(WhenParked, Equality)
	p.reaps(0, failures)
	p.made(0, failures, "one for each that has failed")
	p.forks(failures)
	p.Budget.Tasks = p.Unnamed + 1
	p.Budget.MemoryBytes = uint64(p.Unnamed+1) * processBytes
	p.remains()
}

// made promises how many tasks a process has started besides those of the
// plan. Its wait for the end is the one operation more that it counts.
func (p *Plan) made(process, n int, because string) {
	self := Exactly(-1).Plus(1, "loops")
	p.promise(Promise{
		Process: process, Thread: -1, Field: "made", Scope: "process", Kind: Equality, When: WhenParked,
		Expect: Exactly(float64(n)), Self: &self, Because: because,
	})
}

// forks promises that the host has seen that many tasks made.
func (p *Plan) forks(n int) {
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "host_forks", Scope: "host", Kind: Bound, AtLeast: true, When: WhenDelta,
		Expect: Exactly(float64(n)), Because: "the kernel counts every process and thread that anybody makes",
	})
}
