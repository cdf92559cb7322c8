package proc

import (
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestGuardBackoff(t *testing.T) {
	now := time.Unix(1000, 0)
	g := newGuard(4)
	g.now = func() time.Time { return now }
	hang := func() {
		g.enter(7, FileStat)
		g.strike(7, FileStat)
		g.release(7, FileStat)
	}
	for i, want := range []time.Duration{100, 200, 400, 800} {
		want *= time.Millisecond
		hang()
		now = now.Add(want - 1)
		if !g.refuses(7, FileStat) || !g.refuses(7, FileIO) {
			t.Errorf("hang %d: not refused just before %v", i, want)
		}
		if g.refuses(7, FileCmdline) || g.refuses(7, FileStatus) || g.refuses(8, FileStat) {
			t.Errorf("hang %d: too much is refused", i)
		}
		now = now.Add(1)
		if g.refuses(7, FileStat) {
			t.Errorf("hang %d: refused after %v", i, want)
		}
	}
	now = now.Add(maxBackoff)
	g.tidy()
	if len(g.m) != 0 || g.entries.Load() != 0 {
		t.Errorf("remembered for ever: %v", g.m)
	}
	hang()
	now = now.Add(firstBackoff)
	if g.refuses(7, FileStat) {
		t.Error("old hangs still count")
	}
	for range 40 {
		hang()
	}
	now = now.Add(maxBackoff)
	if g.refuses(7, FileStat) {
		t.Error("the backoff is not bounded")
	}
}

// A read that stood still but was not given up leaves no trace.
func TestGuardNoStrike(t *testing.T) {
	g := newGuard(1)
	g.enter(7, FileStat)
	if !g.refuses(7, FileStat) || !g.refuses(8, FileCmdline) || g.refuses(8, FileStatus) {
		t.Error("while it hangs, at the cap")
	}
	g.release(7, FileStat)
	if g.refuses(7, FileStat) || g.refuses(8, FileCmdline) || len(g.list()) != 0 {
		t.Error("after it came back")
	}
}

// Standing still is judged per part of a file, and with the grant that a file
// whose one part takes long has.
func TestWatch(t *testing.T) {
	f := newTree(t)
	f.process(7)
	r := f.open().NewReader()
	r.guard = newGuard(4)
	w := watch{r: r}
	if w.look() || w.suspect() {
		t.Error("outside of any file")
	}
	if err := r.enter(7, FileSmaps); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if !w.look() {
			t.Error("inside smaps")
		}
	}
	if w.ticks != 2 || !w.late(2, time.Millisecond) || w.late(3, time.Millisecond) {
		t.Errorf("%d ticks", w.ticks)
	}
	r.moved()
	if w.suspect() || len(r.guard.list()) != 0 {
		t.Error("suspected though it has moved")
	}
	if w.look(); w.ticks != 0 {
		t.Errorf("%d ticks after it has moved", w.ticks)
	}
	first, again := w.suspect(), w.suspect()
	if !first || !again || len(r.guard.list()) != 1 {
		t.Error("not suspected, or twice")
	}
	r.moved()
	if len(r.guard.list()) != 0 {
		t.Error("still suspected though it has moved")
	}
	r.leave()

	pages := 2 << 30 / os.Getpagesize()
	f.write("7/statm", "0 "+strconv.Itoa(pages)+" 0 0 0 0 0\n")
	l := r.at(7, 0)
	r.allow(l, FileSmapsRollup)
	if err := r.enter(7, FileSmapsRollup); err != nil {
		t.Fatal(err)
	}
	if got := time.Duration(r.extra.Load()); got != 2*rollupPerGB {
		t.Errorf("2 GB were granted %v", got)
	}
	w.look()
	w.ticks = 5 + int(2*rollupPerGB/time.Millisecond)
	if !w.late(5, time.Millisecond) || w.late(6, time.Millisecond) {
		t.Error("the grant does not count")
	}
	r.leave()
	if err := r.enter(7, FileStat); err != nil || r.extra.Load() != 0 {
		t.Errorf("the grant outlives its read: %v", err)
	}
	r.leave()
}

// A Reader whose system call has returned, but which waits until the Go runtime
// lets it run on, is not stuck either: its thread sleeps then, in a futex.
func TestStarvedInRuntime(t *testing.T) {
	f := newTree(t)
	f.process(7)
	r := f.open().NewReader()
	r.guard = newGuard(4)
	goOn := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		r.bind()
		defer r.unbind()
		_ = r.enter(7, FileStat)
		<-goOn
		r.leave()
	})
	defer wg.Wait()
	defer close(goOn)
	w := watch{r: r}
	for stop := time.Now().Add(patience); w.excused < 3; time.Sleep(time.Millisecond) {
		if w.look(); time.Now().After(stop) {
			t.Fatalf("not excused: %d ticks count", w.ticks)
		}
	}
}

// A thread that wants a CPU is not stuck, one that sleeps in the kernel is.
func TestStarved(t *testing.T) {
	f := newTree(t)
	f.process(7)
	fs := f.open()
	q := f.hang("7/stat", true)
	var end atomic.Bool
	var wg sync.WaitGroup
	spin, hang := fs.NewReader(), fs.NewReader()
	spin.guard, hang.guard = newGuard(4), newGuard(4)
	wg.Go(func() {
		spin.bind()
		defer spin.unbind()
		_ = spin.enter(7, FileStat)
		for !end.Load() {
		}
		spin.leave()
	})
	wg.Go(func() {
		hang.bind()
		defer hang.unbind()
		_, _ = hang.File(7, FileStat)
	})
	defer wg.Wait()
	defer q.release("x")
	defer end.Store(true)

	s, h := watch{r: spin}, watch{r: hang}
	for stop := time.Now().Add(patience); h.ticks < 3; time.Sleep(time.Millisecond) {
		if h.look(); time.Now().After(stop) {
			t.Fatal("the hanging thread is not seen to hang")
		}
	}
	for stop := time.Now().Add(patience); s.excused < 3; time.Sleep(time.Millisecond) {
		if s.look(); time.Now().After(stop) {
			t.Fatal("the spinning thread is not excused")
		}
	}
	for s.ticks == 0 {
		if s.look(); s.excused > maxExcused {
			t.Fatal("it is excused for ever")
		}
	}
	if !s.suspect() || !h.suspect() {
		t.Error("not suspected in the end")
	}
	spin.tid.Store(0)
	if spin.starved() {
		t.Error("a Reader without a thread is starved")
	}
}
