package model

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
	"taskscope/load/verify"
)

func frameAt(n, k int) *inspect.Frame {
	cur := inspecttest.SnapshotAt(n, k)
	return &inspect.Frame{Snapshot: cur, Changes: inspect.Diff(inspecttest.SnapshotAt(n, k-1), cur)}
}

func processes(n, width int) *Processes {
	p := NewProcesses(UnicodeGlyphs())
	p.Width = width
	p.Apply(frameAt(n, 1))
	p.Arrange()
	return p
}

// rowText is one row as it would be read.
func rowText(l List, i int) string {
	var parts []string
	for _, c := range l.Row(i) {
		parts = append(parts, strings.TrimSpace(c.Text()))
	}
	return strings.Join(parts, "|")
}

func TestEveryRowIsComplete(t *testing.T) {
	for width := 20; width <= 260; width += 7 {
		p := processes(40, width)
		p.Threads = true
		for _, flat := range []bool{false, true} {
			p.Flat = flat
			p.Arrange()
			if len(p.Columns()) < 3 || p.Columns()[0].ID != "pid" {
				t.Fatalf("width %d: columns %v", width, p.Columns())
			}
			for i := range p.Len() {
				if got := len(p.Row(i)); got != len(p.Columns()) {
					t.Fatalf("row %d has %d cells for %d columns", i, got, len(p.Columns()))
				}
				if p.Find(p.Key(i)) != i {
					t.Fatalf("row %d is not found by its key", i)
				}
				p.Describe(i)
			}
		}
	}
}

func TestFixedColumnsLeaveRoomForTheCommand(t *testing.T) {
	for _, width := range []int{60, 80, 100, 120, 150, 170, 200} {
		p := processes(20, width)
		used := 0
		for _, c := range p.Columns() {
			if !c.Flex {
				used += c.Width + 1
			}
		}
		if width-used < 18 {
			t.Errorf("at %d columns, %d are left for the command", width, width-used)
		}
	}
}

func TestNumbersFitTheirColumns(t *testing.T) {
	p := processes(60, 200)
	for i := range p.Len() {
		for c, cell := range p.Row(i) {
			col := p.Columns()[c]
			if n := utf8.RuneCountInString(cell.Text()); !col.Left && n > col.Width {
				t.Errorf("%s: %q is wider than %d", col.Title, cell.Text(), col.Width)
			}
		}
	}
}

func TestFoldingHidesAndCounts(t *testing.T) {
	p := processes(20, 120)
	all := p.Len()
	bash := slices.IndexFunc(p.rows, func(r procRow) bool { return p.view.Processes[r.Index].Comm == "bash" })
	id := p.Key(bash).Process
	p.Folded[id] = true
	p.Arrange()
	if p.Len() >= all || !strings.Contains(rowText(p, bash), "(+") {
		t.Errorf("%d rows of %d: %s", p.Len(), all, rowText(p, bash))
	}
	p.FoldAll()
	p.Arrange()
	if p.Len() != all {
		t.Errorf("unfolding all gives %d rows of %d", p.Len(), all)
	}
}

func TestKernelThreadsAreHiddenUntilWanted(t *testing.T) {
	p := processes(20, 120)
	has := func() bool {
		for i := range p.Len() {
			if strings.Contains(rowText(p, i), "[kthreadd]") {
				return true
			}
		}
		return false
	}
	if has() {
		t.Error("kernel threads are shown")
	}
	p.Kernel = true
	p.Arrange()
	if !has() {
		t.Error("kernel threads are not shown")
	}
}

func TestExitedStaysForOneSample(t *testing.T) {
	p := NewProcesses(UnicodeGlyphs())
	p.Width, p.Flat = 120, true
	prev, cur := inspecttest.SnapshotAt(20, 1), inspecttest.SnapshotAt(12, 2)
	p.Apply(&inspect.Frame{Snapshot: cur, Changes: inspect.Diff(prev, cur)})
	p.Arrange()
	exited := 0
	for i := range p.Len() {
		if p.Exited(i) {
			exited++
			if !strings.Contains(rowText(p, i), "exited") {
				t.Errorf("not marked: %s", rowText(p, i))
			}
		}
	}
	if exited != 8 {
		t.Errorf("%d exited rows, want 8", exited)
	}
	p.Apply(frameAt(12, 3))
	p.Arrange()
	for i := range p.Len() {
		if p.Exited(i) {
			t.Errorf("still there: %s", rowText(p, i))
		}
	}
}

