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

// crowd is the number of threads of each process of the herd of threads.
const crowd = 200

// crowds starts n processes of so many sleeping threads.
func crowds(b testing.TB, n int) {
	b.Helper()
	for range n {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), helperEnv+"=crowd", "GOMAXPROCS=1")
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
// first pass of each source is not counted.
func BenchmarkSources(b *testing.B) {
	for _, tt := range []struct {
		name string
		herd func(b *testing.B)
	}{
		{"processes=10000", func(b *testing.B) { herd(b, 10000) }},
		{"threads=20000", func(b *testing.B) { crowds(b, 20000/crowd) }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			if testing.Short() {
				b.Skip("a large herd takes its time")
			}
			tt.herd(b)
			benchmarkSources(b)
		})
	}
}

func benchmarkSources(b *testing.B) {
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
}
