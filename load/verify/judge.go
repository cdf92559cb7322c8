package verify

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"taskscope/inspect"
	"taskscope/load"
)

// judge holds one run while it is judged.
type judge struct {
	m        *load.Manifest
	left     *LeftBehind
	narrow   map[load.When][]*inspect.Snapshot // by phase, oldest first
	wide     map[load.When][]*inspect.Snapshot
	detailed map[load.When][]*inspect.Snapshot // those with the segments of a process
	ids      []inspect.ID                      // of the manifest's processes; zero: never seen
	tids     [][]inspect.ThreadID              // of their threads; zero: never seen
	byPID    map[int]int                       // PID → index into the manifest
	traces   map[*inspect.Snapshot]*inspect.TraceSums
	history  *History
	derived  map[string]*DerivedField
	noise    gate
}

func newJudge(m *load.Manifest, samples []Sample, left *LeftBehind) *judge {
	j := &judge{
		m: m, left: left, derived: derivedIndex(), byPID: make(map[int]int, len(m.Processes)),
		narrow: map[load.When][]*inspect.Snapshot{}, wide: map[load.When][]*inspect.Snapshot{},
		detailed: map[load.When][]*inspect.Snapshot{},
		traces:   map[*inspect.Snapshot]*inspect.TraceSums{},
		ids:      make([]inspect.ID, len(m.Processes)), tids: make([][]inspect.ThreadID, len(m.Processes)),
	}
	for i := range m.Processes {
		j.byPID[m.Processes[i].PID] = i
		j.tids[i] = make([]inspect.ThreadID, len(m.Processes[i].Threads))
	}
	ordered := slices.Clone(samples)
	slices.SortStableFunc(ordered, func(a, b Sample) int { return cmp.Compare(a.MonoNS, b.MonoNS) })
	for _, s := range ordered {
		switch s.Reach {
		case ReachHost:
			j.wide[s.Phase] = append(j.wide[s.Phase], s.Snapshot)
		case ReachTree:
			j.narrow[s.Phase] = append(j.narrow[s.Phase], s.Snapshot)
			if s.Trace != nil {
				j.traces[s.Snapshot] = s.Trace
			}
			if s.History != nil {
				j.history = s.History
			}
		}
		if s.Detail != nil {
			j.detailed[s.Phase] = append(j.detailed[s.Phase], s.Snapshot)
		}
		if s.Phase != load.WhenGone {
			j.pin(s.Snapshot)
		}
	}
	j.dropArrivals()
	j.noise = measureNoise(j)
	return j
}

// pin remembers the start time of every task of the manifest the first time it
// is seen; from then on only that task counts.
func (j *judge) pin(s *inspect.Snapshot) {
	for i := range j.m.Processes {
		p := s.ByPID(j.m.Processes[i].PID)
		if p == nil {
			continue
		}
		if j.ids[i] == (inspect.ID{}) {
			j.ids[i] = p.ID
		}
		for k := range j.m.Processes[i].Threads {
			if j.tids[i][k] != (inspect.ThreadID{}) {
				continue
			}
			if t := threadByTID(p, j.m.Processes[i].Threads[k].TID); t != nil {
				j.tids[i][k] = t.ID
			}
		}
	}
}

// dropArrivals lets the live phase of a load that only waits begin with the
// first sample in which all of it waits. Nobody can promise that a woken task
// gets a CPU in time to come to its wait: at a load average of 50 that took
// more than 100 ms. From then on nothing may move.
func (j *judge) dropArrivals() {
	for i := range j.m.Plan.Processes {
		for _, t := range j.m.Plan.Processes[i].Threads {
			for _, op := range t.Ops {
				if op.Kind != load.OpHold {
					return
				}
			}
		}
	}
	live := j.narrow[load.WhenLive]
	for len(live) > 0 {
		n := readyTasks(j, live[0], &load.Promise{Process: -1, Thread: -1})
		if !n.ok || n.num == 0 {
			break
		}
		live = live[1:]
	}
	j.narrow[load.WhenLive] = live
}

func threadByTID(p *inspect.Process, tid int) *inspect.Thread {
	k, ok := slices.BinarySearchFunc(p.Threads, tid, func(t inspect.Thread, tid int) int { return cmp.Compare(t.ID.TID, tid) })
	if !ok {
		return nil
	}
	return &p.Threads[k]
}

// process finds a process of the manifest in a snapshot, nil when it is gone
// or its PID belongs to another one.
func (j *judge) process(s *inspect.Snapshot, i int) *inspect.Process {
	if i < 0 || i >= len(j.ids) {
		return nil
	}
	return s.ByID(j.ids[i])
}

func (j *judge) thread(p *inspect.Process, i, k int) *inspect.Thread {
	if k < 0 || k >= len(j.tids[i]) {
		return nil
	}
	t := threadByTID(p, j.tids[i][k].TID)
	if t == nil || t.ID != j.tids[i][k] {
		return nil
	}
	return t
}

