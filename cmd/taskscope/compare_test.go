package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"taskscope/inspect"
	"taskscope/load"
	"taskscope/load/spawn"
	"taskscope/load/verify"
)

var updateCompare = flag.Bool("update-compare", false, "rewrite testdata/compare")

// cannedFigures are those of one round. Measures that values does not have are
// unknown.
func cannedFigures(values map[string]any) []verify.Figure {
	var out []verify.Figure
	for _, m := range verify.Measures() {
		f := verify.Figure{Measure: m.ID, Why: "nobody told"}
		switch v := values[m.ID].(type) {
		case float64:
			f = verify.Figure{Measure: m.ID, Known: true, Number: v, Source: "proc"}
		case string:
			f = verify.Figure{Measure: m.ID, Known: true, Text: v, Source: "report"}
		}
		out = append(out, f)
	}
	return out
}

// cannedRun is a run that did as promised while others used so much.
func cannedRun(noise float64) *verify.Result {
	return &verify.Result{
		RunID: "0123456789ab", Scenario: "idle", Tier: "native", Verdict: verify.Pass, Checks: make([]verify.Check, 20),
		LeftBehind: &verify.LeftBehind{}, Noise: verify.Noise{OtherCPUPercent: &noise, GatePercent: &noise},
	}
}

// cannedComparison compares two shapes of idle; each map is a round.
func cannedComparison(t *testing.T, noise float64, threads, processes []map[string]any) *comparison {
	t.Helper()
	f := compareFlags{loadFlags: loadFlags{tier: spawn.TierNative}}
	c, err := f.shapes([]string{"idle", "workers=8"})
	if err != nil {
		t.Fatal(err)
	}
	c.taken = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for k, rounds := range [][]map[string]any{threads, processes} {
		for _, values := range rounds {
			c.sides[k].figures = append(c.sides[k].figures, cannedFigures(values))
			c.sides[k].runs = append(c.sides[k].runs, cannedRun(noise))
		}
	}
	c.fill()
	return c
}

func shapeRound(factor, wobble float64) map[string]any {
	return map[string]any{
		verify.MeasureWall: 1.5e9 * wobble, verify.MeasureCPU: 3e8 * wobble, verify.MeasureParallelism: 0.2,
		verify.MeasureCreation: 300e3 * factor * wobble, verify.MeasureStartCPU: 500e3 * wobble,
		verify.MeasurePSS: 81920 * (1 + factor) / 2, verify.MeasurePrivate: 77824.0, verify.MeasureRSS: 86016 * factor,
		verify.MeasurePageTables: 36864 * factor, verify.MeasureVoluntary: 17.0, verify.MeasureInvoluntary: 2 * wobble,
		verify.MeasureFaults: 0.0, verify.MeasureFDs: 7 * factor, verify.MeasureProcesses: factor, verify.MeasureTasks: 9.0,
		verify.MeasureResult: map[bool]string{true: "8 x 1000", false: "8 x 8000"}[factor > 1],
	}
}

func cannedShapes(t *testing.T) *comparison {
	return cannedComparison(t, 1,
		[]map[string]any{shapeRound(1, 1), shapeRound(1, 1.02), shapeRound(1, 0.99), shapeRound(1, 1), shapeRound(1, 1.01)},
		[]map[string]any{shapeRound(9, 1), shapeRound(9, 1.01), shapeRound(9, 1.1), shapeRound(9, 1), shapeRound(9, 1.02)})
}

// TestCompareText is the text of a comparison, which fits into 80 columns.
func TestCompareText(t *testing.T) {
	for _, ascii := range []bool{false, true} {
		name := map[bool]string{false: "shapes", true: "shapes-ascii"}[ascii]
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			a := &app{stdout: &output{w: &b}, ascii: ascii}
			if err := a.writeComparison(cannedShapes(t)); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				if line = strings.TrimSuffix(line, "\n"); textWidth(line) > textColumns || strings.HasSuffix(line, " ") {
					t.Errorf("too wide, or ends in a blank: %q", line)
				}
				if ascii && strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
					t.Errorf("not ASCII: %q", line)
				}
			}
			path := "testdata/compare/" + name + ".txt"
			if *updateCompare {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
			}
		})
	}
}

// cannedRounds are rounds in which each measure has its values in turn.
func cannedRounds(n int, values map[string][]any) []map[string]any {
	out := make([]map[string]any, n)
	for i := range out {
		out[i] = map[string]any{}
		for measure, list := range values {
			out[i][measure] = list[i%len(list)]
		}
	}
	return out
}

