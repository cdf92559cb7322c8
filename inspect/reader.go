package inspect

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/cold"
	"taskscope/inspect/internal/host"
	"taskscope/inspect/internal/proc"
)

// Options configure a Reader.
type Options struct {
	// ProcRoot is the mount point to read, "/proc" when empty.
	ProcRoot string
	// Source is SourceAuto (""), SourceBPF or SourceProc. With auto the passes
	// go through /proc unless one of the two below is set; with bpf NewReader
	// takes its time to load the programs, and fails where it cannot.
	Source string
	// OneShot: the Reader is for a pass or two. It loads BPF before the first
	// one if there are so many tasks that this pays.
	OneShot bool
	// Background: the Reader is for many passes. It loads BPF before the first one
	// if there are so many tasks that this pays, else beside the passes, and
	// switches once it is there.
	Background bool
	// Deadline bounds how long a pass waits for files that can block
	// (default 50 ms); what is late keeps its last good value.
	Deadline time.Duration
	// MaxStuck caps the reads that may hang at the same time (default 16).
	MaxStuck int
}

// ErrNoProcess: there is no such process (any more).
var ErrNoProcess = errors.New("no such process")

// ErrIsThread: the number is the TID of a thread that is not a leader.
var ErrIsThread = errors.New("not a process but a thread")

// ErrSource: the source asked for cannot be used.
var ErrSource = errors.New("source not available")

// Reader reads snapshots. It remembers what it read last (unchanged processes,
// threads, what exited threads had counted) and belongs to one goroutine.
type Reader struct {
	fs      *proc.FS
	pool    *proc.Pool
	scanner *proc.Scanner[found]
	direct  *proc.Reader // for files that never block
	cold    cold.FS
	host    *host.Host

	seed    maphash.Seed
	own     powers
	users   map[uint32]string
	fixed   fixedHost
	pids    []int
	prev    []*entry
	prevIDs []int
	round   int
	held    *proc.Held
	src     source
	focused focused
	totals  *totals
	asked   bool // totals were looked for
	base    time.Time
	baseNS  int64

	// CLOCK_MONOTONIC instants at which this pass and the one before began, and
	// for how long tasks had waited for a CPU by then.
	began, last        int64
	waited, waitedLast Known[uint64] // ns
}

// NewReader opens the source.
func NewReader(o Options) (*Reader, error) {
	fs, err := proc.Open(o.ProcRoot)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	frozen, err := cold.Open(fs.Root())
	if err != nil {
		fs.Close()
		return nil, fmt.Errorf("inspect: %w", err)
	}
	r := &Reader{
		fs: fs, cold: frozen, host: host.New(fs.Root()), direct: fs.NewReader(),
		pool:  proc.NewPool(fs, proc.PoolOptions{Limit: o.Deadline, MaxStuck: o.MaxStuck}),
		seed:  maphash.MakeSeed(),
		own:   ownPowers(),
		users: readUsers(),
		base:  time.Now(), baseNS: clockNS(unix.CLOCK_MONOTONIC),
	}
	r.scanner = proc.NewScanner[found](r.pool, 0)
	r.held = proc.NewHeld(maxHeld)
	r.fixed = r.readFixed()
	if err := r.openSource(o); err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("inspect: %w", err)
	}
	return r, nil
}

