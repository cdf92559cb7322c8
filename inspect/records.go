package inspect

import (
	"cmp"
	"slices"
	"sort"

	"taskscope/inspect/internal/bpf"
)

// records are the tasks of one BPF pass, put together by process. It is reused
// from pass to pass: a visit takes what it needs before it reads any file that
// may hang.
type records struct {
	// tasks are those of processes that have to be looked at: the only thread
	// of a process of which there is nothing new is not among them.
	tasks  []bpf.Task
	sums   []uint64 // of tasks: their fingerprints
	next   []int32  // of tasks: the next one of the same process, none at the end
	groups []group  // sorted by PID
	// glances are what the first look of the pass took, or would have taken had it
	// not begun with reading all; sorted by PID, empty when nobody looks.
	glances []glance
	// lastLook is the place among them of the process that was looked at last:
	// threads of one process mostly come together.
	lastLook int
	early    []bpf.Glance // of threads whose TID is lower than that of their leader
	moved    []int32      // indices of glances: processes that do not rest
	// restless: so many have moved since the pass before that a look at all, in the
	// next one, would only find that all have to be read.
	restless bool
	// orphans are processes of which there are records, but none of the leader.
	orphans    []int
	count      int   // of all records
	cursor     int   // into the processes of the pass before
	begin, end int64 // CLOCK_MONOTONIC instants around the pass
}

// group is one process: a chain of records in the order of the TIDs.
type group struct {
	pid         int
	leader      int32 // its record, which also says when the process started; none: nothing new
	first, last int32
	n           int32
	order       int32  // number of the leader's record in the pass
	sum         uint64 // of all its records
	glance      uint64 // sum of the glance at it, 0 when there was none
	at          int64  // when its records were made, 0: during the pass over all
	settled     bool   // no thread exited while the records were made, and none is missing
}

// glance is a quick look at a process: enough to see that it rests.
type glance struct {
	pid   int
	n     int32 // threads
	order int32 // number of the first thread in the pass
	busy  bool  // one of them runs, or waits for a CPU
	sum   uint64
	full  uint64 // sum of its records, where they were looked at too
}

// reset begins a new pass. What the first pass needed is given back when later
// ones, which find most processes unchanged, need far less.
func (x *records) reset() {
	if cap(x.tasks) > 4*max(len(x.tasks), 256) {
		x.tasks, x.sums, x.next = nil, nil, nil
	}
	x.cursor = 0
	x.tasks, x.sums, x.groups = x.tasks[:0], x.sums[:0], x.groups[:0]
	x.glances, x.early, x.orphans, x.count = x.glances[:0], x.early[:0], x.orphans[:0], 0
}

// look takes the next glance of a pass. Leaders come in the order of their PIDs.
func (x *records) look(t *bpf.Glance, order int) {
	n := len(x.glances)
	if t.TID == t.TGID {
		x.glances = append(x.glances, glance{pid: int(t.TGID), order: int32(order)})
		x.glances[n].add(t)
		x.lastLook = n
		return
	}
	if i := x.lastLook; i < n && x.glances[i].pid == int(t.TGID) {
		x.glances[i].add(t)
	} else if i := x.glanceAt(int(t.TGID)); i >= 0 {
		x.glances[i].add(t)
		x.lastLook = i
	} else {
		x.early = append(x.early, *t)
	}
}

// ofRecords marks the sum of a glance that was made of the records themselves. It
// tells, against that of another pass, whether the process has moved, but not that
// it rests: a thread may have run after the record of the leader was made and
// before its own, and what it did to the process is in neither. A sum that may be
// relied on lacks the mark, and so is never the same.
const ofRecords = 1

// looked ends the looks of a pass; mark is ofRecords or 0.
func (x *records) looked(mark uint64) {
	for i := range x.early {
		pid := int(x.early[i].TGID)
		if at := x.glanceAt(pid); at >= 0 {
			x.glances[at].add(&x.early[i])
		} else {
			x.orphans = append(x.orphans, pid)
		}
	}
	for i := range x.glances {
		x.glances[i].sum = x.glances[i].sum&^ofRecords | mark
	}
}

