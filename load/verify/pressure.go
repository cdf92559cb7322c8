package verify

import (
	"fmt"
	"slices"

	"taskscope/inspect"
	"taskscope/load"
)

// pressureFields are about having to wait for memory.
func pressureFields() []DerivedField {
	return []DerivedField{{
		ID: "memory_stall_ns", Unit: "ns",
		Doc: "Time in which at least one task waited for memory (PSI, \"some\"): of the control group that the run has for itself, else of the whole machine, which tells only as long as it does not grow.",
		get: func(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
			g, r := j.ownGroup(s, q)
			if r.ok {
				r.num = float64(g.StallNS)
			}
			return r
		},
		all: stallGrowth,
	}}
}

// stallGrowth never blames the run for a machine that is short of memory: what
// the run's own group waited counts only as long as nobody else waited too, and
// where there is no such group, nothing is known once anybody has waited.
func stallGrowth(j *judge, q *load.Promise) reading {
	host, hostKnown := j.hostStall()
	before, after := j.groupLook(q, load.WhenReady), j.groupLook(q, load.WhenParked)
	if before == nil || after == nil {
		return unknown("the control group was not looked at before and after")
	}
	a, own := j.ownGroup(before, q)
	b, still := j.ownGroup(after, q)
	if own.ok && still.ok && a.Path == b.Path && b.StallNS >= a.StallNS {
		grown := b.StallNS - a.StallNS
		if grown > 0 && hostKnown && host > grown {
			return unknown(fmt.Sprintf("its control group waited %s for memory, but others of this machine waited too: %s in all", millis(float64(grown)), millis(float64(host))))
		}
		r := number(float64(grown))
		r.source = "cgroup"
		return r
	}
	why := own.why
	if own.ok {
		why = still.why
	}
	switch {
	case !hostKnown:
		r := unknown("the kernel does not tell how long tasks wait for memory (PSI): " + why)
		r.lacking = true
		return r
	case host > 0:
		return unknown(fmt.Sprintf("tasks of this machine waited %s for memory, and whose they were is not known: %s", millis(float64(host)), why))
	}
	r := number(0)
	r.source = "host"
	return r
}

// groupLook is the newest look at the promise's process that has its group.
func (j *judge) groupLook(q *load.Promise, when load.When) *inspect.Snapshot {
	list := j.detailed[when]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Detail.ID == j.ids[q.Process] {
			return list[i]
		}
	}
	return nil
}

// ownGroup is the control group of a promise's process, if nobody is in it who
// does not belong to the run.
func (j *judge) ownGroup(s *inspect.Snapshot, q *load.Promise) (inspect.GroupPressure, reading) {
	if s.Detail == nil || s.Detail.ID != j.ids[q.Process] {
		return inspect.GroupPressure{}, unknown("its control group was not looked at")
	}
	g, ok := s.Detail.Pressure.Get()
	switch {
	case !ok:
		return g, unread(s.Detail.Pressure.Why)
	case len(g.Members) == 0 || slices.ContainsFunc(g.Members, j.isStranger):
		return g, unknown("the run has no control group of its own")
	}
	return g, number(0)
}

func (j *judge) isStranger(pid int) bool {
	_, ours := j.byPID[pid]
	return !ours
}

// hostStall is by how much the whole machine's time grew, from before the gate
// to after the end.
func (j *judge) hostStall() (uint64, bool) {
	before, after := j.wide[load.WhenReady], j.wide[load.WhenParked]
	if len(before) == 0 || len(after) == 0 {
		return 0, false
	}
	a, okA := before[len(before)-1].Host.MemoryStallNS.Get()
	b, okB := after[0].Host.MemoryStallNS.Get()
	if !okA || !okB || b < a {
		return 0, false
	}
	return b - a, true
}
