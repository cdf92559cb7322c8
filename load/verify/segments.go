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

// address is what a thread has reported in a slot. What the leader of a process
// mapped before the gate, the processes below it have at the same address.
func (j *judge) address(process, thread, slot int) (uint64, bool) {
	key := fmt.Sprint(slot)
	if a, ok := j.m.Processes[process].Threads[thread].Report.Slots[key]; ok {
		return a, true
	}
	if thread != 0 {
		return 0, false
	}
	for i := j.m.Plan.Processes[process].Parent; i >= 0; i = j.m.Plan.Processes[i].Parent {
		for _, op := range j.m.Plan.Processes[i].Threads[0].Setup {
			if op.Kind == load.OpMap && op.C == uint64(slot) {
				a, ok := j.m.Processes[i].Threads[0].Report.Slots[key]
				return a, ok
			}
		}
	}
	return 0, false
}

// newestDetail is the last look at the segments of a process in a phase.
func (j *judge) newestDetail(process int, when load.When) (*inspect.Snapshot, reading) {
	list := j.detailed[when]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Detail.ID == j.ids[process] {
			_, r := j.detail(list[i], &load.Promise{Process: process, Thread: -1})
			r.source = list[i].Source
			return list[i], r
		}
	}
	return nil, unknown("the segments of " + j.subject(process, -1) + " were not read")
}

// overProcesses adds up a size over all processes of the run.
func overProcesses(size func(j *judge, process int, d *inspect.Detail, q *load.Promise) reading) func(*judge, *load.Promise) reading {
	return func(j *judge, q *load.Promise) reading {
		total := number(0)
		for i := range j.m.Processes {
			s, r := j.newestDetail(i, q.When)
			if !r.ok {
				return r
			}
			one := size(j, i, s.Detail, q)
			if !one.ok {
				return one
			}
			total.num, total.source = total.num+one.num, r.source
		}
		return total
	}
}

// areas adds up the segments of one process at the addresses that its threads
// report in a slot, each once.
func areas(size func(inspect.SegmentMem) uint64) func(*judge, int, *inspect.Detail, *load.Promise) reading {
	return func(j *judge, process int, d *inspect.Detail, q *load.Promise) reading {
		want := map[uint64]bool{}
		for k := range j.m.Processes[process].Threads {
			if a, ok := j.address(process, k, q.Slot); ok {
				want[a] = true
			}
		}
		total := number(0)
		for i := range d.Segments {
			if want[d.Segments[i].Start] {
				total.num += float64(size(d.Segments[i].Mem))
				delete(want, d.Segments[i].Start)
			}
		}
		if len(want) > 0 {
			return absent(fmt.Sprintf("%s lacks %d of the segments that were reported", j.subject(process, -1), len(want)))
		}
		return total
	}
}

func notShared(_ *judge, _ int, d *inspect.Detail, _ *load.Promise) reading {
	return number(float64(d.Memory.Total.RSS) - float64(d.Memory.Total.PSS))
}

// treeOnly is for fields that are read over all processes at once.
func treeOnly(*judge, *inspect.Snapshot, *load.Promise) reading {
	return unknown("it is a sum over the processes of the run")
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
		address, ok := j.address(q.Process, q.Thread, q.Slot)
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
