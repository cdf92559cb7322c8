package inspect

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/taskstats"
)

// entryOf is what the Reader remembers of a process.
func entryOf(t *testing.T, r *Reader, pid int) *entry {
	t.Helper()
	e := (&pass{prev: r.prev, prevPIDs: r.prevIDs}).find(pid)
	if e == nil {
		t.Fatalf("process %d is missing", pid)
	}
	return e
}

// resting reads until the process is the same in two passes.
func resting(t *testing.T, r *Reader, q Request, pid int) *Process {
	t.Helper()
	var last *Process
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		p := readOK(t, r, q).ByPID(pid)
		if p != nil && p == last {
			return p
		}
		last = p
	}
	t.Fatalf("process %d never rests", pid)
	return nil
}

// TestRestOfRecords: a process at rest is not read, but what others do to its
// priority shows at once, and what they do otherwise at once on the screen.
func TestRestOfRecords(t *testing.T) {
	r := recordReader(t)
	pid := roleOf(t, "pause")
	q := Request{Want: WantTree}
	p := resting(t, r, q, pid)
	if err := unix.Setpriority(unix.PRIO_PROCESS, pid, 5); err != nil {
		t.Fatal(err)
	}
	if now := readOK(t, r, q).ByPID(pid); now == nil || now.Nice.V != 5 || p.Nice.V == 5 {
		t.Errorf("nice value %+v, was %+v", now.Nice, p.Nice)
	}
	resting(t, r, q, pid)
	// As if something had been taken away from it that a glance does not show.
	const lie = 12345
	spoil := func() {
		e := entryOf(t, r, pid)
		e.sums[slotLeader], e.sums[slotTask] = lie, lie
	}
	for end := time.Now().Add(20 * time.Second); ; {
		spoil()
		readOK(t, r, q)
		if r.round%fullRounds != 0 && len(r.src.recs.moved) < len(r.src.recs.glances)/4 && entryOf(t, r, pid).sums[slotTask] == lie {
			break // it was not read
		}
		if time.Now().After(end) {
			t.Fatal("a process at rest is read in every pass")
		}
	}
	q.Visible = []int{pid}
	if readOK(t, r, q); entryOf(t, r, pid).sums[slotTask] == lie {
		t.Error("on the screen it was not read")
	}
	q.Visible = nil
	spoil()
	for range fullRounds {
		readOK(t, r, q)
	}
	if entryOf(t, r, pid).sums[slotTask] == lie {
		t.Errorf("not read in %d passes", fullRounds)
	}
}

// TestThreadsRest: when the threads of a process need not be read.
func TestThreadsRest(t *testing.T) {
	good := func() *visit {
		v := &visit{pid: 7, ps: &pass{live: true, noneWaits: true, last: 1e9, began: 2e9}}
		v.old = &entry{p: &Process{ThreadsWhy: OK, State: 'S', LeaderState: 'S', ThreadCount: Know(2)}, threads: make([]Thread, 2)}
		v.before = v.old
		v.old.sums[slotClock], v.sums[slotClock] = 99, 99
		v.whys[slotStat] = OK
		return v
	}
	if !good().threadsRest() {
		t.Error("threads that cannot have moved are read")
	}
	for name, spoil := range map[string]func(*visit){
		"clock moved":      func(v *visit) { v.sums[slotClock]++ },
		"no clock":         func(v *visit) { v.sums[slotClock], v.old.sums[slotClock] = 0, 0 },
		"somebody waits":   func(v *visit) { v.ps.noneWaits = false },
		"in focus":         func(v *visit) { v.ps.focus = 7 },
		"its turn":         func(v *visit) { v.ps.began += int64(threadsAge) },
		"first pass":       func(v *visit) { v.ps.last = 0 },
		"woken leader":     func(v *visit) { v.fresh[slotStat], v.stat.State, v.stat.NumThreads = true, 'R', 2 },
		"reniced leader":   func(v *visit) { v.fresh[slotStat], v.stat.State, v.stat.NumThreads, v.stat.Nice = true, 'S', 2, 5 },
		"another number":   func(v *visit) { v.before.p.ThreadCount = Know(3) },
		"one was ready":    func(v *visit) { v.old.p.State = 'R' },
		"not read before":  func(v *visit) { v.old.p.ThreadsWhy = NotRead },
		"a file was stuck": func(v *visit) { v.old.p.StuckFiles = []string{"stat"} },
		"a file is stuck":  func(v *visit) { v.stuck = []string{"stat"} },
		"new":              func(v *visit) { v.old = nil },
		"another mount":    func(v *visit) { v.ps.live = false },
	} {
		v := good()
		if spoil(v); v.threadsRest() {
			t.Errorf("%s: threads are not read", name)
		}
	}
}

