package proc

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for something that must happen, on a busy
// machine too; it is never waited for when all is well.
const patience = 20 * time.Second

// fifo is a file of a fake tree whose readers hang.
type fifo struct {
	f      tree
	path   string
	writer int // descriptor that keeps readers inside read instead of open, or -1
}

// hang replaces a file by a FIFO: its readers hang inside open, or inside read.
func (f tree) hang(path string, inRead bool) *fifo {
	f.t.Helper()
	p := f.path(path)
	if err := os.Remove(p); err != nil {
		f.t.Fatal(err)
	}
	if err := unix.Mkfifo(p, 0o644); err != nil {
		f.t.Fatal(err)
	}
	q := &fifo{f: f, path: p, writer: -1}
	if inRead {
		q.open()
	}
	return q
}

func (q *fifo) open() {
	q.f.t.Helper()
	var err error
	if q.writer, err = unix.Open(q.path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
		q.f.t.Fatal(err)
	}
}

// release puts an ordinary file in place of the FIFO and lets the readers of
// the FIFO go, with the same content.
func (q *fifo) release(content string) {
	q.f.t.Helper()
	old := q.path + ".old"
	if err := os.Rename(q.path, old); err != nil {
		q.f.t.Fatal(err)
	}
	if err := os.WriteFile(q.path, []byte(content), 0o644); err != nil {
		q.f.t.Fatal(err)
	}
	if q.writer < 0 {
		q.path = old
		q.open()
	}
	if _, err := unix.Write(q.writer, []byte(content)); err != nil {
		q.f.t.Fatal(err)
	}
	unix.Close(q.writer)
}

// row is what the tests read of one process.
type row struct {
	stat                Stat
	status              Status
	statErr, statusErr  error
	cmdlineErr, statmEr error
	statm               Statm
}

func readRow(r *Reader, pid int, out *row) {
	out.statErr = r.Stat(pid, &out.stat)
	out.statusErr = r.Status(pid, &out.status)
	out.statmEr = r.Statm(pid, &out.statm)
	_, _, out.cmdlineErr = r.Cmdline(pid)
}

func (o *row) ok() bool {
	return o != nil && o.statErr == nil && o.statusErr == nil && o.statmEr == nil && o.cmdlineErr == nil
}

// rig is a tree of processes with a Pool and a Scanner on it.
type rig struct {
	tree
	pids []int
	pool *Pool
	scan *Scanner[row]
}

func newRig(t testing.TB, processes, workers int, o PoolOptions) *rig {
	g := &rig{tree: newTree(t)}
	for i := range processes {
		g.pids = append(g.pids, 100+i)
		g.process(100 + i)
	}
	g.pool = NewPool(g.open(), o)
	g.scan = NewScanner[row](g.pool, workers)
	return g
}

func (g *rig) pass() []*row {
	g.t.Helper()
	t0 := time.Now()
	rows, err := g.scan.Scan(context.Background(), g.pids, readRow)
	if err != nil {
		g.t.Fatal(err)
	}
	if d := time.Since(t0); d > patience {
		g.t.Fatalf("the pass took %v", d)
	}
	return rows
}

func (g *rig) running() int {
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	return g.pool.running
}

// close closes the Pool and checks that nothing is left behind.
func (g *rig) close() {
	g.t.Helper()
	g.eventually("the pool to drain", func() bool { return g.pool.Close() == nil })
}

// eventually polls a condition.
func (g *rig) eventually(what string, cond func() bool) {
	g.t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 64<<10)
			g.t.Fatalf("waited too long for %s\n%s", what, buf[:runtime.Stack(buf, true)])
		}
	}
}

func TestScan(t *testing.T) {
	for _, processes := range []int{0, 1, chunkSize, chunkSize + 1, 300} {
		g := newRig(t, processes, 2, PoolOptions{})
		for range 3 { // results and blocks are reused
			rows := g.pass()
			if len(rows) != processes {
				t.Fatalf("%d rows of %d", len(rows), processes)
			}
			for i, r := range rows {
				if !r.ok() || r.stat.PID != g.pids[i] || r.status.Pid != g.pids[i] {
					t.Fatalf("row %d: %+v", i, r)
				}
			}
		}
		if n := g.running(); n != 0 {
			t.Errorf("%d goroutines left", n)
		}
		g.close()
	}
}