func TestDeniedValuesSayWhy(t *testing.T) {
	p := processes(20, 200)
	i := p.FindPID("1007")
	if text := p.Describe(i).Text(); !strings.Contains(text, "needs CAP_SYS_PTRACE") || !strings.Contains(text, "PSS") {
		t.Errorf("described as %q", text)
	}
}

func TestSearchGoesRound(t *testing.T) {
	p := processes(20, 120)
	p.Search = "WORKER -n 9"
	if p.Next(0, 1) != -1 {
		t.Error("found what is split over two arguments")
	}
	p.Search = "worker"
	first := p.Next(0, 1)
	last := p.Next(0, -1)
	if first < 0 || last <= first || p.Next(last, 1) != first {
		t.Errorf("first %d, last %d", first, last)
	}
}

func TestSortIsStableAndReverses(t *testing.T) {
	p := processes(40, 120)
	p.Flat = true
	p.SortBy("rss_bytes")
	p.Arrange()
	down := keys(p)
	p.SortBy("rss_bytes")
	p.Arrange()
	if p.ListSort.Desc {
		t.Error("sorting by the same column again does not reverse")
	}
	p.SortBy("rss_bytes")
	p.Arrange()
	if !slices.Equal(down, keys(p)) {
		t.Error("sorting twice gives another order")
	}
}

func keys(l List) []Key {
	var out []Key
	for i := range l.Len() {
		out = append(out, l.Key(i))
	}
	return out
}

func TestFilterErrorsKeepTheFilter(t *testing.T) {
	p := processes(20, 120)
	if err := p.SetFilter("threads>3"); err != nil {
		t.Fatal(err)
	}
	if err := p.SetFilter("threads>"); err == nil {
		t.Error("half a comparison is accepted")
	}
	if p.FilterText != "threads>3" {
		t.Errorf("filter %q", p.FilterText)
	}
	want, _ := p.Want()
	if want&inspect.WantStatus == 0 {
		t.Errorf("want %b", want)
	}
}

func TestWantFollowsColumnsAndOrder(t *testing.T) {
	p := processes(20, 80)
	if want, dear := p.Want(); want&inspect.WantThreads != 0 || dear&inspect.WantThreads == 0 {
		t.Errorf("rates of visible rows: want %b, of visible rows %b", want, dear)
	}
	p.SortBy("voluntary_switches_per_second")
	if want, dear := p.Want(); want&inspect.WantThreads == 0 || dear&inspect.WantThreads != 0 {
		t.Errorf("sorted by a rate: want %b, of visible rows %b", want, dear)
	}
	p.Chosen = []string{"pid", "comm"}
	p.SortBy("pid")
	p.Arrange()
	if _, dear := p.Want(); dear != 0 {
		t.Errorf("nothing dear is shown, yet %b is read", dear)
	}
}

func TestExitedTakeAtMostAQuarterOfTheScreen(t *testing.T) {
	prev, cur := inspecttest.SnapshotAt(60, 0), inspecttest.SnapshotAt(20, 1)
	p := NewProcesses(UnicodeGlyphs())
	p.Height = 20
	p.Apply(&inspect.Frame{Snapshot: cur, Changes: inspect.Diff(prev, cur)})
	p.Arrange()
	exited := func() (n int) {
		for i := range p.Len() {
			if p.Exited(i) {
				n++
			}
		}
		return n
	}
	if exited() != 5 || p.Unshown != 35 {
		t.Errorf("%d exited rows and %d without one, want 5 and 35", exited(), p.Unshown)
	}
	p.DropExited()
	p.Arrange()
	if exited() != 0 || p.Unshown != 0 {
		t.Errorf("%d exited rows are left, %d are said to be", exited(), p.Unshown)
	}
}