// glanceAt is the place of a process among the glances, -1 if it is not there.
func (x *records) glanceAt(pid int) int {
	i := sort.Search(len(x.glances), func(i int) bool { return x.glances[i].pid >= pid })
	if i < len(x.glances) && x.glances[i].pid == pid {
		return i
	}
	return -1
}

func (g *glance) add(t *bpf.Glance) {
	g.n++
	g.busy = g.busy || t.Busy != 0
	g.sum = t.Sum(g.sum)
}

// rest adds a process that was found at rest.
func (x *records) rest(g *glance) {
	x.groups = append(x.groups, group{
		pid: g.pid, leader: none, first: none, n: g.n, glance: g.sum, settled: true, at: x.instant(g.order),
	})
}

// noteGlances notes in the groups, which all have been read, how the processes
// looked before, and finds out whether most have moved since the last pass.
func (x *records) noteGlances(ps *pass) {
	x.cursor = 0
	k, cost := 0, 0
	for i := range x.groups {
		g := &x.groups[i]
		for k < len(x.glances) && x.glances[k].pid < g.pid {
			k++
		}
		if k == len(x.glances) || x.glances[k].pid != g.pid {
			continue
		}
		seen := &x.glances[k]
		g.glance = seen.sum
		if e := x.before(ps, g.pid); e != nil && e.bpf && (seen.busy || (e.sums[slotGlance]^seen.sum)&^ofRecords != 0) {
			cost += int(g.n) + oneCost
		}
	}
	x.restless = cost > x.count/2
}

// add takes the next record of the pass. Leaders come in the order of their PIDs.
func (x *records) add(t *bpf.Task, ps *pass) {
	order := int32(x.count)
	x.count++
	sum := t.Fingerprint(ps.seed)
	if t.Leader() {
		g := group{pid: int(t.TGID), leader: int32(len(x.tasks)), first: none, order: order, settled: true}
		if t.NrThreads == 1 {
			if g.sum = mixSums(0, sum); ps.unchanged(t, g.sum, x.before(ps, g.pid)) {
				g.leader, g.n = none, 1
				x.groups = append(x.groups, g)
				return
			}
			g.sum = 0
		}
		x.groups = append(x.groups, g)
	}
	x.tasks, x.sums = append(x.tasks, *t), append(x.sums, sum)
}

// before is the process in the pass before.
func (x *records) before(ps *pass, pid int) *entry {
	for x.cursor < len(ps.prevPIDs) && ps.prevPIDs[x.cursor] < pid {
		x.cursor++
	}
	if x.cursor < len(ps.prevPIDs) && ps.prevPIDs[x.cursor] == pid {
		return ps.prev[x.cursor]
	}
	return nil
}

// gather puts the records together.
func (x *records) gather() {
	byPID := func(a, b group) int { return cmp.Compare(a.pid, b.pid) }
	if !slices.IsSortedFunc(x.groups, byPID) {
		slices.SortFunc(x.groups, byPID)
	}
	x.next = resize(x.next, len(x.tasks))
	var g *group
	for i := range x.tasks {
		t := &x.tasks[i]
		if g == nil || g.pid != int(t.TGID) {
			if g = x.find(int(t.TGID)); g == nil {
				x.orphans = append(x.orphans, int(t.TGID))
				continue
			}
		}
		x.hang(g, int32(i))
	}
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
	g.sum = mixSums(g.sum, x.sums[i])
	first := &x.tasks[g.first]
	g.settled = g.settled && t.Have&bpf.HaveSeq != 0 && t.Seq&1 == 0 && t.Seq == first.Seq
}

// mixSums adds the fingerprint of one more record; their order matters.
func mixSums(all, one uint64) uint64 { return (all ^ one) * 0x9e3779b97f4a7c15 }

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

// at is the instant the record of the leader was made: a pass over all goes
// through them at an even pace.
func (x *records) at(g *group) int64 {
	if g.at != 0 {
		return g.at
	}
	return x.instant(g.order)
}

func (x *records) instant(order int32) int64 {
	return x.begin + (x.end-x.begin)*int64(order)/int64(max(1, x.count))
}
