package load

func scCow() Scenario {
	return Scenario{
		Name:  "cow",
		Title: "Parent and children share pages until one of them writes",
		Teaches: "After fork, parent and child have the same memory, and no page is copied yet: both map the same pages, so their resident sizes add up to more than there is. " +
			"A page is copied when one of them writes to it, with one minor fault; from then on that copy is private. " +
			"PSS counts every page once among those who share it.",
		Params: []Param{
			bytesParam("bytes", "64MiB", memStep, "memory that the parent has written before it forks"),
			{Name: "dirty", Kind: ParamPercent, Default: "25%", Min: 0, Max: 100, Doc: "share of it that is written after the fork"},
			{Name: "by", Kind: ParamEnum, Default: "parent", Enum: []string{"parent", "child"}, Doc: "who writes: the parent, or the first child"},
			workersParam("1", 1, 64), secondsParam("how long it is held"), cpusParam(""),
		},
		Quick: []string{"seconds=800ms", "bytes=16MiB", "workers=2"},
		Build: buildCow,
	}
}

func buildCow(v Values) (*Plan, error) {
	bytes, workers := v.Bytes("bytes"), v.Int("workers")
	dirty := part(bytes, v.Percent("dirty"))
	p := newPlan("cow", v)
	p.crew(asProcesses, workers, func(int) ThreadPlan { return ThreadPlan{CPUs: v.CPUs("cpus")} })
	root := &p.Processes[0].Threads[0]
	root.Setup = []Op{{Kind: OpMap, A: bytes, B: bytes, C: mapSlot}}
	writer := 0
	if v.Text("by") == "child" {
		writer = 1
	}
	for i := range p.Processes {
		touch := Op{Kind: OpTouch, B: mapSlot}
		if i == writer {
			touch.A = dirty
		}
		p.Processes[i].Threads[0].Ops = []Op{touch, hold(v)}
		p.cowProcess(i, i == writer, bytes, dirty, workers)
	}
	p.Budget.MemoryBytes = bytes + dirty
	p.remains()
	return p.finish(), nil
}

// cowProcess promises what one process maps: what is not written is shared by
// all, what the writer has copied is its own, and the originals of that are
// shared by the others.
func (p *Plan) cowProcess(process int, writer bool, bytes, dirty uint64, children int) {
	s := site{process, 0}
	all := children + 1
	p.segment(s, WhenReady, mapSlot, map[string]uint64{
		"segment_rss_bytes": bytes, "segment_shared_dirty_bytes": bytes, "segment_private_dirty_bytes": 0,
		"segment_pss_bytes": pss(share{bytes, all}),
	}, "right after the fork every page is shared, and counted by each process")
	sharers, faults := all-1, 0.0
	if writer {
		sharers, faults = 1, pages(dirty)
	}
	private, shared := dirty, bytes-dirty
	if sharers > 1 {
		private, shared = 0, bytes
	}
	p.segment(s, WhenParked, mapSlot, map[string]uint64{
		"segment_rss_bytes": bytes, "segment_anonymous_bytes": bytes,
		"segment_private_dirty_bytes": private, "segment_shared_dirty_bytes": shared,
		"segment_pss_bytes": pss(share{dirty, sharers}, share{bytes - dirty, all}),
	}, "what was written is copied; the originals stay with those who did not write")
	p.faults(s, faults, "one minor fault for each page that is copied, none for those who do not write")
	p.change(process, "rss_bytes", 0, "a copy takes the place of the page: nobody's resident size grows")
}
