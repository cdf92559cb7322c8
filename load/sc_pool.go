package load

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

func scPool() Scenario {
	return Scenario{
		Name:  "pool",
		Title: "A pool of workers that all do the same: sleep, or compute",
		Teaches: "Two threads of a pool have one PID and two TIDs; two processes of a pool have a PID each and the same parent. " +
			"The work is the same and takes the same CPU time; what differs is the number of address spaces, and of tables of open files. " +
			"Threads have the memory of their process in common. Processes that were forked still share what nobody has written since: " +
			"each counts it as resident, so their resident sizes add up to more than there is, but their PSS does not. " +
			"A worker that sleeps is blocked and uses no CPU.",
		Params: []Param{
			asParam(), workersParam("2", 1, 1000),
			{Name: "work", Kind: ParamText, Default: "sleep:5s", Max: 40, Doc: "what each worker does: sleep:DURATION, or cpu:DURATION of its own CPU time"},
			{Name: "respawn", Kind: ParamEnum, Default: "false", Enum: []string{"false", "true"}, Doc: "whether worker processes fail, and a supervisor replaces each; then they wait instead of working"},
			{Name: "kill-every", Kind: ParamDuration, Default: "200ms", Min: 10e6, Max: 60e9, Doc: "time between two failures (respawn=true)"},
			bytesParam("bytes", "256KiB", memStep, "memory of its own that each worker writes"),
			bytesParam("shared", "1MiB", memStep, "memory that the root has written before it starts the workers"),
			stayParam(), cpusParam(""),
		},
		Quick: []string{"work=sleep:1s", "seconds=1s"},
		Aliases: []Alias{
			{Name: "pool-threads", Args: []string{"as=threads", "work=cpu:300ms"}},
			{Name: "pool-procs", Args: []string{"as=processes", "work=cpu:300ms"}},
		},
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
	switch respawn := v.Text("respawn") == "true"; {
	case err != nil:
		return nil, err
	case respawn:
		return buildRespawningPool(v, kind)
	case v.Given("kill-every"):
		return nil, errors.New("kill-every goes with respawn=true: without it no worker fails")
	}
	op := Op{Kind: OpSleepRel, A: 1, B: uint64(d)}
	if kind == "cpu" {
		op = Op{Kind: OpSpinCPU, A: uint64(d)}
	}
	p := newPlan("pool", v)
	own, shared := v.Bytes("bytes"), v.Bytes("shared")
	p.Processes[0].Threads[0].Setup = []Op{{Kind: OpMap, A: shared, B: shared, C: sharedSlot}}
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Setup: []Op{{Kind: OpMap, A: own, B: own, C: mapSlot}}, Ops: []Op{op}}
	})
	p.thenStay(v, workers)
	p.poolMemory(workers, own, shared)
	p.Budget.MemoryBytes = shared + own*uint64(len(workers))
	p.onlyCountedWaits("a sleep is one wait, computing is none; staying and parking are added")
	p.addressSpaces()
	p.ownTables()
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

// ownTables promises the descriptors of every process: threads use the table of
// their process, and a child has a copy of its parent's.
func (p *Plan) ownTables() {
	for i := range p.Processes {
		p.promise(Promise{
			Process: i, Thread: -1, Field: "fds", Scope: "process_live", Kind: Equality, When: WhenParked,
			Expect: Exactly(workerFiles), Because: "threads share one table of descriptors, and every process has a copy of its own",
		})
	}
}

// buildRespawningPool: one failure per period as long as the run lasts, but for
// the last period, in which the last replacement is there to be seen.
func buildRespawningPool(v Values, kind string) (*Plan, error) {
	every := v.Duration("kill-every")
	failures := int(v.Duration("seconds")/every) - 1
	switch {
	case v.Given("bytes") || v.Given("shared"):
		return nil, errors.New("bytes and shared go with respawn=false: workers that fail and their replacements hold no memory")
	case v.Given("as") && v.Text("as") == asThreads:
		return nil, errors.New("respawn=true needs as=processes: a thread that fails takes the whole pool along (see crash as=threads)")
	case kind != "sleep":
		return nil, errors.New("respawn=true is for work=sleep: workers that fail do not finish a computation")
	case failures < 1 || failures > maxFailures:
		return nil, fmt.Errorf("seconds / kill-every makes %d failures: 1 to %d (example: seconds=2s kill-every=200ms)", max(0, failures), maxFailures)
	case v.Int("workers") > maxSupervised:
		return nil, fmt.Errorf("respawn=true is for at most %d workers", maxSupervised)
	}
	p := newPlan("pool", v)
	p.Parameters["as"] = asProcesses
	p.supervised(v, v.Int("workers"), failures, every)
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