// clockNS reads a clock; it cannot fail for the ones that every kernel has.
func clockNS(id int32) int64 {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

// Close releases descriptors and workers. It waits for reads under way, but no
// longer than the deadline.
func (r *Reader) Close() error {
	r.src.close()
	err := r.pool.Close()
	r.held.Close()
	r.totals.close()
	if errors.Is(err, proc.ErrStuck) {
		// Reads that hang in the kernel still use the root's descriptor.
		return nil
	}
	return errors.Join(err, r.fs.Close())
}

// Read makes one pass. A process that vanishes meanwhile is left out; it is
// not an error. The error is non-nil only when nothing at all could be read,
// or ctx ended.
func (r *Reader) Read(ctx context.Context, q Request) (*Snapshot, error) {
	start, cpu := time.Now(), ownCPU()
	s := &Snapshot{
		Taken: start, MonoNS: r.baseNS + int64(start.Sub(r.base)), BootNS: clockNS(unix.CLOCK_BOOTTIME),
		Source: SourceProc, Want: q.Want, Focus: q.Focus, FocusWant: q.FocusWant, BootID: r.fixed.bootID, Host: r.fixed.host,
	}
	if !r.fs.Live() {
		s.BootNS = 0
	}
	r.last, r.began = r.began, s.MonoNS
	r.waitedLast, r.waited = r.waited, Unknown[uint64](NotRead)
	if q.Want&WantHost != 0 {
		r.readHost(&s.Host)
	}
	if err := r.pass(ctx, s, q); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	if q.Focus != 0 {
		r.focus(ctx, s, q)
	}
	s.Cost.Files += r.direct.TakeFiles()
	s.Cost.Wall, s.Cost.CPU = time.Since(start), ownCPU()-cpu
	r.loadBeside()
	return s, nil
}

// pass reads the processes from the source in use. If BPF fails, /proc takes
// over within the same pass.
func (r *Reader) pass(ctx context.Context, s *Snapshot, q Request) error {
	r.chooseSource(q)
	r.round++
	r.held.NextPass()
	if r.src.tasks != nil {
		ps := r.newRecordPass(q)
		err := r.readRecords(q, ps)
		if err == nil {
			s.Source = SourceBPF
			return r.recordPass(ctx, s, q, ps)
		}
		r.src.fail(err)
	}
	s.Notice, r.src.notice = r.src.notice, ""
	pids, err := r.list(q)
	if err != nil {
		return fmt.Errorf("inspect: list processes: %w", err)
	}
	hurry := r.hurried(q, len(pids))
	if hurry {
		q.Want &= hurryWant
		s.Want = q.Want
	}
	ps := r.newPass(q, pids)
	ps.hurry, ps.noneWaits = hurry, r.noneWaits(&s.Host)
	results, err := r.scan(ctx, pids, ps)
	if err != nil {
		return err
	}
	r.collect(s, ps, pids, results)
	return nil
}

// hurryWant is what the first of many passes through /proc reads of a crowd,
// besides stat: what a row cannot do without. The next pass follows at once.
const hurryWant = WantHost | WantCPUClock

// hurried reports whether a pass of so many processes is one that somebody who has
// seen nothing yet waits for, and that reading them in full would hold up.
func (r *Reader) hurried(q Request, n int) bool {
	return r.src.background && len(r.prev) == 0 && q.Only == nil && n >= loadCost
}

func (r *Reader) scan(ctx context.Context, pids []int, ps *pass) ([]*found, error) {
	results, err := r.scanner.Scan(ctx, pids, ps.read)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	return results, nil
}

func (r *Reader) now() int64 { return r.baseNS + int64(time.Since(r.base)) }

// list gives the PIDs of the pass, sorted.
func (r *Reader) list(q Request) ([]int, error) {
	if q.Only != nil {
		r.pids = append(r.pids[:0], q.Only...)
		slices.Sort(r.pids)
		r.pids = slices.Compact(r.pids)
		return r.pids, nil
	}
	var err error
	r.pids, err = r.direct.PIDs(r.pids[:0])
	return r.pids, err
}

// newPass prepares what the visits need. pids are those of a pass over /proc.
func (r *Reader) newPass(q Request, pids []int) *pass {
	asks := q.Want
	if q.Focus != 0 {
		asks |= q.FocusWant
	}
	if asks&WantTotals != 0 && r.fs.Live() && !r.asked {
		r.totals, r.asked = openTotals(), true
	}
	ps := &pass{
		own: r.own, seed: r.seed, users: r.users, live: r.fs.Live(), held: r.held,
		want: q.Want, focus: q.Focus, focusWant: q.FocusWant, only: q.Only != nil, oneShot: r.src.oneShot,
		threads: sortedWith(q.ThreadsOf, q.Focus), rollups: sortedWith(q.RollupOf, 0), visible: sortedWith(q.Visible, q.Focus),
		prev: r.prev, prevPIDs: r.prevIDs, round: r.round, began: r.began, last: r.last, base: r.base, baseNS: r.baseNS,
	}
	if pids != nil {
		ps.ended = endedParents(r.prev, pids)
	}
	if asks&WantTotals != 0 {
		ps.totals = r.totals
	}
	return ps
}

// newRecordPass prepares a pass over records.
func (r *Reader) newRecordPass(q Request) *pass {
	ps := r.newPass(q, nil)
	ps.cgroups, ps.without = new(cgroupPaths), leftOut(q)
	if ps.recs = &r.src.recs; r.src.exact != nil {
		ps.exact = r.src.exact
	}
	return ps
}

// sortedWith is a sorted copy of pids, with one more unless that is 0.
func sortedWith(pids []int, one int) []int {
	out := slices.Clone(pids)
	if one != 0 {
		out = append(out, one)
	}
	slices.Sort(out)
	return out
}

// collect makes the snapshot of what the visits found, and remembers it. The
// slices remembered are new ones each time: a visit that hangs may still look
// at the old ones.
func (r *Reader) collect(s *Snapshot, ps *pass, pids []int, results []*found) {
	n := len(pids)
	entries, known := make([]*entry, 0, n), make([]int, 0, n)
	s.Processes, s.ReadAt = make([]*Process, 0, n), make([]int64, 0, n)
	for i, v := range results {
		e, at := (*entry)(nil), int64(0)
		if v == nil {
			e, at = r.standIn(ps.find(pids[i]), pids[i]), ps.now()
		} else {
			e, at = v.entry, v.at
			s.Cost.Files += v.files
			s.Cost.Threads += v.threads
			s.Errors += v.errors
		}
		if e == nil {
			continue
		}
		entries, known = append(entries, e), append(known, pids[i])
		s.Processes, s.ReadAt = append(s.Processes, e.p), append(s.ReadAt, at)
		s.Stuck += len(e.p.StuckFiles)
	}
	r.prev, r.prevIDs = entries, known
}

// standIn is the last good data of a process none of whose files could be read
// to the end.
func (r *Reader) standIn(old *entry, pid int) *entry {
	if old == nil {
		return nil
	}
	var stuck []string
	for _, h := range r.pool.Hanging() {
		if h.PID == pid {
			stuck = append(stuck, h.File.String())
		}
	}
	if slices.Equal(stuck, old.p.StuckFiles) && old.p.Partial {
		return old
	}
	e, p := *old, *old.p
	p.Partial, p.StuckFiles = true, stuck
	e.p = &p
	return &e
}

// Resolve checks that pid is a process: ErrNoProcess, or ErrIsThread (wrapped
// with the PID of its process) when it is a thread.
func (r *Reader) Resolve(pid int) (ID, error) {
	if pid <= 0 {
		return ID{}, fmt.Errorf("%d: %w", pid, ErrNoProcess)
	}
	var status proc.Status
	err := r.direct.Status(pid, &status)
	switch proc.Classify(err) {
	case proc.ClassOK:
		if status.Has(proc.StatusTgid) && status.Tgid != pid {
			return ID{}, fmt.Errorf("%d: %w of process %d", pid, ErrIsThread, status.Tgid)
		}
	case proc.ClassGone:
		return ID{}, fmt.Errorf("%d: %w", pid, ErrNoProcess)
	case proc.ClassDenied:
	default:
		return ID{}, fmt.Errorf("inspect: %w", err)
	}
	id, err := proc.Do(context.Background(), r.pool, pid, proc.FileStat, func(pr *proc.Reader) (ID, error) {
		var st proc.Stat
		err := pr.Stat(pid, &st)
		return ID{PID: pid, Start: st.StartTicks}, err
	})
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, proc.ErrGone):
		return ID{}, fmt.Errorf("%d: %w", pid, ErrNoProcess)
	case errors.Is(err, proc.ErrStuck):
		if e := (&pass{prev: r.prev, prevPIDs: r.prevIDs}).find(pid); e != nil {
			return e.p.ID, nil
		}
	}
	return ID{}, fmt.Errorf("inspect: process %d: %s", pid, strings.TrimPrefix(err.Error(), "proc: "))
}

// ownCPU is the CPU time of all threads of this program.
func ownCPU() time.Duration {
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