func TestScanHang(t *testing.T) {
	for _, where := range []string{"open", "read"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, 150, 2, PoolOptions{Limit: 50 * time.Millisecond})
			stuck := []int{100, 131, 132, 200}
			var fifos []*fifo
			for _, pid := range stuck {
				fifos = append(fifos, g.hang(strconv.Itoa(pid)+"/stat", where == "read"))
			}
			rows := g.pass()
			g.checkStuck(rows, stuck)
			kept := rows[0].status.Pid

			// Further passes do not read the stuck files again.
			for range 3 {
				rows = g.pass()
				g.checkStuck(rows, stuck)
			}
			if n := g.running(); n != len(stuck) {
				t.Errorf("%d goroutines inside for %d stuck files", n, len(stuck))
			}
			if err := g.pool.Close(); err == nil {
				t.Error("Close did not tell that reads hang")
			}
			g.reopen()

			for i, q := range fifos {
				q.release(statText(stuck[i], "back"))
			}
			g.eventually("the readers to come back", func() bool { return g.running() == 0 })
			if rows[0].status.Pid != kept || !errors.Is(rows[0].statErr, ErrStuck) {
				t.Errorf("a late reader wrote into a published row: %+v", rows[0])
			}
			g.eventually("the rows to recover", func() bool {
				rows = g.pass()
				return !slices.ContainsFunc(rows, func(r *row) bool { return !r.ok() })
			})
			if string(rows[0].stat.Comm) != "back" {
				t.Errorf("comm %q", rows[0].stat.Comm)
			}
			g.close()
		})
	}
}

// reopen undoes Close, so that a test can go on with the same Pool.
func (g *rig) reopen() {
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	g.pool.closed = false
}

// checkStuck: the stat of the stuck ones is refused, everything else is read.
func (g *rig) checkStuck(rows []*row, stuck []int) {
	g.t.Helper()
	for i, r := range rows {
		switch {
		case r == nil:
			g.t.Fatalf("no row of %d", g.pids[i])
		case r.statusErr != nil || r.statmEr != nil || r.cmdlineErr != nil || r.status.Pid != g.pids[i]:
			g.t.Fatalf("%d: files that do not hang were not read: %+v", g.pids[i], r)
		case slices.Contains(stuck, g.pids[i]):
			if !errors.Is(r.statErr, ErrStuck) {
				g.t.Fatalf("%d: stat: %v", g.pids[i], r.statErr)
			}
		case r.statErr != nil || r.stat.PID != g.pids[i]:
			g.t.Fatalf("%d: stat: %v", g.pids[i], r.statErr)
		}
	}
	var pids []int
	for _, h := range g.pool.Hanging() {
		if h.File != FileStat || h.Since.IsZero() {
			g.t.Errorf("hanging: %+v", h)
		}
		pids = append(pids, h.PID)
	}
	if !slices.Equal(pids, stuck) {
		g.t.Errorf("hanging: %v, want %v", pids, stuck)
	}
}

// A read that stands still but comes back within the limit costs nothing: the
// row is complete.
func TestScanSlow(t *testing.T) {
	g := newRig(t, 100, 1, PoolOptions{Limit: patience})
	q := g.hang("120/stat", true)
	released := make(chan struct{})
	go func() {
		defer close(released)
		for len(g.pool.Hanging()) == 0 {
			time.Sleep(time.Millisecond)
		}
		q.release(statText(120, "slow"))
	}()
	rows := g.pass()
	<-released
	for i, r := range rows {
		if !r.ok() {
			t.Errorf("%d: %+v", g.pids[i], r)
		}
	}
	if string(rows[20].stat.Comm) != "slow" {
		t.Errorf("comm %q", rows[20].stat.Comm)
	}
	if g.pool.Refuses(120, FileStat) {
		t.Error("a read that came back in time is held against its process")
	}
	g.close()
}

