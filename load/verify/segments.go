package verify

import (
	"fmt"

	"taskscope/inspect"
	"taskscope/load"
)

// isHeap and isMainStack pick the segments the kernel grows for a process.
func isHeap(s *inspect.Segment) bool      { return s.Name == "[heap]" }
func isMainStack(s *inspect.Segment) bool { return s.Name == "[stack]" }

// detail gives the segments of a promise's process.
func (j *judge) detail(s *inspect.Snapshot, q *load.Promise) ([]inspect.Segment, reading) {
	d := s.Detail
	switch {
	case d == nil || d.ID != j.ids[q.Process]:
		return nil, unknown("its segments were not read")
	case d.SegmentsWhy != inspect.OK:
		return nil, unread(d.SegmentsWhy)
	case d.SegmentsAt < s.MonoNS && d.SegmentsAt != 0:
		return nil, unknown("its segments are older than the sample")
	case d.Memory.Why != inspect.OK:
		return nil, unread(d.Memory.Why)
	}
	return d.Segments, number(0)
}

func ofSegments(pick func(*inspect.Segment) bool, size func(inspect.SegmentMem) uint64) func(*judge, *inspect.Snapshot, *load.Promise) reading {
	return func(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
		segments, r := j.detail(s, q)
		if !r.ok {
			return r
		}
		for i := range segments {
			if pick(&segments[i]) {
				r.num += float64(size(segments[i].Mem))
			}
		}
		return r
	}
}

// atSlot reads the segment at the address a worker has put into a slot of its
// report.
func atSlot(size func(inspect.SegmentMem) uint64) func(*judge, *inspect.Snapshot, *load.Promise) reading {
	return func(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
		segments, r := j.detail(s, q)
		if !r.ok {
			return r
		}
		if q.Thread < 0 || q.Thread >= len(j.m.Processes[q.Process].Threads) {
			return unknown("no thread reports an address")
		}
		address, ok := j.m.Processes[q.Process].Threads[q.Thread].Report.Slots[fmt.Sprint(q.Slot)]
		if !ok {
			return unknown(fmt.Sprintf("the worker reports no address in slot %d", q.Slot))
		}
		for i := range segments {
			if segments[i].Start == address {
				return number(float64(size(segments[i].Mem)))
			}
		}
		return absent(fmt.Sprintf("no segment starts at 0x%x", address))
	}
}
