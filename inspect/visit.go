package inspect

import (
	"bytes"
	"hash/maphash"
	"slices"
	"time"

	"taskscope/inspect/internal/bpf"
	"taskscope/inspect/internal/proc"
	"taskscope/inspect/internal/taskstats"
)

// slot numbers the files of a process whose text is remembered as a hash.
type slot uint8

const (
	slotStat slot = iota
	slotStatm
	slotStatus
	slotSchedstat
	slotCmdline
	slotCgroup
	slotExe
	slotIO
	slotRollup
	slotFDs
	slotClock
	slotTask   // the records of a BPF pass instead of stat, statm, schedstat and io
	slotRest   // of stat, what the records lack
	slotComm   // of kernel threads, whose names the records cut short
	slotGlance // sum of the glances at all threads, before a BPF pass
	slotLeader // the record of the leader alone
	slotCount
)

// entry is what is remembered of one process from pass to pass. It is never
// changed once its pass is over: a visit that comes back late may still look
// at it.
//
// sums holds, per file, a 64-bit hash (maphash, seeded at start) of the raw
// bytes read last, or a small number for the reason why they could not be
// read. Equal sums are taken for equal text: a collision would have to hit one
// process's old and new text, one chance in 2^64 per file and pass.
type entry struct {
	p      *Process
	want   Want // what was read of this very process
	bpf    bool // from records
	dirty  bool // it has run since its command line was read
	ending bool // one of its threads was on its way out
	// rollupNext is the CLOCK_MONOTONIC instant before which its smaps_rollup
	// would cost too much to be read again.
	rollupNext int64
	sums       [slotCount]uint64
	leader     counters // of the leader thread, from the process's own files
	// threads are those seen last, also when p does not show them: what has
	// become of them is needed for p.Exited. threadSums go with them.
	threads    []Thread
	threadSums []threadSum
}

// counters are those that the kernel keeps per thread.
type counters struct {
	voluntary, involuntary Known[uint64]
	run, ready, slices     Known[uint64]
}

// pass is what all visits of one pass share; nobody writes to it.
type pass struct {
	own       powers
	seed      maphash.Seed
	users     map[uint32]string
	live      bool    // PIDs of the mount are those of system calls
	totals    *totals // nil: not wanted, or not to be had
	want      Want
	focus     int // the PID of which focusWant is read too, 0 none
	focusWant Want
	threads   []int      // sorted PIDs whose threads are wanted
	rollups   []int      // sorted PIDs whose smaps_rollup is wanted
	visible   []int      // sorted PIDs that are read in full in any case
	ended     []int      // sorted PIDs of processes that have exited: their children get another parent
	held      *proc.Held // for files of visible processes
	recs      *records   // nil: everything comes from /proc
	without   bpf.Parts  // what the records do not have
	cgroups   *cgroupPaths
	exact     exactTotals // for processes whose threads exit during the pass, may be nil
	noneWaits bool        // no task on the machine waits for a CPU
	hurry     bool        // see hurried: the next pass follows at once
	oneShot   bool        // see Options.OneShot
	only      bool        // PIDs were given, and may be TIDs
	prev      []*entry
	prevPIDs  []int
	round     int
	began     int64     // CLOCK_MONOTONIC instants at which this pass and
	last      int64     // the one before began, 0: there was none
	base      time.Time // instant baseNS of CLOCK_MONOTONIC
	baseNS    int64
}

// found is what a visit has found out.
type found struct {
	entry   *entry // nil: the process is gone, or is none
	at      int64  // CLOCK_MONOTONIC instant of the read
	files   int
	threads int
	errors  int
}

