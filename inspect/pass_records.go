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
const listRounds = 8

// readRecords fills r.src.recs with the tasks of the pass.
func (r *Reader) readRecords(q Request, ps *pass) error {
	x := &r.src.recs
	x.reset()
	if n, ok := r.taskCount(); ok && len(ps.prev) == 0 && q.Only == nil {
		x.tasks = make([]bpf.Task, 0, n+n/8) // growing would copy it again and again
	}
	x.begin = r.now()
	var err error
	if q.Only == nil {
		err = r.src.tasks.Each(leftOut(q), func(batch []bpf.Task) {
			for i := range batch {
				x.add(&batch[i], ps)
			}
		})
	} else {
		err = r.readSomeRecords(x, q.Only, ps)
	}
	x.end = r.now()
	x.gather()
	return err
}

// leftOut is what a pass over all tasks does not need.
func leftOut(q Request) bpf.Parts {
	without := bpf.PartDelays
	want := q.Want | q.FocusWant
	if want&WantIO == 0 {
		without |= bpf.PartIO
	}
	if want&WantThreads == 0 && len(q.ThreadsOf) == 0 && q.Focus == 0 {
		without |= bpf.PartRegs
	}
	return without
}

func (r *Reader) readSomeRecords(x *records, pids []int, ps *pass) error {
	s := &r.src
	for _, pid := range slices.Compact(slices.Sorted(slices.Values(pids))) {
		var err error
		s.some, err = s.tasks.One(pid, s.some[:0])
		if err != nil && !errors.Is(err, bpf.ErrNoProcess) {
			return err
		}
		slices.SortFunc(s.some, func(a, b bpf.Task) int { return cmp.Compare(a.TID, b.TID) })
		for i := range s.some {
			x.add(&s.some[i], ps)
		}
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
		*out = found{entry: before, at: x.at(g), threads: int(g.n)}
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
	if e == nil || !e.bpf || e.sums[slotTask] != sum || len(e.p.StuckFiles) > 0 {
		return false
	}
	want := ps.wantOf(pid)
	if want != e.want || want&(WantStatusRest|WantRollup|WantFDs) != 0 || want&WantIO != 0 && leader.Have&bpf.HaveIO == 0 {
		return false
	}
	turn := (pid+ps.round)%onceRounds == 0
	return !turn || !e.dirty && want&(WantCgroup|WantExe|WantStatRest) == 0
}
