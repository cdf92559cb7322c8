package inspect_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// forest makes processes of "pid<ppid" or "pid<ppid@start" words.
func forest(words ...string) *inspect.Snapshot {
	s := &inspect.Snapshot{}
	for _, w := range words {
		var p inspect.Process
		var ppid int
		if n, _ := fmt.Sscanf(w, "%d<%d@%d", &p.ID.PID, &ppid, &p.ID.Start); n < 2 {
			panic(w)
		}
		p.PPID = inspect.Know(ppid)
		s.Processes = append(s.Processes, &p)
	}
	return s
}

// draw shows rows the way the tree page does.
func draw(s *inspect.Snapshot, rows []inspect.TreeRow) string {
	var b strings.Builder
	for _, r := range rows {
		for d := range r.Depth {
			switch {
			case d == 0:
			case r.Guides>>d&1 != 0:
				b.WriteString("| ")
			default:
				b.WriteString("  ")
			}
		}
		if r.Depth > 0 {
			b.WriteString(map[bool]string{true: "`-", false: "|-"}[r.Last])
		}
		fmt.Fprint(&b, s.Processes[r.Index].ID.PID)
		if r.Dimmed {
			b.WriteString(" dim")
		}
		if r.Folded {
			fmt.Fprintf(&b, " +%d", r.Hidden)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestFlatten(t *testing.T) {
	all := []string{"1<0", "2<0", "10<1", "11<1", "12<10", "13<10", "14<13", "20<2"}
	tests := []struct {
		name string
		in   []string
		o    inspect.TreeOptions
		want string
	}{
		{name: "tree", in: all, want: "1\n|-10\n| |-12\n| `-13\n|   `-14\n`-11\n2\n`-20\n"},
		{name: "empty", want: ""},
		{name: "subtree", in: all, o: inspect.TreeOptions{Root: 10}, want: "10\n|-12\n`-13\n  `-14\n"},
		{name: "no such subtree", in: all, o: inspect.TreeOptions{Root: 99}, want: ""},
		{
			name: "folded", in: all, o: inspect.TreeOptions{Folded: func(id inspect.ID) bool { return id.PID == 10 || id.PID == 12 }},
			want: "1\n|-10 +3\n`-11\n2\n`-20\n",
		},
		{
			name: "filter keeps ancestors and descendants", in: all,
			o:    inspect.TreeOptions{Match: func(i int) bool { return i == 5 }}, // 13
			want: "1 dim\n`-10 dim\n  `-13\n    `-14\n",
		},
		{
			name: "filter and fold", in: all,
			o:    inspect.TreeOptions{Match: func(i int) bool { return i == 6 }, Folded: func(id inspect.ID) bool { return id.PID == 10 }},
			want: "1 dim\n`-10 dim +2\n",
		},
		{
			name: "order of siblings", in: all, o: inspect.TreeOptions{Less: func(i, j int) bool { return i > j }},
			want: "2\n`-20\n1\n|-11\n`-10\n  |-13\n  | `-14\n  `-12\n",
		},
		{name: "orphan", in: []string{"1<0", "10<7"}, want: "1\n10\n"},
		{name: "own parent", in: []string{"5<5"}, want: "5\n"},
		{name: "cycle", in: []string{"1<0", "5<7", "6<5", "7<6"}, want: "1\n5\n`-6\n  `-7\n"},
		{name: "younger parent", in: []string{"5<7@100", "7<0@200"}, want: "5\n7\n"},
		{name: "parent of the same tick", in: []string{"5<7@100", "7<0@100"}, want: "7\n`-5\n"},
	}
	var f inspect.Forest
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := forest(tt.in...)
			if got := draw(s, f.Flatten(s, tt.o)); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
	if rows := f.Flatten(nil, inspect.TreeOptions{}); len(rows) != 0 {
		t.Errorf("rows without a snapshot: %v", rows)
	}
}

// Whatever the parents are, every process has exactly one row, and a row lies
// one deeper than its parent.
func TestFlattenIsTotal(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var f inspect.Forest
	for range 200 {
		s := &inspect.Snapshot{}
		n := 1 + rng.IntN(60)
		for pid := 1; pid <= n; pid++ {
			s.Processes = append(s.Processes, &inspect.Process{
				ID: inspect.ID{PID: pid, Start: rng.Uint64N(3)}, PPID: inspect.Know(rng.IntN(n + 5)),
			})
		}
		rows := f.Flatten(s, inspect.TreeOptions{})
		seen := map[int]bool{}
		for i, r := range rows {
			if seen[r.Index] {
				t.Fatalf("process %d twice", r.Index)
			}
			seen[r.Index] = true
			if i > 0 && r.Depth > rows[i-1].Depth+1 || i == 0 && r.Depth != 0 {
				t.Fatalf("row %d jumps to depth %d", i, r.Depth)
			}
		}
		if len(rows) != n {
			t.Fatalf("%d rows of %d processes", len(rows), n)
		}
	}
}

func TestFlattenAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("allocations are counted without -race")
	}
	s := inspecttest.Snapshot(500)
	less := func(i, j int) bool { return s.Processes[i].RSSBytes.V > s.Processes[j].RSSBytes.V }
	for name, o := range map[string]inspect.TreeOptions{
		"plain":    {},
		"sorted":   {Less: less},
		"filtered": {Match: func(i int) bool { return i%7 == 0 }, Folded: func(id inspect.ID) bool { return id.PID%5 == 0 }},
	} {
		var f inspect.Forest
		f.Flatten(s, o)
		if n := testing.AllocsPerRun(20, func() { f.Flatten(s, o) }); n > 0 {
			t.Errorf("%s: %v allocations per call", name, n)
		}
	}
}

// BenchmarkFlatten: 10,000 rows have to be ready in 3 ms.
func BenchmarkFlatten(b *testing.B) {
	s := inspecttest.Snapshot(10000)
	less := func(i, j int) bool { return s.Processes[i].CPUTimeNS.V > s.Processes[j].CPUTimeNS.V }
	for name, o := range map[string]inspect.TreeOptions{
		"by_pid": {}, "by_cpu": {Less: less}, "filtered": {Match: func(i int) bool { return i%10 == 0 }},
	} {
		b.Run(name, func(b *testing.B) {
			var f inspect.Forest
			b.ReportAllocs()
			for b.Loop() {
				if rows := f.Flatten(s, o); len(rows) == 0 {
					b.Fatal("no rows")
				}
			}
		})
	}
}

func TestForestSubtree(t *testing.T) {
	s := forest("1<0", "2<0", "10<1", "11<1", "12<10", "20<2")
	var f inspect.Forest
	f.Flatten(s, inspect.TreeOptions{Folded: func(inspect.ID) bool { return true }})
	pids := func(pid int) (out []int) {
		for _, i := range f.Subtree(nil, s.Index(pid)) {
			out = append(out, s.Processes[i].ID.PID)
		}
		return out
	}
	if got := fmt.Sprint(pids(1), pids(12), pids(20)); got != "[1 10 12 11] [12] [20]" {
		t.Error(got)
	}
	f.Flatten(s, inspect.TreeOptions{Match: func(i int) bool { return s.Processes[i].ID.PID == 12 }})
	if got := fmt.Sprint(pids(1), pids(2)); got != "[1 10 12] []" {
		t.Errorf("with a filter: %s", got)
	}
	if got := f.Subtree(nil, 99); got != nil {
		t.Error(got)
	}
}
