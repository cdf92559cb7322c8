package proc

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"
)

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
