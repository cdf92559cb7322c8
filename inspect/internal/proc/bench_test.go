package proc

import (
	"context"
	"os"
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

// BenchmarkRawFloor times, in alternation, the bare system calls on stat,
// status and statm of every process, and the Reader's and the Scanner's way of
// reading and parsing the same, and reports the ratios of the medians.
func BenchmarkRawFloor(b *testing.B) {
	fs, err := Open("")
	if err != nil {
		b.Fatal(err)
	}
	defer fs.Close()
	r := fs.NewReader()
	pids, err := r.PIDs(nil)
	if err != nil {
		b.Fatal(err)
	}
	if os.Getenv("X20") != "" {
		pids = slices.Repeat(pids, 20)
	}
	pool := NewPool(fs, PoolOptions{})
	defer pool.Close()
	one, two := NewScanner[sample](pool, 1), NewScanner[sample](pool, 2)
	held := NewHeld(0)
	defer held.Close()
	hr := fs.NewReader()
	hr.Hold(held)

	paths, buf := rawPaths(pids), make([]byte, 8<<10)
	var s sample
	visit := func(r *Reader, pid int, out *sample) { out.read(r, pid) }
	scan := func(sc *Scanner[sample]) func() {
		return func() {
			if _, err := sc.Scan(context.Background(), pids, visit); err != nil {
				b.Fatal(err)
			}
		}
	}
	ways := []struct {
		name string
		pass func()
	}{
		{"raw", func() { rawPass(fs.fd, paths, buf) }},
		{"reader", func() {
			for _, pid := range pids {
				s.read(r, pid)
			}
		}},
		{"scan1", scan(one)},
		{"scan2", scan(two)},
		{"held", func() {
			for _, pid := range pids {
				s.read(hr, pid)
			}
		}},
	}
	times := make([][]time.Duration, len(ways))
	for b.Loop() {
		for i, w := range ways {
			t0 := time.Now()
			w.pass()
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