// visit reads one process. It is the scratch of the goroutine that does so, and
// is reused for the next process.
type visit struct {
	found

	// before is the same process in the previous pass, or nil; old is the same
	// if the same files are read again, so that they can be compared.
	ps          *pass
	r           *proc.Reader
	pid         int
	alive       int // a living thread of a zombie leader, else pid
	want        Want
	before, old *entry
	sums        [slotCount]uint64
	whys        [slotCount]Why
	fresh       [slotCount]bool // differs from old; parsed, where it is known
	stuck       []string

	stat   proc.Stat
	status proc.Status
	statm  proc.Statm
	sched  proc.Schedstat
	io     proc.IO
	rollup proc.Sizes
	clock  uint64

	rollupNext int64 // see entry
	totals     taskstats.Totals
	exact      bool // totals are known
	ending     bool // a thread may have been on its way out when totals were asked for
	fds        int
	args       []string
	cut        bool
	cgroup     string
	exe        string
	comm       string // only when stat cannot tell

	// The control groups read last, of whatever process, with their path: most
	// are in the same ones.
	cgroupText []byte
	cgroupOf   string

	tids       []int
	tasks      proc.Tasks // open while threads are read
	asked      []int      // the threads before totals were asked for
	list       []Thread
	listSums   []threadSum
	listed     Why  // OK: list is complete
	threadsNew bool // list differs from before.threads
	rested     bool // the threads were not read, see threadsRest
	kept       bool // of some threads only stat was read: they had not run
	restless   bool // they have run meanwhile: they are to be read in full
	tstat      proc.Stat
	tstatus    proc.Status

	// Of a process that is read from records.
	record bool
	due    uint32   // bit per slot: files to be read all the same
	moved  bool     // it has run since the last pass, as far as can be told
	task   bpf.Task // the record of the leader
	sum    bpf.Sum
	living liveSums // of the threads
	dead   deadSums // of those that exited
	state  State    // derived from all threads
	execID Known[uint64]
}

func (v *visit) reset(ps *pass, r *proc.Reader, pid int, before *entry) {
	v.found = found{}
	v.ps, v.r, v.pid, v.alive = ps, r, pid, pid
	v.want = ps.wantOf(pid)
	v.before, v.old = before, nil
	v.record, v.due, v.moved, v.dead, v.rollupNext = false, 0, false, deadSums{}, 0
	if before != nil && before.want == v.want && !before.bpf {
		v.old = before
	}
	v.sums, v.whys, v.fresh = [slotCount]uint64{}, [slotCount]Why{}, [slotCount]bool{}
	v.stuck = v.stuck[:0]
	v.args, v.cut, v.cgroup, v.exe, v.comm = nil, false, "", "", ""
	v.tids, v.asked, v.list, v.listSums = v.tids[:0], v.asked[:0], v.list[:0], v.listSums[:0]
	v.listed, v.threadsNew, v.rested, v.exact, v.ending = NotRead, false, false, false, false
	v.kept, v.restless = false, false
}

// wantOf is what shall be read of that process.
func (ps *pass) wantOf(pid int) Want {
	w := ps.want &^ WantHost
	if pid == ps.focus && pid != 0 {
		w |= ps.focusWant&^WantHost | WantStatRest | WantStatusRest
	}
	if contains(ps.threads, pid) {
		w |= WantThreads
	}
	if contains(ps.rollups, pid) {
		w |= WantRollup
	}
	if w&WantThreads != 0 {
		w |= WantSchedstat | WantStatus
	}
	return w
}

func (ps *pass) find(pid int) *entry {
	if i, ok := slices.BinarySearch(ps.prevPIDs, pid); ok {
		return ps.prev[i]
	}
	return nil
}

func (ps *pass) now() int64 { return ps.baseNS + int64(time.Since(ps.base)) }

// read visits one process. It touches nothing but out, the scratch of its own
// goroutine, and what is never written, because it may come back after the pass
// is over (see proc.Scanner).
func (ps *pass) read(r *proc.Reader, pid int, out *found) {
	v, ok := r.Scratch.(*visit)
	if !ok {
		v = new(visit)
		r.Scratch = v
	}
	before := ps.find(pid)
	v.reset(ps, r, pid, before)
	if g := ps.recs.find(pid); g != nil {
		v.takeRecords(g)
		v.readDue()
		v.finish()
	} else {
		v.readFiles()
	}
	v.files = r.TakeFiles()
	*out = v.found
}

// readFiles reads the process from /proc.
func (v *visit) readFiles() {
	v.readClock()
	if v.rests() {
		return
	}
	if contains(v.ps.visible, v.pid) {
		v.r.Hold(v.ps.held)
		defer v.r.Hold(nil)
	}
	if v.readStat() && !(v.ps.only && v.isThread()) {
		v.at = v.ps.now()
		v.readRest()
		if v.whys[slotStatm] != Gone && v.listed != Gone {
			v.finish()
		}
	}
}