// TestNeedsNoFile: of a process whose records did not change, a file is looked at only
// for what is wanted and may have changed.
func TestNeedsNoFile(t *testing.T) {
	for _, tt := range []struct {
		name  string
		want  Want
		dirty bool
		reads int // in onceRounds passes
	}{
		{"at rest", WantTree, false, 0},
		{"ran since its command line was read", WantTree, true, 1},
		{"ran, but nobody asks for its command line", WantStatus | WantThreads | WantSchedstat, true, 0},
		{"control groups are changed from outside", WantTree | WantCgroup, false, 1},
		{"only the file has it", WantTree | WantStatusRest, false, onceRounds},
	} {
		ps := &pass{want: tt.want}
		e := &entry{p: &Process{}, want: ps.wantOf(7), dirty: tt.dirty}
		reads := 0
		for ps.round = range onceRounds {
			if !ps.needsNoFile(7, e) {
				reads++
			}
		}
		if reads != tt.reads {
			t.Errorf("%s: files in %d of %d passes, want %d", tt.name, reads, onceRounds, tt.reads)
		}
	}
}

// TestCrowdsRest: while tasks wait for CPUs, a crowd of threads is read in turn, and
// a few threads every time.
func TestCrowdsRest(t *testing.T) {
	for n, want := range map[int]int{2: 12, crowdPart: 12, 3 * crowdPart: 4} {
		v := &visit{pid: 7, ps: &pass{live: true, began: 1e9}}
		v.old = &entry{p: &Process{ThreadsWhy: OK, State: 'S', LeaderState: 'S', ThreadCount: Know(n)}, threads: make([]Thread, n)}
		v.before = v.old
		v.old.sums[slotClock], v.sums[slotClock] = 99, 99
		v.whys[slotStat] = OK
		reads := 0
		for range 12 {
			v.ps.last, v.ps.began = v.ps.began, v.ps.began+int64(waitAge)
			if !v.threadsRest() {
				reads++
			}
		}
		if reads != want {
			t.Errorf("%d threads were read %d times in 12 passes, want %d", n, reads, want)
		}
	}
}

// TestThreadsTurn: the threads of every process at rest are read once in a while,
// those of crowds more rarely, and not all in the same pass.
func TestThreadsTurn(t *testing.T) {
	for _, tt := range []struct {
		n    int
		most time.Duration
	}{{2, threadsAge}, {crowdPart, threadsAge}, {3 * crowdPart, 3 * threadsAge}, {1000 * crowdPart, maxAge * threadsAge}} {
		ps := &pass{began: 1e9}
		last, turns := map[int]int64{}, 0
		for range 100 {
			ps.last, ps.began = ps.began, ps.began+3e8
			now := 0
			for pid := 1; pid <= 160; pid++ {
				if at, ok := last[pid]; ok && time.Duration(ps.last-at) >= tt.most {
					t.Fatalf("%d threads of process %d were not read for more than %v", tt.n, pid, tt.most)
				}
				if ps.threadsTurn(pid, tt.n, threadsAge) {
					last[pid] = ps.began
					now++
				}
			}
			turns = max(turns, now)
		}
		if len(last) != 160 || turns > 40 {
			t.Errorf("%d threads: %d processes had their turn, up to %d in one pass", tt.n, len(last), turns)
		}
	}
}

// TestNoneWaits: whether some task may be waiting for a CPU.
func TestNoneWaits(t *testing.T) {
	for _, tt := range []struct {
		running uint64
		before  Known[uint64]
		now     uint64
		want    bool
	}{
		{2, Unknown[uint64](NotSupported), 0, true},
		{3, Unknown[uint64](NotSupported), 0, false},
		{3, Know(uint64(1e9)), 1e9, true},
		{3, Know(uint64(1e9)), 1001e6, true},
		// 50 ms of a second on one CPU, while the other was busy throughout.
		{3, Know(uint64(1e9)), 1002500e3, false},
		{3, Know(uint64(1e9)), 2e9, false},
		{3, Know(uint64(1e9)), 0, false},
	} {
		r := &Reader{last: 1e9, began: 2e9, waitedLast: tt.before, waited: Know(tt.now)}
		if got := r.noneWaits(&Host{CPUs: 2, RunningTasks: Know(tt.running)}); got != tt.want {
			t.Errorf("%+v: none waits: %v", tt, got)
		}
	}
}

