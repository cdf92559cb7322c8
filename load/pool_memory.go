package load

// sharedSlot is where the root reports what all workers of a pool inherit.
const sharedSlot = 2

// poolMemory promises what each process of a pool maps, and what that makes
// together. Every worker has written memory of its own; what the root wrote
// before it started them is mapped by all processes, and by one if the workers
// are threads.
func (p *Plan) poolMemory(workers []site, own, shared uint64) {
	n := len(p.Processes)
	for _, s := range workers {
		if s.process >= maxObserved {
			break
		}
		p.segment(s, WhenParked, mapSlot, map[string]uint64{
			"segment_rss_bytes": own, "segment_pss_bytes": own, "segment_anonymous_bytes": own,
			"segment_private_dirty_bytes": own, "segment_shared_dirty_bytes": 0,
		}, "what a worker writes after it was started is in its process alone")
	}
	private, common, because := shared, uint64(0), "threads have one address space: it is there once, and private to the process"
	if n > 1 {
		private, common = 0, shared
		because = "nobody has written it since the fork: every process maps the same pages, and PSS divides them by the number of processes"
	}
	for i := range min(n, maxObserved) {
		p.segment(site{i, 0}, WhenParked, sharedSlot, map[string]uint64{
			"segment_rss_bytes": shared, "segment_pss_bytes": pss(share{shared, n}), "segment_anonymous_bytes": shared,
			"segment_private_dirty_bytes": private, "segment_shared_dirty_bytes": common,
		}, because)
	}
	if n <= maxObserved {
		p.poolTotals(uint64(n), uint64(len(workers)), own, shared)
	}
}

// poolTotals promises the sums over all n processes.
func (p *Plan) poolTotals(n, workers, own, shared uint64) {
	sum := func(field string, slot int, bytes uint64, because string) {
		p.promise(Promise{
			Process: -1, Thread: -1, Field: field, Scope: "subtree", Kind: Equality, When: WhenParked, Slot: slot,
			Expect: Exactly(float64(bytes)), Because: because,
		})
	}
	sum("areas_rss_bytes", mapSlot, workers*own, "the workers' own memory is the same in either shape")
	sum("areas_pss_bytes", mapSlot, workers*own, "nobody shares it, so its share is all of it")
	sum("areas_rss_bytes", sharedSlot, n*shared, "each process counts all of what it maps: one for threads, every one for processes")
	sum("areas_pss_bytes", sharedSlot, n*pss(share{shared, int(n)}), "but its shares add up to what there is, once, but for what the kernel rounds off")
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "rss_minus_pss_bytes", Scope: "subtree", Kind: Identity, AtLeast: true, When: WhenParked,
		Expect:  Exactly(float64((n - 1) * shared)),
		Because: "resident sizes count what n processes share n times, their proportional shares once; neither is ever the other way round",
	})
}
