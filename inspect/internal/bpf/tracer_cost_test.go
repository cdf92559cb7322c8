package bpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// helperPairs answers each line, a number n and some CPUs, with how many ns n
// bytes there and back took between two threads of each CPU.
func helperPairs([]string) {
	// A thread keeps its P while it waits: the calls below are raw, so that the
	// runtime's share in them does not hide what a switch costs.
	runtime.GOMAXPROCS(2*runtime.NumCPU() + 2)
	debug.SetGCPercent(-1)
	fmt.Println(os.Getpid())
	for {
		f := strings.Fields(readLine())
		if len(f) < 2 {
			return
		}
		n, _ := strconv.Atoi(f[0])
		var wg sync.WaitGroup
		var pipes []int
		begun := time.Now()
		for _, c := range f[1:] {
			cpu, _ := strconv.Atoi(c)
			pipes = append(pipes, pair(&wg, n, cpu)...)
		}
		wg.Wait()
		fmt.Println(time.Since(begun).Nanoseconds())
		for _, fd := range pipes {
			unix.Close(fd)
		}
	}
}

func readLine() string {
	var line []byte
	var b [1]byte
	for {
		n, err := unix.Read(0, b[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case n == 0 || err != nil || b[0] == '\n':
			return string(line)
		default:
			line = append(line, b[0])
		}
	}
}

// pair starts two threads on one CPU that hand each other a byte, n times, and
// returns the descriptors they use.
func pair(wg *sync.WaitGroup, n, cpu int) []int {
	var a, b [2]int
	if err := errors.Join(unix.Pipe2(a[:], unix.O_CLOEXEC), unix.Pipe2(b[:], unix.O_CLOEXEC)); err != nil {
		panic(err)
	}
	run := func(first bool, from, to int) {
		thread(wg, func() {
			var set unix.CPUSet
			set.Set(cpu)
			if err := unix.SchedSetaffinity(0, &set); err != nil {
				panic(err)
			}
			for range n {
				if first {
					raw(unix.SYS_WRITE, to)
				}
				raw(unix.SYS_READ, from)
				if !first {
					raw(unix.SYS_WRITE, to)
				}
			}
		})
	}
	run(true, b[0], a[1])
	run(false, a[0], b[1])
	return append(a[:], b[:]...)
}

// raw reads or writes one byte.
func raw(call uintptr, fd int) {
	var b [1]byte
	for {
		n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1)
		switch {
		case errno == unix.EINTR:
		case errno != 0 || n != 1:
			panic(errno)
		default:
			return
		}
	}
}

// usableCPUs are those that this process may use.
func usableCPUs(t testing.TB) []int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	var cpus []int
	for c := range 1024 {
		if set.IsSet(c) {
			cpus = append(cpus, c)
		}
	}
	return cpus
}

