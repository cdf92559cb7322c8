package load

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

func scThreads() Scenario {
	return Scenario{
		Name:  "threads",
		Title: "One process with a known number of named threads",
		Teaches: "A process always has one thread, the main thread, and may start more; all of them share its PID and have a TID each. " +
			"The names are given by the threads themselves. Every thread waits, so the process uses no CPU.",
		Params: []Param{
			workersParam("4", 1, maxWorkers),
			{Name: "names", Kind: ParamText, Default: "", Max: 4096, Doc: "names of the workers, with commas between, at most 15 bytes each; those left over are numbered"},
			{Name: "churn", Kind: ParamRate, Default: "0Hz", Min: 0, Max: 1000, Doc: "short-lived threads per second, started one after the other by one more thread, the churner"},
			secondsParam("how long they wait"),
			cpusParam(""),
		},
		Quick: []string{"seconds=800ms", "workers=16", "names=reader,writer,logger"},
		Build: buildThreads,
	}
}

// maxComm is the longest task name the kernel keeps (TASK_COMM_LEN less the
// end mark).
const maxComm = 15

func buildThreads(v Values) (*Plan, error) {
	names, err := splitNames(v.Text("names"))
	if err != nil {
		return nil, err
	}
	n := v.Int("workers")
	if !v.Given("workers") && len(names) > 0 {
		n = len(names)
	}
	if len(names) > n {
		return nil, fmt.Errorf("names has %d names for workers=%d", len(names), n)
	}
	p := newPlan("threads", v)
	p.crew(asThreads, n, func(i int) ThreadPlan {
		t := ThreadPlan{Name: fmt.Sprintf("worker-%03d", i), CPUs: v.CPUs("cpus"), Ops: []Op{hold(v)}}
		if i < len(names) {
			t.Name = names[i]
		}
		return t
	})
	p.Parameters["workers"] = fmt.Sprint(n)
	if v.Rate("churn") == 0 {
		p.waits()
		return p.finish(), nil
	}
	return p.churn(v)
}

// maxChurn bounds the threads that come and go in one run.
const maxChurn = 10_000

// churn adds a thread that starts one short-lived thread per period. The others
// notice nothing of it; how the process' own totals treat threads that have
// ended differs between sources, so only living threads are promised.
func (p *Plan) churn(v Values) (*Plan, error) {
	period := time.Duration(float64(time.Second) / v.Rate("churn"))
	n := int(v.Duration("seconds") / period)
	if n < 1 || n > maxChurn {
		return nil, fmt.Errorf("churn × seconds makes %d threads: 1 to %d may come and go", n, maxChurn)
	}
	var ops []Op
	for range n {
		ops = append(ops, Op{Kind: OpSleepRel, A: 1, B: uint64(period)}, Op{Kind: OpSpawn, A: 1, C: threadTimes})
	}
	churner := p.crew(asThreads, 1, func(int) ThreadPlan {
		return ThreadPlan{Name: "churner", CPUs: v.CPUs("cpus"), Ops: append(ops, hold(v))}
	})[0]
	for j := range churner.thread + 1 {
		waits := Exactly(finalPark)
		because := "the main thread only parks"
		switch {
		case j == churner.thread:
			waits, because = waits.Plus(1, "voluntary_switches"), "the kernel tells the worker itself the same number, before the final park"
		case j > 0:
			waits, because = Exactly(1+finalPark), "one wait for the end, one final park; others that come and go do not wake it"
		}
		p.promise(Promise{
			Process: 0, Thread: j, Field: "voluntary_switches", Scope: "thread", Kind: Identity, When: WhenDelta,
			Expect: waits, Self: selfVoluntary(1), Because: because,
		})
	}
	// Each is a sleep and a thread, and the wait afterwards is one loop more.
	made := Exactly(-0.5).Plus(0.5, "loops")
	p.promise(Promise{
		Process: 0, Thread: churner.thread, Field: "made", Scope: "thread", Kind: Equality, When: WhenParked,
		Expect: Exactly(float64(n)), Self: &made, Because: "one per period",
	})
	p.forks(n)
	p.remains()
	p.Budget.Tasks++ // one at a time
	return p.finish(), nil
}

func splitNames(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	names := strings.Split(text, ",")
	for _, name := range names {
		if name == "" || len(name) > maxComm || strings.ContainsRune(name, 0) || !utf8.ValidString(name) {
			return nil, fmt.Errorf("names: %q is not 1 to %d bytes of UTF-8", name, maxComm)
		}
	}
	return names, nil
}

func hold(v Values) Op { return Op{Kind: OpHold, A: uint64(v.Duration("seconds"))} }

// waits promises what is true of tasks that do nothing but wait: one blocking
// wait, one final park, and nothing at all in between.
func (p *Plan) waits() {
	p.voluntary("one wait for the end, one final park", func(s site) Formula {
		if len(p.Processes[s.process].Threads[s.thread].Ops) > 0 {
			return Exactly(1)
		}
		return Formula{}
	})
	p.standStill()
}

// standStill promises what is true of tasks while they are blocked until the end.
func (p *Plan) standStill() {
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "state_all", Scope: "subtree", Kind: Equality, When: WhenLive,
		ExpectText: "S", Because: "every task is blocked until the end",
	})
	for i, q := range p.Processes {
		for j := range q.Threads {
			for _, field := range []string{"voluntary_switches", "involuntary_switches", "minor_faults"} {
				p.promise(Promise{
					Process: i, Thread: j, Field: field, Scope: "thread", Kind: Equality, When: WhenLiveDelta,
					Because: "a blocked task neither runs nor is switched",
				})
			}
		}
		p.promise(Promise{
			Process: i, Thread: -1, Field: "run_ns", Scope: "process_live", Kind: Equality, When: WhenLiveDelta,
			Because: "blocked tasks use no CPU at all",
		})
	}
}

var errOneCPU = errors.New("cpus must name exactly one CPU (example: cpus=0)")
