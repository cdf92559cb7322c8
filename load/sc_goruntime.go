package load

import "time"

func scGoRuntime() Scenario {
	return Scenario{
		Name:  "go-runtime",
		Title: "Many goroutines on few threads",
		Teaches: "A language runtime may bring its own scheduler: goroutines are not tasks of the kernel, so a thousand of them show as a handful of threads. " +
			"The kernel schedules the threads, the runtime puts goroutines on them, and as many run at once as GOMAXPROCS allows. " +
			"What the kernel counts (switches, states, CPU time) is about the threads, whichever goroutine they carried. " +
			"How often they switch is the runtime's business, so nothing is promised about it.",
		Params: []Param{
			{Name: "goroutines", Kind: ParamInt, Default: "1000", Min: 1, Max: 100_000, Doc: "how many there are"},
			{Name: "gomaxprocs", Kind: ParamInt, Default: "2", Min: 1, Max: 64, Doc: "how many run Go code at the same time"},
			secondsParam("how long they work"), cpusParam(""),
		},
		Quick: []string{"seconds=1s"},
		Build: buildGoRuntime,
	}
}

// runtimeThreads is the most that a Go process has beside those that run Go
// code at the moment: the locked main thread, the monitor, the template
// thread, the signal thread, and threads that wait for the next use or are on
// their way out of a system call (reference: 3 to 5, and 9 after 5 blocking
// calls).
const runtimeThreads = 10

func buildGoRuntime(v Values) (*Plan, error) {
	procs, span := v.Int("gomaxprocs"), v.Duration("seconds")
	p := newPlan("go-runtime", v)
	p.Tier = TierGo
	leader := &p.Processes[0].Threads[0]
	leader.CPUs = v.CPUs("cpus")
	leader.Ops = []Op{{Kind: OpGoroutines, A: uint64(v.Int("goroutines")), B: uint64(procs), C: uint64(span)}}
	at := func(q Promise) {
		q.Process, q.Thread, q.Kind, q.WithRuntime = 0, -1, Bound, true
		p.promise(q)
	}
	at(Promise{
		Field: "threads", Scope: "process_live", When: WhenLive, Expect: Exactly(float64(procs + runtimeThreads)),
		Because: "goroutines are no tasks: there are threads for those that run at once, and a few of the runtime's own",
	})
	at(Promise{
		Field: "threads", Scope: "process_live", When: WhenLive, AtLeast: true, Expect: Exactly(float64(procs + 1)),
		Because: "as many threads run Go code as GOMAXPROCS says, and the main thread waits for them",
	})
	at(Promise{
		Field: "ready_tasks", Scope: "process_live", When: WhenLive, Expect: Exactly(float64(procs + 1)),
		Because: "GOMAXPROCS threads run Go code, however many goroutines are ready; the runtime's monitor may be awake",
	})
	at(Promise{
		Field: "run_ns", Scope: "process", When: WhenDelta, Expect: Exactly(runtimeCPU(procs).Seconds()*1e9).Plus(float64(procs), "since_gate_ns"),
		Because: "so many threads can use no more than so many CPUs, and the runtime itself a little",
	})
	p.Budget.CPUs = float64(procs)
	return p.finish(), nil
}

// runtimeCPU is what the runtime uses besides, generously.
func runtimeCPU(procs int) time.Duration { return time.Duration(procs+1) * 50 * time.Millisecond }

// HoldsWithRuntime says whether a promise holds for workers that have a
// language runtime beside them.
func (q *Promise) HoldsWithRuntime() bool {
	if q.WithRuntime {
		return true
	}
	switch q.Field {
	case "descendants", "children", "ppid", "comm", "cpus_allowed", "tasks_alive":
		return true
	}
	return false
}
