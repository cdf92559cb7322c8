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
		p.hugeFaults(s, bytes)
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

// hugeFaults ties the faults of a worker to its huge pages. That all of its
// memory is huge is not promised: that is for the kernel's free memory to decide.
// But what is not, costs faults. Each identity is one-sided, as the kernel may add
// to either number by itself: a fault when it moves a page to another node (NUMA
// balancing), and a huge page without a fault when it makes one of small ones
// later (khugepaged).
func (p *Plan) hugeFaults(s site, bytes uint64) {
	self := Formula{}.Plus(1, "minor_faults")
	atLeast := func(q Promise) {
		q.Process, q.Thread, q.Kind, q.AtLeast = s.process, s.thread, Identity, true
		p.promise(q)
	}
	atLeast(Promise{
		Field: "minor_faults", Scope: "thread", When: WhenDelta, Expect: self, Self: &self,
		Because: "what the kernel told the worker itself is a part of what it counted from the gate to the park",
	})
	atLeast(Promise{
		Field: "minor_faults", Scope: "thread", When: WhenDelta, Expect: Exactly(float64(bytes / hugeBytes)), Self: &self,
		Because: "no fault makes more than one huge page resident",
	})
	atLeast(Promise{
		Field: "segment_huge_bytes", Scope: "segment", When: WhenParked, Slot: mapSlot,
		// faults = huge/2M + (bytes-huge)/page, solved for huge
		Expect:  Exactly(float64(bytes)/float64(pageBytes())*hugeUnit()).Plus(-hugeUnit(), "minor_faults"),
		Because: "one fault for each huge page, and one for each page of the rest: fewer faults than pages are the work of huge pages",
	})
}

// hugeUnit is how many bytes are in huge pages for every fault that is saved.
func hugeUnit() float64 {
	page := float64(pageBytes())
	return 1 / (1/page - 1/float64(hugeBytes))
}
