package main

import (
	"bytes"
	"encoding/json"
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
