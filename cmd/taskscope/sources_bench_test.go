package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/load"
	"taskscope/load/spawn"
)

// nap is for how long a thread of a busy herd sleeps at a time.
const nap = time.Second

// loadHerd has a herd of so many processes with so many threads each until the
// benchmark ends. A process of its own runs it, whose CPU time is not ours.
func loadHerd(b *testing.B, processes, threads int, busy bool) {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Stderr = os.Stderr
	cmd.Args = []string{"herd-child", strconv.Itoa(processes), strconv.Itoa(threads), strconv.FormatBool(busy)}
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
		if err := cmd.Wait(); err != nil {
			b.Error("the herd:", err)
		}
	})
	switch line, err := bufio.NewReader(out).ReadString('\n'); {
	case err != nil:
		b.Fatal("the herd:", err) // it has said why
	case line != "ready\n":
		b.Skip("no herd: ", line)
	}
}

// herdChild runs a load until stdin is closed: processes with threads that sleep
// all the time, or, when busy, wake up after every nap.
func herdChild() {
	processes, err := strconv.Atoi(os.Args[1])
	must(err)
	threads, err := strconv.Atoi(os.Args[2])
	must(err)
	run, err := startHerd(processes, threads, os.Args[3] == "true")
	if errors.Is(err, spawn.ErrBudget) { // this machine is too small
		fmt.Println(err)
		return
	}
	must(err)
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	if left, err := run.Stop(context.Background()); err != nil || left != (spawn.LeftBehind{}) {
		must(fmt.Errorf("left behind: %+v, %w", left, err))
	}
}

func startHerd(processes, threads int, busy bool) (*spawn.Run, error) {
	text := fmt.Sprintf("[[process]]\nname = \"h\"\ncount = %d\nphases = [{sleep = %q}]\n", processes, nap)
	if threads > 1 {
		text += fmt.Sprintf("[[process.thread]]\nname = \"w\"\ncount = %d\nphases = [{sleep = %q}]\n", threads-1, nap)
	}
	scenario, err := load.ParseFile("herd", []byte(text))
	if err != nil {
		return nil, err
	}
	plan, err := scenario.Plan(nil)
	if err != nil {
		return nil, err
	}
	for _, p := range plan.Processes {
		for _, t := range p.Threads {
			for i := range t.Ops {
				if op := &t.Ops[i]; op.Kind == load.OpSleepRel && busy {
					op.A = uint64(time.Hour / nap)
				} else if op.Kind == load.OpSleepRel {
					op.B = uint64(time.Hour)
				}
			}
		}
	}
	limits := spawn.Limits{MaxTasks: plan.Budget.Tasks, MaxMemory: plan.Budget.MemoryBytes}
	run, err := spawn.Start(context.Background(), plan, spawn.Options{Limits: limits})
	if err != nil {
		return nil, err
	}
	return run, run.Release()
}

// BenchmarkSources compares, in alternation, passes of both sources with floors of
// raw reads, in CPU time, over herds made by loads of our own. That of the BPF
// source reads stat, status and schedstat of every thread. That of the /proc source
// reads what such a pass cannot do without, also of the processes themselves, and
// does so with as many goroutines, since side by side the same reads cost more. The
// first pass of each source is not counted. Herds at rest flatter both sources,
// which read again only what has moved; of a busy one every thread has switched
// between two passes.
func BenchmarkSources(b *testing.B) {
	for _, tt := range []struct {
		processes, threads int
		busy               bool
	}{
		{10000, 1, false},
		{1000, 20, false},
		{100, 200, false},
		{1000, 20, true},
		{100, 200, true},
	} {
		name := fmt.Sprintf("%dx%d", tt.processes, tt.threads)
		if tt.busy {
			name += ",busy"
		}
		b.Run(name, func(b *testing.B) {
			if testing.Short() {
				b.Skip("a large herd takes its time")
			}
			loadHerd(b, tt.processes, tt.threads, tt.busy)
			benchmarkSources(b, tt.processes*tt.threads, tt.busy)
		})
	}
}

func benchmarkSources(b *testing.B, tasks int, busy bool) {
	bpf, proc := sourceReader(b, inspect.SourceBPF), sourceReader(b, inspect.SourceProc)
	all := inspect.Request{Want: inspect.WantStatus | inspect.WantSchedstat | inspect.WantThreads | inspect.WantCPUClock}
	tree := inspect.Request{Want: inspect.WantTree}
	s, err := bpf.Read(context.Background(), all)
	if err != nil {
		b.Fatal(err)
	}
	var ofThreads, ofBoth []string
	threads := 0
	for _, p := range s.Processes {
		for _, f := range []string{"stat", "statm", "status", "schedstat"} {
			ofBoth = append(ofBoth, fmt.Sprintf("/proc/%d/%s", p.ID.PID, f))
		}
		for i := range p.Threads {
			threads++
			for _, f := range []string{"stat", "status", "schedstat"} {
				path := fmt.Sprintf("/proc/%d/task/%d/%s", p.ID.PID, p.Threads[i].ID.TID, f)
				ofThreads = append(ofThreads, path)
				if len(p.Threads) > 1 {
					ofBoth = append(ofBoth, path)
				}
			}
		}
	}
	if threads < tasks {
		b.Fatalf("%d threads are seen, the herd alone has %d", threads, tasks)
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
		{"bpf-floor", func() { readFloor(ofThreads, 1) }},
		{"proc-floor", func() { readFloor(ofBoth, min(runtime.GOMAXPROCS(0), 2)) }},
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
			begin := ownCPUTime(b)
			w.run()
			times[i] = append(times[i], ownCPUTime(b)-begin)
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
	b.ReportMetric(median(0)/median(2), "bpf-floor/bpf")
	b.ReportMetric(median(3)/median(1), "proc/proc-floor")
}

// sourceReader skips with the probe's reason where there is no BPF at all; where
// there is, the source must work.
func sourceReader(b *testing.B, source string) *inspect.Reader {
	b.Helper()
	r, err := inspect.NewReader(inspect.Options{Source: source})
	if err != nil {
		for _, c := range inspect.Probe(b.Context(), "/proc").Capabilities {
			if source == inspect.SourceBPF && c.ID == "bpf" && c.State != inspect.Available {
				b.Skip(c.Reason)
			}
		}
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	return r
}

// readFloor is the least that reading files can cost: open, read, close on
// prepared paths and one buffer, with so many goroutines.
func readFloor(paths []string, workers int) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			buf := make([]byte, 16<<10)
			for _, path := range paths[w*len(paths)/workers : (w+1)*len(paths)/workers] {
				fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					continue
				}
				_, _ = unix.Read(fd, buf)
				unix.Close(fd)
			}
		})
	}
	wg.Wait()
}

func ownCPUTime(b *testing.B) time.Duration {
	b.Helper()
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
