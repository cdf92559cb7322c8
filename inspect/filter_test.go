package inspect_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

func TestFilterMatch(t *testing.T) {
	f := inspecttest.Frame(8)
	tests := []struct {
		expr string
		want []int // PIDs
	}{
		{"", []int{1, 2, 17, 900, 1004, 1005, 1006, 1007}},
		{"busy", []int{1004}},
		{"BUSY", []int{1004}},
		{"데이터", []int{1007}},
		{"1004", []int{1004}},
		{`"--mode a b"`, []int{1004}},
		{"alice", []int{900, 1004, 1005, 1006}},
		{"alice busy", []int{1004}},
		{"alice and not busy", []int{900, 1005, 1006}},
		{"init or busy", []int{1, 1004}},
		{"(init or busy) and user=root", []int{1}},
		{"!alice !root", []int{1007}},
		{"pid=1", []int{1}},
		{"pid != 1 and pid<=17", []int{2, 17}},
		{"state=Z", []int{1006}},
		{"state=running", []int{1004}},
		{"state_derived=zombie", []int{1006}},
		{"state=D", []int{1007}},
		{"kernel_thread=yes", []int{2, 17}},
		{"rss>=5MiB and rss<=6.1MiB", []int{1004, 1005}},
		{"rss_bytes>6291456", []int{1005, 1007}},
		{"cpu>100", []int{1004}},
		{"cpu_percent > 3% and cpu<100%", []int{1007}},
		{"cpu_time > 1s", []int{1004}},
		{"cmdline~'^\\./busy'", []int{1004}},
		{"comm~^b", []int{900, 1004}},
		{"user=alice comm!~^b", []int{1005, 1006}},
		{"comm='busy worker'", []int{1004}},
		// Unknown never matches: not of what is unknown is unknown too.
		{"pss>0", []int{1, 900, 1004, 1005}},
		{"not pss>0", nil},
		{"pss=0 or not pss=0", []int{1, 900, 1004, 1005}},
		{"pss!=1", []int{1, 900, 1004, 1005}},
		{"not pss>0 or pid=1007", []int{1007}},
		{"start_time < 2026-01-02T02:04:07Z", []int{1, 2, 17, 900, 1004, 1005, 1006, 1007}},
	}
	for _, tt := range tests {
		flt, err := inspect.ParseFilter(tt.expr)
		if err != nil {
			t.Errorf("%q: %v", tt.expr, err)
			continue
		}
		var got []int
		for i, p := range f.Processes {
			if flt.Match(inspect.Row{Snapshot: f.Snapshot, Process: p, Delta: f.Changes.Deltas[i]}) {
				got = append(got, p.ID.PID)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q matches %v, want %v", tt.expr, got, tt.want)
		}
	}
}

func TestFilterThreads(t *testing.T) {
	f := inspecttest.Frame(8)
	p := f.ByPID(inspecttest.FocusPID)
	row := inspect.Row{Snapshot: f.Snapshot, Process: p, Thread: &p.Threads[1]}
	for expr, want := range map[string]bool{
		"/1": true, "tid=101004": true, "101004": true, "state=S": false, "state=R": true,
		"rss>0": false, // belongs to the process
	} {
		flt, err := inspect.ParseFilter(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := flt.Match(row); got != want {
			t.Errorf("%q on a thread: %v, want %v", expr, got, want)
		}
	}
}

func TestFilterWant(t *testing.T) {
	for expr, want := range map[string]inspect.Want{
		"":                      0,
		"pid=1":                 0,
		"x":                     inspect.WantCmdline | inspect.WantStatus,
		"pss>1 or read_bytes>1": inspect.WantRollup | inspect.WantIO,
	} {
		flt, err := inspect.ParseFilter(expr)
		if err != nil {
			t.Fatal(err)
		}
		if flt.Want() != want {
			t.Errorf("%q wants %b, want %b", expr, flt.Want(), want)
		}
		if flt.String() != expr {
			t.Errorf("%q prints as %q", expr, flt)
		}
	}
	var none *inspect.Filter
	if !none.Match(inspect.Row{}) || none.Want() != 0 || none.String() != "" {
		t.Error("the nil filter must match everything")
	}
}

func TestFilterErrors(t *testing.T) {
	for expr, want := range map[string]string{
		"bogus=1":            `no field "bogus" at character 1`,
		"vol>1":              `did you mean voluntary_switches`,
		"pid=":               `expected a value after = at character 5`,
		"pid=abc":            `pid: not a number: "abc" at character 5`,
		"rss>1parsec":        `unknown unit "parsec" at character 5`,
		"(pid=1":             `missing ")" at character 7`,
		"pid=1)":             `unexpected ")" at character 6`,
		"and":                `unexpected "and" at character 1`,
		"x or":               `expected a word or a comparison at character 5`,
		"= 5":                `unexpected "=" at character 1`,
		`"abc`:               `quote not closed at character 1`,
		"comm~[":             `missing closing ]`,
		"데이터 pid>x":          `character 9`,
		"kernel_thread=2":    `expected true or false`,
		"start_time>x":       `expected a time`,
		"threads>1.5.5":      `not a number`,
		"cpu>NaN":            `not a number`,
		"not not not":        `expected a word`,
		"rss_bytes = = 1":    `expected a value`,
		"pid=1 nosuchfield>": `no field "nosuchfield"`,
	} {
		_, err := inspect.ParseFilter(expr)
		var fe *inspect.FilterError
		if !errors.As(err, &fe) {
			t.Errorf("%q: error %v, want a *FilterError", expr, err)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, want %q in it", expr, err, want)
		}
	}
	if _, err := inspect.ParseFilter(strings.Repeat("(", 5000)); err == nil {
		t.Error("a very long expression is accepted")
	}
	if _, err := inspect.ParseFilter(strings.Repeat("(", 200)); err == nil {
		t.Error("a very deep expression is accepted")
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"a", "not (a or b) c>=1", "rss>64MiB", `comm="a b"`, "x~[", "!", "pid=1e9", "'\\''"} {
		f.Add(s)
	}
	snap := inspecttest.Snapshot(8)
	f.Fuzz(func(t *testing.T, expr string) {
		flt, err := inspect.ParseFilter(expr)
		if err != nil {
			var fe *inspect.FilterError
			if !errors.As(err, &fe) || fe.Pos < 0 || fe.Pos > len(expr) {
				t.Fatalf("%q: bad error %v", expr, err)
			}
			_ = err.Error()
			return
		}
		for _, p := range snap.Processes {
			flt.Match(inspect.Row{Snapshot: snap, Process: p})
			for k := range p.Threads {
				flt.Match(inspect.Row{Snapshot: snap, Process: p, Thread: &p.Threads[k]})
			}
		}
	})
}
