package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// The documented shape of the JSON: member names and types. "?" after a type
// allows null, which then needs an entry in the object's why map.

// contractThread are the members of every thread of a thread_list.
var contractThread = map[string]string{
	"tid": "int", "comm": "string", "state": "string", "start_ticks": "int", "run_ns": "int?", "ready_ns": "int?",
	"voluntary_switches": "int?", "involuntary_switches": "int?", "cpu_last": "int?", "nice": "int?", "priority": "int?",
	"rt_priority": "int?", "policy": "string?", "why": "object",
}

// contractProcess are the members of every process.
var contractProcess = map[string]string{
	"pid": "int", "ppid": "int?", "start_ticks": "int", "start_time": "time?", "comm": "string", "cmdline": "strings?", "uid": "int?",
	"user": "string?", "state": "string", "state_derived": "string", "kernel_thread": "bool?", "threads": "int?", "nice": "int?",
	"priority": "int?", "rt_priority": "int?", "policy": "string?", "cpu_last": "int?", "cpu_time_ns": "int?", "cpu_percent": "number?",
	"voluntary_switches": "int?", "involuntary_switches": "int?", "switches_scope": "string?", "run_ns": "int?", "ready_ns": "int?",
	"minor_faults": "int?", "major_faults": "int?", "vsize_bytes": "int?", "rss_bytes": "int?", "rss_anon_bytes": "int?",
	"rss_file_bytes": "int?", "rss_shmem_bytes": "int?", "swap_bytes": "int?", "cgroup": "string?", "why": "object",
}

// contractRates are the members `show` adds to a process and to each thread.
var contractRates = map[string]string{
	"running_percent": "number?", "ready_percent": "number?", "blocked_percent": "number?",
	"voluntary_switches_per_second": "number?", "involuntary_switches_per_second": "number?", "migrations": "int?",
	"wait": "object", "program_counter": "string?", "stack_pointer": "string?", "stack_segment": "string?",
}

var contractWait = map[string]string{"syscall": "string?", "wchan": "string?", "kernel_stack": "strings?"}

var contractSizes = map[string]string{
	"size_bytes": "int", "rss_bytes": "int?", "pss_bytes": "int?", "private_clean_bytes": "int?", "private_dirty_bytes": "int?",
	"shared_clean_bytes": "int?", "shared_dirty_bytes": "int?", "swap_bytes": "int?", "anonymous_bytes": "int?",
}

// contractDocument are the members of the document of tree and list.
var contractDocument = map[string]string{
	"taken": "time", "source": "string", "cost_ns": "int", "host": "object", "processes": "objects",
}

var contractShow = map[string]string{
	"interval_seconds": "number", "parallelism": "number?", "thread_list": "objects?", "segments": "objects?", "memory": "object",
	"pcb": "object", "limits": "object?", "files": "objects?", "namespaces": "object?", "credentials": "object",
}

// checkShape complains about every documented member that is missing or has
// another type, and about every null without a reason.
func checkShape(t *testing.T, where string, got map[string]any, want map[string]string) {
	t.Helper()
	why, _ := got["why"].(map[string]any)
	for key, typ := range want {
		v, ok := got[key]
		if !ok {
			t.Errorf("%s: no member %q", where, key)
			continue
		}
		optional := strings.HasSuffix(typ, "?")
		if v == nil {
			reason, _ := why[key].(string)
			if !optional {
				t.Errorf("%s: %s is null", where, key)
			} else if reason == "" {
				t.Errorf("%s: %s is null without a reason", where, key)
			}
			continue
		}
		if err := checkType(v, strings.TrimSuffix(typ, "?")); err != nil {
			t.Errorf("%s: %s: %v", where, key, err)
		}
	}
}

