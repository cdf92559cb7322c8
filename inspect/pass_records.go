package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"taskscope/inspect/internal/bpf"
)

// listRounds: an iterator may not show every task, so /proc is listed when the
// number of tasks twice differs in the same way from the one that is expected,
// and every so many passes in any case.
const listRounds = 16

// readRecords fills r.src.recs with the tasks of the pass.
func (r *Reader) readRecords(q Request, ps *pass) error {
	x := &r.src.recs
	x.reset()
	var err error
	switch {
	case q.Only != nil:
		x.begin = r.now()
		err = r.readSomeRecords(x, q.Only, ps)
		x.end = r.now()
	case !r.src.tasks.Caps().Filter, r.src.oneShot: // one process costs as much as all; nothing is known of any
		err = r.readAllRecords(x, ps, false)
	case x.restless:
		err = r.readAllRecords(x, ps, true)
		x.looked(ofRecords)
	default:
		err = r.readMovedRecords(x, ps)
	}
	if err != nil {
		return err
	}
	x.gather()
	x.noteGlances(ps)
	return nil
}

// readAllRecords reads all tasks; look: they have not been looked at before.
func (r *Reader) readAllRecords(x *records, ps *pass, look bool) error {
	if n, ok := r.taskCount(); ok && len(ps.prev) == 0 {
		x.tasks = make([]bpf.Task, 0, n+n/8) // growing would copy it again and again
	}
	x.count = 0
	x.begin = r.now()
	err := r.src.tasks.Each(ps.without, func(batch []bpf.Task) {
		for i := range batch {
			if look {
				g := batch[i].Glance()
				x.look(&g, x.count)
			}
			x.add(&batch[i], ps)
		}
	})
	x.end = r.now()
	return err
}

// oneCost is what reading a process on its own costs more than reading it in a
// pass over all, in tasks.
const oneCost = 4

// readMovedRecords looks at all tasks and then reads those processes that do not
// rest: one by one, or with all others if they are many, and every so many passes.
func (r *Reader) readMovedRecords(x *records, ps *pass) error {
	x.begin = r.now()
	err := r.src.tasks.Glances(func(batch []bpf.Glance) {
		for i := range batch {
			x.look(&batch[i], x.count)
			x.count++
		}
	})
	x.end = r.now()
	if err != nil {
		return err
	}
	x.looked(0)
	cost := r.findMoved(x, ps)
	if cost > x.count/2 {
		return r.readAllRecords(x, ps, false)
	}
	if ps.round%fullRounds == 0 {
		if err := r.checkRest(x, ps); err != nil {
			return err
		}
	}
	x.tasks = slices.Grow(x.tasks, cost)
	k, count := 0, x.count
	for i := range x.glances {
		g := &x.glances[i]
		if k == len(x.moved) || x.moved[k] != int32(i) {
			x.rest(g)
			continue
		}
		k++
		if err := r.readOneRecord(x, g.pid, ps); err != nil {
			return err
		}
	}
	x.count = count
	return nil
}

// findMoved notes the processes that do not rest, and returns what reading them one
// by one costs, in tasks.
func (r *Reader) findMoved(x *records, ps *pass) int {
	cost := 0
	x.moved = x.moved[:0]
	for i := range x.glances {
		g := &x.glances[i]
		if !r.atRest(ps, g, x.before(ps, g.pid)) {
			x.moved = append(x.moved, int32(i))
			cost += int(g.n) + oneCost
		}
	}
	x.cursor = 0
	return cost
}

