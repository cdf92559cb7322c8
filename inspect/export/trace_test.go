package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/inspect/export"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// entry is one event of a trace file.
type entry struct {
	Ph, Name, Cat, Cname, S, Bp string
	PID, TID, ID                int
	TS, Dur                     float64
	Args                        map[string]any
}

type traceFile struct {
	DisplayTimeUnit string
	TraceEvents     []entry
	OtherData       map[string]string
}

func parse(t *testing.T, b []byte) *traceFile {
	t.Helper()
	var f traceFile
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatalf("%v in\n%.2000s", err, b)
	}
	return &f
}

func (f *traceFile) all(ph string) []entry {
	var out []entry
	for _, e := range f.TraceEvents {
		if e.Ph == ph {
			out = append(out, e)
		}
	}
	return out
}

// cpusPID is the PID of the process that stands for the CPUs.
func (f *traceFile) cpusPID(t *testing.T) int {
	t.Helper()
	for _, e := range f.all("M") {
		if e.Name == "process_name" && e.Args["name"] == "CPUs" {
			return e.PID
		}
	}
	t.Fatal("there are no CPUs")
	return 0
}

const start = int64(1_000_000_000_000)

func slice(tid int, from, to int64, state inspect.TraceState, cpu int, cause inspect.TraceCause, by int) inspect.TraceSlice {
	return inspect.TraceSlice{PID: 5, TID: tid, Since: start, From: start + from, To: start + to, State: state, CPU: cpu, Cause: cause, By: by}
}

// written is a small trace: thread 5 wakes thread 7, which runs and is preempted.
func written(t *testing.T) ([]byte, *inspect.TraceSums, export.TraceFileCounts) {
	t.Helper()
	sums := &inspect.TraceSums{
		Source: inspect.TraceExact, MonoNS: start + 5000, Elapsed: 5000,
		Threads: []inspect.ThreadTrace{{PID: 5, ID: inspect.ThreadID{TID: 5}, Comm: "ma\xffin\n"}, {PID: 5, ID: inspect.ThreadID{TID: 7}, Comm: `"x"`}},
		Drops:   inspect.TraceDrops{Events: 12, EventsDropped: 3},
	}
	var b bytes.Buffer
	w := export.NewTraceWriter(&b, export.TraceInfo{Title: "process 5", Version: "1"})
	w.Begin(time.Unix(0, 0), &inspect.TraceSums{MonoNS: start, Threads: sums.Threads[:1]})
	batch := &inspect.TraceBatch{
		Slices: []inspect.TraceSlice{
			slice(7, 0, 1500, inspect.TraceBlocked, -1, inspect.CauseNone, 0),
			slice(7, 1500, 2001, inspect.TraceReady, -1, inspect.CauseWoken, 5),
			slice(5, 0, 2001, inspect.TraceRunning, 0, inspect.CauseNone, 0),
			slice(7, 2001, 3000, inspect.TraceRunning, 0, inspect.CauseNone, 0),
			slice(7, 3000, 5000, inspect.TraceReady, -1, inspect.CausePreempt, 5),
			slice(5, 2001, 5000, inspect.TraceUnknown, -1, inspect.CauseNone, 0),
		},
		Events: []inspect.TraceEvent{
			{NS: start + 100, PID: 5, TID: 7, Kind: inspect.TraceFork, Other: 5},
			{NS: start + 200, PID: 5, TID: 7, Kind: inspect.TraceMigrate, CPU: 1, Other: 0},
			{NS: start + 300, PID: 5, TID: 7, Kind: inspect.TraceIn},
		},
		Exits: []inspect.ProcessExit{{ID: inspect.ID{PID: 9}, PPID: 5, NS: start + 4000, Lifetime: 1e6, ExitCode: 3, Comm: "gone"}},
		Names: []inspect.ThreadName{{PID: 5, TID: 7, Comm: `"x"`}},
	}
	if err := w.Add(batch); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(sums); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), sums, w.Counts()
}

