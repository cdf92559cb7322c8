package inspect_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"taskscope/inspect"
)

// nap is for how long a thread of a busy herd sleeps at a time.
const nap = time.Second

// crowds starts n processes of so many threads that sleep again and again, each
// time for so long.
func crowds(b testing.TB, n, threads int, nap time.Duration) {
	b.Helper()
	for range n {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), helperEnv+"=crowd", fmt.Sprint(crowdEnv, "=", threads, " ", int64(nap)), "GOMAXPROCS=1")
		in, err := cmd.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			in.Close()
			_ = cmd.Wait()
		})
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
			b.Skipf("no crowd: %q, %v", line, err)
		}
	}
}

// BenchmarkSources compares, in alternation, passes of both sources with the
// floor of reading stat, status and schedstat of every thread, in CPU time. The
// first pass of each source is not counted. Herds at rest flatter both sources,
// which read again only what has moved; of a busy one every thread has switched
// between two passes.
func BenchmarkSources(b *testing.B) {
	for _, tt := range []struct {
		name string
		busy bool
		herd func(b *testing.B)
	}{
		{"processes=10000", false, func(b *testing.B) { herd(b, 10000) }},
		{"threads=100x200", false, func(b *testing.B) { crowds(b, 100, 200, time.Hour) }},
		{"threads=1000x20", false, func(b *testing.B) { crowds(b, 1000, 20, time.Hour) }},
		{"threads=100x200,busy", true, func(b *testing.B) { crowds(b, 100, 200, nap) }},
		{"threads=1000x20,busy", true, func(b *testing.B) { crowds(b, 1000, 20, nap) }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			if testing.Short() {
				b.Skip("a large herd takes its time")
			}
			tt.herd(b)
			benchmarkSources(b, tt.busy)
		})
	}
}

func benchmarkSources(b *testing.B, busy bool) {
	bpf := openBPF(b)
	proc := open(b, "")
	all := inspect.Request{Want: inspect.WantStatus | inspect.WantSchedstat | inspect.WantThreads | inspect.WantCPUClock}
	tree := inspect.Request{Want: inspect.WantTree}
	var paths []string
	threads := 0
	for _, p := range read(b, bpf, all).Processes {
		for i := range p.Threads {
			threads++
			for _, f := range []string{"stat", "status", "schedstat"} {
				paths = append(paths, fmt.Sprintf("/proc/%d/task/%d/%s", p.ID.PID, p.Threads[i].ID.TID, f))
			}
		}
	}
	pass := func(r *inspect.Reader, q inspect.Request) func() {
		return func() {
			if _, err := r.Read(context.Background(), q); err != nil {
				b.Fatal(err)
			}
		}
	}
	ways := []struct {
		name string
		run  func()
	}{
		{"floor", func() { floor(paths, 1) }},
		{"bpf", pass(bpf, all)},
		{"proc", pass(proc, all)},
		{"bpf-tree", pass(bpf, tree)},
		{"proc-tree", pass(proc, tree)},
	}
	times := make([][]time.Duration, len(ways))
	for b.Loop() {
		for i, w := range ways {
			w.run() // another request than in the pass before
			if busy {
				time.Sleep(nap + nap/4)
			}
			begin := cpuTime(b)
			w.run()
			times[i] = append(times[i], cpuTime(b)-begin)
		}
	}
	median := func(i int) float64 {
		slices.Sort(times[i])
		return float64(times[i][len(times[i])/2])
	}
	b.ReportMetric(float64(threads), "threads")
	for i, w := range ways {
		b.ReportMetric(median(i)/1e6, w.name+"-ms")
	}
	b.ReportMetric(median(0)/median(1), "floor/bpf")
	b.ReportMetric(median(2)/median(0), "proc/floor")
}