// TestCompareFindings: the sentences follow the figures.
func TestCompareFindings(t *testing.T) {
	type values = map[string][]any
	for _, tt := range []struct {
		name               string
		noise              float64
		rounds             int // 0: five
		threads, processes values
		want               []string // one per sentence
	}{
		{
			name: "more memory, and why", rounds: 1,
			threads:   values{verify.MeasurePSS: {1024.0}, verify.MeasurePageTables: {1024.0}, verify.MeasureProcesses: {1.0}},
			processes: values{verify.MeasurePSS: {2048.0}, verify.MeasurePageTables: {4096.0}, verify.MeasureProcesses: {5.0}},
			want:      []string{"The processes took 3.00 times as much memory: 6.00 KiB, the threads 2.00 KiB, page tables included: 5 address spaces are there in place of 1."},
		},
		{
			name:    "more than the sum of RSS says",
			threads: values{verify.MeasurePSS: {1024.0}, verify.MeasureRSS: {1024.0}}, processes: values{verify.MeasurePSS: {2048.0}, verify.MeasureRSS: {9216.0}},
			want: []string{"The processes took 2.00 times as much memory: 2.00 KiB, the threads 1.00 KiB; by the sum of RSS it would seem to be 9.00 times as much."},
		},
		{
			name:    "less memory has no reason",
			threads: values{verify.MeasurePSS: {4096.0}, verify.MeasureProcesses: {1.0}}, processes: values{verify.MeasurePSS: {3072.0}, verify.MeasureProcesses: {5.0}},
			want: []string{"The processes took 25 % less memory: 3.00 KiB, the threads 4.00 KiB."},
		},
		{
			name:    "about the same memory",
			threads: values{verify.MeasurePSS: {4096.0}}, processes: values{verify.MeasurePSS: {4100.0}},
			want: []string{"The threads and the processes took about the same memory: 4.00 KiB and 4.00 KiB."},
		},
		{
			name:    "rounds that overlap are no difference",
			threads: values{verify.MeasureCreation: {100.0, 300.0}}, processes: values{verify.MeasureCreation: {250.0, 900.0}},
			want: []string{"took 100ns for a thread, 250ns for a process, which differ no more than the rounds do."},
		},
		{
			name: "rounds that are few may lie apart by chance", rounds: 3,
			threads: values{verify.MeasureCreation: {100.0}}, processes: values{verify.MeasureCreation: {250.0}},
			want: []string{"took 100ns for a thread, 250ns for a process, too few rounds to tell that from chance."},
		},
		{
			name:    "dearer to make, and why",
			threads: values{verify.MeasureCreation: {100.0}}, processes: values{verify.MeasureCreation: {250.0}},
			want: []string{"250ns for a process, 2.50 times as much: a process needs an address space and a table of files of its own."},
		},
		{
			name: "a clock that says nothing on a busy machine, but more CPU time", noise: 40,
			threads:   values{verify.MeasureCreation: {100.0, 300.0}, verify.MeasureStartCPU: {50.0, 60.0}},
			processes: values{verify.MeasureCreation: {250.0, 900.0}, verify.MeasureStartCPU: {100.0}},
			want:      []string{"; but the processes took 2.00 times as much CPU time until all were ready (100ns, 50ns): a process needs", "Others used up to 40 % of the CPUs meanwhile"},
		},
		{
			name:    "processes that are cheaper to make get no reason why they are dearer",
			threads: values{verify.MeasureCreation: {900.0}}, processes: values{verify.MeasureCreation: {300.0}},
			want: []string{"300ns for a process, 67 % less."},
		},
		{
			name:    "dearer switches",
			threads: values{verify.MeasureSwitchCost: {1000.0, 1001.0}}, processes: values{verify.MeasureSwitchCost: {1400.0, 1401.0}},
			want: []string{"1.00us with the threads and 1.40us with the processes, 40 % more: a switch between processes also changes the address space."},
		},
		{
			name:    "cheaper switches",
			threads: values{verify.MeasureSwitchCost: {1400.0, 1401.0}}, processes: values{verify.MeasureSwitchCost: {1000.0, 1001.0}},
			want: []string{"29 % less: that a switch between processes also changes the address space does not show here."},
		},
		{
			name:    "switches that cost the same",
			threads: values{verify.MeasureSwitchCost: {1400.0, 1500.0}}, processes: values{verify.MeasureSwitchCost: {1450.0, 1501.0}},
			want: []string{"which differ no more than the rounds do."},
		},
		{
			name:      "results and times",
			threads:   values{verify.MeasureResult: {7.0}, verify.MeasureWall: {1000.0}, verify.MeasureCPU: {500.0}},
			processes: values{verify.MeasureResult: {7.0}, verify.MeasureWall: {2000.0}, verify.MeasureCPU: {501.0}},
			want:      []string{"Both came to the same result. For the job the processes took 2.00 times as much wall time (2.00us, 1.00us)."},
		},
		{
			name:    "other results",
			threads: values{verify.MeasureResult: {"4 x 4"}}, processes: values{verify.MeasureResult: {"4 x 1"}},
			want: []string{"The results differ, as each promises: 4 x 4 with the threads, 4 x 1 with the processes."},
		},
		{
			name:    "how often they blocked",
			threads: values{verify.MeasureVoluntary: {5.0}}, processes: values{verify.MeasureVoluntary: {8.0}},
			want: []string{"The threads blocked 5 times, the processes 8 times."},
		},
		{
			name: "how often they blocked by chance", rounds: 3,
			threads: values{verify.MeasureVoluntary: {5.0, 6.0}}, processes: values{verify.MeasureVoluntary: {8.0, 9.0}},
		},
		{
			name:      "who went with those that failed",
			threads:   values{verify.MeasureEnded: {5.0}, verify.MeasureTasks: {6.0}, verify.MeasurePSS: {1024.0}},
			processes: values{verify.MeasureEnded: {1.0}, verify.MeasureTasks: {4.0}, verify.MeasurePSS: {2048.0}},
			want:      []string{"the threads 1.00 KiB, by what was left in the end.", "Tasks that ended before the job was done: 5 of 11 with the threads, 1 of 5 with the processes."},
		},
		{name: "nothing is known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := tt.rounds
			if n == 0 {
				n = 5
			}
			got := cannedComparison(t, tt.noise, cannedRounds(n, tt.threads), cannedRounds(n, tt.processes)).findings()
			if len(got) != len(tt.want) {
				t.Fatalf("%d sentences, want %d: %q", len(got), len(tt.want), got)
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("%q does not say %q", got[i], want)
				}
			}
		})
	}
}

