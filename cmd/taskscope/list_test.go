package main

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// listRows are the rows of a list of the canned machine.
func listRows(t *testing.T, fl listFlags) (*listPlan, []inspect.Row) {
	t.Helper()
	fl.sorted, fl.output = fl.sort != "", fl.fields != ""
	p, err := fl.plan()
	if err != nil {
		t.Fatal(err)
	}
	return p, p.rows(inspect.Diff(inspecttest.SnapshotAt(40, 0), inspecttest.SnapshotAt(40, 1)))
}

func TestListOrder(t *testing.T) {
	get := func(id string, r inspect.Row) inspect.Value {
		f, ok := inspect.FieldByID(id)
		if !ok {
			t.Fatalf("no field %q", id)
		}
		return f.Get(r)
	}
	for _, tc := range []struct {
		sort string
		desc bool
	}{{"rss_bytes", true}, {"-rss_bytes", false}, {"pid", false}, {"-pid", true}, {"cpu_percent", true}, {"comm", false}, {"voluntary_switches", true}} {
		p, rows := listRows(t, listFlags{sort: tc.sort})
		if len(rows) != 40 {
			t.Fatalf("%s: %d rows", tc.sort, len(rows))
		}
		if p.rates != (tc.sort == "cpu_percent") {
			t.Errorf("%s: two samples: %v", tc.sort, p.rates)
		}
		id := strings.TrimPrefix(tc.sort, "-")
		for i := 1; i < len(rows); i++ {
			a, b := get(id, rows[i-1]), get(id, rows[i])
			if !a.OK() && b.OK() {
				t.Errorf("%s: an unknown value before a known one", tc.sort)
			}
			if a.OK() && b.OK() && (tc.desc && a.Compare(b) < 0 || !tc.desc && a.Compare(b) > 0) {
				t.Errorf("%s: rows %d and %d in the wrong order", tc.sort, i-1, i)
			}
		}
	}
}

func TestListFilter(t *testing.T) {
	_, all := listRows(t, listFlags{threads: true})
	_, byProcess := listRows(t, listFlags{threads: true, filter: "threads > 1"})
	_, byThread := listRows(t, listFlags{threads: true, filter: "tid = 1"})
	if len(byProcess) == 0 || len(byProcess) >= len(all) {
		t.Errorf("threads > 1: %d of %d threads", len(byProcess), len(all))
	}
	for _, r := range byProcess {
		if r.Thread == nil || len(r.Process.Threads) < 2 {
			t.Errorf("thread of process %d listed", r.Process.ID.PID)
		}
	}
	if len(byThread) != 1 || byThread[0].Thread.ID.TID != 1 {
		t.Errorf("tid = 1: %d rows", len(byThread))
	}
}

func TestListCSV(t *testing.T) {
	p, rows := listRows(t, listFlags{csv: true, fields: "pid,comm,cpu_percent,pss_bytes,cmdline"})
	rows[0].Process = clone(rows[0].Process)
	rows[0].Process.PSSBytes = inspect.Unknown[uint64](inspect.Denied)
	rows[0].Process.Comm = "a,\"b\n\xff\x1b"
	var b bytes.Buffer
	if err := p.writeCSV(&app{stdout: &output{w: &b}}, rows); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(rows)+1 || strings.Join(got[0], ",") != p.fields {
		t.Fatalf("%d lines, head %q", len(got), got[0])
	}
	if got[1][1] != `a,"b\x0a\xff\x1b` {
		t.Errorf("name = %q", got[1][1])
	}
	if got[1][2] == "" || got[1][3] != "" {
		t.Errorf("cpu_percent %q, pss_bytes %q; want a number and nothing", got[1][2], got[1][3])
	}
}

// printable reports whether text has no other control character than newlines.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}

func clone(p *inspect.Process) *inspect.Process {
	c := *p
	return &c
}

// TestListText: columns are aligned, nothing unsafe is printed, and lines are
// cut only for a terminal.
func TestListText(t *testing.T) {
	p, rows := listRows(t, listFlags{})
	rows[1].Process = clone(rows[1].Process)
	rows[1].Process.Cmdline = inspect.Know([]string{"日本\x1b[31m\r\n", "\xff\u202e"})
	for _, ascii := range []bool{false, true} {
		var b bytes.Buffer
		a := &app{stdout: &output{w: &b}, ascii: ascii}
		if err := p.writeText(a, rows); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if !printable(text) || strings.Count(text, "\n") != len(rows)+1 {
			t.Errorf("unsafe text or wrong number of lines: %q", text)
		}
		if ascii && strings.ContainsFunc(text, func(r rune) bool { return r > 0x7e }) {
			t.Errorf("--ascii: %q", text)
		}
		if ascii == strings.Contains(text, "日本") {
			t.Errorf("ascii %v: %q", ascii, strings.Split(text, "\n")[2])
		}
	}
}

func TestTableCut(t *testing.T) {
	tb := table{columns: []column{{"N", false}, {"NAME", true}, {"REST", true}}}
	tb.add("1", "日本", "x")
	tb.add("22", "e\u0301", "long rest of the line")
	var b bytes.Buffer
	if err := tb.write(&b, 0); err != nil {
		t.Fatal(err)
	}
	if want := " N  NAME  REST\n 1  日本  x\n22  e\u0301     long rest of the line\n"; b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := tb.write(&b, 7); err != nil {
		t.Fatal(err)
	}
	if want := " N  NAM\n 1  日\n22  e\u0301  \n"; b.String() != want {
		t.Errorf("cut: got %q want %q", b.String(), want)
	}
}
