package load

func scHuge() Scenario {
	return Scenario{
		Name:  "huge",
		Title: "Memory in huge pages",
		Teaches: "Memory that asks for it may be given in pages of 2 MiB instead of 4 kB: one fault makes 512 times as much resident, and the address tables are shorter. " +
			"The kernel does so where it is permitted and where it finds free memory in one piece.",
		Params: []Param{
			workersParam("1", 1, 16), asParam(),
			{Name: "bytes", Kind: ParamBytes, Default: "32MiB", Min: hugeBytes, Max: 1 << 40, Step: hugeBytes, Doc: "memory of each worker"},
			secondsParam("how long it is held"), cpusParam(""),
		},
		Quick: []string{"seconds=800ms", "bytes=16MiB"},
		Needs: []string{NeedHugePages},
		Build: buildHuge,
	}
}

const hugeBytes = 2 << 20

func buildHuge(v Values) (*Plan, error) {
	bytes := v.Bytes("bytes")
	p := newPlan("huge", v)
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{{Kind: OpHuge, A: bytes, B: hugeBytes, C: mapSlot}, hold(v)}}
	})
	perProcess := map[int]float64{}
	for _, s := range workers {
		p.segment(s, WhenParked, mapSlot, map[string]uint64{
			"segment_size_bytes": bytes, "segment_rss_bytes": bytes, "segment_private_dirty_bytes": bytes,
		}, "every page of it is touched")
		// Not promised: that all of it is huge. That is for the kernel's free
		// memory to decide. But what is not, costs faults.
		self := Formula{}.Plus(1, "minor_faults")
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: "minor_faults", Scope: "thread", Kind: Identity, When: WhenDelta,
			Expect: self, Self: &self, Because: "the kernel counts the same faults for the worker itself",
		})
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: "segment_huge_bytes", Scope: "segment", Kind: Identity, When: WhenParked, Slot: mapSlot,
			// faults = huge/2M + (bytes-huge)/page, solved for huge
			Expect:  Exactly(float64(bytes)/float64(pageBytes())*hugeUnit()).Plus(-hugeUnit(), "minor_faults"),
			Because: "one fault for each huge page, and one for each page of the rest",
		})
		perProcess[s.process] += float64(bytes)
	}
	for i := range p.Processes {
		if n := perProcess[i]; n > 0 {
			p.change(i, "rss_anon_bytes", n, "all of it becomes resident, in pages of either size")
		}
	}
	p.Needs = []string{NeedHugePages}
	p.Budget.MemoryBytes = uint64(len(workers)) * (bytes + hugeBytes)
	p.remains()
	return p.finish(), nil
}

// hugeUnit is how many bytes are in huge pages for every fault that is saved.
func hugeUnit() float64 {
	page := float64(pageBytes())
	return 1 / (1/page - 1/float64(hugeBytes))
}
