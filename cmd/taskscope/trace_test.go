package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/inspect/export"
)

// tracedShell starts a shell that starts a program now and then.
func tracedShell(t *testing.T) (pid string, c *exec.Cmd) {
	t.Helper()
	c = exec.Command("sh", "-c", "while :; do sleep 0.01; done")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return strconv.Itoa(c.Process.Pid), c
}

// needTracer skips where the scheduler may not be traced, and fails where it must
// be possible.
func needTracer(t *testing.T, pid string) {
	t.Helper()
	n, _ := strconv.Atoi(pid)
	tr, err := inspect.OpenTracer(t.Context(), inspect.TraceOptions{ID: inspect.ID{PID: n}, Source: inspect.TraceExact})
	var why *inspect.TraceError
	if errors.As(err, &why) && (os.Geteuid() != 0 || errors.Is(err, unix.EPERM)) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	tr.Close()
}

func TestTraceUsage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ args, want string }{
		{"trace", "exactly one PID"},
		{"trace|1|2", "exactly one PID"},
		{"trace|x", "no PID"},
		{"trace|4194303", "taskscope list"},
		{"trace|1|--for|-1s", "--for"},
		{"trace|1|-o|-|--json", "choose one"},
		{"trace|1|-o|x|--source|proc", "samples"},
		{"trace|--load|nosuch", "nosuch"},
		{"trace|--load|vol|workers=x", "workers"},
		{"trace|--load|vol|--read-only", "--read-only"},
	} {
		code, stdout, stderr := invoke(t, strings.Split(tc.args, "|")...)
		if code != exitUsage || stdout != "" {
			t.Errorf("%s: exit code %d, stdout %q", tc.args, code, stdout)
		}
		checkLine(t, stderr, tc.want)
	}
}

func TestTraceSampled(t *testing.T) {
	t.Parallel()
	pid, _ := tracedShell(t)
	code, stdout, stderr := invoke(t, "trace", pid, "--source", "proc", "--for", "150ms")
	if code != exitDone || stderr != "" || !strings.Contains(stdout, "SAMPLED") || !strings.Contains(stdout, "not known") {
		t.Errorf("exit code %d, %s\n%s", code, stderr, stdout)
	}
	code, stdout, _ = invoke(t, "trace", pid, "--source", "proc", "--for", "150ms", "--json")
	d := decode(t, []byte(stdout))
	if code != exitDone || d["source"] != "sampled" || d["resolution_ns"] == json.Number("0") || d["wake_ups"] != nil || d["preemptions"] != nil {
		t.Errorf("exit code %d: %v", code, d)
	}
	if why := d["why"].(map[string]any); why["wake_ups"] == nil {
		t.Errorf("no reason for what is unknown: %v", why)
	}
	code, _, stderr = invoke(t, "trace", "--load", "vol", "--source", "proc")
	if code != exitSkipped {
		t.Errorf("a load sampled: exit code %d", code)
	}
	checkLine(t, stderr, "sampling")
}

// TestTraceUnprivileged: without the capability there is a sampled summary, its
// label, one line with reason and remedy, exit code 4, and no file.
func TestTraceUnprivileged(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		if info, err := os.Stat("/proc/self/exe"); err != nil || info.Mode()&1 == 0 {
			t.Skip("the test binary is not executable for others")
		}
	}
	pid, _ := tracedShell(t)
	file := filepath.Join(t.TempDir(), "trace.json")
	code, stdout, stderr := asNobody(t, "trace", pid, "--for", "100ms", "-o", file)
	if code != exitSkipped || !strings.Contains(stdout, "SAMPLED") {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	checkLine(t, stderr, "nothing written to "+file)
	checkLine(t, stderr, "cap_bpf")
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a file")
	}
	for _, args := range [][]string{{"trace", "--load", "vol"}, {"trace", pid, "--source", "bpf"}} {
		code, stdout, stderr = asNobody(t, args...)
		if code != exitSkipped || stdout != "" {
			t.Errorf("%q: exit code %d, %s", args, code, stdout)
		}
		checkLine(t, stderr, "cannot be traced")
	}
}

