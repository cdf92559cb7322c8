package load

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// The two shapes of a job.
const (
	asThreads   = "threads"
	asProcesses = "processes"
)

// TickNS is the longest time between two scheduler ticks on the kernels there
// are (HZ=100): run time booked for a task may lag that much, and a time slice
// cannot end between two ticks.
const TickNS = 10_000_000

// The most memory a task needs besides what its scenario asks for: kernel
// stack, task structures, page tables and the few pages the worker touches.
const (
	threadBytes  = 64 << 10
	processBytes = 256 << 10
	runtimeBytes = 256 << 20 // a Go runtime with as many goroutines as there may be
)

const (
	maxWorkers = 20000
	maxSeconds = float64(24 * time.Hour)
)

// site is the place of one thread in a plan.
type site struct{ process, thread int }

func asParam() Param {
	return Param{
		Name: "as", Kind: ParamEnum, Default: asThreads, Enum: []string{asThreads, asProcesses},
		Doc: "whether the workers are threads of one process or processes of one thread each",
	}
}

func workersParam(def string, least, most float64) Param {
	return Param{Name: "workers", Kind: ParamInt, Default: def, Min: least, Max: most, Doc: "number of workers"}
}

func secondsParam(doc string) Param {
	return Param{Name: "seconds", Kind: ParamDuration, Default: "10s", Min: 1e6, Max: maxSeconds, Doc: doc}
}

func cpusParam(def string) Param {
	return Param{Name: "cpus", Kind: ParamCPUs, Default: def, Doc: "CPUs on which the workers may run; empty: any"}
}

// newPlan starts a plan with its root process, whose leader does nothing but
// wait. The root carries the name of the scenario.
func newPlan(name string, v Values) *Plan {
	return &Plan{
		Scenario:   name,
		Parameters: v.Texts(),
		Duration:   v.Duration("seconds"),
		Tier:       TierNative,
		Processes: []ProcessPlan{{
			Role: "root", Parent: -1, Threads: []ThreadPlan{{Role: "leader", Name: name}},
		}},
	}
}

// crew adds n workers to the root: as further threads of it, or as children
// with one thread each. make gives each worker its work; role and name are
// filled in.
func (p *Plan) crew(as string, n int, work func(i int) ThreadPlan) []site {
	sites := make([]site, 0, n)
	for i := range n {
		t := work(i)
		if t.Name == "" {
			t.Name = fmt.Sprintf("%s-%03d", p.Scenario, i)
		}
		t.Role = t.Name
		if as == asProcesses {
			p.Processes = append(p.Processes, ProcessPlan{Role: t.Role, Parent: 0, Threads: []ThreadPlan{t}})
			sites = append(sites, site{len(p.Processes) - 1, 0})
			continue
		}
		p.Processes[0].Threads = append(p.Processes[0].Threads, t)
		sites = append(sites, site{0, len(p.Processes[0].Threads) - 1})
	}
	return sites
}

// promise adds one promise.
func (p *Plan) promise(q Promise) { p.Promises = append(p.Promises, q) }

// finish adds what is promised of every plan (its shape and its end) and the
// part of the budget that follows from the number of tasks.
func (p *Plan) finish() *Plan {
	p.Promises = append(append(p.shape(), p.ends()...), p.Promises...)
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "tasks_alive", Scope: "subtree", Kind: Equality, When: WhenGone,
		Because: "a run that has ended leaves no process",
	})
	if p.Tier == TierGo {
		p.Promises = slices.DeleteFunc(p.Promises, func(q Promise) bool { return !q.HoldsWithRuntime() })
		p.Budget.MemoryBytes += runtimeBytes
	}
	for _, q := range p.Processes {
		p.Budget.Tasks += len(q.Threads)
		p.Budget.MemoryBytes += processBytes + threadBytes*uint64(len(q.Threads))
		p.Budget.Files += 8
	}
	return p
}

