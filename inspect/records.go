package inspect

import (
	"cmp"
	"hash/maphash"
	"slices"

	"taskscope/inspect/internal/bpf"
)

// records are the tasks of one BPF pass, put together by process. It is reused
// from pass to pass: a visit takes what it needs before it reads any file that
// may hang.
type records struct {
	tasks  []bpf.Task
	sums   []uint64 // of each record
	next   []int32  // the next record of the same process, none at the end
	groups []group  // sorted by PID
	// orphans are processes of which there are records, but none of the leader.
	orphans    []int
	begin, end int64 // CLOCK_MONOTONIC instants around the pass
}

// group is one process: a chain of records in the order of the TIDs.
type group struct {
	pid         int
	leader      int32 // its record, which also says when the process started
	first, last int32
	n           int32
	sum         uint64 // of all its records
	settled     bool   // no thread exited while the records were made, and none is missing
}

// gather puts the records together. They must be sorted by TID within each
// process, and leaders by PID.
func (x *records) gather(seed maphash.Seed) {
	x.groups, x.orphans = x.groups[:0], x.orphans[:0]
	for i := range x.tasks {
		if t := &x.tasks[i]; t.Leader() {
			x.groups = append(x.groups, group{pid: int(t.TGID), leader: int32(i), first: none, settled: true})
		}
	}
	x.sums, x.next = resize(x.sums, len(x.tasks)), resize(x.next, len(x.tasks))
	var g *group
	for i := range x.tasks {
		t := &x.tasks[i]
		if g == nil || g.pid != int(t.TGID) {
			if g = x.find(int(t.TGID)); g == nil {
				x.orphans = append(x.orphans, int(t.TGID))
				continue
			}
		}
		x.sums[i] = t.Fingerprint(seed)
		x.hang(g, int32(i))
	}
	slices.Sort(x.orphans)
	x.orphans = slices.Compact(x.orphans)
}

// hang adds a record to its process.
func (x *records) hang(g *group, i int32) {
	t := &x.tasks[i]
	x.next[i] = none
	if g.first == none {
		g.first = i
	} else {
		x.next[g.last] = i
	}
	g.last = i
	g.n++
	g.sum = (g.sum ^ x.sums[i]) * 0x9e3779b97f4a7c15 // order matters
	first := &x.tasks[g.first]
	g.settled = g.settled && t.Have&bpf.HaveSeq != 0 && t.Seq&1 == 0 && t.Seq == first.Seq
}

// find gives the process, nil if there is no record of its leader.
func (x *records) find(pid int) *group {
	if x == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(x.groups, pid, func(g group, pid int) int { return cmp.Compare(g.pid, pid) })
	if !ok {
		return nil
	}
	return &x.groups[i]
}

// at is the instant a record was made: the pass goes through them at an even
// pace.
func (x *records) at(i int32) int64 {
	return x.begin + (x.end-x.begin)*int64(i)/int64(max(1, len(x.tasks)))
}
