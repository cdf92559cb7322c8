package load

import (
	"fmt"
	"time"
)

func scCrash() Scenario {
	return Scenario{
		Name:  "crash",
		Title: "One worker fails: who goes with it?",
		Teaches: "A process that fails takes nobody along: its siblings never notice. A thread that fails takes its whole process along, all other threads included, because they share the memory it may have spoilt. " +
			"The failure is a write to address 8, where nothing is, or an exit. The parent learns from the exit status how it ended.",
		Params: []Param{
			asParam(), workersParam("4", 2, 256),
			{Name: "by", Kind: ParamEnum, Default: "fault", Enum: []string{"fault", "exit"}, Doc: "a write to memory that is not there, or a call of exit with status 7"},
			secondsParam("how long the others go on"), cpusParam(""),
		},
		Quick: []string{"seconds=1500ms"},
		Aliases: []Alias{
			{Name: "crash-thread", Args: []string{"as=threads"}}, {Name: "crash-proc", Args: []string{"as=processes"}},
		},
		Build: buildCrash,
	}
}

// The ends of a worker that fails.
const (
	crashCode   = 7
	signalFault = 11 // SIGSEGV
)

func buildCrash(v Values) (*Plan, error) {
	n := v.Int("workers")
	p := newPlan("crash", v)
	end, failure := &End{Signal: signalFault, Reaped: true}, Op{Kind: OpCrash}
	if v.Text("by") == "exit" {
		end, failure = &End{Code: crashCode, Reaped: true}, Op{Kind: OpExit, A: crashCode}
	}
	fails := []Op{{Kind: OpHold, A: uint64(v.Duration("seconds") / 4)}, failure}
	work := func(name string, ops []Op) ThreadPlan {
		return ThreadPlan{Role: name, Name: name, CPUs: v.CPUs("cpus"), Ops: ops}
	}
	if v.Text("as") == asProcesses {
		p.crew(asProcesses, n, func(i int) ThreadPlan {
			if i == 0 {
				return work("victim", fails)
			}
			return work(numbered("worker", i), []Op{hold(v)})
		})
		p.Processes[1].End = end
	} else {
		// Two pools of threads, so that it shows where the failure ends.
		for i, name := range []string{"pool", "other"} {
			pool := ProcessPlan{Role: name, Threads: []ThreadPlan{work(name, []Op{hold(v)})}}
			pool.Threads[0].Role = "leader"
			for k := range n {
				pool.Threads = append(pool.Threads, work(fmt.Sprintf("%s-%03d", name, k), []Op{hold(v)}))
			}
			if i == 0 {
				pool.End = end
				pool.Threads[1] = work("victim", fails)
			}
			p.Processes = append(p.Processes, pool)
		}
	}
	p.Processes[0].Threads[0].Ops = append([]Op{{Kind: OpReap}}, meanwhile(v)...)
	p.reaps(0, 1)
	for i := 2; i < len(p.Processes); i++ {
		p.survivor(i)
	}
	p.promise(Promise{
		Process: 1, Thread: -1, Field: "present", Scope: "process", Kind: Equality, When: WhenLive,
		Because: "it has ended, with all its threads, and its parent has waited for it",
	})
	p.remains()
	return p.finish(), nil
}

// survivor promises that a process is not touched by another one's end.
func (p *Plan) survivor(process int) {
	q := &p.Processes[process]
	at := func(r Promise) {
		r.Process, r.Thread, r.Kind = process, -1, Equality
		p.promise(r)
	}
	at(Promise{
		Field: "threads", Scope: "process_live", When: WhenLive,
		Expect: Exactly(float64(len(q.Threads))), Because: "it has lost none of its threads",
	})
	at(Promise{Field: "state_all", Scope: "process", When: WhenLive, ExpectText: "S", Because: "its threads wait as before"})
	at(Promise{
		Field: "voluntary_switches", Scope: "process", When: WhenDelta,
		Expect: Exactly(float64(2 * len(q.Threads))), Self: selfVoluntary(len(q.Threads)),
		Because: "each thread waits once and parks once: nobody has woken it",
	})
}

func numbered(name string, i int) string { return fmt.Sprintf("%s-%03d", name, i) }

// estimate bounds a duration that follows from counts.
func estimate(n int, each time.Duration) time.Duration { return time.Duration(n) * each }