// shape promises the tree itself: how many processes, who is whose parent, how
// many threads each has, what they are called, and that all of them wait.
func (p *Plan) shape() []Promise {
	var out []Promise
	for _, when := range []When{WhenReady, WhenParked} {
		left, states := p.left(when)
		out = append(out,
			Promise{
				Process: -1, Thread: -1, Field: "descendants", Scope: "subtree", Kind: Equality, When: when,
				Expect: Exactly(float64(left - 1)), Because: "the plan starts that many processes below the root, less those that have ended and been reaped",
			},
			Promise{
				Process: -1, Thread: -1, Field: "state_all", Scope: "subtree", Kind: Equality, When: when,
				ExpectText: states, Because: "every task waits at the gate, or is parked; one that has ended is a zombie until its parent reaps it",
			})
	}
	children := make([]int, len(p.Processes))
	for _, q := range p.Processes {
		if q.Parent >= 0 {
			children[q.Parent]++
		}
	}
	for i, q := range p.Processes {
		one := Formula{Terms: []Term{{Key: "one", Factor: 1}}}
		out = append(out,
			Promise{Process: i, Thread: -1, Field: "ppid", Scope: "process", Kind: Equality, When: WhenReady, Because: "a child knows its parent"},
			Promise{
				Process: i, Thread: -1, Field: "children", Scope: "process", Kind: Equality, When: WhenReady,
				Expect: Exactly(float64(children[i])), Because: "the plan starts that many children of it",
			},
			Promise{
				Process: i, Thread: -1, Field: "threads", Scope: "process_live", Kind: Equality, When: WhenReady,
				Expect: Exactly(float64(len(q.Threads))), Self: &one, Because: "the main thread and those it starts; the worker has no runtime that adds any",
			},
			Promise{
				Process: i, Thread: -1, Field: "thread_names", Scope: "process_live", Kind: Equality, When: WhenReady,
				ExpectText: JoinNames(q.Threads), Because: "every thread names itself",
			})
		for j, t := range q.Threads {
			out = append(out, Promise{
				Process: i, Thread: j, Field: "comm", Scope: "thread", Kind: Equality, When: WhenReady,
				ExpectText: t.Name, Because: "the thread names itself before the gate",
			})
			if len(t.CPUs) > 0 {
				out = append(out, Promise{
					Process: i, Thread: j, Field: "cpus_allowed", Scope: "thread", Kind: Equality, When: WhenReady,
					ExpectText: CPUList(t.CPUs), Because: "the thread sets its own affinity before the gate",
				})
			}
		}
	}
	return out
}

// left is how many processes of the plan there are at the gate or at the end,
// and the states they are in.
func (p *Plan) left(when When) (n int, states string) {
	states = "S"
	for i := range p.Processes {
		end := p.Processes[i].End
		if when == WhenReady || end == nil || !end.Reaped {
			n++
		}
		if when == WhenParked && end != nil && !end.Reaped {
			states = "S,Z"
		}
	}
	if when == WhenParked {
		n += p.Unnamed
	}
	return n, states
}

// ends promises how processes end that do so by plan.
func (p *Plan) ends() []Promise {
	var out []Promise
	for i, q := range p.Processes {
		if q.End == nil {
			continue
		}
		out = append(out, Promise{
			Process: i, Thread: -1, Field: "exit_status", Scope: "process", Kind: Equality, When: WhenParked,
			ExpectText: q.End.Text(), Because: "the parent reads it with wait4",
		})
		if q.End.Reaped {
			out = append(out, Promise{
				Process: i, Thread: -1, Field: "present", Scope: "process", Kind: Equality, When: WhenParked,
				Because: "a process that has ended and been reaped is gone",
			})
		}
	}
	return out
}

// remains promises that every process that does not end by plan still has the
// same threads when all is done. Plans that promise something of each thread at
// the end have no need to say so.
func (p *Plan) remains() {
	for i, q := range p.Processes {
		if q.End != nil {
			continue
		}
		p.promise(Promise{
			Process: i, Thread: -1, Field: "threads", Scope: "process_live", Kind: Equality, When: WhenParked,
			Expect: Exactly(float64(len(q.Threads))), Because: "it has the threads that it began with, and no others",
		})
		for j, t := range q.Threads {
			p.promise(Promise{
				Process: i, Thread: j, Field: "comm", Scope: "thread", Kind: Equality, When: WhenParked,
				ExpectText: t.Name, Because: "the same thread is still there",
			})
		}
	}
}

