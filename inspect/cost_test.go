package inspect_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// A pass in which nothing changes allocates for the snapshot and for its
// workers, but nothing per process.
func TestReadAllocatesNothingPerProcess(t *testing.T) {
	if raceEnabled {
		t.Skip("allocations are counted without -race")
	}
	const few, many = 32, 288
	cost := func(n int) float64 {
		f := inspecttest.NewFakeProc(t)
		for i := range n {
			p := inspecttest.FakeProcess{PID: 1000 + i*10, PPID: 1, Pages: 10, Comm: "p" + strconv.Itoa(i), Cmdline: "a\x00b\x00"}
			if i%4 == 0 {
				p.Threads = []inspecttest.FakeThread{{TID: p.PID + 1, Comm: "t"}, {TID: p.PID + 2, Comm: "t"}}
			}
			f.Put(p)
		}
		r := open(t, f.Root)
		q := inspect.Request{Want: inspect.WantAll | inspect.WantIO}
		for range 3 {
			read(t, r, q)
		}
		// Once in 16 passes each process's command line is read again.
		return testing.AllocsPerRun(16, func() { read(t, r, q) })
	}
	a, b := cost(few), cost(many)
	t.Logf("%v allocations for %d processes, %v for %d", a, few, b, many)
	if per := (b - a) / (many - few); per > 0.5 { // a single one per process would be 1; a busy machine starts more workers
		t.Errorf("%v allocations for %d processes, %v for %d: %.2f per process", a, few, b, many, per)
	}
}

// herd starts n processes that do nothing, and ends them when the pipe that
// they all wait on is closed.
func herd(b testing.TB, n int) (parent int) {
	b.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		b.Skip("pid_max cannot be read: ", err)
	}
	if limit, _ := strconv.Atoi(strings.TrimSpace(string(text))); limit < 2*n {
		b.Skipf("pid_max is %d: too few for %d processes", limit, n)
	}
	var si unix.Sysinfo_t
	if err := unix.Sysinfo(&si); err != nil || (uint64(si.Freeram)+uint64(si.Bufferram))*uint64(si.Unit) < uint64(n)*512<<10 {
		b.Skipf("too little memory for %d processes", n)
	}
	if _, err := exec.LookPath("sh"); err != nil {
		b.Skip(err)
	}
	rd, wr, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `i=0; while [ $i -lt `+strconv.Itoa(n)+` ]; do (read x <&3) & i=$((i+1)); done; echo ready; wait`)
	cmd.ExtraFiles = []*os.File{rd}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	rd.Close()
	b.Cleanup(func() {
		wr.Close() // ends the herd
		_ = cmd.Wait()
	})
	line := make([]byte, 6)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "ready\n" {
		b.Skipf("sh could not start %d processes: %q, %v", n, line, err)
	}
	return cmd.Process.Pid
}

// floor is the least that reading stat, status and statm of every process can
// cost: open, read, close on prepared paths and one buffer, on as many
// goroutines as the Reader uses.
func floor(paths []string, workers int) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			buf := make([]byte, 16<<10)
			for i := w; i < len(paths); i += workers {
				fd, err := unix.Open(paths[i], unix.O_RDONLY|unix.O_CLOEXEC, 0)
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

func cpuTime(b testing.TB) time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// BenchmarkReadHerd compares a pass of the Reader over 10,000 idle processes
// with the floor: the CPU time should be at most 1.2 times as much.
func BenchmarkReadHerd(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			if testing.Short() && n > 1000 {
				b.Skip("a large herd takes its time")
			}
			parent := herd(b, n)
			r := open(b, "")
			q := inspect.Request{Want: inspect.WantStatus}
			s := read(b, r, q)
			var paths []string
			for _, p := range s.Processes {
				for _, f := range []string{"stat", "status", "statm"} {
					paths = append(paths, fmt.Sprintf("/proc/%d/%s", p.ID.PID, f))
				}
			}
			if got := len(s.Children(parent)); got < n {
				b.Fatalf("the herd counts %d, want %d", got, n)
			}
			workers := min(runtime.GOMAXPROCS(0), 2)
			var ours, least, wall, leastWall time.Duration
			b.ReportAllocs()
			for b.Loop() {
				begin, cpu := time.Now(), cpuTime(b)
				if _, err := r.Read(context.Background(), q); err != nil {
					b.Fatal(err)
				}
				wall, ours = wall+time.Since(begin), ours+cpuTime(b)-cpu
				b.StopTimer()
				begin, cpu = time.Now(), cpuTime(b)
				floor(paths, workers)
				leastWall, least = leastWall+time.Since(begin), least+cpuTime(b)-cpu
				b.StartTimer()
			}
			b.ReportMetric(float64(ours)/float64(least), "cpu/floor")
			b.ReportMetric(float64(wall)/float64(leastWall), "wall/floor")
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N*len(s.Processes)), "cpu-ns/process")
		})
	}
}
