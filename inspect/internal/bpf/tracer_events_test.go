package bpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// collect runs Events until stop returns true, and what is left.
func collect(t *testing.T, tr *Tracer, stop func([]Event, []Exit) bool) ([]Event, []Exit) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var events []Event
	var exits []Exit
	err := tr.Events(ctx, func(b Batch) {
		events = append(events, b.Events...)
		exits = append(exits, b.Exits...)
		if stop(events, exits) {
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !stop(events, exits) {
		t.Fatalf("%d events and %d exits, and not what was awaited", len(events), len(exits))
	}
	return events, exits
}

// TestExits: processes too short-lived for any reader of /proc.
func TestExits(t *testing.T) {
	const n = 30
	h := startHelper(t, "storm", n)
	h.line()
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Descendants: true, Aggregates: true})
	h.ask("")
	_, exits := collect(t, tr, func(_ []Event, x []Exit) bool { return len(x) >= n })
	if len(exits) != n {
		t.Errorf("%d exits of %d", len(exits), n)
	}
	pids := map[uint32]bool{}
	unknown := 0
	for i := range exits {
		e := &exits[i]
		pids[e.TGID] = true
		code, signal, core := e.Status()
		if code != 7 || signal != 0 || core || e.Comm() != "sh" || int(e.PPID) != h.pid || e.UID != uint32(os.Getuid()) {
			t.Errorf("%+v %q", *e, e.Comm())
		}
		if e.Lifetime <= 0 || e.Lifetime > 20*time.Second || e.ExecNS > uint64(e.Lifetime) || e.Start == 0 {
			t.Errorf("lived %v, ran %d ns, born %d", e.Lifetime, e.ExecNS, e.Start)
		}
		if e.ExecNS == 0 {
			unknown++
		}
	}
	if len(pids) != n {
		t.Errorf("%d different processes", len(pids))
	}
	a := aggregates(t, tr)
	// Who was not seen to get its last CPU has the figure of the last tick.
	if unknown > n/2 || (unknown > 0 && a.Drops.ChainBreaks == 0) {
		t.Errorf("%d ran for no time at all, %+v", unknown, a.Drops)
	}
	for pid := range pids {
		if p := processOf(t, a, int(pid)); p.Exited != 1 || p.Live != 0 {
			t.Errorf("process %d: %d living, %d exited", pid, p.Live, p.Exited)
		}
		if s := threadOf(t, a, uint64(pid)); s.State != Dead || !s.Born || s.Comm != "sh" {
			t.Errorf("thread %d: %v, born %v, %q", pid, s.State, s.Born, s.Comm)
		}
	}
	// Read again: the dead are remembered, and not counted twice.
	b := aggregates(t, tr)
	if x, y := threadOf(t, a, uint64(exits[0].TGID)), threadOf(t, b, uint64(exits[0].TGID)); x.Counts != y.Counts {
		t.Errorf("a dead thread moved: %+v, %+v", *x, *y)
	}
}

// TestBirths: forks and execs are delivered without all the other events.
func TestBirths(t *testing.T) {
	const n = 5
	h := startHelper(t, "storm", n)
	h.line()
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Descendants: true, Births: true})
	h.ask("")
	events, exits := collect(t, tr, func(_ []Event, x []Exit) bool { return len(x) >= n })
	processes := 0
	for _, e := range events {
		switch {
		case e.Kind == Fork && e.State == 1:
			processes++
			if int(e.Other) != h.pid {
				t.Errorf("born in %d", e.Other)
			}
		case e.Kind != Fork && e.Kind != Exec:
			t.Errorf("%v", e)
		}
	}
	if processes != n || count(events, Exec) != n || len(exits) != n {
		t.Errorf("%d forks, %d execs, %d exits of %d", processes, count(events, Exec), len(exits), n)
	}
}

// TestKilled: the code of a process that a signal ended.
func TestKilled(t *testing.T) {
	h := startHelper(t, "threads", 4)
	h.line()
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Events: true})
	if err := unix.Kill(h.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	events, exits := collect(t, tr, func(_ []Event, x []Exit) bool { return len(x) > 0 })
	if _, signal, _ := exits[0].Status(); signal != int(unix.SIGKILL) || len(exits) != 1 {
		t.Errorf("%d exits, signal %d", len(exits), signal)
	}
	quits := 0
	for _, e := range events {
		if e.Kind == Quit {
			quits++
		}
	}
	if quits < 5 {
		t.Errorf("%d threads exited", quits)
	}
}