func TestHeaderNeverJumps(t *testing.T) {
	g := UnicodeGlyphs()
	for _, width := range []int{60, 80, 120, 200} {
		var at []int
		for k := 1; k < 6; k++ {
			h := Header{G: g, Frame: frameAt(30, k), Crumbs: []string{"taskscope"}, Interval: time.Second}
			for _, l := range h.Lines(width, 3) {
				if columns(l) > width {
					t.Errorf("%d columns on a screen of %d: %q", columns(l), width, l.Text())
				}
			}
			line := h.machine(width)
			n := 0
			for _, s := range line {
				if s.Text == "  Load " {
					break
				}
				n += max(s.Width, -s.Width)
				if s.Width == 0 {
					n += utf8.RuneCountInString(s.Text)
				}
			}
			at = append(at, n)
		}
		if slices.Min(at) != slices.Max(at) {
			t.Errorf("the load jumps between the columns %v", at)
		}
	}
}

func attached(t *testing.T, pid int) *Attached {
	t.Helper()
	f := frameAt(20, 1)
	a := Attach(f.ByPID(pid).ID)
	a.Apply(f)
	return a
}

func TestAttachedKeepsTheLastDataOfAnExitedProcess(t *testing.T) {
	a := attached(t, inspecttest.FocusPID)
	a.Apply(frameAt(4, 2))
	if !a.Gone || a.Process == nil || a.Detail == nil {
		t.Errorf("gone %v, process %v", a.Gone, a.Process)
	}
	if !strings.Contains(strings.Join(a.Explain(), " "), "has exited") {
		t.Error("it is not said that it exited")
	}
}

func TestExplainUsesTheNumbersShown(t *testing.T) {
	text := strings.Join(attached(t, inspecttest.FocusPID).Explain(), " ")
	for _, want := range []string{"of 4 threads", "130.0 %", "Mostly involuntary switches (1560 of 1640 per second)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing: %s", want, text)
		}
	}
	if text := strings.Join(attached(t, inspecttest.ZombiePID).Explain(), " "); !strings.Contains(text, "zombie") {
		t.Errorf("zombie explained as %q", text)
	}
	a := Attach(inspect.ID{PID: 5})
	if len(a.Explain()) == 0 || len(a.PCB(ptr(UnicodeGlyphs()))) == 0 {
		t.Error("nothing is said before the first sample")
	}
}

func ptr[T any](v T) *T { return &v }

func TestPanelsOfEveryProcess(t *testing.T) {
	g := UnicodeGlyphs()
	f := frameAt(40, 1)
	for _, p := range f.Processes {
		a := Attach(p.ID)
		a.Apply(f)
		for _, width := range []int{30, 80, 200} {
			for name, lines := range map[string][]Line{
				"overview": a.Overview(&g, width), "switches": a.Switches(&g, width), "pcb": a.PCB(&g), "resources": a.Resources(&g, width),
			} {
				if len(lines) == 0 {
					t.Errorf("%s of %s is empty", name, p.ID)
				}
			}
			th := &Threads{G: g, A: a, Width: width}
			th.Arrange()
			m := &Memory{G: g, A: a, Width: width}
			m.Arrange()
			for _, l := range []List{th, m, SwitchTable{th}} {
				for i := range l.Len() {
					if len(l.Row(i)) != len(l.Columns()) || l.Find(l.Key(i)) != i {
						t.Fatalf("row %d of %T", i, l)
					}
				}
			}
		}
	}
}

func TestPCBHasNineGroups(t *testing.T) {
	g := UnicodeGlyphs()
	heads := 0
	for _, l := range attached(t, inspecttest.FocusPID).PCB(&g) {
		if len(l) == 1 && l[0].Style == Head {
			heads++
		}
	}
	if heads != 9 {
		t.Errorf("%d groups", heads)
	}
}