// TestCompareExitCode: the worst verdict of all runs counts, and its reason is
// told.
func TestCompareExitCode(t *testing.T) {
	for verdict, want := range map[verify.Verdict]int{
		verify.Pass: exitDone, verify.Fail: exitFailed, verify.Undecided: exitUndecided, verify.Skipped: exitSkipped,
	} {
		c := cannedShapes(t)
		c.sides[1].runs[1].Verdict, c.sides[1].runs[1].Why = verdict, "because of something"
		if got := c.exitCode(); got != want {
			t.Errorf("%s: exit code %d, want %d", verdict, got, want)
		}
		var b bytes.Buffer
		a := &app{stdout: &output{w: &b}}
		if err := a.writeComparison(c); err != nil {
			t.Fatal(err)
		}
		if text := "processes: " + string(verdict) + " (100 promises checked)"; !strings.Contains(b.String(), text) {
			t.Errorf("no %q in\n%s", text, b.String())
		}
		if verdict != verify.Pass && !strings.Contains(b.String(), "because of something") {
			t.Errorf("no reason in\n%s", b.String())
		}
	}
}

// contractRow are the members of every row besides those of the columns.
var contractRow = map[string]string{
	"measure": "string", "label": "string", "unit": "string", "scope": "string", "ratio": "number?", "doc": "string", "sources": "strings", "why": "object",
}

// contractMeasures are the measures that every comparison has.
var contractMeasures = []string{
	"wall_time_ns", "cpu_time_ns", "creation_time_per_worker_ns", "pss_bytes", "private_bytes", "rss_bytes", "page_table_bytes",
	"voluntary_switches", "involuntary_switches", "cost_per_switch_ns", "parallelism", "minor_faults", "fds", "result",
}