func checkType(v any, typ string) error {
	ok := false
	switch typ {
	case "string":
		_, ok = v.(string)
	case "time":
		s, _ := v.(string)
		_, err := time.Parse(time.RFC3339Nano, s)
		ok = err == nil
	case "bool":
		_, ok = v.(bool)
	case "number":
		_, ok = v.(json.Number)
	case "int":
		n, _ := v.(json.Number)
		ok = n != "" && !strings.ContainsAny(n.String(), ".eE")
	case "object":
		_, ok = v.(map[string]any)
	case "objects", "strings", "ints":
		return checkList(v, strings.TrimSuffix(typ, "s"))
	}
	if !ok {
		return fmt.Errorf("%v (%T) is no %s", v, v, typ)
	}
	return nil
}

func checkList(v any, typ string) error {
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("%v (%T) is no list", v, v)
	}
	for _, x := range list {
		if err := checkType(x, typ); err != nil {
			return err
		}
	}
	return nil
}

// checkNulls walks the whole document: every null has its reason in the why
// map of its own object.
func checkNulls(t *testing.T, where string, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			checkNulls(t, fmt.Sprintf("%s[%d]", where, i), x)
		}
	case map[string]any:
		why, _ := v["why"].(map[string]any)
		for key, x := range v {
			if x == nil {
				if reason, _ := why[key].(string); reason == "" {
					t.Errorf("%s.%s is null without a reason", where, key)
				}
			}
			checkNulls(t, where+"."+key, x)
		}
		for key := range why {
			if x, ok := v[key]; !ok || x != nil {
				t.Errorf("%s: a reason for %q, which is not null", where, key)
			}
		}
	}
}

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("not JSON: %v\n%.400s", err, text)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("more than one document: %v", err)
	}
	return doc
}

func objects(t *testing.T, doc map[string]any, key string) []map[string]any {
	t.Helper()
	list, ok := doc[key].([]any)
	if !ok {
		t.Fatalf("%s is no list: %v", key, doc[key])
	}
	out := make([]map[string]any, len(list))
	for i, x := range list {
		out[i], _ = x.(map[string]any)
	}
	return out
}

func object(t *testing.T, doc map[string]any, key string) map[string]any {
	t.Helper()
	o, ok := doc[key].(map[string]any)
	if !ok {
		t.Fatalf("%s is no object: %v", key, doc[key])
	}
	return o
}

// checkDocument checks the document of tree and list.
func checkDocument(t *testing.T, doc map[string]any, threads, tree bool) {
	t.Helper()
	checkShape(t, "document", doc, contractDocument)
	checkShape(t, "host", object(t, doc, "host"), map[string]string{"cpus": "int", "boot_id": "string?"})
	checkNulls(t, "document", doc)
	for _, p := range objects(t, doc, "processes") {
		where := fmt.Sprintf("process %v", p["pid"])
		checkShape(t, where, p, contractProcess)
		checkShape(t, where, p, map[string]string{"children": "ints"})
		if tree {
			checkShape(t, where, p, map[string]string{"depth": "int"})
		}
		if threads && p["thread_list"] != nil {
			for _, th := range objects(t, p, "thread_list") {
				checkShape(t, fmt.Sprintf("%s thread %v", where, th["tid"]), th, contractThread)
			}
		}
		if _, has := p["thread_list"]; has != threads {
			t.Errorf("%s: thread_list: %v, want %v", where, has, threads)
		}
	}
}

