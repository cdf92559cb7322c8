package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// numbersOf collects the paths of all numbers of a document, in the form in
// which `fields` names them.
func numbersOf(path string, v any, into map[string]bool) {
	switch v := v.(type) {
	case json.Number:
		into[strings.TrimSuffix(path, "/")] = true
	case []any:
		for _, x := range v {
			numbersOf(path, x, into)
		}
	case map[string]any:
		for key, x := range v {
			next := strings.TrimPrefix(strings.TrimSuffix(path, "/")+"."+key, ".")
			switch path {
			case "memory.groups", "limits", "namespaces", "pcb": // members are names
				next = path + "/"
			case "processes", "thread_list", "threads", "process", "descendants":
				next = key
			}
			numbersOf(next, x, into)
		}
	}
}

// TestEveryNumberHasAField: each number of each document is described by
// `fields`, with its scope.
func TestEveryNumberHasAField(t *testing.T) {
	known := make(map[string]bool)
	var b bytes.Buffer
	if err := writeJSON(&b, fieldsJSON(inspect.Fields())); err != nil {
		t.Fatal(err)
	}
	for _, f := range objects(t, decode(t, b.Bytes()), "fields") {
		id := f["id"].(string)
		if known[id] {
			t.Errorf("field %s twice", id)
		}
		known[id] = true
		for _, key := range []string{"scope", "meaning", "kind"} {
			if f[key] == "" {
				t.Errorf("field %s: no %s", id, key)
			}
		}
		if list := f["source_files"].([]any); len(list) == 0 {
			t.Errorf("field %s: no source", id)
		}
	}
	numbers := make(map[string]bool)
	numbersOf("", decode(t, canned().appendJSON(nil)), numbers)
	b.Reset()
	c := inspect.Diff(inspecttest.SnapshotAt(40, 0), inspecttest.SnapshotAt(40, 1))
	err := writeProcessesJSON(&b, c.Cur, newProcessJSON(c, nil, true), func(put func(inspect.Row, int)) {
		for i := range c.Cur.Processes {
			put(processRow(c, i), 0)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	numbersOf("", decode(t, b.Bytes()), numbers)
	b.Reset()
	out := &watchJSON{a: &app{stdout: &output{w: &b}}, descendants: true}
	if err := out.write(&watched{changes: c, rows: []inspect.Row{processRow(c, 1), processRow(c, 2)}, born: []int{1}, exited: []int{2}}); err != nil {
		t.Fatal(err)
	}
	numbersOf("", decode(t, b.Bytes()), numbers)
	if len(numbers) < 80 {
		t.Errorf("only %d numbers found", len(numbers))
	}
	for _, path := range slices.Sorted(maps.Keys(numbers)) {
		last := path[strings.LastIndexByte(path, '.')+1:]
		// The control block repeats fields, and the credentials, by their own names.
		if !known[path] && !(strings.HasPrefix(path, "pcb.") && (known[last] || known["credentials."+last])) &&
			!(strings.HasPrefix(path, "credentials.") && known[last]) {
			t.Errorf("no field for %s", path)
		}
	}
}

// TestFieldsAndDoctorJSON: both documents have the promised members, and every
// number about a process has its field.
func TestFieldsAndDoctorJSON(t *testing.T) {
	t.Parallel()
	_, stdout, _ := invoke(t, "fields", "--json")
	known := make(map[string]bool)
	for _, f := range objects(t, decode(t, []byte(stdout)), "fields") {
		checkShape(t, fmt.Sprint(f["id"]), f, map[string]string{
			"id": "string", "unit": "string", "scope": "string", "source_files": "strings", "meaning": "string",
		})
		known[fmt.Sprint(f["id"])] = true
		if f["meaning"] == "" || f["scope"] == "" {
			t.Errorf("%v: no meaning or no scope", f["id"])
		}
	}
	for _, want := range []map[string]string{contractProcess, contractThread} {
		for key, typ := range want {
			if strings.HasPrefix(typ, "int") || strings.HasPrefix(typ, "number") {
				if !known[key] {
					t.Errorf("no field %q", key)
				}
			}
		}
	}
	_, stdout, _ = invoke(t, "doctor", "--json")
	doc := decode(t, []byte(stdout))
	checkShape(t, "doctor", doc, map[string]string{"grant": "string?", "grant_gives": "strings"})
	list := objects(t, doc, "capabilities")
	if len(list) == 0 {
		t.Error("doctor knows no capability")
	}
	for _, c := range list {
		checkShape(t, fmt.Sprint(c["id"]), c, map[string]string{"id": "string", "title": "string", "state": "string", "reason": "string", "remedy": "string", "needs": "strings"})
		if !slices.Contains([]string{"available", "absent", "unknown"}, fmt.Sprint(c["state"])) {
			t.Errorf("%v: state %v", c["id"], c["state"])
		}
		if c["state"] != "available" && c["reason"] == "" {
			t.Errorf("%v is %v without a reason", c["id"], c["state"])
		}
	}
}
