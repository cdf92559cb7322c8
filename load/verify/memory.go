package verify

import (
	"taskscope/inspect"
	"taskscope/load"
)

// memoryFields are derived fields about segments and resident sizes.
func memoryFields() []DerivedField {
	segment := func(id, doc string, size func(inspect.SegmentMem) uint64) DerivedField {
		return DerivedField{
			ID: id, Unit: "bytes", Doc: doc + " of the segment at an address the worker reports.", segments: true, get: atSlot(size),
		}
	}
	return []DerivedField{
		segment("segment_pss_bytes", "Proportional share", func(m inspect.SegmentMem) uint64 { return m.PSS }),
		segment("segment_anonymous_bytes", "Resident part that belongs to no file", func(m inspect.SegmentMem) uint64 { return m.Anonymous }),
		segment("segment_private_dirty_bytes", "Written part that nobody else maps", func(m inspect.SegmentMem) uint64 { return m.PrivateDirty }),
		segment("segment_shared_dirty_bytes", "Written part that others map too", func(m inspect.SegmentMem) uint64 { return m.SharedDirty }),
		segment("segment_huge_bytes", "Part in huge pages", func(m inspect.SegmentMem) uint64 { return m.AnonHuge }),
		{
			ID: "areas_rss_bytes", Unit: "bytes", Doc: "Resident part of the segments at the addresses that workers report, added up over the processes of the run.",
			get: treeOnly, all: overProcesses(areas(func(m inspect.SegmentMem) uint64 { return m.RSS })),
		},
		{
			ID: "areas_pss_bytes", Unit: "bytes", Doc: "Proportional share of those segments, added up over the processes of the run.",
			get: treeOnly, all: overProcesses(areas(func(m inspect.SegmentMem) uint64 { return m.PSS })),
		},
		{
			ID: "rss_minus_pss_bytes", Unit: "bytes", Doc: "Resident size less proportional share of all segments, added up over the processes of the run: what is counted more often than once.",
			get: treeOnly, all: overProcesses(notShared),
		},
		{
			ID: "peak_minus_rss_bytes", Unit: "bytes", Doc: "Peak resident size less the present one.",
			get: combine(part{"peak_rss_bytes", 1}, part{"rss_bytes", -1}),
		},
		{
			ID: "rss_bytes_per_second", Unit: "bytes/s", Doc: "Growth of the resident size between two samples, per second between their readings.",
			get: combine(part{"rss_bytes", 1}), between: growthRate,
		},
	}
}

func growthRate(j *judge, before, after *inspect.Snapshot, q *load.Promise) reading {
	one := *q
	one.Field = "rss_bytes"
	r := j.growth(&one, before, after)
	if !r.ok {
		return r
	}
	a, b := j.readAt(before, q.Process), j.readAt(after, q.Process)
	if a == 0 || b <= a {
		return unknown("when the samples were read is not known")
	}
	r.num = r.num / float64(b-a) * 1e9
	return r
}

// readAt is when a process of the manifest was read.
func (j *judge) readAt(s *inspect.Snapshot, process int) int64 {
	i := s.Index(j.ids[process].PID)
	if i < 0 || i >= len(s.ReadAt) {
		return 0
	}
	return s.ReadAt[i]
}

// Needs is what the observer of a plan must read besides what it always reads.
type Needs struct {
	Want   inspect.Want
	Still  inspect.Want       // besides Want, while nothing of the run moves: before the gate and at the end
	Detail inspect.DetailWant // of each process, while the operations run
	// Rescan: processes come and go that the plan does not list, so the tree
	// must be looked up each time.
	Rescan bool
	// States: the order of states is promised, so a tracer must deliver all.
	States bool
}

// NeedsOf goes through the promises of a plan.
func NeedsOf(p *load.Plan) Needs {
	var n Needs
	derived := derivedIndex()
	for i := range p.Promises {
		q := &p.Promises[i]
		if d := derived[q.Field]; d != nil {
			n.Want |= d.want
			n.Detail |= d.detail
			n.States = n.States || d.history
			if q.When == load.WhenLive && (q.Field == "children" || q.Field == "descendants" || q.Field == "seen_besides_plan") {
				n.Rescan = true
			}
		} else if f, ok := inspect.FieldByID(q.Field); ok {
			n.Want |= f.Want
		}
	}
	return n
}