// checkCompared checks the document of compare, and returns its rows by their
// measures.
func checkCompared(t *testing.T, doc map[string]any, keys ...string) map[string]map[string]any {
	t.Helper()
	checkShape(t, "compare", doc, map[string]string{"taken": "time", "job": "object", "columns": "objects", "rows": "objects", "findings": "strings"})
	columns := objects(t, doc, "columns")
	if len(columns) != 2 || columns[0]["key"] != keys[0] || columns[1]["key"] != keys[1] {
		t.Fatalf("columns: %v", columns)
	}
	rows := map[string]map[string]any{}
	for _, r := range objects(t, doc, "rows") {
		where := fmt.Sprintf("row %v", r["measure"])
		checkShape(t, where, r, contractRow)
		why := object(t, r, "why")
		for _, key := range keys {
			v, has := r[key]
			if reason, _ := why[key].(string); !has || (v == nil) != (reason != "") {
				t.Errorf("%s: %s is %v, its reason %q", where, key, v, reason)
			}
			if source, _ := r[key+"_source"].(string); (v != nil) != (source != "") {
				t.Errorf("%s: %s is %v, its source %q", where, key, v, source)
			}
		}
		rows[r["measure"].(string)] = r
	}
	for _, measure := range contractMeasures {
		if rows[measure] == nil {
			t.Errorf("no row %s", measure)
		}
	}
	if sum, _ := object(t, rows["rss_bytes"], "why")["sum"].(string); !strings.Contains(sum, "PSS") {
		t.Errorf("rss_bytes does not say why its sum misleads: %v", rows["rss_bytes"])
	}
	return rows
}

func TestCompareJSONShape(t *testing.T) {
	c := cannedShapes(t)
	doc := decode(t, c.appendJSON(nil))
	rows := checkCompared(t, doc, "threads", "processes")
	job := object(t, doc, "job")
	checkShape(t, "job", job, map[string]string{"text": "string", "kind": "string", "scenario": "string", "parameters": "object", "rounds": "int"})
	if object(t, job, "parameters")["workers"] != "8" || object(t, job, "parameters")["as"] != nil {
		t.Errorf("parameters of the job: %v", job["parameters"])
	}
	for _, col := range objects(t, doc, "columns") {
		checkShape(t, "column", col, map[string]string{
			"key": "string", "name": "string", "as": "string", "scenario": "string", "parameters": "object", "tier": "string",
			"verdict": "string", "left_behind": "object", "runs": "objects",
		})
		if col["as"] != col["key"] || len(objects(t, col, "runs")) != 5 {
			t.Errorf("column: %v", col)
		}
		for _, r := range objects(t, col, "runs") {
			checkNulls(t, "run", r)
			checkShape(t, "run", r, map[string]string{"run_id": "string", "verdict": "string", "checks": "int", "gate_percent": "number?"})
		}
	}
	for key, want := range map[string]string{
		"threads": "81920", "processes": "409600", "ratio": "5", "threads_min": "81920", "processes_max": "409600", "threads_rounds": "5",
	} {
		if got := fmt.Sprint(rows["pss_bytes"][key]); got != want {
			t.Errorf("pss_bytes: %s is %s, want %s", key, got, want)
		}
	}
	if r := rows["cpu_time_ns"]; fmt.Sprintf("%v %v %v", r["threads_min"], r["threads"], r["threads_max"]) != "297000000 300000000 306000000" {
		t.Errorf("cpu_time_ns: %v", r)
	}
	if r := rows["cost_per_switch_ns"]; r["threads"] != nil || object(t, r, "why")["threads"] != "nobody told" {
		t.Errorf("cost_per_switch_ns: %v", r)
	}
}

// TestCompareFields: `fields` describes every number of a comparison.
func TestCompareFields(t *testing.T) {
	var b bytes.Buffer
	if err := writeJSON(&b, fieldsJSON(inspect.Fields())); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range objects(t, decode(t, b.Bytes()), "fields") {
		known[f["id"].(string)] = true
	}
	loads, processes := cannedShapes(t), cannedShapes(t)
	processes.interval = time.Second
	for _, s := range processes.sides {
		s.id, s.figures = inspect.ID{PID: 1, Start: 2}, nil
		var figures []verify.Figure
		for _, m := range append(verify.Measures(), verify.RateMeasures()...) {
			figures = append(figures, verify.Figure{Measure: m.ID, Known: true, Number: 1, Source: "proc"})
		}
		s.figures = [][]verify.Figure{figures}
	}
	processes.fill()
	for _, c := range []*comparison{loads, processes} {
		doc := decode(t, c.appendJSON(nil))
		for _, r := range objects(t, doc, "rows") {
			if id := "rows." + r["measure"].(string); !known[id] {
				t.Errorf("fields does not describe %s", id)
			}
		}
		delete(doc, "rows")
		numbers := map[string]bool{}
		numbersOf("", doc, numbers)
		for id := range numbers {
			if !known[id] {
				t.Errorf("fields does not describe %s", id)
			}
		}
	}
}