func TestTraceProcess(t *testing.T) {
	t.Parallel()
	pid, _ := tracedShell(t)
	needTracer(t, pid)
	file := filepath.Join(t.TempDir(), "trace.json")
	code, stdout, stderr := invoke(t, "trace", pid, "--descendants", "--for", "400ms", "--json", "-o", file)
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	d := decode(t, []byte(stdout))
	if d["source"] != "trace" || len(d["threads"].([]any)) < 2 || len(d["exits"].([]any)) == 0 || d["drops"] == nil {
		t.Errorf("%v", d)
	}
	for _, x := range d["exits"].([]any) {
		if e := x.(map[string]any); e["exit_code"] != json.Number("0") || e["lifetime_ns"] == nil || e["comm"] == "" {
			t.Errorf("%v", e)
		}
	}
	var trace struct {
		TraceEvents []map[string]any
		OtherData   map[string]string
	}
	b, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(b, &trace) != nil || trace.OtherData["source"] != "trace" {
		t.Fatalf("%v: %.300s", err, b)
	}
	slices := 0
	for _, e := range trace.TraceEvents {
		if e["ph"] == "X" {
			slices++
		}
	}
	f := d["file"].(map[string]any)
	if want := num(t, f["slices"]) + num(t, f["cpu_slices"]); slices != want {
		t.Errorf("%d slices in the file, %d announced", slices, want)
	}
	code, stdout, _ = invoke(t, "trace", pid, "--for", "100ms", "-o", "-")
	if code != exitDone || !json.Valid([]byte(stdout)) {
		t.Errorf("-o -: exit code %d, %.200s", code, stdout)
	}
}

func num(t *testing.T, v any) int {
	t.Helper()
	n, err := v.(json.Number).Int64()
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// TestTraceVanished: what was seen is printed, and the exit code says that it
// was not all that was asked for.
func TestTraceVanished(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"auto", "proc"} {
		seen := false
		// A busy machine may need longer to begin.
		for life := 300 * time.Millisecond; !seen && life < 10*time.Second; life *= 2 {
			pid, c := tracedShell(t)
			if source == "auto" {
				needTracer(t, pid)
			}
			time.AfterFunc(life, func() { _ = c.Process.Signal(syscall.SIGKILL) })
			code, stdout, stderr := invoke(t, "trace", pid, "--for", "5m", "--source", source)
			seen = strings.Contains(stdout, "Threads")
			if code != exitFailed && (seen || code != exitUsage) {
				t.Fatalf("%s: exit code %d, %s", source, code, stdout)
			}
			checkLine(t, stderr, pid)
		}
		if !seen {
			t.Errorf("%s: nothing is printed of what was seen", source)
		}
	}
}

