package load

func scCowFile() Scenario {
	return Scenario{
		Name:  "cow-file",
		Title: "A private mapping of a file: pages become its own when written",
		Teaches: "A program's code and data are mapped like this. As long as a page is only read, it is the file's page and shared with everybody who maps the file; " +
			"a write makes a private copy, which belongs to no file, and the file stays as it is.",
		Params: []Param{
			asParam(), workersParam("1", 1, 64),
			bytesParam("bytes", "16MiB", memStep, "size of the file, which is in memory"),
			{Name: "dirty", Kind: ParamPercent, Default: "25%", Min: 0, Max: 100, Doc: "share of it that each worker writes to"},
			secondsParam("how long it is held"), cpusParam(""),
		},
		Quick: []string{"seconds=800ms"},
		Build: buildCowFile,
	}
}

// ownArea as OpTouch.C means the thread's own area.
const ownArea = ^uint64(0)

// buildCowFile reads all pages before the gate: how many faults that takes
// depends on how many pages the kernel maps around each (fault_around_bytes).
// What is written afterwards takes one each.
func buildCowFile(v Values) (*Plan, error) {
	bytes := v.Bytes("bytes")
	dirty := part(bytes, v.Percent("dirty"))
	p := newPlan("cow-file", v)
	p.Processes[0].Threads[0].Setup = []Op{{Kind: OpFile, A: bytes, B: 2}}
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		return ThreadPlan{
			CPUs:  v.CPUs("cpus"),
			Setup: []Op{{Kind: OpMapFile, A: bytes, B: FilePrivate << 8, C: mapSlot}},
			Ops:   []Op{{Kind: OpTouch, A: dirty, B: mapSlot, C: ownArea}, hold(v)},
		}
	})
	written := map[int]float64{}
	for _, s := range workers {
		p.segment(s, WhenReady, mapSlot, map[string]uint64{
			"segment_rss_bytes": bytes, "segment_anonymous_bytes": 0,
			"segment_pss_bytes": pss(share{bytes, len(workers)}),
		}, "pages that were only read are the file's")
		p.segment(s, WhenParked, mapSlot, map[string]uint64{
			"segment_rss_bytes": bytes, "segment_anonymous_bytes": dirty,
			"segment_pss_bytes": pss(share{dirty, 1}, share{bytes - dirty, len(workers)}),
		}, "written pages are copies that belong to no file; the others are mapped by all workers")
		p.faults(s, pages(dirty), "one minor fault for each page that is copied")
		written[s.process] += float64(dirty)
	}
	for i := range p.Processes {
		if n, ok := written[i]; ok {
			p.change(i, "rss_anon_bytes", n, "the copies are its own")
			p.change(i, "rss_shmem_bytes", -n, "and take the place of the file's pages")
		}
	}
	p.Budget.MemoryBytes = bytes + uint64(len(workers))*dirty
	p.remains()
	return p.finish(), nil
}
