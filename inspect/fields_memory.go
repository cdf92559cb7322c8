package inspect

// memField is the common shape of a field in bytes of a whole process.
func memField(id, title string, want Want, doc string, get uintOf, sources ...string) Field {
	return Field{
		ID: id, Title: title, Unit: UnitBytes, Kind: KindUint, Scope: ScopeProcess, Want: want,
		Sources: sources, Width: 8, Desc: true, Doc: doc, Get: procUint(get),
	}
}

func memoryFields() []Field {
	return append(sizeFields(), faultFields()...)
}

func sizeFields() []Field {
	return []Field{
		memField("vsize_bytes", "VSZ", 0, "Size of the address space, reserved ranges included.",
			func(p *Process) Known[uint64] { return p.VSizeBytes }, "stat:23", "statm:1"),
		memField("rss_bytes", "RSS", 0, "Memory in RAM, pages shared with others counted in full; without huge pages of hugetlbfs.",
			func(p *Process) Known[uint64] { return p.RSSBytes }, "statm:2"),
		memField("rss_anon_bytes", "ANON", WantStatus, "Memory in RAM that belongs to no file: heap, stacks, written private pages.",
			func(p *Process) Known[uint64] { return p.RSSAnonBytes }, "status:RssAnon"),
		memField("rss_file_bytes", "FILE", WantStatus, "Memory in RAM that is pages of mapped files.",
			func(p *Process) Known[uint64] { return p.RSSFileBytes }, "status:RssFile"),
		memField("rss_shmem_bytes", "SHMEM", WantStatus, "Memory in RAM that is shared memory.",
			func(p *Process) Known[uint64] { return p.RSSShmemBytes }, "status:RssShmem"),
		memField("swap_bytes", "SWAP", WantStatus, "Private anonymous memory in swap; swapped shared memory is not counted.",
			func(p *Process) Known[uint64] { return p.SwapBytes }, "status:VmSwap"),
		memField("pss_bytes", "PSS", WantRollup, "Memory in RAM, each page divided by the number of processes that map it: these add up. Counted anew when pages came or went, and once in 16 samples.",
			func(p *Process) Known[uint64] { return p.PSSBytes }, "smaps_rollup:Pss"),
		memField("uss_bytes", "USS", WantRollup, "Memory in RAM that no other process maps: what would be freed if it ended. Counted as PSS is.",
			func(p *Process) Known[uint64] { return p.USSBytes }, "smaps_rollup:Private_Clean+Private_Dirty+Private_Hugetlb"),
		memField("peak_rss_bytes", "PEAK", WantStatus, "Largest resident size so far.",
			func(p *Process) Known[uint64] { return p.PeakRSSBytes }, "status:VmHWM"),
		memField("text_bytes", "TEXT", WantStatus|WantStatusRest, "Size of the program's own code.",
			func(p *Process) Known[uint64] { return p.TextBytes }, "status:VmExe"),
		memField("data_bytes", "DATA", WantStatus|WantStatusRest, "Size of writable private mappings other than the main stack.",
			func(p *Process) Known[uint64] { return p.DataBytes }, "status:VmData"),
		memField("stack_bytes", "STACK", WantStatus|WantStatusRest, "Size of the main thread's stack.",
			func(p *Process) Known[uint64] { return p.StackBytes }, "status:VmStk"),
		memField("page_table_bytes", "PTE", WantStatus|WantStatusRest, "Memory the kernel spends on its page tables.",
			func(p *Process) Known[uint64] { return p.PageTableBytes }, "status:VmPTE"),
		memField("hugetlb_bytes", "HUGETLB", WantStatus|WantStatusRest, "Huge pages of hugetlbfs, which no resident size includes.",
			func(p *Process) Known[uint64] { return p.HugetlbBytes }, "status:HugetlbPages"),
		{
			ID: "rss_growth_bytes", Title: "ΔRSS", Unit: UnitBytes, Kind: KindInt, Scope: ScopeProcess, Rate: true, Width: 8, Desc: true,
			Sources: []string{"statm:2"}, Doc: "Growth of the resident size since the previous sample.",
			Get: ofProcess(KindInt, func(r Row) Value {
				if r.Delta == nil {
					return Value{Kind: KindInt, Why: NeedsTwoSamples}
				}
				return Value{Kind: KindInt, Why: r.Delta.RSSGrowth.Why, I: r.Delta.RSSGrowth.V}
			}),
		},
	}
}

func faultFields() []Field {
	return []Field{
		{
			ID: "minor_faults", Title: "MINFLT", Unit: UnitCount, Kind: KindUint, Scope: ScopeProcess, Thread: true, Width: 8, Desc: true,
			Sources: []string{"stat:10"}, Doc: "Page faults served without reading from disk.",
			Get: bothUint(func(p *Process) Known[uint64] { return p.MinorFaults }, func(t *Thread) Known[uint64] { return t.MinorFaults }),
		},
		{
			ID: "major_faults", Title: "MAJFLT", Unit: UnitCount, Kind: KindUint, Scope: ScopeProcess, Thread: true, Width: 8, Desc: true,
			Sources: []string{"stat:12"}, Doc: "Page faults that had to read from disk.",
			Get: bothUint(func(p *Process) Known[uint64] { return p.MajorFaults }, func(t *Thread) Known[uint64] { return t.MajorFaults }),
		},
		{
			ID: "minor_faults_per_second", Title: "MINFLT/s", Unit: UnitPerSec, Kind: KindFloat, Scope: ScopeProcess, Thread: true,
			Rate: true, Width: 8, Desc: true, Sources: []string{"stat:10"}, Doc: "Minor page faults per second.",
			Get: bothRate(func(d *Delta) Known[float64] { return d.MinorFaultRate }, func(d *ThreadDelta) Known[float64] { return d.MinorFaultRate }),
		},
		{
			ID: "major_faults_per_second", Title: "MAJFLT/s", Unit: UnitPerSec, Kind: KindFloat, Scope: ScopeProcess, Thread: true,
			Rate: true, Width: 8, Desc: true, Sources: []string{"stat:12"}, Doc: "Major page faults per second.",
			Get: bothRate(func(d *Delta) Known[float64] { return d.MajorFaultRate }, func(d *ThreadDelta) Known[float64] { return d.MajorFaultRate }),
		},
	}
}