// subject names what a promise is about.
func (j *judge) subject(process, thread int) string {
	switch {
	case process < 0 && len(j.m.Processes) > 0:
		return fmt.Sprintf("tree of pid %d", j.m.Processes[0].PID)
	case process < 0 || process >= len(j.m.Processes):
		return fmt.Sprintf("process %d of the plan", process)
	}
	p := &j.m.Processes[process]
	if thread < 0 || thread >= len(p.Threads) {
		return fmt.Sprintf("process %s (pid %d)", p.Role, p.PID)
	}
	return fmt.Sprintf("thread %s (tid %d)", p.Threads[thread].Name, p.Threads[thread].TID)
}

// check judges one promise.
func (j *judge) check(q *load.Promise) Check {
	c := Check{
		Subject: j.subject(q.Process, q.Thread), Field: q.Field, Scope: q.Scope,
		Kind: string(q.Kind), Relation: relation(q), When: string(q.When), Because: q.Because,
	}
	if d := j.derived[q.Field]; d != nil && d.relation != "" {
		c.Relation = d.relation
	}
	exp := j.expected(q)
	self := j.selfReported(q)
	c.Expected, c.SelfReported = exp.value(), self.value()
	if exp.ok && !exp.isText {
		c.Tolerance = q.TolAbs + q.TolRel*math.Abs(exp.num)
	}
	if j.m.Plan.Tier == "go" && !q.HoldsWithRuntime() {
		c.Verdict, c.Why = Skipped, "the go worker's runtime adds threads, switches and memory of its own: only the native tier is exact"
		return c
	}
	if j.pending(q) {
		c.Verdict, c.Why = Pending, "its time has not come"
		return c
	}
	if d := j.derived[q.Field]; d != nil && d.told != "" {
		j.onlyTold(&c, q, d.told, exp, self)
		return c
	}
	obs := j.observe(q)
	c.Observed, c.Source = obs.value(), obs.source
	j.decide(&c, q, exp, self, obs)
	return c
}

// pending says whether a promise cannot be judged yet.
func (j *judge) pending(q *load.Promise) bool {
	if j.left != nil {
		return false
	}
	parked := len(j.narrow[load.WhenParked]) > 0
	switch q.When {
	case load.WhenReady:
		return len(j.narrow[load.WhenReady]) == 0 && j.m.Phase == "ready"
	case load.WhenLive:
		return !parked && (len(j.narrow[load.WhenLive]) == 0 || q.Kind == load.Statistical)
	case load.WhenGone:
		return true
	}
	return !parked
}

// decide fills in verdict and reason.
func (j *judge) decide(c *Check, q *load.Promise, exp, self, obs reading) {
	switch {
	case q.Needs != "" && !obs.ok && !obs.absent:
		c.Verdict, c.Why = Skipped, "needs "+q.Needs+": "+obs.why
	case !exp.ok:
		c.Verdict, c.Why = Undecided, "no expected value: "+exp.why
	case obs.absent:
		c.Verdict, c.Why = Fail, obs.why
	case !obs.ok && obs.lacking:
		c.Verdict, c.Why = Skipped, obs.why
	case !obs.ok:
		c.Verdict, c.Why = Undecided, obs.why
	case !j.fits(q, exp, obs, c.Tolerance):
		c.Verdict, c.Why = j.missed(q, j.miss(q, exp, obs, c.Tolerance), "observed "+obs.text()+", expected "+bound(q)+exp.text()+obs.note)
	case self.ok && !within(q, exp, self, c.Tolerance):
		c.Verdict, c.Why = j.missed(q, j.miss(q, exp, self, c.Tolerance), "the worker itself reports "+self.text()+", expected "+bound(q)+exp.text())
	default:
		c.Verdict = Pass
	}
}

// fits tells whether a value is as expected.
func (j *judge) fits(q *load.Promise, exp, got reading, tol float64) bool {
	if d := j.derived[q.Field]; d != nil && d.fits != nil {
		return d.fits(exp, got)
	}
	return within(q, exp, got, tol)
}

// missed is the verdict on a value outside its tolerance.
func (j *judge) missed(q *load.Promise, m miss, what string) (Verdict, string) {
	if q.Kind == load.Equality || q.Kind == load.Identity {
		return Fail, what
	}
	excuse, verdict := j.noise.excuse(m)
	if excuse != "" {
		what += "; " + excuse
	}
	return verdict, what
}

// relation is how the observed value has to be to the expected.
func relation(q *load.Promise) string {
	switch {
	case q.AtLeast && (q.Kind == load.Bound || q.Kind == load.Identity):
		return RelationAtLeast
	case q.Kind == load.Bound:
		return RelationAtMost
	}
	return RelationEqual
}

// bound is a relation in words, in front of a value.
func bound(q *load.Promise) string {
	switch relation(q) {
	case RelationAtLeast:
		return "at least "
	case RelationAtMost:
		return "at most "
	}
	return ""
}

func within(q *load.Promise, exp, got reading, tol float64) bool {
	if exp.isText || got.isText {
		return exp.isText && got.isText && exp.str == got.str
	}
	diff := got.num - exp.num
	switch {
	case math.IsNaN(diff):
		return false
	case q.AtLeast && (q.Kind == load.Bound || q.Kind == load.Identity):
		return diff >= -tol
	case q.Kind == load.Bound:
		return diff <= tol
	}
	return math.Abs(diff) <= tol
}