// TestOldKernel loads the programs for kernels whose tracepoints pass less, and
// sees the same with them.
func TestOldKernel(t *testing.T) {
	h := startHelper(t, "bursts", 5, 50)
	h.line()
	tr, err := newTracerFor(context.Background(), TracerOptions{Targets: []int{h.pid}, Aggregates: true, Types: sharedTypes}, true)
	require(t, err)
	t.Cleanup(func() { _ = tr.Close() })
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	tids := h.ask("")
	asleep(t, h.pid, tids)
	a := aggregates(t, tr)
	for _, tid := range tids {
		got, want := threadOf(t, a, tid), readCounts(t, h.pid, tid)
		if !got.Born {
			continue // had a past
		}
		if got.Voluntary+got.Involuntary != want.vol+want.invol || got.State != Sleeping {
			t.Errorf("thread %d: %+v, kernel says %+v", tid, *got, want)
		}
	}
	if err := unix.Kill(h.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, exits := collect(t, tr, func(_ []Event, x []Exit) bool { return len(x) > 0 })
	if _, signal, _ := exits[0].Status(); signal != int(unix.SIGKILL) || len(exits) != 1 {
		t.Errorf("%d exits, signal %d", len(exits), signal)
	}
}

// TestDescendants: those that exist are found, at any depth, and those to come.
func TestDescendants(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", `sh -c 'sh -c "sleep 600 & echo \$!; read x; sleep 0.01; sleep 600" ; true'; true`)
	h := startCmd(t, cmd)
	sleeper := h.numbers()[0]
	cmd.Process.Release() // killed below with its children
	t.Cleanup(func() { killTree(t, h.pid) })
	outsider := startHelper(t, "pause")
	outsider.line()
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Descendants: true, Aggregates: true, Events: true})
	a := aggregates(t, tr)
	threadOf(t, a, sleeper)
	if len(a.Processes) < 4 {
		t.Errorf("%d processes in the tree", len(a.Processes))
	}
	for _, s := range a.Threads {
		if int(s.TGID) == outsider.pid {
			t.Error("a process outside the tree is traced")
		}
	}
	fmt.Fprintln(h.in) // lets the innermost shell start another two
	events, _ := collect(t, tr, func(e []Event, x []Exit) bool { return len(x) >= 1 && count(e, Exec) >= 2 })
	if count(events, Fork) < 2 || count(events, New) < 2 {
		t.Errorf("%d forks, %d new", count(events, Fork), count(events, New))
	}
	if a = aggregates(t, tr); len(a.Processes) < 6 {
		t.Errorf("%d processes after two more", len(a.Processes))
	}
	// Everybody who was there is told first.
	if seeds := count(events, Seed); seeds < 4 {
		t.Errorf("%d seeds", seeds)
	}
}

// killTree kills a process and what is below it.
func killTree(t *testing.T, pid int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Log(err)
	}
	for _, c := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(c); err == nil {
			killTree(t, n)
		}
	}
	_ = unix.Kill(pid, unix.SIGKILL)
}

func count(events []Event, k Kind) int {
	n := 0
	for _, e := range events {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// TestPingPong checks the events of two threads that do nothing but wake each
// other against what the kernel counted.
func TestPingPong(t *testing.T) {
	const n = 3000
	h := startHelper(t, "pingpong", n)
	h.line()
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Events: true, Aggregates: true, Pairs: true})
	tids := make(chan []uint64, 1)
	go func() { tids <- h.ask("") }()
	var pair []uint64
	events, _ := collect(t, tr, func([]Event, []Exit) bool {
		select {
		case pair = <-tids:
		default:
		}
		return pair != nil
	})
	a := aggregates(t, tr)
	for i, tid := range pair {
		got := threadOf(t, a, tid)
		c := tallyThread(t, events, uint32(tid), uint32(pair[1-i]))
		t.Logf("thread %d: %+v", tid, c)
		if got.State != Dead && tid != uint64(h.pid) { // the runtime keeps the main thread
			t.Errorf("thread %d: %v", tid, got.State)
		}
		if uint64(c.out) != got.Voluntary+got.Involuntary {
			t.Errorf("thread %d: %d events out, %d+%d counted", tid, c.out, got.Voluntary, got.Involuntary)
		}
		if c.out < n/2 || c.fromPartner < c.wakes*9/10 || c.twice > 0 {
			t.Errorf("thread %d: %+v", tid, c)
		}
		if missed := c.out - c.in; missed < 0 || uint64(missed) != got.MissedIns {
			t.Errorf("thread %d: %d out, %d in, %d missed", tid, c.out, c.in, got.MissedIns)
		}
	}
	woke := uint64(0)
	for _, p := range a.WakeUps {
		if uint64(p.WhoTID) == pair[0] && uint64(p.WhomTID) == pair[1] {
			woke = p.Count
		}
	}
	if woke < n/4 {
		t.Errorf("%d woke %d %d times", pair[0], pair[1], woke)
	}
	if d := a.Drops; d.Dropped != 0 || d.Emitted < uint64(len(events)) {
		t.Errorf("%d events, %+v", len(events), d)
	}
}

