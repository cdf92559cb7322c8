package proc

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sample is what the benchmarks read of one process.
type sample struct {
	stat   Stat
	status Status
	statm  Statm
	err    error
}

func (s *sample) read(r *Reader, pid int) {
	if s.err = r.Stat(pid, &s.stat); s.err != nil {
		return
	}
	if s.err = r.Status(pid, &s.status); s.err != nil {
		return
	}
	s.err = r.Statm(pid, &s.statm)
}

// rawPass is the floor: open, read and close the same files with the bare
// system calls, prebuilt paths, and no look at the content.
func rawPass(root int, paths []string, buf []byte) {
	for _, p := range paths {
		fd, err := unix.Openat(root, p, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		_, _ = unix.Read(fd, buf)
		_ = unix.Close(fd)
	}
}

func rawPaths(pids []int) []string {
	var paths []string
	for _, pid := range pids {
		for _, f := range []string{"/stat", "/status", "/statm"} {
			paths = append(paths, strconv.Itoa(pid)+f)
		}
	}
	return paths
}

// way is one way of reading and parsing the three files of all processes.
type way struct {
	name string
	pass func() error
}

// ways lists them; the first is the floor.
func ways(fs *FS, pool *Pool, held *Held, pids []int) []way {
	visit := func(r *Reader, pid int, out *sample) { out.read(r, pid) }
	scan := func(workers int) func() error {
		s := NewScanner[sample](pool, workers)
		return func() error {
			_, err := s.Scan(context.Background(), pids, visit)
			return err
		}
	}
	direct := func(r *Reader) func() error {
		var s sample
		return func() error {
			for _, pid := range pids {
				s.read(r, pid)
			}
			return nil
		}
	}
	holding := fs.NewReader()
	holding.Hold(held)
	paths, buf := rawPaths(pids), make([]byte, 8<<10)
	return []way{
		{"raw", func() error { rawPass(fs.fd, paths, buf); return nil }},
		{"reader", direct(fs.NewReader())},
		{"scan1", scan(1)},
		{"scan2", scan(2)},
		{"held", direct(holding)},
	}
}

// BenchmarkRawFloor times, in alternation, the bare system calls on stat,
// status and statm of every process, and our ways of reading and parsing the
// same, and reports the ratios of the medians. "all": as many processes as there
// are; "2000": their list repeated, so that the fixed cost of a pass vanishes.
func BenchmarkRawFloor(b *testing.B) {
	b.Run("all", func(b *testing.B) { benchmarkRawFloor(b, 1) })
	b.Run("2000", func(b *testing.B) { benchmarkRawFloor(b, 2000) })
}

func benchmarkRawFloor(b *testing.B, least int) {
	fs, r := openLive(b)
	pids, err := r.PIDs(nil)
	if err != nil {
		b.Fatal(err)
	}
	pids = slices.Repeat(pids, (least+len(pids)-1)/len(pids))
	pool := NewPool(fs, PoolOptions{})
	defer pool.Close()
	held := NewHeld(0)
	defer held.Close()
	ways := ways(fs, pool, held, pids)
	times := make([][]time.Duration, len(ways))
	for b.Loop() {
		for i, w := range ways {
			t0 := time.Now()
			if err := w.pass(); err != nil {
				b.Fatal(err)
			}
			times[i] = append(times[i], time.Since(t0))
		}
	}
	median := func(i int) float64 {
		slices.Sort(times[i])
		return float64(times[i][len(times[i])/2])
	}
	floor := median(0)
	b.ReportMetric(floor/float64(len(pids)), "raw-ns/process")
	for i, w := range ways[1:] {
		b.ReportMetric(median(i+1)/floor, w.name+"/raw")
	}
}
