package inspect

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/bpf"
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
	r, err := NewReader(Options{Source: SourceBPF})
	var e *bpf.Error
	if errors.As(err, &e) && e.Reason != bpf.Failed && e.Reason != bpf.Mismatch && e.Reason != bpf.NotSupported {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if !r.src.tasks.Caps().Filter {
		t.Skip("this kernel does not obey a filter: all tasks are read every time")
	}
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
		v := &visit{pid: 7, ps: &pass{live: true, noneWaits: true, round: 1}}
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
		"its turn":         func(v *visit) { v.ps.round = fullRounds - 7 },
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
