package bpf

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// BenchmarkPass compares a pass with the least that /proc costs for the same
// tasks in the same run: stat, status and schedstat of each, by raw calls, into
// a reused buffer, not parsed.
func BenchmarkPass(b *testing.B) {
	s := openSource(b)
	for range 10 {
		startHelper(b, "threads", 50).line()
	}
	tasks, err := s.Pass(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bpf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if tasks, err = s.Pass(tasks[:0]); err != nil {
				b.Fatal(err)
			}
		}
		perTask(b, len(tasks))
	})
	var paths []string
	for i := range tasks {
		for _, file := range []string{"stat", "status", "schedstat"} {
			paths = append(paths, fmt.Sprintf("/proc/%d/task/%d/%s", tasks[i].TGID, tasks[i].TID, file))
		}
	}
	buf := make([]byte, 8192)
	b.Run("proc", func(b *testing.B) {
		for b.Loop() {
			for _, p := range paths {
				fd, err := unix.Open(p, unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					continue // gone meanwhile
				}
				_, _ = unix.Read(fd, buf)
				_ = unix.Close(fd)
			}
		}
		perTask(b, len(paths)/3)
	})
}

func perTask(b *testing.B, tasks int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(tasks), "ns/task")
	b.ReportMetric(float64(tasks), "tasks")
}

func BenchmarkOne(b *testing.B) {
	s := openSource(b)
	for _, threads := range []int{1, 100} {
		h := startHelper(b, "threads", threads)
		h.line()
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			var tasks []Task
			for b.Loop() {
				var err error
				if tasks, err = s.One(h.pid, 0, tasks[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTotals(b *testing.B) {
	tot := openTotals(b)
	h := startHelper(b, "threads", 20)
	h.line()
	for b.Loop() {
		if _, err := tot.Totals(h.pid); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is what a start costs, with the kernel's types at hand.
func BenchmarkOpen(b *testing.B) {
	openSource(b)
	b.Run("source", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(context.Background(), sharedTypes)
			require(b, err)
			_ = s.Close()
		}
	})
	b.Run("tracer", func(b *testing.B) {
		for b.Loop() {
			tr, err := NewTracer(context.Background(), TracerOptions{Aggregates: true, Types: sharedTypes})
			require(b, err)
			_ = tr.Close()
		}
	})
	b.Run("types", func(b *testing.B) {
		for b.Loop() {
			if err := new(Types).ready(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkTraced is what tracing costs two threads that do nothing but switch:
// an operation is a byte there and back over two pipes, four switches.
func BenchmarkTraced(b *testing.B) {
	openSource(b)
	other := startHelper(b, "pause")
	other.line()
	for _, mode := range []struct {
		name string
		opt  *TracerOptions
		pick func(pid int) []int
	}{
		{"none", nil, nil},
		{"another", &TracerOptions{Aggregates: true}, func(int) []int { return []int{other.pid} }},
		{"aggregates", &TracerOptions{Aggregates: true}, func(pid int) []int { return []int{pid} }},
		{"aggregates+pairs", &TracerOptions{Aggregates: true, Pairs: true}, func(pid int) []int { return []int{pid} }},
		{"descendants", &TracerOptions{Aggregates: true, Descendants: true}, func(pid int) []int { return []int{pid} }},
		{"events", &TracerOptions{Events: true}, func(pid int) []int { return []int{pid} }},
		{"all events", &TracerOptions{Events: true}, func(int) []int { return nil }},
	} {
		b.Run(mode.name, func(b *testing.B) {
			h := startHelper(b, "pingpong", b.N)
			h.line()
			if mode.opt != nil {
				opt := *mode.opt
				opt.Targets = mode.pick(h.pid)
				tr := newTracer(b, opt)
				if err := tr.Start(); err != nil {
					b.Fatal(err)
				}
				stop := drain(b, tr)
				defer stop()
			}
			b.ResetTimer()
			h.ask("")
			b.StopTimer()
		})
	}
}

// drain reads events until the returned function is called, which reports what
// was lost.
func drain(b *testing.B, tr *Tracer) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int)
	go func() {
		n := 0
		if err := tr.Events(ctx, func(batch Batch) { n += len(batch.Events) }); err != nil {
			b.Error(err)
		}
		done <- n
	}()
	return func() {
		cancel()
		n := <-done
		d, err := tr.Drops()
		if err != nil {
			b.Fatal(err)
		}
		if n > 0 {
			b.ReportMetric(float64(n)/float64(b.N), "events/op")
			b.ReportMetric(float64(d.Dropped)/float64(b.N), "lost/op")
		}
	}
}

// TestCostOfPrograms logs the kernel's own measurement of each program, on
// request: TASKSCOPE_BPF_STATS=1.
func TestCostOfPrograms(t *testing.T) {
	if os.Getenv("TASKSCOPE_BPF_STATS") == "" {
		t.Skip("TASKSCOPE_BPF_STATS is not set")
	}
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		t.Skip(err)
	}
	defer stats.Close()
	idle := startHelper(t, "pause")
	idle.line()
	for _, opt := range []TracerOptions{
		{Aggregates: true, Pairs: true, Targets: []int{idle.pid}}, // filtered out
		{Aggregates: true, Pairs: true, Targets: []int{idle.pid}, Descendants: true},
		{Aggregates: true},
		{Aggregates: true, Pairs: true},
		{Events: true},
	} {
		h := startHelper(t, "pingpong", 50000)
		h.line()
		if len(opt.Targets) == 0 {
			opt.Targets = []int{h.pid}
		}
		tr := startTracer(t, opt)
		h.ask("")
		for name, p := range tr.coll.Programs {
			if s, err := p.Stats(); err == nil && s.RunCount > 0 {
				t.Logf("%+v %s: %v a run, %d runs", opt, name, s.Runtime/time.Duration(s.RunCount), s.RunCount)
			}
		}
	}
}
