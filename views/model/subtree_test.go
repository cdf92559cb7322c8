package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// below are the processes under a PID, found by another way than the tree's.
func below(f *inspect.Frame, pid int) []*inspect.Process {
	var list []*inspect.Process
	for _, q := range f.Processes {
		for at := q; at != nil; at = f.ByPID(at.PPID.Or(0)) {
			if at.ID.PID == pid {
				list = append(list, q)
				break
			}
		}
	}
	return list
}

func TestFoldedRowsShowTotals(t *testing.T) {
	p := processes(40, 220)
	id := p.Frame().ByPID(900).ID
	p.Folded[id] = true
	p.Arrange()
	i := p.FindPID("900")
	var cpu, vol float64
	var threads int
	var rss uint64
	members := below(p.Frame(), 900)
	for _, q := range members {
		d := p.Frame().Changes.Of(q.ID)
		cpu += d.CPUPercent.V
		vol += d.VoluntaryRate.V
		threads += q.ThreadCount.V
		rss += q.RSSBytes.Or(0)
	}
	if len(members) < 10 || cpu == 0 || vol == 0 || rss == 0 {
		t.Fatalf("%d members, CPU %v, switches %v, RSS %d: nothing to add up", len(members), cpu, vol, rss)
	}
	cell := func(id string) string {
		for c, col := range p.Columns() {
			if col.ID == id {
				return p.Row(i)[c].Text()
			}
		}
		t.Fatalf("no column %s", id)
		return ""
	}
	for _, tt := range []struct{ field, want string }{
		{"cpu_percent", Percent(cpu)},
		{"threads", fmt.Sprint(threads)},
		{"voluntary_switches_per_second", Rate(vol)},
		{"rss_bytes", "≤" + Bytes(rss)}, // shared pages are in it more than once
		{"nice", "0"},                   // no sum: of the process itself
	} {
		if got := cell(tt.field); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.field, got, tt.want)
		}
	}
	text := p.Describe(i).Text()
	for _, want := range []string{fmt.Sprintf("subtree of %d processes", len(members)), fmt.Sprintf("%d threads", threads), "once per process"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing: %s", want, text)
		}
	}
	if math.Abs(cpu-130) < 1 {
		t.Error("the total is that of one process")
	}
}

// TestFoldedRowsSortByTotals: siblings stand in the order of what they show,
// which for a folded one is the total of its subtree.
func TestFoldedRowsSortByTotals(t *testing.T) {
	frame := frameAt(40, 1) // a root, ten children of it, and below each two more
	for i, q := range frame.Processes {
		switch {
		case i == 0:
			q.PPID = inspect.Know(0)
		case i%3 == 1:
			q.PPID = inspect.Know(frame.Processes[0].ID.PID)
		default:
			q.PPID = inspect.Know(frame.Processes[i-(i+2)%3].ID.PID)
		}
	}
	p := NewProcesses(UnicodeGlyphs())
	p.Apply(frame)
	p.SortBy("rss_bytes")
	f, _ := inspect.FieldByID("rss_bytes")
	shown := func() (list []uint64, moved bool) {
		own := uint64(math.MaxUint64)
		for _, r := range p.rows {
			if r.Depth != 1 || r.thread >= 0 {
				continue
			}
			v := f.Get(p.row(r.Index)).U
			moved = moved || v > own
			own = v
			if r.Folded {
				v = p.sum(p.subtree(r), f).value.U
			}
			list = append(list, v)
		}
		return list, moved
	}
	p.Arrange()
	if list, moved := shown(); moved || len(list) < 10 || !slices.IsSortedFunc(list, func(a, b uint64) int { return cmp.Compare(b, a) }) {
		t.Fatalf("unfolded: %v", list)
	}
	for i := range p.view.Processes {
		if q := p.view.Processes[i]; q.PPID.Or(0) == frame.Processes[0].ID.PID && i%2 == 0 {
			p.Folded[q.ID] = true
		}
	}
	p.Arrange()
	list, moved := shown()
	if !slices.IsSortedFunc(list, func(a, b uint64) int { return cmp.Compare(b, a) }) {
		t.Errorf("folded: %v", list)
	}
	if !moved {
		t.Error("no total is greater than the value of a sibling before it: nothing is shown by this test")
	}
}

func TestTotalsSayWhatIsMissing(t *testing.T) {
	f := frameAt(20, 1)
	f.ByPID(1005).PSSBytes = inspect.Unknown[uint64](inspect.NeedsPtrace)
	f.ByPID(1005).RSSBytes = inspect.Unknown[uint64](inspect.Denied)
	p := NewProcesses(UnicodeGlyphs())
	p.Chosen = []string{"pid", "pss_bytes", "rss_bytes", "cmdline"}
	p.Apply(f)
	p.Folded[f.ByPID(inspecttest.FocusPID).ID] = true
	p.Arrange()
	row := p.Row(p.FindPID(fmt.Sprint(inspecttest.FocusPID)))
	if own := Bytes(f.ByPID(inspecttest.FocusPID).PSSBytes.V); row[1].Text() != "≥"+own {
		t.Errorf("PSS %q, want at least %s", row[1].Text(), own)
	}
	if row[2].Text() != "—" {
		t.Errorf("RSS %q: a bound from both sides is none", row[2].Text())
	}
}

func TestWhatIsDearIsReadBehindFoldedRows(t *testing.T) {
	p := processes(2000, 200)
	p.Folded[p.Frame().ByPID(inspecttest.FocusPID).ID] = true
	p.Arrange()
	i := p.FindPID(fmt.Sprint(inspecttest.FocusPID))
	got := p.ThreadsBehind([]int{inspecttest.FocusPID}, i, i+1)
	if fmt.Sprint(got) != "[1004 1005]" {
		t.Errorf("threads are read of %v", got)
	}
	p.Folded[p.Frame().ByPID(1).ID] = true
	p.Arrange()
	if got := p.ThreadsBehind([]int{1}, 0, 1); len(got) != 1 {
		t.Errorf("threads of %d processes would be read for one row", len(got))
	}
	if text := p.Describe(0).Text(); !strings.Contains(text, "subtree of") {
		t.Errorf("described as %q", text)
	}
}

func TestFoldingHidesThreads(t *testing.T) {
	p := processes(20, 120)
	p.Threads = true
	p.Arrange()
	before := p.Len()
	id := p.Frame().ByPID(inspecttest.ForeignPID).ID
	p.Folded[id] = true
	p.Arrange()
	if p.Len() != before-3 {
		t.Errorf("%d rows, %d before: its three threads should be hidden", p.Len(), before)
	}
	if text := rowText(p, p.FindPID(fmt.Sprint(inspecttest.ForeignPID))); !strings.Contains(text, "(3 threads)") {
		t.Error(text)
	}
}
