package load

func scSpawn() Scenario {
	return Scenario{
		Name:  "spawn",
		Title: "What it costs to make a thread, and a process",
		Teaches: "The main thread makes one task after the other, each of which ends at once. A thread needs a stack and an entry in the table; a process also needs a copy of the address tables, and of the list of open files. " +
			"So a thread is the cheaper one to make, and the larger the process, the greater the difference.",
		Params: []Param{
			{Name: "as", Kind: ParamEnum, Default: "both", Enum: []string{"both", asThreads, asProcesses}, Doc: "what is made: threads, processes, or first threads and then processes"},
			{Name: "n", Kind: ParamInt, Default: "2000", Min: 1, Max: 1000000, Doc: "how many of each are made"},
			{Name: "bytes", Kind: ParamBytes, Default: "1MiB", Min: 0, Max: 1 << 40, Step: memStep, Doc: "memory that the maker has written before"},
			secondsParam("how long it waits after that, from the beginning"), cpusParam(""),
		},
		Quick: []string{"n=300", "seconds=500ms"},
		Build: buildSpawn,
	}
}

// Slots of the report: OpSpawn uses three each. Slot 1 is the memory.
const (
	threadTimes  = 4
	processTimes = 8
)

func buildSpawn(v Values) (*Plan, error) {
	n, as := v.Int("n"), v.Text("as")
	p := newPlan("spawn", v)
	maker := &p.Processes[0].Threads[0]
	maker.CPUs = v.CPUs("cpus")
	if b := v.Bytes("bytes"); b > 0 {
		maker.Setup = []Op{{Kind: OpMap, A: b, B: b, C: mapSlot}}
		p.Budget.MemoryBytes = b
	}
	kinds := 0
	if as != asProcesses {
		maker.Ops = append(maker.Ops, Op{Kind: OpSpawn, A: uint64(n), B: 0, C: threadTimes})
		p.creationTime("thread_creation_ns", threadTimes, n)
		kinds++
	}
	if as != asThreads {
		maker.Ops = append(maker.Ops, Op{Kind: OpSpawn, A: uint64(n), B: 1, C: processTimes})
		p.creationTime("process_creation_ns", processTimes, n)
		kinds++
	}
	if kinds == 2 {
		threads := Formula{}.Plus(1/float64(n), slotKey(threadTimes))
		p.promise(Promise{
			Process: 0, Thread: 0, Field: "thread_creation_ns", Scope: "process", Kind: Bound, When: WhenParked,
			Expect: Formula{}.Plus(1/float64(n), slotKey(processTimes)), Self: &threads,
			Because: "a thread is cheaper to make than a process",
		})
	}
	p.made(0, n*kinds, "as many as were asked for")
	p.forks(n * kinds)
	maker.Ops = append(maker.Ops, hold(v))
	p.Budget.CPUs = 1
	p.Budget.Tasks = 1
	p.remains()
	return p.finish(), nil
}

// creationTime has the mean time to make one task shown. It is a result, not a
// promise: all that is promised is that it takes less than a tenth of a second.
func (p *Plan) creationTime(field string, slot, n int) {
	self := Formula{}.Plus(1/float64(n), slotKey(slot))
	p.promise(Promise{
		Process: 0, Thread: 0, Field: field, Scope: "process", Kind: Bound, When: WhenParked,
		Expect: Exactly(1e8), Self: &self, Because: "mean time until the call returns, by the maker's own clock",
	})
}