// checkRest compares the records of all tasks, without keeping them, with those
// of the pass before, and adds to x.moved the processes that seemed to rest and
// are not the same.
func (r *Reader) checkRest(x *records, ps *pass) error {
	for i := range x.glances {
		x.glances[i].full = 0
	}
	at := -1
	err := r.src.tasks.Each(ps.without, func(batch []bpf.Task) {
		for i := range batch {
			t := &batch[i]
			if at < 0 || x.glances[at].pid != int(t.TGID) {
				at = x.glanceAt(int(t.TGID))
			}
			if at >= 0 {
				g := &x.glances[at]
				g.full = mixSums(g.full, t.Fingerprint(ps.seed))
			}
		}
	})
	if err != nil {
		return err
	}
	moved := x.moved
	x.moved = nil
	for i := range x.glances {
		g := &x.glances[i]
		e := x.before(ps, g.pid)
		_, found := slices.BinarySearch(moved, int32(i))
		if found || e == nil || g.full != e.sums[slotTask] {
			x.moved = append(x.moved, int32(i))
		}
	}
	x.cursor = 0
	return nil
}

// atRest reports whether the records of a process would be those of the pass
// before: no thread of it has run since. Of what is on screen the record of the
// leader must be the same too: memory can be taken away from outside.
func (r *Reader) atRest(ps *pass, g *glance, e *entry) bool {
	if g.busy || e == nil || !e.bpf || e.sums[slotGlance] != g.sum || !ps.needsNoFile(g.pid, e) || ps.wantOf(g.pid)&WantIO != 0 {
		return false
	}
	if !contains(ps.visible, g.pid) {
		return true
	}
	leader, err := r.src.tasks.Leader(g.pid, ps.without)
	return err == nil && leader.Fingerprint(ps.seed) == e.sums[slotLeader]
}

// leftOut is what a pass over all tasks does not need.
func leftOut(q Request) bpf.Parts {
	without := bpf.PartDelays
	want := q.Want | q.FocusWant
	if want&WantCgroup == 0 {
		without |= bpf.PartCgroups
	}
	if want&WantIO == 0 {
		without |= bpf.PartIO
	}
	if q.Want&WantThreads == 0 && q.Focus == 0 {
		without |= bpf.PartRegs // threads of rows do not show them
	}
	return without
}

func (r *Reader) readSomeRecords(x *records, pids []int, ps *pass) error {
	for _, pid := range slices.Compact(slices.Sorted(slices.Values(pids))) {
		if err := r.readOneRecord(x, pid, ps); err != nil {
			return err
		}
	}
	return nil
}

// readOneRecord reads one process on its own.
func (r *Reader) readOneRecord(x *records, pid int, ps *pass) error {
	s := &r.src
	var err error
	s.some, err = s.tasks.One(pid, ps.without, s.some[:0])
	if err != nil && !errors.Is(err, bpf.ErrNoProcess) {
		return err
	}
	slices.SortFunc(s.some, func(a, b bpf.Task) int { return cmp.Compare(a.TID, b.TID) })
	n := len(x.groups)
	for i := range s.some {
		x.add(&s.some[i], ps)
	}
	if len(x.groups) > n {
		x.groups[n].at = r.now()
	}
	return nil
}

// findStrays gives the processes of the pass of which there are no records.
func (r *Reader) findStrays(q Request) ([]int, error) {
	s := &r.src
	if q.Only != nil {
		pids, err := r.list(q)
		return s.withoutRecords(pids), err
	}
	n, ok := r.taskCount()
	// A difference that comes and goes are tasks that were born or have exited
	// meanwhile; one that stays are tasks that are not shown.
	missed := s.missed
	s.missed = n - s.recs.count - s.hidden
	if ok && (s.missed == 0 || s.missed != missed) && s.listed != 0 && r.round < s.listed+listRounds && len(s.recs.orphans) == 0 {
		return s.withoutRecords(s.strays), nil
	}
	pids, err := r.direct.PIDs(r.pids[:0])
	if err != nil {
		return nil, err
	}
	r.pids, s.listed = pids, r.round
	s.strays = s.withoutRecords(pids)
	return s.strays, nil
}

func (s *source) withoutRecords(pids []int) []int {
	var out []int
	k := 0
	for _, pid := range pids {
		for k < len(s.recs.groups) && s.recs.groups[k].pid < pid {
			k++
		}
		if k == len(s.recs.groups) || s.recs.groups[k].pid != pid {
			out = append(out, pid)
		}
	}
	return out
}