func TestTraceWriter(t *testing.T) {
	b, _, counts := written(t)
	if want := (export.TraceFileCounts{Slices: 6, CPUSlices: 2, Arrows: 1, Marks: 3}); counts != want {
		t.Errorf("%+v, want %+v", counts, want)
	}
	f := parse(t, b)
	cpus := f.cpusPID(t)
	if n := len(f.all("X")); n != 8 {
		t.Errorf("%d slices", n)
	}
	for _, e := range f.all("X") {
		if e.TS < 0 || e.TS+e.Dur > 5 || e.Dur <= 0 {
			t.Errorf("not within the trace: %+v", e)
		}
	}
	if e := f.all("X")[1]; e.Name != "ready" || e.TS != 1.5 || e.Dur != 0.5 || e.PID != 5 || e.TID != 7 || e.Args["woken_by_tid"] != 5.0 {
		t.Errorf("%+v", e)
	}
	var onCPU []string
	for _, e := range f.all("X") {
		if e.PID == cpus {
			onCPU = append(onCPU, e.Name)
		}
	}
	if want := []string{`ma\xffin\x0a 5`, `"x" 7`}; !slices.Equal(onCPU, want) {
		t.Errorf("on the CPU: %q, want %q", onCPU, want)
	}
	from, to := f.all("s"), f.all("f")
	if len(from) != 1 || len(to) != 1 || from[0].ID != to[0].ID || from[0].TID != 5 || from[0].TS != 1.5 || to[0].TID != 7 || to[0].TS != 2.001 || to[0].Bp != "e" {
		t.Errorf("arrow from %+v to %+v", from, to)
	}
	names := map[int]any{}
	for _, e := range f.all("M") {
		if e.Name == "thread_name" {
			names[e.TID] = e.Args["name"]
		}
	}
	if names[5] != `ma\xffin\x0a` || names[7] != `"x"` {
		t.Errorf("%v", names)
	}
	d := f.OtherData
	if d["events_dropped"] != "3" || d["source"] != "trace" || !strings.HasPrefix(d["complete"], "no") || d["start_mono_ns"] != "1000000000000" {
		t.Errorf("%v", d)
	}
}

// TestTraceWriterEmpty: a trace in which nothing happened is a valid file too.
func TestTraceWriterEmpty(t *testing.T) {
	var b bytes.Buffer
	w := export.NewTraceWriter(&b, export.TraceInfo{})
	if err := w.Close(&inspect.TraceSums{}); err != nil {
		t.Fatal(err)
	}
	if f := parse(t, b.Bytes()); len(f.TraceEvents) != 0 || f.OtherData["complete"] != "yes" {
		t.Errorf("%+v", f)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, unix.ENOSPC }

func TestTraceWriterFails(t *testing.T) {
	w := export.NewTraceWriter(full{}, export.TraceInfo{})
	if err := w.Close(&inspect.TraceSums{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v", err)
	}
	if err := w.Add(&inspect.TraceBatch{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v", err)
	}
}

// TestTraceWriterAllocs: writing costs no memory per slice, however many.
func TestTraceWriterAllocs(t *testing.T) {
	w := export.NewTraceWriter(discard{}, export.TraceInfo{})
	b := &inspect.TraceBatch{Slices: []inspect.TraceSlice{
		slice(7, 0, 1500, inspect.TraceBlocked, -1, inspect.CauseNone, 0),
		slice(7, 1500, 2001, inspect.TraceReady, -1, inspect.CauseWoken, 5),
		slice(7, 2001, 3000, inspect.TraceRunning, 0, inspect.CauseNone, 0),
	}}
	if n := testing.AllocsPerRun(200, func() { _ = w.Add(b) }); n > 3 {
		t.Errorf("%v allocations for three slices", n)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// TestTraceFileLive traces a shell and holds the file against the sums.
func TestTraceFileLive(t *testing.T) {
	c := exec.Command("sh", "-c", "while :; do sleep 0.002; done")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	tr, err := inspect.OpenTracer(t.Context(), inspect.TraceOptions{
		ID: inspect.ID{PID: c.Process.Pid}, Descendants: true, Events: true, Source: inspect.TraceExact,
	})
	var why *inspect.TraceError
	if errors.As(err, &why) && (os.Geteuid() != 0 || errors.Is(err, unix.EPERM)) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	first, err := tr.Sums()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := export.NewTraceWriter(&b, export.TraceInfo{Title: "test"})
	w.Begin(time.Now(), first)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := tr.Run(ctx, func(x *inspect.TraceBatch) { _ = w.Add(x) }); err != nil {
		t.Fatal(err)
	}
	sums, err := tr.Sums()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(sums); err != nil {
		t.Fatal(err)
	}
	if sums.Drops.EventsDropped > 0 {
		t.Skipf("the machine is too busy: %+v", sums.Drops)
	}
	for _, f := range faults(parse(t, b.Bytes()), sums, w.Counts()) {
		t.Error(f)
	}
	checkFaults(t, b.Bytes(), sums, w.Counts())
}

func BenchmarkTraceWriter(b *testing.B) {
	w := export.NewTraceWriter(discard{}, export.TraceInfo{})
	w.Begin(time.Now(), &inspect.TraceSums{Threads: []inspect.ThreadTrace{{PID: 5, ID: inspect.ThreadID{TID: 7}, Comm: "worker"}}})
	batch := &inspect.TraceBatch{Slices: []inspect.TraceSlice{
		slice(7, 0, 1500, inspect.TraceBlocked, -1, inspect.CauseNone, 0),
		slice(7, 1500, 2001, inspect.TraceReady, -1, inspect.CauseWoken, 7),
		slice(7, 2001, 3000, inspect.TraceRunning, 0, inspect.CauseNone, 0),
	}}
	b.ReportAllocs()
	for b.Loop() {
		_ = w.Add(batch)
	}
}
