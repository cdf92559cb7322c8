package inspect

import (
	"time"

	"taskscope/inspect/internal/proc"
)

const (
	// rollupRounds: what others share with a process changes although nothing
	// happens to it, so its smaps_rollup is read every so many passes anyway.
	rollupRounds = 16
	// rollupShare bounds what smaps_rollup, which walks all pages of a process,
	// may cost: the next read comes no sooner than so many times as long as the
	// last one took. So no process takes more than half a percent of a CPU.
	rollupShare = 200
)

// rollupTurn reports whether it is the turn of a process that has not moved.
func (ps *pass) rollupTurn(pid int, e *entry) bool {
	return (pid+ps.round)%rollupRounds == 0 && ps.now() >= e.rollupNext
}

// rollupDue reports whether smaps_rollup has to be read: the process has got or
// lost pages, or it is its turn.
func (v *visit) rollupDue() bool {
	e := v.old
	switch {
	case e == nil || len(e.p.StuckFiles) > 0:
		return true
	case v.ps.only:
		return v.fresh[slotStatm] || v.fresh[slotStat] || v.ps.rollupTurn(v.pid, e)
	case v.ps.now() < e.rollupNext:
		return false
	}
	return v.gotPages() || v.ps.rollupTurn(v.pid, e)
}

// gotPages reports whether pages may have come or gone since the last pass:
// nothing comes without a fault, and nothing goes without the size changing.
func (v *visit) gotPages() bool {
	if v.record && !v.moved {
		return false
	}
	p := v.old.p
	if v.fresh[slotStat] {
		if v.whys[slotStat] != OK || p.MinorFaults != Know(v.stat.MinFlt) || p.MajorFaults != Know(v.stat.MajFlt) {
			return true
		}
	}
	if !v.fresh[slotStatm] {
		return false
	}
	return v.whys[slotStatm] != OK || p.RSSBytes.V != v.statm.Resident*pageSize || p.VSizeBytes.V != v.statm.Size*pageSize
}

func (v *visit) readRollup() {
	if !v.rollupDue() {
		v.keep(slotRollup)
		v.rollupNext = v.old.rollupNext
		return
	}
	begin := time.Now()
	b, err := v.r.File(v.alive, proc.FileSmapsRollup)
	v.rollupNext = v.ps.now() + rollupShare*int64(time.Since(begin))
	if v.take(slotRollup, proc.FileSmapsRollup, b, err) {
		if err := proc.ParseSmapsRollup(b, &v.rollup); err != nil {
			v.failed(slotRollup, proc.FileSmapsRollup, err)
		}
	}
}