func TestMemoryGroupsAndMap(t *testing.T) {
	a := attached(t, inspecttest.FocusPID)
	m := &Memory{G: UnicodeGlyphs(), A: a, Width: 160}
	m.Arrange()
	folded := m.Len()
	if !strings.HasPrefix(rowText(m, folded-1), "total") {
		t.Errorf("last row %s", rowText(m, folded-1))
	}
	m.Toggle(m.Find(Key{Name: string(inspect.GroupStacks)}))
	m.Arrange()
	owners := 0
	for i := range m.Len() {
		if strings.Contains(rowText(m, i), "stack of") {
			owners++
		}
	}
	if m.Len() != folded+4 || owners == 0 {
		t.Errorf("%d rows after unfolding, %d with an owner", m.Len(), owners)
	}
	m.Map = true
	m.Arrange()
	last := ""
	for i := range m.Len() {
		if k := m.Key(i).Name; !strings.HasPrefix(k, "gap") {
			if k <= last {
				t.Errorf("the map is out of order: %s after %s", k, last)
			}
			last = k
		}
		m.Describe(i)
	}
	// Growth since attaching.
	grown := *a.Detail
	grown.Segments = slices.Clone(grown.Segments)
	grown.Segments[0].Mem.RSS += 8192
	a.takeDetail(&grown)
	m.Arrange()
	if !strings.Contains(rowText(m, 0), "+8.00K") {
		t.Errorf("growth is not marked: %s", rowText(m, 0))
	}
}

func TestMemoryWithoutReadingSaysWhy(t *testing.T) {
	a := attached(t, inspecttest.FocusPID)
	d := *a.Detail
	d.Memory.Why = inspect.NeedsPtrace
	a.takeDetail(&d)
	m := &Memory{G: UnicodeGlyphs(), A: a, Width: 120}
	m.Arrange()
	if text := rowText(m, 0); !strings.Contains(text, "—") || strings.Contains(text, "0B") {
		t.Errorf("denied memory is shown as %s", text)
	}
	if !strings.Contains(m.Describe(0).Text(), "CAP_SYS_PTRACE") {
		t.Error("the reason is not given")
	}
}

func TestTimelineMarksWhatAThreadMostlyDid(t *testing.T) {
	a := attached(t, inspecttest.FocusPID)
	for k := 2; k < 6; k++ {
		a.Apply(frameAt(20, k))
	}
	g := UnicodeGlyphs()
	l := a.lines[a.Process.Threads[0].ID].line(&g, 8)
	if n := utf8.RuneCountInString(l.Text()); n != 8 {
		t.Errorf("timeline is %d wide: %q", n, l.Text())
	}
	if strings.TrimSpace(l.Text()) == "" {
		t.Error("timeline is empty")
	}
	a.Apply(frameAt(20, 5)) // the same sample again is not a new one
	if a.Seen != 5 {
		t.Errorf("%d samples", a.Seen)
	}
}

