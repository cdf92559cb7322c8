package verify

import (
	"testing"

	"taskscope/inspect"
	"taskscope/load"
)

// niceWeights are the kernel's weights of the nice values in the tests.
var niceWeights = map[int]float64{0: 1024, 5: 335, 10: 110}

// schedReport adds what a worker reports of an operation about the scheduler.
func schedReport(p *load.Plan, t *load.ThreadPlan, op load.Op, r *load.Report) {
	switch op.Kind {
	case load.OpSpinWall:
		total := 0.0
		eachThread(p, func(q *load.ThreadPlan) {
			for _, o := range q.Ops {
				if o.Kind == load.OpSpinWall {
					total += niceWeights[q.Nice]
				}
			}
		})
		cpu := float64(p.Duration)
		if p.Quota != nil {
			cpu *= float64(p.Quota.Time) / float64(p.Quota.Period)
		}
		r.CPUNS = uint64(cpu * niceWeights[t.Nice] / total)
		r.Involuntary = r.CPUNS / 3e6
	case load.OpSpinFollow:
		n := 0
		eachThread(p, func(q *load.ThreadPlan) {
			if n == int(op.A) {
				r.Acquired, r.Involuntary = q.Ops[0].A, q.Ops[0].A
			}
			n++
		})
		r.CPUNS = uint64(p.Duration) / 2
	case load.OpMigrate:
		r.Voluntary += op.A
		r.Loops += op.A
	case load.OpYield:
		r.Involuntary += op.A
		r.Loops += op.A
	case load.OpHold:
		r.Loops++
	}
}

func eachThread(p *load.Plan, visit func(*load.ThreadPlan)) {
	for i := range p.Processes {
		for k := range p.Processes[i].Threads {
			visit(&p.Processes[i].Threads[k])
		}
	}
}

// schedThread adds how a thread is scheduled.
func schedThread(tp *load.ThreadPlan, done float64, live bool, t *inspect.Thread) {
	t.Policy, t.Nice, t.RTPriority = inspect.Know(tp.Policy), inspect.Know(tp.Nice), inspect.Know(tp.RTPrio)
	t.Priority = inspect.Know(20 + tp.Nice)
	if tp.RTPrio > 0 {
		t.Priority = inspect.Know(-1 - tp.RTPrio)
	}
	for _, op := range tp.Ops {
		switch {
		case op.Kind == load.OpSpinFollow && live:
			t.State = 'R'
		case op.Kind == load.OpMigrate && done > 0:
			last := int(op.C)
			if op.A%2 == 1 {
				last = int(op.B)
			}
			t.CPULast, t.CPUsAllowed = inspect.Know(last), inspect.Know(load.CPUList([]int{last}))
		}
	}
}

// schedDetail adds what the scheduler says of each thread of a process.
func (w *world) schedDetail(i int, done float64, d *inspect.Detail) {
	moves := map[int]uint64{}
	for k, tp := range w.m.Plan.Processes[i].Threads {
		tid := w.m.Processes[i].Threads[k].TID
		moves[tid] = 3
		for _, op := range tp.Ops {
			if op.Kind == load.OpMigrate && done > 0 {
				moves[tid] += op.A
			}
		}
	}
	d.Migrations = inspect.Know(moves)
}