func TestScanCap(t *testing.T) {
	const cap = 3
	g := newRig(t, 200, 1, PoolOptions{Limit: 20 * time.Millisecond, MaxStuck: cap})
	stuck := []int{110, 120, 130, 140, 150, 160, 170, 180}
	var fifos []*fifo
	for _, pid := range stuck {
		fifos = append(fifos, g.hang(strconv.Itoa(pid)+"/stat", true))
	}
	refused := 0
	for range 4 {
		rows := g.pass()
		refused = 0
		for i, r := range rows {
			if r == nil || r.statusErr != nil || r.statmEr != nil {
				t.Fatalf("%d: files that never block were not read: %+v", g.pids[i], r)
			}
			if errors.Is(r.statErr, ErrStuck) {
				refused++
			}
		}
		// One suspicion adds one worker, so as many reads may be under way at
		// the moment the cap is reached.
		if n := g.running(); n < cap || n > 2*cap {
			t.Errorf("%d reads hang, cap %d", n, cap)
		}
	}
	if refused != len(g.pids) {
		t.Errorf("at the cap %d of %d stat were refused", refused, len(g.pids))
	}
	for i, q := range fifos {
		q.release(statText(stuck[i], "back"))
	}
	g.eventually("the rows to recover", func() bool {
		return !slices.ContainsFunc(g.pass(), func(r *row) bool { return !r.ok() })
	})
	g.close()
}

// A file that never blocks hangs all the same: the pass ends, with no row.
func TestScanHangOfNonBlockingFile(t *testing.T) {
	g := newRig(t, 100, 2, PoolOptions{Limit: 20 * time.Millisecond, MaxStuck: 2})
	var fifos []*fifo
	for pid := 100; pid < 200; pid++ {
		fifos = append(fifos, g.hang(strconv.Itoa(pid)+"/status", true))
	}
	for range 3 {
		g.pass()
		if n := g.running(); n > hardCapFactor*2+2 {
			t.Errorf("%d goroutines", n)
		}
	}
	for _, q := range fifos {
		q.release("Name:\tx\nPid:\t1\n")
	}
	g.eventually("the rows to recover", func() bool {
		return !slices.ContainsFunc(g.pass(), func(r *row) bool { return !r.ok() })
	})
	g.close()
}

func TestScanCancel(t *testing.T) {
	g := newRig(t, 100, 2, PoolOptions{Limit: time.Hour})
	q := g.hang("120/stat", true)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for len(g.pool.Hanging()) == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	rows, err := g.scan.Scan(ctx, g.pids, readRow)
	if rows != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	q.release(statText(120, "x"))
	g.pool.limit = time.Millisecond // of Close
	g.close()
	if _, err := g.scan.Scan(context.Background(), g.pids, readRow); !errors.Is(err, ErrStuck) {
		t.Errorf("Scan on a closed Pool: %v", err)
	}
}

func TestDo(t *testing.T) {
	for _, where := range []string{"open", "read"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, 2, 1, PoolOptions{Limit: 30 * time.Millisecond})
			cmdline := func(pid int) ([]string, error) {
				return Do(context.Background(), g.pool, pid, FileCmdline, func(r *Reader) ([]string, error) {
					args, _, err := r.Cmdline(pid)
					return args, err
				})
			}
			if args, err := cmdline(100); err != nil || !slices.Equal(args, []string{"p100", "-x"}) {
				t.Fatal(args, err)
			}
			q := g.hang("100/cmdline", where == "read")
			for range 3 {
				if args, err := cmdline(100); !errors.Is(err, ErrStuck) || args != nil {
					t.Fatal(args, err)
				}
			}
			if n := g.running(); n != 1 {
				t.Errorf("%d goroutines inside one stuck file", n)
			}
			// The same lock is refused, another one is not, nor another process.
			for f, refused := range map[File]bool{
				FileCmdline: true, FileMaps: true, FileSmapsRollup: true, FileStat: false, FileStatus: false, FileIO: false,
			} {
				if g.pool.Refuses(100, f) != refused {
					t.Errorf("%s refused: %v", f, !refused)
				}
			}
			if args, err := cmdline(101); err != nil || len(args) != 2 {
				t.Error(args, err)
			}
			q.release("back\x00")
			g.eventually("recovery", func() bool {
				args, err := cmdline(100)
				return err == nil && slices.Equal(args, []string{"back"})
			})
			g.close()
			if _, err := cmdline(101); !errors.Is(err, ErrStuck) {
				t.Errorf("Do on a closed Pool: %v", err)
			}
		})
	}
}

func TestDoCancel(t *testing.T) {
	g := newRig(t, 1, 1, PoolOptions{Limit: time.Hour})
	q := g.hang("100/stat", true)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	var s Stat
	_, err := Do(ctx, g.pool, 100, FileStat, func(r *Reader) (int, error) { return 0, r.Stat(100, &s) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := Do(ctx, g.pool, 100, FileStatus, func(*Reader) (int, error) { return 1, nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	q.release(statText(100, "x"))
	g.pool.limit = time.Millisecond // of Close
	g.close()
}

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
