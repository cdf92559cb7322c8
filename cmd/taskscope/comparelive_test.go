package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// comparedRows compares by a real run and returns the rows by their measures.
func comparedRows(t *testing.T, run func(t *testing.T, args ...string) (int, string, string), keys [2]string, args ...string) map[string]map[string]any {
	t.Helper()
	code, stdout, stderr := run(t, append([]string{"compare", "--json"}, args...)...)
	skipUndecided(t, code, "", stderr)
	if code != exitDone {
		t.Fatalf("exit code %d\n%s%s", code, stderr, stdout)
	}
	doc := decode(t, []byte(stdout))
	for _, col := range objects(t, doc, "columns") {
		if _, isLoad := col["scenario"]; !isLoad {
			continue
		}
		left := object(t, col, "left_behind")
		for _, what := range []string{"processes", "files", "cgroups"} {
			if number(t, left, what) != 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	}
	return checkCompared(t, doc, keys[0], keys[1])
}

// both are the values of a measure, which must be known in both columns.
func both(t *testing.T, rows map[string]map[string]any, measure string, keys [2]string) (a, b float64) {
	t.Helper()
	var out [2]float64
	for k, key := range keys {
		n, ok := rows[measure][key].(json.Number)
		v, err := n.Float64()
		if !ok || err != nil {
			t.Fatalf("%s of %s is %v: %v", measure, key, rows[measure][key], rows[measure]["why"])
		}
		out[k] = v
	}
	return out[0], out[1]
}

var shapeKeys = [2]string{"threads", "processes"}

// TestCompareShapes: what must come out of two shapes by construction, for root
// and for anybody. Times are not among it.
func TestCompareShapes(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, args ...string) (int, string, string){"self": invoke, "nobody": asNobody} {
		t.Run(name, func(t *testing.T) {
			t.Run("idle", func(t *testing.T) { compareIdle(t, run) })
			t.Run("pool", func(t *testing.T) { comparePool(t, run) })
			t.Run("spawn", func(t *testing.T) { compareSpawn(t, run) })
			t.Run("crash", func(t *testing.T) { compareCrash(t, run) })
			t.Run("pingpong", func(t *testing.T) { comparePingpong(t, run) })
		})
	}
}

func compareIdle(t *testing.T, run func(t *testing.T, args ...string) (int, string, string)) {
	const workers = 8
	rows := comparedRows(t, run, shapeKeys, "idle", "workers=8", "seconds=1s", "--rounds=1")
	for _, measure := range []string{"pss_bytes", "page_table_bytes", "rss_bytes", "start_minor_faults"} {
		if a, b := both(t, rows, measure, shapeKeys); a <= 0 || b <= a {
			t.Errorf("%s: %v of threads, %v of processes", measure, a, b)
		}
	}
	if rss, pss := rows["rss_bytes"], rows["pss_bytes"]; asFloat(t, rss["ratio"]) <= asFloat(t, pss["ratio"]) {
		t.Errorf("the sum of RSS does not mislead: %v, PSS %v", rss["ratio"], pss["ratio"])
	}
	a, b := both(t, rows, "processes", shapeKeys)
	if a != 1 || b != workers+1 {
		t.Errorf("%v and %v processes", a, b)
	}
	if a, b := both(t, rows, "fds", shapeKeys); a <= 0 || b != a*(workers+1) {
		t.Errorf("%v descriptors of one process, %v of %d", a, b, workers+1)
	}
	// The same tasks do the same: one wait, and each its final park.
	for measure, want := range map[string]float64{"tasks": workers + 1, "voluntary_switches": 2*workers + 1} {
		if a, b := both(t, rows, measure, shapeKeys); a != want || b != want {
			t.Errorf("%s: %v and %v, want %v", measure, a, b, want)
		}
	}
	for _, measure := range []string{"cost_per_switch_ns", "result"} {
		if rows[measure]["threads"] != nil {
			t.Errorf("%s is known of a job that has none: %v", measure, rows[measure])
		}
	}
	if a, b := both(t, rows, "creation_time_per_worker_ns", shapeKeys); a <= 0 || b <= 0 {
		t.Errorf("creation in no time: %v, %v", a, b)
	}
}