// checkShown checks the document of show.
func checkShown(t *testing.T, doc map[string]any) {
	t.Helper()
	checkNulls(t, "show", doc)
	for _, want := range []map[string]string{contractProcess, contractRates, contractShow} {
		checkShape(t, "show", doc, want)
	}
	checkShape(t, "wait", object(t, doc, "wait"), contractWait)
	if doc["thread_list"] != nil {
		for _, th := range objects(t, doc, "thread_list") {
			where := fmt.Sprintf("thread %v", th["tid"])
			checkShape(t, where, th, contractThread)
			checkShape(t, where, th, contractRates)
			checkShape(t, where+" wait", object(t, th, "wait"), contractWait)
		}
	}
	if doc["segments"] != nil {
		for _, g := range objects(t, doc, "segments") {
			where := fmt.Sprintf("segment %v", g["start"])
			checkShape(t, where, g, contractSizes)
			checkShape(t, where, g, map[string]string{
				"start": "string", "end": "string", "perms": "string", "kind": "string",
				"group": "string", "name": "string", "owner_tid": "int?",
			})
		}
	}
	memory := object(t, doc, "memory")
	checkShape(t, "memory", memory, map[string]string{"rss_bytes": "int?", "pss_bytes": "int?", "uss_bytes": "int?", "swap_bytes": "int?"})
	groups := object(t, memory, "groups")
	for _, g := range inspect.Groups() {
		if v, ok := groups[string(g)]; !ok {
			t.Errorf("memory.groups: no %s", g)
		} else if v != nil {
			checkShape(t, "memory.groups."+string(g), object(t, groups, string(g)), contractSizes)
		}
	}
	if pcb := object(t, doc, "pcb"); len(pcb) != 9 {
		t.Errorf("pcb has %d groups, want 9", len(pcb))
	}
}