// TestRollupDue: when the pages of a process are counted again.
func TestRollupDue(t *testing.T) {
	good := func() *visit {
		v := &visit{pid: 7, ps: &pass{round: 2, base: time.Now()}}
		v.old = &entry{p: &Process{MinorFaults: Know(uint64(5)), MajorFaults: Know(uint64(1)), RSSBytes: Know(3 * pageSize), VSizeBytes: Know(9 * pageSize)}}
		v.before = v.old
		v.stat.MinFlt, v.stat.MajFlt, v.statm.Resident, v.statm.Size = 5, 1, 3, 9
		v.fresh[slotStat], v.fresh[slotStatm], v.whys[slotStat], v.whys[slotStatm] = true, true, OK, OK
		return v
	}
	if good().rollupDue() {
		t.Error("counted although nothing came or went")
	}
	for name, spoil := range map[string]func(*visit){
		"a fault":          func(v *visit) { v.stat.MinFlt++ },
		"a major fault":    func(v *visit) { v.stat.MajFlt++ },
		"a page less":      func(v *visit) { v.statm.Resident-- },
		"another mapping":  func(v *visit) { v.statm.Size++ },
		"its turn":         func(v *visit) { v.ps.round = rollupRounds - 7 },
		"stat is denied":   func(v *visit) { v.whys[slotStat] = Denied },
		"a file was stuck": func(v *visit) { v.old.p.StuckFiles = []string{"smaps_rollup"} },
		"new":              func(v *visit) { v.old = nil },
	} {
		v := good()
		if spoil(v); !v.rollupDue() {
			t.Errorf("%s: not counted", name)
		}
		if v.old == nil || len(v.old.p.StuckFiles) > 0 {
			continue
		}
		if v.old.rollupNext = v.ps.now() + int64(time.Hour); v.rollupDue() {
			t.Errorf("%s: counted at any price", name)
		}
	}
}

// hasty gives less than was asked for in its first pass.
type hasty struct{ scripted }

func (r *hasty) Read(ctx context.Context, q Request) (*Snapshot, error) {
	s, err := r.scripted.Read(ctx, q)
	if err == nil && r.passes.Load() == 1 {
		s.Want &^= WantCmdline
	}
	return s, err
}

// TestSamplerCompletes: what a first pass left out is read at once.
func TestSamplerCompletes(t *testing.T) {
	r := &hasty{}
	sampling(t, r, &r.scripted, time.Hour, func(s *Sampler) {
		for s.Latest() == nil || s.Latest().Want != WantTree {
			<-s.Wake()
		}
		if n := r.passes.Load(); n != 2 {
			t.Errorf("%d passes", n)
		}
	})
}

// TestTaskstatsUnderChurn samples the switch totals that taskstats gives of a
// process whose threads come and go a thousand times. The kernel notes what a
// thread did a moment before its last switch, so they are a little less than what
// getrusage says, by two for each thread that exited at most, and they never go
// back. They are more only by this: getrusage forgets a switch that a thread makes
// after it has been taken off its process, and /proc shows it to a read that began
// before (seen: one involuntary switch more after 300 to 1,200 threads). A thread
// counted twice would be ten switches more.
func TestTaskstatsUnderChurn(t *testing.T) {
	r := autoReader(t, Options{Source: SourceProc})
	pid, ask := talkTo(t, "churn")
	q := Request{Want: WantAll, Only: []int{pid}}
	if readOK(t, r, q); r.totals == nil {
		_, err := taskstats.Open()
		t.Skipf("no totals from taskstats: %v", err)
	}
	samples := 1000
	if testing.Short() {
		samples = 100
	}
	var prev *Process
	exact, more, back := 0, 0, 0
	for range samples {
		p := readOK(t, r, q).ByPID(pid)
		highV, highI := ask()
		if p == nil {
			t.Fatal("the process is missing")
		}
		s := p.Switches
		if s.Exact {
			exact++
		}
		late := 1 + uint64(p.Exited.Threads)/100
		if s.Voluntary.V > highV+late || s.Involuntary.V > highI+late {
			more++
		}
		if prev != nil && (s.Voluntary.V < prev.Switches.Voluntary.V || s.Involuntary.V < prev.Switches.Involuntary.V) {
			back++
		}
		prev = p
	}
	t.Logf("%d samples, %d exact, %d too high, %d backwards", samples, exact, more, back)
	if more > 0 || back > 0 || exact == 0 {
		t.Errorf("%d of %d exact, %d too high, %d backwards", exact, samples, more, back)
	}
}