type tally struct {
	in, out, wakes, fromPartner int
	twice                       int // on a CPU without having left
}

// tallyThread counts the events of a thread and checks their order.
func tallyThread(t *testing.T, events []Event, tid, partner uint32) tally {
	t.Helper()
	var c tally
	on := false
	last := uint64(0)
	for _, e := range events {
		if e.TID != tid || e.Kind == Seed {
			continue
		}
		if e.TS < last {
			t.Errorf("%v of thread %d is %d ns older than the event before", e.Kind, tid, last-e.TS)
		}
		last = e.TS
		switch e.Kind {
		case In:
			if on {
				c.twice++
			}
			c.in++
			on = true
		case Out:
			c.out++
			on = false
		case Wake:
			c.wakes++
			if e.Other == partner {
				c.fromPartner++
			}
		case New, Fork, Exec, Quit, Migrate, Seed:
		}
	}
	return c
}

// TestEventLoss: a ring that is too small loses events and says how many.
func TestEventLoss(t *testing.T) {
	h := startHelper(t, "pingpong", 2000)
	h.line()
	tr := startTracer(t, TracerOptions{Targets: []int{h.pid}, Events: true, Aggregates: true, RingBytes: 4096})
	tids := h.ask("") // nobody reads meanwhile
	// A thread on its way out has told that, and is not dead yet.
	eventually(t, "the two threads are dead", func() bool {
		a := aggregates(t, tr)
		for _, tid := range tids {
			// The runtime keeps the main thread.
			if int(tid) != h.pid && threadOf(t, a, tid).State != Dead {
				return false
			}
		}
		return true
	})
	if err := tr.Stop(); err != nil {
		t.Fatal(err)
	}
	d, err := tr.Drops()
	if err != nil {
		t.Fatal(err)
	}
	events, _ := collect(t, tr, func(e []Event, _ []Exit) bool { return uint64(len(e)) >= d.Emitted })
	if uint64(len(events)) != d.Emitted {
		t.Errorf("%d events read, %d emitted", len(events), d.Emitted)
	}
	if d.Dropped == 0 || !d.Lost() {
		t.Fatalf("nothing lost: %+v", d)
	}
	a := aggregates(t, tr)
	// What must have been produced, by the sums: nothing of them is lost with
	// the events.
	var produced, old, born uint64
	for i := range a.Threads {
		s := &a.Threads[i]
		out := s.Voluntary + s.Involuntary
		produced += 2*out - s.MissedIns + s.Wakes + s.Migrations
		switch {
		case s.Born:
			produced += 2 // fork, new
			born++        // if just before the seeding, it was seeded as well
		default:
			produced++ // seed
			old++      // it may have been running, and not have come in
		}
		switch s.State {
		case Dead:
			produced++ // exit
		case Running:
			produced++ // in, and not yet out
		}
	}
	if got := d.Emitted + d.Dropped; got > produced+born || got+old < produced {
		t.Errorf("%d emitted and %d dropped, %d produced", d.Emitted, d.Dropped, produced)
	}
	if len(tids) != 2 {
		t.Errorf("%d threads", len(tids))
	}
	t.Logf("%d emitted, %d dropped, %d produced", d.Emitted, d.Dropped, produced)
}

func TestEventsEnd(t *testing.T) {
	tr := newTracer(t, TracerOptions{Events: true})
	if a := aggregates(t, tr); len(a.Threads) != 0 || a.Elapsed != 0 {
		t.Errorf("before Start: %+v", a)
	}
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	if err := tr.Start(); err == nil {
		t.Error("started twice")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tr.Events(ctx, func(Batch) {}); err != nil {
		t.Errorf("ended by its context: %v", err)
	}
	ended := make(chan error)
	running := make(chan struct{})
	go func() {
		first := true
		ended <- tr.Events(context.Background(), func(Batch) {
			if first {
				close(running)
				first = false
			}
		})
	}()
	<-running // the machine always switches
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("ended by Close: %v", err)
	}
	_, err1 := tr.ReadAggregates()
	_, err2 := tr.Drops()
	for _, err := range []error{err1, err2, tr.Start(), tr.Events(context.Background(), nil)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if err := tr.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}