func TestProcessesJSONShape(t *testing.T) {
	s := inspecttest.Snapshot(60)
	for _, threads := range []bool{false, true} {
		var b bytes.Buffer
		err := writeProcessesJSON(&b, s, newDocumentJSON(inspect.Diff(nil, s), nil, threads), func(put func(inspect.Row, int)) {
			var forest inspect.Forest
			for _, r := range forest.Flatten(s, inspect.TreeOptions{}) {
				put(processRow(inspect.Diff(nil, s), r.Index), r.Depth)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		doc := decode(t, b.Bytes())
		checkDocument(t, doc, threads, true)
		if n := len(objects(t, doc, "processes")); n != len(s.Processes) {
			t.Errorf("%d processes, want %d", n, len(s.Processes))
		}
		for _, p := range objects(t, doc, "processes") {
			if why := object(t, p, "why")["cpu_percent"]; why != "needs two samples" {
				t.Errorf("process %v: cpu_percent: why = %v", p["pid"], why)
			}
		}
	}
}

// canned is what show would have read of the focus of the canned machine.
func canned() *shown {
	c := inspect.Diff(inspecttest.SnapshotAt(40, 0), inspecttest.SnapshotAt(40, 1))
	s := &shown{
		changes:  c,
		row:      processRow(c, c.Cur.Index(inspecttest.FocusPID)),
		detail:   c.Cur.Detail,
		parent:   inspect.Know("parent"),
		children: []int{},
	}
	for i := range s.row.Process.Threads {
		if s.row.Process.Threads[i].ID.TID == inspecttest.FocusPID {
			s.leader = &s.row.Process.Threads[i]
		}
	}
	return s
}

func TestShowJSONShape(t *testing.T) {
	checkShown(t, decode(t, canned().appendJSON(nil)))
}

// TestShowJSONWithoutDetail: everything that could not be read is null with a
// reason, nothing is 0.
func TestShowJSONWithoutDetail(t *testing.T) {
	s := canned()
	s.detail = &inspect.Detail{ID: s.row.Process.ID, SegmentsWhy: inspect.NeedsPtrace}
	s.leader = nil
	doc := decode(t, s.appendJSON(nil))
	checkShown(t, doc)
	for _, key := range []string{"segments", "limits", "files", "namespaces"} {
		if doc[key] != nil {
			t.Errorf("%s = %v, want null", key, doc[key])
		}
	}
}

// TestShowJSONWithMapsOnly: the sizes of segments are known where the kernel
// shows the map but not the pages.
func TestShowJSONWithMapsOnly(t *testing.T) {
	s := canned()
	d := *s.detail
	d.Memory = inspect.Memory{Why: inspect.NeedsPtrace}
	s.detail = &d
	doc := decode(t, s.appendJSON(nil))
	checkShown(t, doc)
	first := objects(t, doc, "segments")[0]
	if first["rss_bytes"] != nil || first["size_bytes"] == json.Number("0") {
		t.Errorf("first segment: rss_bytes %v, size_bytes %v", first["rss_bytes"], first["size_bytes"])
	}
	code := object(t, object(t, object(t, doc, "memory"), "groups"), "code")
	if code["rss_bytes"] != nil || code["size_bytes"] == json.Number("0") {
		t.Errorf("code: rss_bytes %v, size_bytes %v", code["rss_bytes"], code["size_bytes"])
	}
}

func TestWatchJSONShape(t *testing.T) {
	c := inspect.Diff(inspecttest.SnapshotAt(40, 0), inspecttest.SnapshotAt(40, 1))
	i := c.Cur.Index(inspecttest.FocusPID)
	for _, descendants := range []bool{false, true} {
		var b bytes.Buffer
		out := &watchJSON{a: &app{stdout: &output{w: &b}}, descendants: descendants}
		w := &watched{changes: c, rows: []inspect.Row{processRow(c, i), processRow(c, 0)}, exited: []int{7}}
		for range 2 {
			if err := out.write(w); err != nil {
				t.Fatal(err)
			}
		}
		lines := bytes.SplitAfter(b.Bytes(), []byte("\n"))
		if len(lines) != 3 || len(lines[2]) != 0 {
			t.Fatalf("%d lines, want 2", len(lines)-1)
		}
		for _, line := range lines[:2] {
			doc := decode(t, line)
			checkNulls(t, "watch", doc)
			checkShape(t, "watch", doc, map[string]string{
				"taken": "time", "interval_seconds": "number", "process": "object", "threads": "objects",
				"born": "ints", "exited": "ints", "reset": "bool",
			})
			checkShape(t, "process", object(t, doc, "process"), contractProcess)
			for _, th := range objects(t, doc, "threads") {
				checkShape(t, fmt.Sprintf("thread %v", th["tid"]), th, contractThread)
			}
			if _, has := doc["descendants"]; has != descendants {
				t.Errorf("descendants: %v, want %v", has, descendants)
			}
		}
	}
}

// A document about all processes leaves out what it did not ask for; -o asks.
func TestDocumentLeavesOut(t *testing.T) {
	s := inspecttest.Snapshot(8)
	s.Want = documentWant
	write := func(chosen []*inspect.Field) map[string]any {
		var b bytes.Buffer
		err := writeProcessesJSON(&b, s, newDocumentJSON(inspect.Diff(nil, s), chosen, true), func(put func(inspect.Row, int)) {
			put(processRow(inspect.Diff(nil, s), 0), 0)
		})
		if err != nil {
			t.Fatal(err)
		}
		doc := decode(t, b.Bytes())
		checkNulls(t, "document", doc)
		return objects(t, doc, "processes")[0]
	}
	asked := []string{"tracer_pid", "tty", "exe", "pss_bytes", "rss_growth_bytes", "running_percent"}
	p := write(nil)
	checkShape(t, "process", p, contractProcess)
	for _, key := range asked {
		if _, has := p[key]; has {
			t.Errorf("%s is there although nobody asked for it", key)
		}
	}
	p = write(mustFields(asked...))
	for _, key := range asked {
		if _, has := p[key]; !has {
			t.Errorf("%s is missing although it was asked for", key)
		}
	}
}

func BenchmarkProcessesJSON(b *testing.B) {
	s := inspecttest.Snapshot(10000)
	for b.Loop() {
		err := writeProcessesJSON(io.Discard, s, newDocumentJSON(inspect.Diff(nil, s), nil, false), func(put func(inspect.Row, int)) {
			for i, p := range s.Processes {
				put(inspect.Row{Snapshot: s, Process: s.Processes[i]}, p.ID.PID&7)
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
