package inspect

// slicer turns the events of a trace into slices of state. A thread's events
// come in order; what the kernel did not show (see TraceDrops.ChainBreaks)
// becomes a slice of unknown state, never a guess.
type slicer struct {
	threads map[int]*slicedThread // by TID
	cpus    []*slicedThread       // who runs there
	done    func(*TraceSlice)
	gaps    uint64
	last    int64 // newest event
}

type slicedThread struct {
	cur TraceSlice // To is not set
}

func newSlicer(done func(*TraceSlice)) *slicer {
	return &slicer{threads: map[int]*slicedThread{}, done: done}
}

// add takes one event.
func (s *slicer) add(e *TraceEvent) {
	if e.TID == 0 {
		return
	}
	s.last = max(s.last, e.NS)
	switch e.Kind {
	case TraceSeed:
		s.seed(e)
	case TraceNew:
		s.born(e)
	case TraceWake:
		s.wake(e)
	case TraceIn:
		s.in(e)
	case TraceOut:
		s.out(e)
	case TraceExec:
		s.exec(e)
	}
}

// thread is that of an event, made if it is new.
func (s *slicer) thread(e *TraceEvent) *slicedThread {
	t := s.threads[e.TID]
	if t == nil {
		t = &slicedThread{TraceSlice{PID: e.PID, TID: e.TID, Since: e.NS, From: e.NS, CPU: -1}}
		s.threads[e.TID] = t
	}
	return t
}

// enter ends the present slice and begins another one.
func (s *slicer) enter(t *slicedThread, ns int64, state TraceState) {
	if t.cur.State == TraceRunning {
		if c := t.cur.CPU; c >= 0 && c < len(s.cpus) && s.cpus[c] == t {
			s.cpus[c] = nil
		}
	}
	ns = max(ns, t.cur.From)
	if ns > t.cur.From {
		t.cur.To = ns
		s.done(&t.cur)
	}
	t.cur.From, t.cur.State, t.cur.CPU, t.cur.By, t.cur.Cause = ns, state, -1, 0, CauseNone
}

// lose marks the present slice as not known after all.
func (s *slicer) lose(t *slicedThread, ns int64) {
	if ns <= t.cur.From && t.cur.State == TraceUnknown {
		return
	}
	s.gaps++
	state := t.cur.State
	if state == TraceRunning { // give the CPU free under the old state
		s.enter(t, t.cur.From, TraceUnknown)
	}
	t.cur.State, t.cur.CPU, t.cur.By, t.cur.Cause = TraceUnknown, -1, 0, CauseNone
	s.enter(t, ns, TraceUnknown)
}

// run puts a thread on a CPU. Whoever is thought to be there has left it unseen.
func (s *slicer) run(t *slicedThread, cpu int, ns int64) {
	for len(s.cpus) <= cpu {
		s.cpus = append(s.cpus, nil)
	}
	if o := s.cpus[cpu]; o != nil && o != t {
		s.lose(o, ns)
	}
	s.enter(t, ns, TraceRunning)
	t.cur.CPU = cpu
	s.cpus[cpu] = t
}

func (s *slicer) seed(e *TraceEvent) {
	if s.threads[e.TID] != nil {
		return // an event of the thread itself is newer
	}
	t := s.thread(e)
	if e.State == TraceRunning && (e.CPU >= len(s.cpus) || s.cpus[e.CPU] == nil) {
		s.run(t, e.CPU, e.NS)
		return
	}
	if e.State != TraceRunning {
		t.cur.State = e.State
	}
}

func (s *slicer) born(e *TraceEvent) {
	if old := s.threads[e.TID]; old != nil { // its end was not seen
		s.lose(old, e.NS)
		delete(s.threads, e.TID)
	}
	t := s.thread(e)
	t.cur.State, t.cur.Cause, t.cur.By = TraceReady, CauseBorn, e.Other
}

func (s *slicer) wake(e *TraceEvent) {
	t := s.thread(e)
	if t.cur.State == TraceRunning || t.cur.State == TraceReady {
		return // woken before it had left its CPU
	}
	s.enter(t, e.NS, TraceReady)
	t.cur.Cause, t.cur.By = CauseWoken, e.Other
}

func (s *slicer) in(e *TraceEvent) {
	t := s.thread(e)
	if t.cur.State == TraceRunning {
		s.lose(t, e.NS)
	}
	s.run(t, e.CPU, e.NS)
}

func (s *slicer) out(e *TraceEvent) {
	t := s.thread(e)
	if t.cur.State != TraceRunning || t.cur.CPU != e.CPU {
		s.lose(t, e.NS)
	}
	state := e.State
	if state == TraceRunning { // it has just left its CPU
		state = TraceUnknown
	}
	s.enter(t, e.NS, state)
	switch state {
	case TraceDead:
		delete(s.threads, e.TID)
	case TraceReady:
		t.cur.Cause, t.cur.By = CausePreempt, e.Other
	}
}

// exec: a thread that is not the leader goes on under the leader's number.
func (s *slicer) exec(e *TraceEvent) {
	t := s.thread(e)
	if t.cur.State == TraceRunning && t.cur.CPU == e.CPU {
		return
	}
	if e.CPU < len(s.cpus) {
		if old := s.cpus[e.CPU]; old != nil && old.cur.PID == e.PID {
			s.enter(old, e.NS, TraceDead)
			delete(s.threads, old.cur.TID)
		}
	}
	s.run(t, e.CPU, e.NS)
}

// open appends the slices that go on, as of now.
func (s *slicer) open(dst []TraceSlice, now int64) []TraceSlice {
	for _, t := range s.threads {
		c := t.cur
		c.To = max(now, c.From)
		dst = append(dst, c)
	}
	return dst
}

// finish ends all slices that go on.
func (s *slicer) finish(now int64) {
	for tid, t := range s.threads {
		s.enter(t, now, TraceUnknown)
		delete(s.threads, tid)
	}
}