func TestCompareUsage(t *testing.T) {
	self := fmt.Sprint(os.Getpid())
	for _, tt := range []struct{ args, want string }{
		{"compare", "needs the name of a load (idle, "},
		{"compare|vlo", "did you mean vol?"},
		{"compare|tree", "has one shape only. Both have: idle, "},
		{"compare|idle|as=threads", "leave as=threads away"},
		{"compare|idle|workers=0", "1 to 20000"},
		{"compare|idle|worker=1", "did you mean workers?"},
		{"compare|idle|8", "not of the form key=value"},
		{"compare|1234", "put -- between their PIDs"},
		{"compare|1|2", "put -- between their PIDs"},
		{"compare|1|--", "on both sides of --"},
		{"compare|--|1", "on both sides of --"},
		{"compare|1|--|2|--|3", "one -- between them"},
		{"compare|1|--|idle", "a load and a process cannot be compared"},
		{"compare|idle|--|1", "a load and a process cannot be compared"},
		{"compare|1|--|2|3", "named by its PID alone"},
		{"compare|" + self + "|--|4194999", "no process has the PID 4194999"},
		{"compare|0|--|1", "is no PID"},
		{"compare|" + self + "|--|" + self + "|--rounds|3", "--rounds is for loads"},
		{"compare|--max-tasks=9|" + self + "|--|" + self, "--max-tasks is for loads"},
		{"compare|idle|--for|2s", "its parameter seconds"},
		{"compare|idle|--rounds|0", "give 1 to 100"},
		{"compare|idle|--|vol|--rounds|0", "give 1 to 100"},
		{"compare|idle|--|vol|--josn", "did you mean --json?"},
		{"compare|idle|--|vol|--proc-root|/nowhere/at/all", "no such file or directory"},
		{"compare|idle|--|tree|depth=x", "depth=x"},
		{"compare|idle|workers=5000|--max-memory|lots", "is no size"},
		{"--read-only|compare|idle", "no load is started"},
		{"compare|idle|--|vol|--read-only", "no load is started"},
		{"compare|rr|--break|nonsense", "promises nothing about it"},
	} {
		code, stdout, stderr := invoke(t, strings.Split(tt.args, "|")...)
		if code != exitUsage || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q, want %q", tt.args, code, stdout, stderr, tt.want)
		}
	}
	if code, stdout, _ := invoke(t, "compare", "idle", "--", "vol", "--help"); code != exitDone || !strings.Contains(stdout, "Usage:") {
		t.Errorf("--help behind --: exit code %d, %.80q", code, stdout)
	}
}

func TestCompareCompletion(t *testing.T) {
	for _, tt := range []struct {
		args      []string
		has, hasn string
	}{
		{[]string{""}, "idle", "tree"},
		{[]string{"idle", ""}, "workers=\t", "as=\t"},
		{[]string{"idle", "--", "tree", ""}, "depth=\t", "workers=\t"},
		{[]string{"idle", "workers=2", "--", "vol", ""}, "as=\t", "depth=\t"},
	} {
		code, stdout, _ := invoke(t, append([]string{"__complete", "compare"}, tt.args...)...)
		lines := strings.Split(stdout, "\n")
		has := func(s string) bool {
			return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, s) })
		}
		if code != exitDone || !has(tt.has) || has(tt.hasn) {
			t.Errorf("%q: exit code %d, %q", tt.args, code, stdout)
		}
	}
}

// TestShapedLoads: the loads that compare offers can be built in both shapes.
func TestShapedLoads(t *testing.T) {
	names := shapedNames()
	if len(names) < 20 || slices.Contains(names, "tree") || !slices.Contains(names, "spawn") {
		t.Errorf("loads with both shapes: %v", names)
	}
	for _, name := range names {
		f := compareFlags{loadFlags: loadFlags{tier: spawn.TierNative}}
		c, err := f.shapes([]string{name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, as := range []string{"threads", "processes"} {
			if p := c.sides[i].job.plan; p.Parameters["as"] != as || p.Duration > load.TickNS*1000 {
				t.Errorf("%s: column %s has as=%s and takes %s", name, as, p.Parameters["as"], p.Duration)
			}
		}
		if needs := verify.MeasureNeeds(c.sides[0].job.plan); needs.Still&inspect.WantRollup == 0 {
			t.Errorf("%s: the observer would not read PSS", name)
		}
	}
}
