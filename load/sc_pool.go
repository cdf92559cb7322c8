package load

import (
	"fmt"
	"strings"
	"time"
)

func scPool() Scenario {
	return Scenario{
		Name:  "pool",
		Title: "A pool of workers that all do the same: sleep, or compute",
		Teaches: "Two threads of a pool have one PID and two TIDs; two processes of a pool have a PID each and the same parent. " +
			"The work is the same and takes the same CPU time; what differs is the number of address spaces. " +
			"A worker that sleeps is blocked and uses no CPU.",
		Params: []Param{
			asParam(), workersParam("2", 1, 1000),
			{Name: "work", Kind: ParamText, Default: "sleep:5s", Max: 40, Doc: "what each worker does: sleep:DURATION, or cpu:DURATION of its own CPU time"},
			stayParam(), cpusParam(""),
		},
		Quick: []string{"work=sleep:1s", "seconds=1s"},
		Build: buildPool,
	}
}

// parseWork reads "sleep:5s" or "cpu:500ms".
func parseWork(text string) (kind string, d time.Duration, err error) {
	kind, amount, ok := strings.Cut(text, ":")
	n, err := parseNumber(ParamDuration, amount)
	if !ok || err != nil || (kind != "sleep" && kind != "cpu") || n < 1e6 || n > 3600e9 {
		return "", 0, fmt.Errorf("work=%s: want sleep:DURATION or cpu:DURATION, 1ms to 1h (example: work=cpu:500ms)", text)
	}
	return kind, time.Duration(n), nil
}

func buildPool(v Values) (*Plan, error) {
	kind, d, err := parseWork(v.Text("work"))
	if err != nil {
		return nil, err
	}
	op := Op{Kind: OpSleepRel, A: 1, B: uint64(d)}
	if kind == "cpu" {
		op = Op{Kind: OpSpinCPU, A: uint64(d)}
	}
	p := newPlan("pool", v)
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{op}}
	})
	p.thenStay(v, workers)
	p.onlyCountedWaits("a sleep is one wait, computing is none; staying and parking are added")
	p.addressSpaces()
	if kind == "sleep" {
		p.promise(Promise{
			Process: -1, Thread: -1, Field: "state_all", Scope: "subtree", Kind: Equality, When: WhenLive,
			ExpectText: "S", Because: "every worker sleeps, and the leader waits",
		})
		p.toldAtLeast(wholeTree, "elapsed_ns", Exactly(float64(d)), jobSpan(), "no sleep is shorter than asked for")
		p.atLeast(d)
		return p.finish(), nil
	}
	for _, s := range workers {
		p.runTime(s, float64(d), "the same CPU time in either shape")
		p.booking(s)
	}
	cores := parallel(v, len(workers))
	p.atLeast(d * time.Duration(len(workers)) / time.Duration(cores))
	p.Budget.CPUs = float64(cores)
	return p.finish(), nil
}

// addressSpaces promises how many processes there are, each with memory of its
// own.
func (p *Plan) addressSpaces() {
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "address_spaces", Scope: "subtree", Kind: Equality, When: WhenLive,
		Expect: Exactly(float64(len(p.Processes))), Because: "threads share the address space of their process; every process has its own",
	})
}
