package load

func scIO() Scenario {
	return Scenario{
		Name:  "io",
		Title: "A known number of read and write calls",
		Teaches: "The kernel counts for every process how often it called read and write, and how many bytes went through these calls, wherever they came from or went to: memory, cache or disk. " +
			"What reaches the disk is counted apart, later, and may be less.",
		Params: []Param{
			asParam(), workersParam("1", 1, 32),
			{Name: "reads", Kind: ParamInt, Default: "2000", Min: 0, Max: 10000000, Doc: "read calls of each worker"},
			{Name: "writes", Kind: ParamInt, Default: "1000", Min: 1, Max: 10000000, Doc: "write calls of each worker, made before it reads"},
			{Name: "bytes", Kind: ParamBytes, Default: "4KiB", Min: 1, Max: 1 << 30, Doc: "size of each call"},
			{Name: "medium", Kind: ParamEnum, Default: "memory", Enum: []string{"memory", "file"}, Doc: "a file in memory, or a nameless one in /tmp"},
			secondsParam("how long they wait after that, from the beginning"), cpusParam(""),
		},
		Quick: []string{"seconds=500ms"},
		Build: buildIO,
	}
}

func buildIO(v Values) (*Plan, error) {
	reads, writes, bytes := v.Int("reads"), v.Int("writes"), v.Bytes("bytes")
	medium := uint64(0)
	if v.Text("medium") == "file" {
		medium = 1
	}
	p := newPlan("io", v)
	workers := p.crew(v.Text("as"), v.Int("workers"), func(i int) ThreadPlan {
		return ThreadPlan{
			CPUs: v.CPUs("cpus"),
			Setup: []Op{
				{Kind: OpMap, A: bytes, B: bytes, C: mapSlot},
				{Kind: OpFile, A: bytes, B: medium, C: uint64(i)},
			},
			Ops: []Op{{Kind: OpIO, A: uint64(reads), B: uint64(writes), C: uint64(i)<<32 | bytes}, hold(v)},
		}
	})
	perProcess := map[int]float64{}
	for _, s := range workers {
		perProcess[s.process]++
	}
	for i := range p.Processes {
		n := perProcess[i]
		p.calls(i, "read_calls", Exactly(n*float64(reads)))
		p.calls(i, "read_chars_bytes", Exactly(n*float64(reads)*float64(bytes)))
		p.calls(i, "write_calls", Exactly(n*float64(writes)).Plus(1, "notified"))
		p.calls(i, "write_chars_bytes", Exactly(n*float64(writes)*float64(bytes)).Plus(8, "notified"))
		if n > 0 {
			p.moved(i, n*(float64(bytes)*float64(reads+writes)+pages(bytes)*float64(pageBytes())))
		}
	}
	p.Budget.MemoryBytes = uint64(len(workers)) * 2 * bytes
	p.Budget.Files = len(workers)
	p.Budget.CPUs = float64(len(workers))
	p.remains()
	return p.finish(), nil
}

// calls promises one of the kernel's counters of read and write calls. The
// last thread of the run to be done writes 8 bytes to the controller.
func (p *Plan) calls(process int, field string, expect Formula) {
	p.promise(Promise{
		Process: process, Thread: -1, Field: field, Scope: "process", Kind: Equality, When: WhenDelta,
		Expect: expect, Because: "every call of the workers is counted once, and nobody else makes any",
	})
}

// moved promises what the workers report of themselves.
func (p *Plan) moved(process int, bytes float64) {
	self := Formula{}.Plus(1, "bytes")
	p.promise(Promise{
		Process: process, Thread: -1, Field: "moved_bytes", Scope: "process", Kind: Equality, When: WhenParked,
		Expect: Exactly(bytes), Self: &self,
		Because: "no call moves less than it is asked to, and none is left out; the buffer that they use counts once",
	})
}