func asFloat(t *testing.T, v any) float64 {
	t.Helper()
	n, ok := v.(json.Number)
	if !ok {
		t.Fatalf("%v (%T) is no number", v, v)
	}
	f, err := n.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func comparePool(t *testing.T, run func(t *testing.T, args ...string) (int, string, string)) {
	rows := comparedRows(t, run, shapeKeys, "pool", "work=sleep:300ms", "seconds=400ms", "--rounds=1")
	if a, b := both(t, rows, "wall_time_ns", shapeKeys); a < 300e6 || b < 300e6 {
		t.Errorf("sleeps of 300 ms took %v and %v ns", a, b)
	}
	if a, b := both(t, rows, "processes", shapeKeys); a != 1 || b != 3 {
		t.Errorf("%v and %v processes", a, b)
	}
	if a, b := both(t, rows, "cpu_time_ns", shapeKeys); a <= 0 || b <= 0 {
		t.Errorf("CPU time: %v, %v", a, b)
	}
}

func compareSpawn(t *testing.T, run func(t *testing.T, args ...string) (int, string, string)) {
	rows := comparedRows(t, run, shapeKeys, "spawn", "n=200", "seconds=300ms", "--rounds=1")
	if a, b := both(t, rows, "result", shapeKeys); a != 200 || b != 200 {
		t.Errorf("made %v and %v tasks", a, b)
	}
	if a, b := both(t, rows, "creation_time_per_worker_ns", shapeKeys); a <= 0 || b <= 0 {
		t.Errorf("creation in no time: %v, %v", a, b)
	}
	if source := rows["creation_time_per_worker_ns"]["threads_source"]; source != "report" {
		t.Errorf("creation is told by %v, not by the one who makes them", source)
	}
	// Of processes that are gone only the tracer knows, which not everybody has.
	if v, why := rows["minor_faults"]["processes"], object(t, rows["minor_faults"], "why")["processes"]; v != nil || why == "" {
		t.Errorf("minor faults of processes that are gone: %v, %v", v, why)
	}
	if _, ok := rows["cpu_time_ns"]["processes"].(json.Number); ok && rows["cpu_time_ns"]["processes_source"] != "trace" {
		t.Errorf("CPU time of processes that are gone is told by %v", rows["cpu_time_ns"]["processes_source"])
	}
}

func compareCrash(t *testing.T, run func(t *testing.T, args ...string) (int, string, string)) {
	rows := comparedRows(t, run, shapeKeys, "crash", "workers=3", "seconds=1s", "--rounds=1")
	// A thread takes its pool along, a process nobody.
	if a, b := both(t, rows, "tasks_ended", shapeKeys); a != 4 || b != 1 {
		t.Errorf("%v and %v tasks have ended", a, b)
	}
}

func comparePingpong(t *testing.T, run func(t *testing.T, args ...string) (int, string, string)) {
	const k = 2000
	rows := comparedRows(t, run, shapeKeys, "pingpong", "k=2000", "seconds=300ms", "--rounds=1")
	for _, key := range shapeKeys {
		if rows["result"][key] != "2 x 2000" {
			t.Errorf("result of %s: %v", key, rows["result"][key])
		}
	}
	a, b := both(t, rows, "voluntary_switches", shapeKeys)
	c, d := both(t, rows, "involuntary_switches", shapeKeys)
	if a+c < 2*k || b+d < 2*k {
		t.Errorf("%d messages with %v and %v switches on one CPU", 2*k, a+c, b+d)
	}
	for _, key := range shapeKeys {
		cost, known := rows["cost_per_switch_ns"][key].(json.Number)
		if why, _ := object(t, rows["cost_per_switch_ns"], "why")[key].(string); !known && !strings.Contains(why, "messages took") {
			t.Errorf("cost per switch of %s: %v, %q", key, cost, why)
		} else if known && asFloat(t, cost) <= 0 {
			t.Errorf("switches of %s cost nothing", key)
		}
	}
}

// TestCompareTwoLoads: any two loads, each column with its own job.
func TestCompareTwoLoads(t *testing.T) {
	keys := [2]string{"a", "b"}
	rows := comparedRows(t, invoke, keys, "vol", "workers=2", "rate=50Hz", "seconds=1s", "--rounds=1", "--", "idle", "workers=5", "seconds=1s")
	if a, b := both(t, rows, "tasks", keys); a != 3 || b != 6 {
		t.Errorf("%v and %v tasks", a, b)
	}
	if a, b := both(t, rows, "voluntary_switches", keys); a <= b {
		t.Errorf("%v switches of workers that wake up, %v of workers that do not", a, b)
	}
}

// TestCompareTwoProcesses: two living processes, over an interval.
func TestCompareTwoProcesses(t *testing.T) {
	known, _, stop := startKnown(t)
	defer stop()
	victim, _, stopVictim := startChild(t, "victim-child")
	defer stopVictim()
	keys := [2]string{"a", "b"}
	rows := comparedRows(t, invoke, keys, strconv.Itoa(known), "--", strconv.Itoa(victim), "--for", "50ms")
	if a, b := both(t, rows, "wall_time_ns", keys); a < 50e6 || b < 50e6 {
		t.Errorf("watched for %v and %v ns", a, b)
	}
	if a, b := both(t, rows, "rss_bytes", keys); a <= 0 || b <= 0 {
		t.Errorf("resident: %v, %v", a, b)
	}
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(victim) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	if _, b := both(t, rows, "fds", keys); b != float64(len(entries)) {
		t.Errorf("%v descriptors, want %d", b, len(entries))
	}
	stopVictim()
	if code, _, stderr := invoke(t, "compare", strconv.Itoa(known), "--", strconv.Itoa(victim)); code != exitUsage || !strings.Contains(stderr, "no process has the PID") {
		t.Errorf("a process that has ended: exit code %d, %s", code, stderr)
	}
}

// TestCompareBroken: a promise that is not kept makes the comparison fail, with
// its figures shown all the same.
func TestCompareBroken(t *testing.T) {
	code, stdout, stderr := invoke(t, "compare", "idle", "seconds=500ms", "--rounds=1", "--break", "state_all")
	if code != exitFailed {
		t.Fatalf("exit code %d\n%s%s", code, stderr, stdout)
	}
	for _, want := range []string{"threads: fail (", "processes: fail (", "state_all", "memory (PSS)"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
}

// TestCompareInterrupted: Ctrl-C ends a comparison with 130 and leaves nothing.
func TestCompareInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"compare", "idle", "seconds=10m"}, strings.NewReader(""), io.Discard, io.Discard)
	}()
	family := map[int]string{} // the load and its observer, with their starts
	waitFor(t, "the load and its observer", func() bool {
		load, observer := 0, 0
		for _, pid := range childrenOfProcess(t, os.Getpid()) {
			switch {
			case strings.TrimSpace(textOf(pid, "comm")) == "idle":
				load = pid
			case strings.Contains(textOf(pid, "cmdline"), "\x00observe\x00") && textOf(pid, "comm") == "taskscope\n":
				observer = pid
			}
		}
		family = map[int]string{load: startOf(load), observer: startOf(observer)}
		return load != 0 && observer != 0
	})
	interrupt()
	select {
	case c := <-code:
		if c != exitInterrupted {
			t.Errorf("exit code %d", c)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
	for pid, start := range family {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) && startOf(pid) == start {
			t.Errorf("process %d is left: %v", pid, err)
		}
	}
}

// TestCompareKilled: whenever it is killed, nothing is left soon.
func TestCompareKilled(t *testing.T) {
	k := newKiller(t)
	for range 3 {
		k.kill([]string{"compare", "pingpong", "over=mqueue", "k=2000", "seconds=300ms", "--rounds=2"}, false, (*lineage).program)
	}
	k.report()
}