// JoinNames gives the names of threads as the field thread_names has them:
// sorted, with commas between.
func JoinNames(threads []ThreadPlan) string {
	names := make([]string, len(threads))
	for i := range threads {
		names[i] = threads[i].Name
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// finalPark is the one switch every thread adds after its operations.
const finalPark = 1

// voluntary promises the voluntary switches of every thread, of every process
// as the sum of its threads, and of the tree. ops gives those of a thread's
// operations, computed from what it will do; the final park is added here.
func (p *Plan) voluntary(because string, ops func(s site) Formula) {
	p.switches(Equality, because, ops)
}

func (p *Plan) switches(kind CheckKind, because string, ops func(s site) Formula) {
	tree := Formula{}
	tasks, ends := 0, false
	for i := range p.Processes {
		if p.Processes[i].End != nil {
			ends = true
			continue
		}
		sum := Formula{}
		n := len(p.Processes[i].Threads)
		for j := range n {
			f := ops(site{i, j})
			f.Const += finalPark
			p.promise(Promise{
				Process: i, Thread: j, Field: "voluntary_switches", Scope: "thread", Kind: kind, When: WhenDelta,
				Expect: f, Self: selfVoluntary(1), Because: because,
			})
			sum = sum.add(f)
		}
		p.promise(Promise{
			Process: i, Thread: -1, Field: "voluntary_switches", Scope: "process", Kind: kind, When: WhenDelta,
			Expect: sum, Self: selfVoluntary(n), Because: "a process switches as often as all its threads together",
		})
		tree, tasks = tree.add(sum), tasks+n
	}
	// A term of the tree is about all reports, those of the ended included.
	if len(p.Processes) > 1 && !(ends && tree.NeedsReport()) {
		p.promise(Promise{
			Process: -1, Thread: -1, Field: "voluntary_switches", Scope: "subtree", Kind: kind, When: WhenDelta,
			Expect: tree, Self: selfVoluntary(tasks), Because: "a tree switches as often as all its threads together",
		})
	}
}

// selfVoluntary is what n threads report: their operations, and one park each.
func selfVoluntary(n int) *Formula {
	f := Exactly(float64(n*finalPark)).Plus(1, "voluntary_switches")
	return &f
}

// add sums two formulas over different threads. A term stands for all threads
// of its subject, so a term both have is kept once.
func (f Formula) add(g Formula) Formula {
	f.Const += g.Const
	for _, t := range g.Terms {
		if !slices.Contains(f.Terms, t) {
			f = f.with(t)
		}
	}
	return f
}

// booking promises identities between the kernel's own counters of a thread
// that has run: they hold on the busiest machine.
func (p *Plan) booking(s site) {
	p.slices(s)
	cpu := Formula{}.Plus(1, "cpu_ns")
	p.promise(Promise{
		Process: s.process, Thread: s.thread, Field: "run_ns", Scope: "thread", Kind: Identity, When: WhenDelta,
		Expect: cpu, Self: &cpu, TolAbs: bookingSlackNS,
		Because: "the scheduler's run time and the thread's own CPU clock are one account; the switch in and out lies outside the worker's two readings",
	})
}

// slices promises that a thread was switched out as often as it was switched in.
func (p *Plan) slices(s site) {
	p.promise(Promise{
		Process: s.process, Thread: s.thread, Field: "slices_minus_switches", Scope: "thread", Kind: Identity, When: WhenDelta,
		Because: "a task that is given a CPU leaves it again, by blocking or by being preempted",
	})
}

// bookingSlackNS is what a worker's two readings of its own CPU clock leave
// out of its run time: the way from the gate to the first and from the second
// to the park, tens of microseconds, with faults and an interrupt in between.
const bookingSlackNS = 1_000_000

// pages is the number of pages that many bytes fill.
func pages(bytes uint64) float64 {
	size := uint64(os.Getpagesize())
	return float64((bytes + size - 1) / size)
}