// recordPass makes the snapshot of a pass whose tasks come from records. What
// needs no file is done here; processes of which a file is needed, and those
// without records, are visited as in any other pass.
func (r *Reader) recordPass(ctx context.Context, s *Snapshot, q Request, ps *pass) error {
	strays, err := r.findStrays(q)
	if err != nil {
		return fmt.Errorf("inspect: list processes: %w", err)
	}
	src := &r.src
	x := &src.recs
	src.pids = mergePIDs(src.pids[:0], x.groups, strays)
	src.done, src.slots = resize(src.done, len(src.pids)), resize(src.slots, len(src.pids))
	src.visits, src.places = src.visits[:0], src.places[:0]
	g, k := 0, 0
	for i, pid := range src.pids {
		src.slots[i] = &src.done[i]
		for k < len(ps.prevPIDs) && ps.prevPIDs[k] < pid {
			k++
		}
		if g < len(x.groups) && x.groups[g].pid == pid {
			var before *entry
			if k < len(ps.prevPIDs) && ps.prevPIDs[k] == pid {
				before = ps.prev[k]
			}
			g++
			if src.visit.withoutFiles(ps, &x.groups[g-1], before, &src.done[i]) {
				continue
			}
		}
		src.visits, src.places = append(src.visits, pid), append(src.places, i)
	}
	if err := r.visitAll(ctx, ps); err != nil {
		return err
	}
	r.collect(s, ps, src.pids, src.slots)
	src.countHidden(s, strays)
	return nil
}

// visitAll visits the processes of which files are needed.
func (r *Reader) visitAll(ctx context.Context, ps *pass) error {
	src := &r.src
	results, err := r.scan(ctx, src.visits, ps)
	for i, place := range src.places {
		if err != nil {
			break
		}
		src.slots[place] = results[i]
	}
	return err
}

// countHidden notes how many tasks the strays have.
func (s *source) countHidden(snap *Snapshot, strays []int) {
	s.hidden = 0
	for _, pid := range strays {
		if p := snap.ByPID(pid); p != nil {
			s.hidden += p.ThreadCount.Or(1)
		}
	}
}

func mergePIDs(dst []int, groups []group, strays []int) []int {
	k := 0
	for i := range groups {
		for k < len(strays) && strays[k] < groups[i].pid {
			dst = append(dst, strays[k])
			k++
		}
		dst = append(dst, groups[i].pid)
	}
	return append(dst, strays[k:]...)
}

// withoutFiles makes the entry of a process from its records alone; false: a
// file of it is needed.
func (v *visit) withoutFiles(ps *pass, g *group, before *entry, out *found) bool {
	x := ps.recs
	if g.leader == none || ps.unchanged(&x.tasks[g.leader], g.sum, before) {
		*out = found{entry: before.seen(g.glance), at: x.at(g), threads: int(g.n)}
		return true
	}
	v.reset(ps, nil, g.pid, before)
	v.takeRecords(g)
	if v.due != 0 {
		return false
	}
	v.finish()
	*out = v.found
	return true
}

// unchanged: the records of a process are the same as in the pass before, and
// there is no file to be looked at.
func (ps *pass) unchanged(leader *bpf.Task, sum uint64, e *entry) bool {
	pid := int(leader.TGID)
	return e != nil && e.bpf && e.sums[slotTask] == sum && ps.needsNoFile(pid, e) &&
		(ps.wantOf(pid)&WantIO == 0 || leader.Have&bpf.HaveIO != 0)
}

// needsNoFile: of a process whose records did not change, there is no file to be
// looked at.
func (ps *pass) needsNoFile(pid int, e *entry) bool {
	want := ps.wantOf(pid)
	if want != e.want || len(e.p.StuckFiles) > 0 || want&(WantStatusRest|WantFDs) != 0 {
		return false
	}
	if want&WantRollup != 0 && ps.rollupTurn(pid, e) {
		return false
	}
	turn := (pid+ps.round)%onceRounds == 0
	stale := e.dirty && want&WantCmdline != 0
	return !turn || !stale && want&(WantCgroup|WantExe|WantStatRest) == 0
}