func (v *visit) readRest() {
	v.rested = v.want&WantThreads != 0 && v.threadsRest()
	if v.want&WantTotals != 0 && v.ps.totals != nil && !v.kernelThread() && !v.rested {
		v.askTotals()
	}
	if v.zombieLeader() {
		v.readThreads()
	}
	sizesToo := v.ps.oneShot && v.want&WantStatus != 0
	if !v.ps.hurry && !sizesToo {
		v.readStatm()
	}
	if v.want&WantStatus != 0 || v.whys[slotStat] != OK {
		v.readStatus()
	}
	if sizesToo {
		v.sizesFromStatus()
	}
	if v.want&WantSchedstat != 0 {
		v.readSchedstat()
	}
	v.readOnce()
	if v.want&WantIO != 0 {
		v.readIO()
	}
	if v.want&WantRollup != 0 {
		v.readRollup()
	}
	if v.want&WantFDs != 0 {
		v.readFDs()
	}
	if v.want&WantThreads != 0 && v.listed == NotRead {
		v.readThreads()
	}
	v.confirmTotals()
}

// isThread: /proc/TID can be opened although it is not listed; its Tgid is
// another number.
func (v *visit) isThread() bool {
	if v.before != nil {
		return false
	}
	b, err := v.r.File(v.pid, proc.FileStatus)
	return err == nil && proc.ParseStatus(b, &v.status) == nil && v.status.Has(proc.StatusTgid) && v.status.Tgid != v.pid
}

// take notes what a read gave. It reports whether the text is new and has to
// be parsed.
func (v *visit) take(s slot, f proc.File, b []byte, err error) bool {
	if err != nil {
		v.failed(s, f, err)
		return false
	}
	v.whys[s] = OK
	v.sums[s] = v.ps.hash(b)
	if s == slotStatus {
		v.sums[s] = v.ps.hashStatus(b)
	}
	v.fresh[s] = v.old == nil || v.old.sums[s] != v.sums[s] || v.ended()
	return v.fresh[s]
}

// hash never gives one of the numbers that stand for a reason.
func (ps *pass) hash(b []byte) uint64 {
	sum := maphash.Bytes(ps.seed, b)
	if sum < uint64(whyCount) {
		sum += uint64(whyCount)
	}
	return sum
}

var sigQ = []byte("\nSigQ:")

// hashStatus leaves the line SigQ out: it counts the signals that are pending
// for all processes of the user, and so changes for all of them whenever one is
// sent to any.
func (ps *pass) hashStatus(b []byte) uint64 {
	i := bytes.Index(b, sigQ)
	if i < 0 {
		return ps.hash(b)
	}
	end := bytes.IndexByte(b[i+1:], '\n')
	if end < 0 {
		return ps.hash(b)
	}
	sum := maphash.Bytes(ps.seed, b[:i])*31 ^ maphash.Bytes(ps.seed, b[i+1+end:])
	return max(sum, uint64(whyCount))
}

// failed notes why there is no text. While a read is stuck, what was read last
// stays.
func (v *visit) failed(s slot, f proc.File, err error) {
	why := v.ps.own.whyNot(f, err)
	switch why {
	case ReadFailed, Malformed:
		v.errors++
	case Stuck:
		if v.leaderState() == 'Z' && v.alive == v.pid {
			// It is refused for what held the process up on its way out.
			why = Zombie
			break
		}
		v.stuck = append(v.stuck, f.String())
		if v.old != nil && v.old.sums[s] != uint64(Stuck) {
			v.keep(s)
			return
		}
	}
	v.whys[s], v.sums[s] = why, uint64(why)
	v.fresh[s] = v.old == nil || v.old.sums[s] != v.sums[s] || v.ended()
}

// keep takes over what is known from before of a file that is not read this time.
func (v *visit) keep(s slot) {
	v.sums[s], v.fresh[s], v.whys[s] = v.before.sums[s], false, OK
	if v.sums[s] < uint64(whyCount) {
		v.whys[s] = Why(v.sums[s])
	}
}

func contains(sorted []int, x int) bool {
	_, ok := slices.BinarySearch(sorted, x)
	return ok
}
