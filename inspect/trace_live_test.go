package inspect_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect"
)

// shell starts a script and returns its process.
func shell(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	c := exec.Command("sh", "-c", script)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c
}

const busyShell = "while :; do sleep 0.005; i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; done"

// exactTracer opens the scheduler's tracer, or skips with the reason.
func exactTracer(t *testing.T, o inspect.TraceOptions) *inspect.Tracer {
	t.Helper()
	o.Source = inspect.TraceExact
	tr, err := inspect.OpenTracer(t.Context(), o)
	var why *inspect.TraceError
	if errors.As(err, &why) && (os.Geteuid() != 0 || errors.Is(err, unix.EPERM)) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// followed is all that a trace delivered.
type followed struct {
	slices []inspect.TraceSlice
	events []inspect.TraceEvent
	exits  []inspect.ProcessExit
	sums   *inspect.TraceSums
	err    error
}

// follow runs a tracer until ctx ends.
func follow(t *testing.T, ctx context.Context, tr *inspect.Tracer) *followed {
	t.Helper()
	f := &followed{}
	f.err = tr.Run(ctx, func(b *inspect.TraceBatch) {
		f.slices = append(f.slices, b.Slices...)
		f.events = append(f.events, b.Events...)
		f.exits = append(f.exits, b.Exits...)
	})
	var err error
	if f.sums, err = tr.Sums(); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTraceExact(t *testing.T) {
	t.Parallel()
	pid := shell(t, busyShell).Process.Pid
	tr := exactTracer(t, inspect.TraceOptions{ID: inspect.ID{PID: pid}, Descendants: true, Events: true})
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	f := follow(t, ctx, tr)
	if f.err != nil || tr.Source() != inspect.TraceExact || tr.Why() != nil {
		t.Fatalf("%v, source %s, why %v", f.err, tr.Source(), tr.Why())
	}
	if len(f.exits) == 0 || len(f.sums.Threads) < 2 {
		t.Fatalf("%d processes ended, %d threads", len(f.exits), len(f.sums.Threads))
	}
	if f.sums.Drops.EventsDropped > 0 {
		t.Skipf("the machine is too busy: %+v", f.sums.Drops)
	}
	checkSlices(t, f)
	for _, e := range f.exits {
		if e.PPID != pid || e.Signal != 0 || e.ExitCode != 0 || e.Lifetime <= 0 || e.ID.Start == 0 {
			t.Errorf("%+v", e)
		}
	}
	if s, n := f.sums.Exits, len(f.exits); len(s) != n || s[n-1] != f.exits[n-1] {
		t.Errorf("%d ends in the sums, %d delivered", len(s), n)
	}
}

// checkSlices holds what was delivered against the kernel's sums.
func checkSlices(t *testing.T, f *followed) {
	t.Helper()
	type id struct {
		tid   int
		since int64
	}
	begin, end := f.sums.MonoNS-int64(f.sums.Elapsed), f.sums.MonoNS
	last := map[id]int64{}
	cpus := map[int][][2]int64{}
	run, unknown := map[int]uint64{}, map[int]bool{}
	for _, s := range f.slices {
		k := id{s.TID, s.Since}
		if s.From < begin || s.To > end || s.To <= s.From {
			t.Fatalf("%+v is not within %d to %d", s, begin, end)
		}
		if at, ok := last[k]; ok && at != s.From {
			t.Fatalf("%+v does not follow %d", s, at)
		}
		last[k] = s.To
		switch s.State {
		case inspect.TraceRunning:
			cpus[s.CPU] = append(cpus[s.CPU], [2]int64{s.From, s.To})
			run[s.TID] += uint64(s.To - s.From)
		case inspect.TraceUnknown:
			unknown[s.TID] = true
		}
	}
	for cpu, list := range cpus {
		overlaps(t, cpu, list)
	}
	left, moved := map[int]uint64{}, map[int]uint64{}
	for _, e := range f.events {
		switch e.Kind {
		case inspect.TraceOut:
			left[e.TID]++
		case inspect.TraceMigrate:
			moved[e.TID]++
		}
	}
	for i := range f.sums.Threads {
		th := &f.sums.Threads[i]
		if n := th.Voluntary.V + th.Involuntary.V; n != left[th.ID.TID] {
			t.Errorf("thread %d: %d switches, %d events", th.ID.TID, n, left[th.ID.TID])
		}
		if th.Migrations.V != moved[th.ID.TID] {
			t.Errorf("thread %d: %d migrations, %d events", th.ID.TID, th.Migrations.V, moved[th.ID.TID])
		}
		if got := run[th.ID.TID]; got != th.SeenRunNS.V && !unknown[th.ID.TID] && th.MissedIns == 0 {
			t.Errorf("thread %d: ran %d ns by its slices, %d ns by the sums", th.ID.TID, got, th.SeenRunNS.V)
		}
	}
}

func overlaps(t *testing.T, cpu int, list [][2]int64) {
	t.Helper()
	slices.SortFunc(list, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	for i := range len(list) - 1 {
		if list[i][1] > list[i+1][0] {
			t.Fatalf("CPU %d: two threads at once, %v and %v", cpu, list[i], list[i+1])
		}
	}
}

// TestTraceEnd: a trace ends with its process, and says how that ended.
func TestTraceEnd(t *testing.T) {
	t.Parallel()
	c := shell(t, busyShell)
	tr := exactTracer(t, inspect.TraceOptions{ID: inspect.ID{PID: c.Process.Pid}})
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	f := follow(t, t.Context(), tr)
	if !errors.Is(f.err, inspect.ErrTraceEnded) {
		t.Fatal(f.err)
	}
	if len(f.exits) != 1 || f.exits[0].Signal != int(syscall.SIGUSR1) || f.exits[0].ID.PID != c.Process.Pid || f.exits[0].BornInTrace {
		t.Errorf("%+v", f.exits)
	}
	if len(f.slices) != 0 || f.sums.Threads[0].Waits.OK() {
		t.Error("slices or waits without having asked for events")
	}
}

// TestTraceOther: a PID that belongs to another process by now is not traced.
func TestTraceOther(t *testing.T) {
	t.Parallel()
	pid := shell(t, "exec sleep 60").Process.Pid
	for _, source := range []string{inspect.TraceExact, inspect.TraceSampled} {
		o := inspect.TraceOptions{ID: inspect.ID{PID: pid, Start: 1}, Source: source}
		var tr *inspect.Tracer
		if source == inspect.TraceSampled {
			var err error
			if tr, err = inspect.OpenTracer(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
		} else {
			tr = exactTracer(t, o)
		}
		if err := tr.Start(); !errors.Is(err, inspect.ErrNoProcess) {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestOpenTracerRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		o    inspect.TraceOptions
		is   error
		text string
	}{
		{"no PID", inspect.TraceOptions{}, inspect.ErrNoProcess, ""},
		{"itself", inspect.TraceOptions{ID: inspect.ID{PID: os.Getpid()}}, nil, "itself"},
		{"unknown source", inspect.TraceOptions{ID: inspect.ID{PID: 1}, Source: "x"}, inspect.ErrSource, ""},
		{"a sampled tree", inspect.TraceOptions{ID: inspect.ID{PID: 1}, Source: inspect.TraceSampled, Descendants: true}, nil, "descendants"},
		{"exact in another proc", inspect.TraceOptions{ID: inspect.ID{PID: 1}, Source: inspect.TraceExact, ProcRoot: t.TempDir()}, nil, "namespace"},
	} {
		tr, err := inspect.OpenTracer(t.Context(), tc.o)
		if err == nil {
			tr.Close()
			t.Errorf("%s: opened", tc.name)
			continue
		}
		if tc.is != nil && !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// TestTraceSampled compares with schedstat, read while the process is stopped.
func TestTraceSampled(t *testing.T) {
	t.Parallel()
	c := shell(t, "while :; do :; done")
	pid := c.Process.Pid
	stop := func() { // also from another goroutine: it only reports
		t.Helper()
		if err := c.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the process is stopped", func() bool {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return strings.Contains(string(b), ") T ")
		})
	}
	stop()
	before := schedstat(t, pid)
	tr, err := inspect.OpenTracer(t.Context(), inspect.TraceOptions{ID: inspect.ID{PID: pid}, Source: inspect.TraceSampled})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(300*time.Millisecond, func() { stop(); cancel() })
	tl := inspect.NewTimeline(int64(time.Minute), 10000)
	if err := tr.Run(ctx, tl.Add); err != nil {
		t.Fatal(err)
	}
	after := schedstat(t, pid)
	s, err := tr.Sums()
	if err != nil {
		t.Fatal(err)
	}
	th := s.Thread(inspect.ThreadID{TID: pid})
	if th == nil || th.RunNS.V != after[0]-before[0] || th.ReadyNS.V != after[1]-before[1] {
		t.Fatalf("%+v, schedstat %v to %v", th, before, after)
	}
	if th.Wakes.OK() || th.Latency.OK() || s.WakeUps.OK() || s.Resolution <= 0 || s.Source != inspect.TraceSampled || s.Drops.Samples < 2 {
		t.Errorf("%+v", s)
	}
	checkTracks(t, tl, pid, after[0]-before[0], s.Resolution)
}

// checkTracks: the run time drawn is what the process ran, within the time
// between two readings at each end.
func checkTracks(t *testing.T, tl *inspect.Timeline, pid int, ran uint64, slack time.Duration) {
	t.Helper()
	var run uint64
	tracks := tl.Tracks(0, tl.Newest())
	if len(tracks) != 1 || tracks[0].TID != pid || tracks[0].Comm == "" {
		t.Fatalf("%+v", tracks)
	}
	spans := tracks[0].Spans
	for i, sp := range spans {
		if sp.State == inspect.TraceRunning {
			run += uint64(sp.To - sp.From)
		}
		if i > 0 && spans[i-1].To != sp.From {
			t.Errorf("a hole between %+v and %+v", spans[i-1], sp)
		}
	}
	if diff := max(run, ran) - min(run, ran); diff > uint64(4*slack) {
		t.Errorf("drawn as running for %d ns, ran for %d", run, ran)
	}
}

func schedstat(t *testing.T, pid int) [2]uint64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		t.Fatal(err)
	}
	var v [2]uint64
	if _, err := fmt.Sscan(string(b), &v[0], &v[1]); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestTraceSampledEnd: the end of the process is noticed, its last interval is
// unknown.
func TestTraceSampledEnd(t *testing.T) {
	t.Parallel()
	c := shell(t, "exec sleep 60")
	tr, err := inspect.OpenTracer(t.Context(), inspect.TraceOptions{ID: inspect.ID{PID: c.Process.Pid}, Source: inspect.TraceSampled})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { _ = c.Process.Kill() })
	f := follow(t, t.Context(), tr)
	if !errors.Is(f.err, inspect.ErrTraceEnded) {
		t.Fatal(f.err)
	}
	p := f.sums.Process(c.Process.Pid)
	if p == nil || p.Live != 0 || p.Exited != 1 || f.sums.Threads[0].State != inspect.TraceDead {
		t.Errorf("%+v", f.sums)
	}
}

// TestTraceAuto: somebody who may not trace is told why, and gets samples.
func TestTraceAuto(t *testing.T) {
	t.Parallel()
	pid := shell(t, "exec sleep 60").Process.Pid
	tr, err := inspect.OpenTracer(t.Context(), inspect.TraceOptions{ID: inspect.ID{PID: pid}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	sampled := tr.Source() == inspect.TraceSampled
	if why := tr.Why(); sampled != (why != nil) || sampled && why.Reason == "" {
		t.Errorf("source %s, why %v", tr.Source(), why)
	}
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	if s, err := tr.Sums(); err != nil || s.Source != tr.Source() {
		t.Errorf("%+v, %v", s, err)
	}
}

// waitFor waits for a condition of another process.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not seen in 20 s: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