func schedMutations() []mutation {
	return []mutation{
		{"one move less", " migrate ", func(w *world) {
			w.eachDetail(load.WhenParked, func(d *inspect.Detail) {
				for tid := range d.Migrations.V {
					d.Migrations.V[tid]--
				}
			})
		}},
		{"it ended on the other CPU", " migrate ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			th.CPULast.V = 1 - th.CPULast.V
		}},
		{"the worker has moved once less than it should", " migrate ", func(w *world) { w.report().Loops-- }},
		{"another policy at the gate", " nvol-yield nice policy preempt rr ", func(w *world) {
			_, th := w.worker(w.last(load.WhenReady))
			th.Policy.V = 7
		}},
		{"another policy at the end", " nvol-yield nice policy preempt rr ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			th.Policy.V = 7
		}},
		{"one priority off", " nvol-yield nice policy preempt rr ", func(w *world) {
			_, th := w.worker(w.last(load.WhenReady))
			th.Priority.V++
		}},
		{"another nice value", " nvol-yield nice policy preempt rr ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			th.Nice.V++
		}},
		{"another real-time priority", " nvol-yield nice policy preempt rr ", func(w *world) {
			_, th := w.worker(w.last(load.WhenReady))
			th.RTPriority.V++
		}},
		{"thirty yields that gave the CPU to nobody", " nvol-yield ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Involuntary, func(n uint64) uint64 { return n - 30 })
			know(&th.Slices, func(n uint64) uint64 { return n - 30 })
		}},
		{"the worker says that nobody ran at thirty of its yields", " nvol-yield ", func(w *world) { w.report().Loops -= 30 }},
		{"one voluntary switch more than waits", " nvol-yield ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Voluntary, func(n uint64) uint64 { return n + 1 })
			know(&th.Slices, func(n uint64) uint64 { return n + 1 })
		}},
		{"one slice more than switches", " nvol-yield nice migrate preempt rr ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Slices, func(n uint64) uint64 { return n + 1 })
		}},
		{"the spinner sleeps", " nice preempt rr ", func(w *world) {
			_, th := w.worker(w.of(load.WhenLive)[1])
			th.State = 'S'
		}},
		{"the spinner lost its CPU three times less", " nice preempt rr ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Involuntary, func(n uint64) uint64 { return n - 3 })
			know(&th.Slices, func(n uint64) uint64 { return n - 3 })
		}},
		{"the kernel has taken one less of its switches for voluntary", " migrate throttle ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Involuntary, less)
			know(&th.Slices, less)
		}},
		{"the CPU was taken three times more than the worker knows", " nice preempt rr migrate throttle ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Involuntary, func(n uint64) uint64 { return n + 3 })
			know(&th.Slices, func(n uint64) uint64 { return n + 3 })
		}},
		{"the waker slept once less", " preempt ", func(w *world) {
			p := w.last(load.WhenParked).Processes
			q := p[min(1, len(p)-1)]
			th := &q.Threads[min(1, len(q.Threads)-1)]
			know(&th.Voluntary, less)
			know(&th.Slices, less)
		}},
	}
}

// eachDetail visits the details of every process in a phase.
func (w *world) eachDetail(phase load.When, f func(d *inspect.Detail)) {
	for _, s := range w.samples {
		if s.Phase == phase && s.Detail != nil {
			f(s.Detail)
		}
	}
}

// TestGoRuntime: the one load whose worker is a Go program.
func TestGoRuntime(t *testing.T) {
	for _, tt := range []struct {
		name           string
		threads, ready int
		run            uint64
		want           Verdict
	}{
		{"as it is", 7, 2, 19e8, Pass},
		{"a thread per goroutine", 1003, 2, 19e8, Fail},
		{"too few threads", 1, 1, 19e8, Fail},
		{"all threads run at once", 7, 7, 19e8, Fail},
		{"more CPU time than GOMAXPROCS allows", 7, 2, 29e8, Fail},
	} {
		w := pretend(t, "go-runtime", 0)
		for _, s := range w.of(load.WhenLive) {
			p := s.Processes[0]
			p.ThreadCount = inspect.Know(tt.threads)
			for i := range tt.ready {
				p.Threads = append(p.Threads, inspect.Thread{ID: inspect.ThreadID{TID: 5000 + i, Start: 77}, State: 'R'})
			}
		}
		w.last(load.WhenParked).Processes[0].RunNS = inspect.Know(tt.run)
		if r := w.judge(); r.Verdict != tt.want {
			t.Errorf("%s: %s (%s), want %s", tt.name, r.Verdict, r.Why, tt.want)
		}
	}
}

// TestStarvedUntilTheEnd: a thread with the policy idle that is given no CPU before
// the end has nothing to wait for. It was judged fail for the wait it did not make.
func TestStarvedUntilTheEnd(t *testing.T) {
	for name, want := range map[string]Verdict{"policy": Pass, "idle": Fail} {
		for _, tells := range []bool{true, false} {
			w := pretend(t, name, otherBusy)
			w.starve(tells)
			if !tells {
				want = Fail // it waited less often than it says
			}
			expectVerdict(t, w.judge(), want)
		}
	}
}

// starve takes one voluntary switch from the worker, and tells of it or not.
func (w *world) starve(tells bool) {
	for _, s := range w.of(load.WhenParked) {
		p, th := w.worker(s)
		th.Voluntary.V--
		p.Switches.Voluntary.V--
	}
	r := w.report()
	r.Voluntary--
	if tells {
		r.Waits--
	}
}