// TestTraceInterrupted: Ctrl-C prints what was seen.
func TestTraceInterrupted(t *testing.T) {
	t.Parallel()
	pid, _ := tracedShell(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var out, errs strings.Builder
	code := run(ctx, []string{"trace", pid, "--for", "5m", "--source", "proc"}, strings.NewReader(""), &out, &errs)
	if code != exitInterrupted || !strings.Contains(out.String(), "Completeness") || errs.Len() > 0 {
		t.Errorf("exit code %d, %s\n%s", code, errs.String(), out.String())
	}
}

// TestTraceLoad: a load is traced from its gate: each worker's switches are
// exactly the promised ones.
func TestTraceLoad(t *testing.T) {
	pid, _ := tracedShell(t)
	needTracer(t, pid)
	code, stdout, stderr := invoke(t, "trace", "--load", "vol", "workers=2", "rate=200Hz", "seconds=500ms", "--json")
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	d := decode(t, []byte(stdout))
	workers := 0
	for _, x := range d["threads"].([]any) {
		th := x.(map[string]any)
		if strings.HasPrefix(th["comm"].(string), "vol-") {
			workers++
			if n := num(t, th["voluntary_switches"]); n != 101 && d["drops"].(map[string]any)["switches_not_seen_beside_traced"] == json.Number("0") {
				t.Errorf("%s: %d voluntary switches, want 100 and the park", th["comm"], n)
			}
		}
	}
	if workers != 2 {
		t.Errorf("%d workers: %v", workers, d["threads"])
	}
}

// TestWatchLives: watch tells of processes that live too briefly to be seen.
func TestWatchLives(t *testing.T) {
	t.Parallel()
	pid, _ := tracedShell(t)
	code, stdout, stderr := invoke(t, "watch", pid, "--descendants", "--interval", "300ms", "--count", "2", "--json")
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	d := decode(t, []byte(lines[len(lines)-1]))
	ended, known := d["ended"].([]any)
	if !known {
		if d["why"].(map[string]any)["ended"] == nil {
			t.Fatalf("neither ends nor a reason: %v", d)
		}
		t.Skip(d["why"].(map[string]any)["ended"])
	}
	if len(ended) == 0 {
		t.Fatal("nothing ended")
	}
	e := ended[0].(map[string]any)
	if e["comm"] != "sleep" || num(t, e["ppid"]) == 0 || e["exit_code"] != json.Number("0") || num(t, e["lifetime_ns"]) < 5e6 {
		t.Errorf("%v", e)
	}
}

// TestTraceStorm: of many processes that live for a moment, none is missed; who
// looks at /proc now and then would see a few.
func TestTraceStorm(t *testing.T) {
	const n = 300
	pid, _ := tracedShell(t)
	needTracer(t, pid)
	code, stdout, stderr := invoke(t, "trace", "--load", "forkstorm", "n="+strconv.Itoa(n), "life=1ms", "seconds=1s", "--fork-storm", "--json")
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	d := decode(t, []byte(stdout))
	if drops := d["drops"].(map[string]any); drops["exits_dropped"] != json.Number("0") {
		t.Skipf("the machine is too busy: %v", drops)
	}
	seen := map[string]bool{}
	for _, x := range d["exits"].([]any) {
		e := x.(map[string]any)
		seen[e["pid"].(json.Number).String()+" "+e["start_ticks"].(json.Number).String()] = true
		if e["born_in_trace"] != true || e["exit_code"] != json.Number("0") || num(t, e["lifetime_ns"]) < 1e6 || num(t, e["ppid"]) == 0 {
			t.Errorf("%v", e)
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d ends seen", len(seen), n)
	}
}

// TestTraceFields: every number in the document of a trace is in the list of
// fields.
func TestTraceFields(t *testing.T) {
	known := map[string]bool{}
	for _, f := range documentFields() {
		if known[f.ID] || f.Meaning == "" {
			t.Errorf("%s: twice, or without a meaning", f.ID)
		}
		known[f.ID] = true
	}
	h := inspect.Know(inspect.Histogram{Count: 1, SumNS: 5, MaxNS: 5})
	n := inspect.Know(uint64(1))
	counts := inspect.TraceCounts{
		RunNS: n, ReadyNS: n, SeenRunNS: n, SeenReadyNS: n, BlockedNS: n, DiskNS: n, StoppedNS: n, UnknownNS: n, Voluntary: n,
		Involuntary: n, Wakes: n, Migrations: n, Latency: h, Waits: h, CPUs: inspect.Know([]int{0}),
	}
	pairs := inspect.Know([]inspect.TracePair{{WhoTID: 1, Count: 1}})
	sums := &inspect.TraceSums{
		Source: inspect.TraceExact, Parallelism: inspect.Know(1.0), Levels: inspect.Know([]time.Duration{1}),
		Threads: []inspect.ThreadTrace{{CPU: 1, TraceCounts: counts}}, Processes: []inspect.ProcessTrace{{Parallelism: inspect.Know(1.0), TraceCounts: counts}},
		Preemptions: pairs, WakeUps: pairs, Exits: []inspect.ProcessExit{{}, {Signal: 9}}, Drops: inspect.TraceDrops{CPUs: []inspect.CPUChain{{}}},
	}
	tr := &tracing{a: &app{}, fl: &traceFlags{}, tracer: &inspect.Tracer{}, writer: export.NewTraceWriter(io.Discard, export.TraceInfo{})}
	seen := 0
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, x := range v {
				walk(path+"."+key, x)
			}
		case []any:
			for _, x := range v {
				walk(path, x)
			}
		case json.Number:
			seen++
			if !known[path] {
				t.Errorf("%s is no field", path)
			}
		}
	}
	walk("trace", decode(t, tr.appendJSON(nil, sums)))
	if seen < 80 {
		t.Errorf("only %d numbers", seen)
	}
}
