package load

func scMemShared() Scenario {
	return Scenario{
		Name:  "mem-shared",
		Title: "Memory that several processes map together",
		Teaches: "Processes see each other's memory only where they ask for it: here all workers map the same file in memory. Each counts all of it as resident, " +
			"as shared memory, not as memory of its own; PSS divides it by the number of those who map it. " +
			"Threads need no such thing: they have one address space, and one mapping serves all of them.",
		Params: []Param{
			asParam(), workersParam("3", 1, 64),
			bytesParam("bytes", "8MiB", memStep, "size of the shared memory"),
			secondsParam("how long it is held"), cpusParam(""),
		},
		Quick: []string{"seconds=800ms"},
		Build: buildMemShared,
	}
}

func buildMemShared(v Values) (*Plan, error) {
	bytes, n := v.Bytes("bytes"), v.Int("workers")
	mapped := Op{Kind: OpMapFile, A: bytes, B: FileShared << 8, C: mapSlot}
	threads := v.Text("as") == asThreads
	p := newPlan("mem-shared", v)
	p.Processes[0].Threads[0].Setup = []Op{{Kind: OpFile, A: bytes}}
	sharers := p.crew(v.Text("as"), n, func(int) ThreadPlan {
		t := ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{hold(v)}}
		if !threads {
			t.Ops = append([]Op{mapped}, t.Ops...)
		}
		return t
	})
	if threads {
		p.Processes[0].Threads[0].Ops = []Op{mapped, hold(v)}
		sharers = []site{{0, 0}}
	}
	for _, s := range sharers {
		private, shared := uint64(0), bytes
		if len(sharers) == 1 {
			private, shared = bytes, 0
		}
		p.segment(s, WhenParked, mapSlot, map[string]uint64{
			"segment_size_bytes": bytes, "segment_rss_bytes": bytes, "segment_anonymous_bytes": 0,
			"segment_private_dirty_bytes": private, "segment_shared_dirty_bytes": shared,
			"segment_pss_bytes": pss(share{bytes, len(sharers)}),
		}, "every page is mapped once by each process that shares it")
		p.faults(s, pages(bytes), "one minor fault for each page it writes to, whoever was first")
		p.change(s.process, "rss_shmem_bytes", float64(bytes), "the pages belong to a file in memory")
		p.change(s.process, "rss_anon_bytes", 0, "none of them is its own")
		p.change(s.process, "data_bytes", 0, "a shared mapping does not count as data")
	}
	p.Budget.MemoryBytes = bytes
	p.remains()
	return p.finish(), nil
}
