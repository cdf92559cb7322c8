package inspect

import (
	"bytes"
	"sync"

	"taskscope/inspect/internal/bpf"
	"taskscope/inspect/internal/proc"
)

// readStat reads stat, which also says whether the PID is still the process
// that was read last. False: there is no such process.
func (v *visit) readStat() bool {
	b, err := v.r.File(v.pid, proc.FileStat)
	if v.take(slotStat, proc.FileStat, b, err) {
		if err := proc.ParseStat(b, &v.stat); err != nil {
			v.failed(slotStat, proc.FileStat, err)
		} else if v.before != nil && v.before.p.ID.Start != v.stat.StartTicks {
			v.before, v.old = nil, nil
			v.readClock() // what was read may have been that of the other process
		}
		v.checkExited(State(v.stat.State))
	}
	return v.whys[slotStat] != Gone
}

// checkExited: once the leader has exited, what its files say, and why they say
// nothing, means something else, though it be the same.
func (v *visit) checkExited(now State) {
	if v.old != nil && now == 'Z' && v.old.p.LeaderState != 'Z' {
		v.old = nil
	}
}

// statKnown reports whether v.stat was parsed in this visit.
func (v *visit) statKnown() bool { return v.fresh[slotStat] && v.whys[slotStat] == OK }

// ended: the leader has exited since the last pass. The same text, or the same
// error, means something else from then on: not that there is nothing in a file,
// but that nobody is left who could have it.
func (v *visit) ended() bool {
	return v.old != nil && v.old.p.LeaderState != 'Z' && v.statKnown() && v.stat.State == 'Z'
}

// leaderState and threadCount are what stat says, now or last time.
func (v *visit) leaderState() State {
	switch {
	case v.statKnown():
		return State(v.stat.State)
	case v.before != nil:
		return v.before.p.LeaderState
	}
	return State(v.status.State)
}

func (v *visit) threadCount() int {
	switch {
	case v.statKnown():
		return v.stat.NumThreads
	case v.before != nil && v.whys[slotStat] == OK:
		return v.before.p.ThreadCount.V
	}
	return v.status.Threads
}

// zombieLeader: the leader has exited, other threads live on. They have all
// that the leader's own files no longer show.
func (v *visit) zombieLeader() bool { return v.leaderState() == 'Z' && v.threadCount() > 1 }

func (v *visit) kernelThread() bool {
	if v.statKnown() {
		return v.stat.Flags&proc.FlagKThread != 0
	}
	return v.before != nil && v.before.p.Kernel.V
}

// readClock reads the CPU clock, which also tells the next pass whether the
// process has run since: so it is read before all files.
func (v *visit) readClock() {
	if !v.ps.live {
		return
	}
	wanted := v.want&WantCPUClock != 0
	ns, err := proc.CPUClock(v.pid)
	if err != nil {
		v.whys[slotClock] = NotSupported
		v.fresh[slotClock] = wanted && v.old == nil
		return
	}
	v.clock, v.sums[slotClock] = ns, ns
	if wanted {
		v.whys[slotClock] = OK
		v.fresh[slotClock] = v.old == nil || v.old.sums[slotClock] != ns
	}
}

func (v *visit) readStatm() {
	b, err := v.r.File(v.alive, proc.FileStatm)
	if v.take(slotStatm, proc.FileStatm, b, err) {
		if err := proc.ParseStatm(b, &v.statm); err != nil {
			v.failed(slotStatm, proc.FileStatm, err)
		}
	}
}

// sizesFromStatus saves a single pass the reading of statm: status has the same two
// sizes. Later passes read statm, which costs less where its descriptor is held.
func (v *visit) sizesFromStatus() {
	st := &v.status
	sizes := st.Has(proc.StatusVmSize) && st.Has(proc.StatusVmRSS)
	if v.whys[slotStatus] != OK || v.fresh[slotStatus] && !sizes && !v.kernelThread() && v.leaderState() != 'Z' {
		v.readStatm()
		return
	}
	v.statm = proc.Statm{}
	if sizes {
		v.statm.Size, v.statm.Resident = st.VmSize/pageSize, st.VmRSS/pageSize
	}
	v.sums[slotStatm] = v.sums[slotStatus]
	v.supply(slotStatm, OK, v.fresh[slotStatus])
}

func (v *visit) readStatus() {
	b, err := v.r.File(v.alive, proc.FileStatus)
	if v.take(slotStatus, proc.FileStatus, b, err) {
		if err := proc.ParseStatus(b, &v.status); err != nil {
			v.failed(slotStatus, proc.FileStatus, err)
		}
	}
}

func (v *visit) readSchedstat() {
	b, err := v.r.File(v.pid, proc.FileSchedstat)
	if v.take(slotSchedstat, proc.FileSchedstat, b, err) {
		if err := proc.ParseSchedstat(b, &v.sched); err != nil {
			v.failed(slotSchedstat, proc.FileSchedstat, err)
		}
	}
}

func (v *visit) readIO() {
	b, err := v.r.File(v.pid, proc.FileIO)
	if v.take(slotIO, proc.FileIO, b, err) {
		if err := proc.ParseIO(b, &v.io); err != nil {
			v.failed(slotIO, proc.FileIO, err)
		}
	}
}

