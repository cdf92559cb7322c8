package proc

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
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