// BenchmarkBystander is what a tracer costs another process than the traced one:
// two threads on one CPU that do nothing but wake each other, the dearest case
// there is. Rounds with and without alternate; overhead-% is the median of the
// ratios of neighbours. An operation is a byte there and back.
//
//	go test -run - -bench Bystander -benchtime 1x ./inspect/internal/bpf
func BenchmarkBystander(b *testing.B) {
	const rounds, trips = 61, 10_000
	openSource(b)
	idle := startHelper(b, "pause")
	idle.line()
	for _, mode := range []struct {
		name   string
		opt    TracerOptions
		itself bool
	}{
		{"none", TracerOptions{}, false}, // the noise
		{"aggregates", TracerOptions{Aggregates: true}, false},
		{"descendants", TracerOptions{Aggregates: true, Births: true, Descendants: true}, false},
		{"events", TracerOptions{Aggregates: true, Events: true}, false},
		{"events and pairs", TracerOptions{Aggregates: true, Pairs: true, Events: true}, false}, // as the command trace
		{"the traced one itself, aggregates", TracerOptions{Aggregates: true}, true},
		{"the traced one itself, events and pairs", TracerOptions{Aggregates: true, Pairs: true, Events: true}, true},
	} {
		b.Run(mode.name, func(b *testing.B) {
			h := startHelper(b, "pairs")
			h.line()
			cpu := usableCPUs(b)[0]
			round := func() float64 { return float64(h.ask(fmt.Sprint(trips, cpu))[0]) / trips }
			mode.opt.Targets = []int{idle.pid}
			if mode.itself {
				mode.opt.Targets = []int{h.pid}
			}
			s := newSwitchable(b, mode.name != "none", mode.opt)
			var plain, traced, ratios []float64
			round() // warm
			for b.Loop() {
				for range rounds {
					s.attach(true)
					with := round()
					s.attach(false)
					without := round()
					plain, traced, ratios = append(plain, without), append(traced, with), append(ratios, with/without)
				}
			}
			b.ReportMetric(median(plain), "ns/trip-without")
			b.ReportMetric(median(traced), "ns/trip-with")
			b.ReportMetric(100*(median(ratios)-1), "overhead-%")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// switchable is a tracer whose programs can be taken off and put on again. The
// reader of its events runs all the time.
type switchable struct {
	b  *testing.B
	tr *Tracer // nil: none
}

func newSwitchable(b *testing.B, wanted bool, opt TracerOptions) *switchable {
	if !wanted {
		return &switchable{b: b}
	}
	tr := newTracer(b, opt)
	if err := tr.Start(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Events(ctx, func(Batch) {}) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	s := &switchable{b, tr}
	s.attach(false)
	return s
}

func (s *switchable) attach(on bool) {
	if s.tr == nil {
		return
	}
	if on {
		if err := s.tr.attach(); err != nil {
			s.b.Fatal(err)
		}
		return
	}
	for _, l := range s.tr.links {
		if err := l.Close(); err != nil {
			s.b.Fatal(err)
		}
	}
	s.tr.links = nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// BenchmarkEventRate fills the ring as fast as the machine can: a pair on each
// CPU. An operation is a byte there and back of each pair.
//
//	go test -run - -bench EventRate -benchtime 1000000x ./inspect/internal/bpf
func BenchmarkEventRate(b *testing.B) {
	openSource(b)
	for _, mode := range []struct {
		name string
		ring int
		cpus int
		sums bool // as the command trace has them, too
	}{
		{"4MiB", 4 << 20, 1, false},
		{"4MiB-sums", 4 << 20, 1, true},
		{"4MiB-all-CPUs", 4 << 20, runtime.NumCPU(), false},
		{"4MiB-all-CPUs-sums", 4 << 20, runtime.NumCPU(), true},
		{"256KiB-all-CPUs", 256 << 10, runtime.NumCPU(), false},
	} {
		b.Run(mode.name, func(b *testing.B) {
			h := startHelper(b, "pairs")
			h.line()
			tr := newTracer(b, TracerOptions{Targets: []int{h.pid}, Aggregates: mode.sums, Pairs: mode.sums, Events: true, RingBytes: mode.ring})
			if err := tr.Start(); err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			read := make(chan int, 1)
			go func() {
				n := 0
				if err := tr.Events(ctx, func(batch Batch) { n += len(batch.Events) }); err != nil {
					b.Error(err)
				}
				read <- n
			}()
			cpus := usableCPUs(b)
			args := append([]any{b.N}, anys(cpus[:min(mode.cpus, len(cpus))])...)
			b.ResetTimer()
			took := h.ask(strings.TrimSuffix(fmt.Sprintln(args...), "\n"))[0]
			b.StopTimer()
			if err := tr.Stop(); err != nil {
				b.Fatal(err)
			}
			cancel()
			n := <-read
			d, err := tr.Drops()
			if err != nil {
				b.Fatal(err)
			}
			if uint64(n) != d.Emitted {
				b.Errorf("%d events read, %d emitted", n, d.Emitted)
			}
			b.ReportMetric(float64(d.Emitted+d.Dropped)*1e9/float64(took), "events/s")
			b.ReportMetric(float64(n), "read")
			b.ReportMetric(float64(d.Dropped), "dropped")
		})
	}
}

func anys(list []int) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}