func (v *visit) readFDs() {
	var err error
	v.tids, err = v.r.FDs(v.tids[:0], v.alive) // that of a zombie leader is empty
	if err != nil {
		v.failed(slotFDs, proc.FileFD, err)
		return
	}
	v.fds, v.whys[slotFDs] = len(v.tids), OK
	v.sums[slotFDs] = uint64(v.fds) + uint64(whyCount)
	v.fresh[slotFDs] = v.old == nil || v.old.sums[slotFDs] != v.sums[slotFDs]
}

// onceRounds: cmdline, cgroup and exe are read when a process is new or has
// executed another program. They can change otherwise (setproctitle, a move
// between cgroups, a program file that is deleted), so each process has its turn
// every so many passes; the command line only if the process has run meanwhile.
const onceRounds = 16

// onceSlots are the files that are read rarely, with the want that asks for each.
var onceSlots = [...]struct {
	slot slot
	want Want
}{{slotCmdline, WantCmdline}, {slotCgroup, WantCgroup}, {slotExe, WantExe}}

func (v *visit) turn() bool { return (v.pid+v.ps.round)%onceRounds == 0 }

// onceDue reports whether such a file has to be read now.
func (v *visit) onceDue(s slot, want Want) bool {
	switch b := v.before; {
	case v.want&want == 0:
		return false
	case b == nil || b.want&want == 0 || b.sums[s] == uint64(Stuck) || v.execed():
		return true
	case !v.turn():
		return false
	}
	return s != slotCmdline || v.moved || v.before.dirty
}

func (v *visit) readOnce() {
	v.moved = v.old == nil || v.fresh[slotStat] || v.fresh[slotClock] || v.fresh[slotStatus] || v.fresh[slotSchedstat]
	for _, o := range onceSlots {
		switch {
		case v.onceDue(o.slot, o.want):
			v.readSlot(o.slot)
		case v.want&o.want != 0:
			v.keep(o.slot)
		}
	}
}

func (v *visit) readSlot(s slot) {
	switch s {
	case slotCmdline:
		v.readCmdline()
	case slotCgroup:
		v.readCgroup()
	case slotExe:
		v.readExe()
	}
}

// execed: the name or the place of the code in memory changed, or the leader
// has exited, which takes its files away.
func (v *visit) execed() bool {
	if !v.statKnown() || v.before == nil {
		return false
	}
	p, code := v.before.p, v.stat.StartCode
	switch {
	case p.LeaderState != 'Z' && v.stat.State == 'Z':
		return true
	case v.record:
		// Names of kernel threads are longer in /proc, and none of them executes.
		return v.stat.Flags&proc.FlagKThread == 0 && (string(v.stat.Comm) != p.Comm || v.newProgram(p))
	case code <= 1 && v.stat.StartStack == 0:
		code = 0 // hidden from us
	}
	// What a record does not tell, it did not tell before either.
	return string(v.stat.Comm) != p.Comm || p.StartCode.Or(0) != code && !v.before.bpf
}

func (v *visit) readCmdline() {
	b, err := v.r.File(v.alive, proc.FileCmdline)
	if v.take(slotCmdline, proc.FileCmdline, b, err) {
		v.args, v.cut = proc.ParseCmdline(b), v.r.Truncated
	}
}

// readCgroup reads it of one process for all that a record says are in the same
// control groups. Those on their way out leave theirs one by one.
func (v *visit) readCgroup() {
	shared := v.record && v.task.Have&bpf.HaveCgroups != 0 && v.task.Flags&bpf.FlagExiting == 0
	if shared {
		if c, ok := v.ps.cgroups.get(v.task.Cgroups); ok {
			v.cgroup, v.sums[slotCgroup], v.whys[slotCgroup] = c.path, c.sum, OK
			v.fresh[slotCgroup] = v.old == nil || v.old.sums[slotCgroup] != c.sum
			return
		}
	}
	b, err := v.r.File(v.alive, proc.FileCgroup)
	if !v.take(slotCgroup, proc.FileCgroup, b, err) {
		return
	}
	if len(v.cgroupText) == 0 || !bytes.Equal(b, v.cgroupText) {
		groups, err := proc.ParseCgroup(b)
		if err != nil {
			v.failed(slotCgroup, proc.FileCgroup, err)
			return
		}
		v.cgroupText, v.cgroupOf = append(v.cgroupText[:0], b...), cgroupPath(groups)
	}
	v.cgroup = v.cgroupOf
	if shared {
		v.ps.cgroups.put(v.task.Cgroups, cgroupText{v.cgroup, v.sums[slotCgroup]})
	}
}

// cgroupPaths are the texts read in one pass, by the number that the records
// give to a set of control groups. Several goroutines use it.
type cgroupPaths struct {
	mu sync.Mutex
	m  map[uint64]cgroupText
}

type cgroupText struct {
	path string
	sum  uint64
}

func (c *cgroupPaths) get(set uint64) (cgroupText, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.m[set]
	return t, ok
}

func (c *cgroupPaths) put(set uint64, t cgroupText) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[uint64]cgroupText)
	}
	c.m[set] = t
}

// cgroupPath is the path in the version 2 tree; where the controllers are in
// version 1 trees and the version 2 path says nothing, that of the first tree.
func cgroupPath(groups []proc.Cgroup) string {
	path := ""
	for _, g := range groups {
		text := g.Path
		if g.Deleted {
			text += " (deleted)"
		}
		if g.Hierarchy == 0 {
			return text
		}
		if path == "" {
			path = text
		}
	}
	return path
}

func (v *visit) readExe() {
	exe, err := v.r.Link(v.alive, proc.FileExe)
	if v.take(slotExe, proc.FileExe, []byte(exe), err) {
		v.exe = exe
	}
}