func TestCommandNames(t *testing.T) {
	p := func(comm string, args ...string) *inspect.Process {
		q := &inspect.Process{Comm: comm, Kernel: inspect.Know(false)}
		if args != nil {
			q.Cmdline = inspect.Know(args)
		}
		return q
	}
	for _, c := range []struct {
		p    *inspect.Process
		want string
	}{
		{p("bash", "-bash"), "-bash"},
		{p("worker", "/usr/bin/worker", "-n", "1"), "worker -n 1"},
		{p("systemd-journal", "/usr/lib/systemd/systemd-journald"), "systemd-journald"},
		{p("renamed", "/bin/sh", "-c", "x"), "sh {renamed} -c x"},
		{p("sshd", "sshd: root [priv]"), "sshd: root [priv]"},
		{p("gone"), "gone"},
		{p("empty", ""), "empty"},
		{p("evil\x1b[2J", "./evil"), "evil {evil·[2J}"},
	} {
		if got := Command(c.p).Text(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	k := p("kthreadd")
	k.Kernel = inspect.Know(true)
	if got := Command(k).Text(); got != "[kthreadd]" {
		t.Errorf("got %q", got)
	}
}

func TestSnapshotsAreNotChanged(t *testing.T) {
	f, copyOf := frameAt(20, 1), frameAt(20, 1)
	p := NewProcesses(UnicodeGlyphs())
	p.Width, p.Threads = 200, true
	p.Apply(f)
	p.SortBy("rss_bytes")
	p.Arrange()
	for i := range p.Len() {
		p.Row(i)
	}
	for i := range f.Processes {
		if f.Processes[i].ID != copyOf.Processes[i].ID || len(f.Processes[i].Threads) != len(copyOf.Processes[i].Threads) {
			t.Fatalf("process %d was changed", i)
		}
	}
}

func TestChecksThatNeedALookComeFirst(t *testing.T) {
	verdicts := []verify.Verdict{verify.Pass, verify.Pending, verify.Undecided, verify.Pass, verify.Fail, verify.Skipped, verify.Fail}
	r := &verify.Result{}
	for i, v := range verdicts {
		r.Checks = append(r.Checks, verify.Check{Subject: fmt.Sprint(i), Field: "x", Verdict: v, Because: "promised"})
	}
	c := &Checks{G: UnicodeGlyphs(), Width: 120, Result: r}
	order := func() (names string) {
		c.Arrange()
		for i := range c.Len() {
			if c.Find(c.Key(i)) != i {
				t.Errorf("row %d is not found by its key", i)
			}
			names += c.Key(i).Name
		}
		return names
	}
	if got := order(); got != "4620135" {
		t.Errorf("order %s", got)
	}
	r.Checks[1].Verdict = verify.Pass // no row moves for this
	if got := order(); got != "4620135" {
		t.Errorf("order %s after a pass", got)
	}
	r.Checks[3].Verdict = verify.Fail
	if got := order(); got != "3462015" {
		t.Errorf("order %s after a failure", got)
	}
	c.Open = true
	if got := order(); got != "34625" {
		t.Errorf("order %s of what has not passed", got)
	}
	if c.Find(Key{Name: "0"}) != -1 {
		t.Error("a hidden check is found")
	}
}

func TestCheckIsExplainedInTwoLines(t *testing.T) {
	k := verify.Check{Subject: "thread a", Field: "voluntary_switches", Because: "one per period", Verdict: verify.Fail, Why: strings.Repeat("the machine was busy ", 40), Source: "proc", Scope: "thread", Kind: "equality"}
	for _, g := range []Glyphs{UnicodeGlyphs(), ASCIIGlyphs()} {
		c := &Checks{G: g, Width: 60, Result: &verify.Result{Checks: []verify.Check{k}}}
		c.Arrange()
		lines := c.Describe(0, 60)
		if len(lines) != 2 || columns(lines[0]) > 60 || columns(lines[1]) > 60 || !strings.HasSuffix(lines[1].Text(), g.Ellipse) {
			t.Errorf("%v", lines)
		}
		if !strings.HasPrefix(lines[0].Text(), "thread a voluntary switches: one per period") {
			t.Errorf("%q", lines[0].Text())
		}
	}
}

func TestBoundsShowTheirSign(t *testing.T) {
	g := UnicodeGlyphs()
	for relation, want := range map[string]string{
		verify.RelationEqual: "30", verify.RelationAtLeast: g.AtLeast + " 30", verify.RelationAtMost: g.AtMost + " 30",
	} {
		k := verify.Check{Field: "x", Expected: 30.0, Relation: relation}
		c := &Checks{G: g, Width: 120, Result: &verify.Result{Checks: []verify.Check{k}}}
		c.Arrange()
		row := c.Row(0)
		if got := row[3].Text(); got != want {
			t.Errorf("%s: expected column %q, want %q", relation, got, want)
		}
		if got := row[4].Text(); (got == "exact") != (relation == verify.RelationEqual) {
			t.Errorf("%s: tolerance column %q", relation, got)
		}
	}
	c := &Checks{G: g, Width: 120, Result: &verify.Result{Checks: []verify.Check{{Field: "x", Relation: verify.RelationAtLeast}}}}
	c.Arrange()
	if got := c.Row(0)[3].Text(); got != g.Unknown {
		t.Errorf("a bound that is not known: %q", got)
	}
}
