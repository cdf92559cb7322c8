package model

import (
	"errors"
	"strings"
	"testing"
)

// script is a Tracer that says what a test wants.
type script struct {
	tracks []Track
	exits  []ShortLived
	err    error

	lost, hidden string
	notes        map[uint8]string
}

func (s *script) Source() string               { return "a script" }
func (s *script) Why() string                  { return "" }
func (s *script) Lost() string                 { return s.lost }
func (s *script) Hidden() string               { return s.hidden }
func (s *script) Note(x *Stretch) string       { return s.notes[x.Cause] }
func (s *script) Newest() int64                { return 100e6 }
func (s *script) Tracks(int64, int64) []Track  { return s.tracks }
func (s *script) Exits() ([]ShortLived, error) { return s.exits, s.err }
func (s *script) Close()                       {}

func TestTimelineDrawsWhatHappened(t *testing.T) {
	s := &script{tracks: []Track{{TID: 7, Name: "w", Stretches: []Stretch{
		{From: 0, To: 10e6, Doing: Running, CPU: 1},
		{From: 10e6, To: 20e6, Doing: Waiting, CPU: -1},
		{From: 20e6, To: 50e6, Doing: Blocked, CPU: -1},
		{From: 50e6, To: 60e6, Doing: OnDisk, CPU: -1},
		{From: 60e6, To: 70e6, Doing: Stopped, CPU: -1},
		{From: 70e6, To: 79e6, Doing: Blocked, CPU: -1},
		{From: 79e6, To: 79.2e6, Doing: Running, CPU: 0},
		{From: 79.2e6, To: 85e6, Doing: Blocked, CPU: -1},
		{From: 85e6, To: 85.1e6, Doing: Waiting, CPU: -1},
		{From: 85.1e6, To: 100e6, Doing: Blocked, CPU: -1, Open: true},
	}}}}
	for _, tt := range []struct {
		g    Glyphs
		want string
	}{{UnicodeGlyphs(), "  1▒···DT₀░·"}, {ASCIIGlyphs(), "  1w...DT,'."}} {
		l := &Timeline{G: tt.g, Width: 80, Tick: 10e6}
		l.Show(s, 100e6)
		row := l.Row(0)
		if got := row[3].Text(); !strings.HasSuffix(got, tt.want) || len([]rune(got)) != 80-l.lead() {
			t.Errorf("%q (%d columns), want …%q", got, len([]rune(got)), tt.want)
		}
		if got := row[2].Text(); got != "10.2" {
			t.Errorf("ran %s %%, want 10.2", got)
		}
		if n := columns(row[3]); n != l.cells {
			t.Errorf("%d columns for %d cells", n, l.cells)
		}
		for _, h := range l.Head(s, 80, true) {
			if columns(h) > 80 {
				t.Errorf("too wide: %q", h.Text())
			}
		}
	}
}

func TestTimelineCursorReadsExactTimes(t *testing.T) {
	s := &script{tracks: []Track{{TID: 7, Name: "w", Stretches: []Stretch{
		{From: 0, To: 1500e3, Doing: Running, CPU: 1},
		{From: 1500e3, To: 88e6, Doing: Waiting, CPU: -1, Cause: 1, By: 9},
		{From: 88e6, To: 88.2e6, Doing: Running, CPU: 0},
		{From: 88.2e6, To: 100e6, Doing: Blocked, CPU: -1, Open: true},
	}}}, notes: map[uint8]string{1: "woken by 9 x"}}
	l := &Timeline{G: UnicodeGlyphs(), Width: 80, Tick: 10e6}
	for _, tt := range []struct {
		cursor int
		want   string
	}{
		{0, "blocked for 11,800 us, from 0.088200 to now"},
		{9, "ready, waiting for a CPU for 86,500 us, from 0.001500 to 0.088000  woken by 9 x  and 1 more in this column"},
		{1, "ready, waiting for a CPU for 86,500 us, from 0.001500 to 0.088000  woken by 9 x  and 2 more in this column"},
		{30, "nothing is known of this moment"},
	} {
		l.Cursor = tt.cursor
		l.Show(s, 100e6)
		if got := l.Describe(0).Text(); !strings.Contains(got, tt.want) {
			t.Errorf("cursor %d: %q, want %q", tt.cursor, got, tt.want)
		}
	}
	l.Cursor = 1e6
	l.Show(s, 100e6)
	if l.Cursor != l.cells-1 {
		t.Errorf("the cursor left the screen: %d of %d", l.Cursor, l.cells)
	}
	if l.Describe(5) != nil {
		t.Error("a thread that is not there is described")
	}
}

func TestTimelineZoom(t *testing.T) {
	l := &Timeline{Tick: 50e6}
	var seen []int64
	for range 40 {
		l.Zoom(true)
		seen = append(seen, l.Tick)
	}
	if seen[0] != 20e6 || seen[1] != 10e6 || l.Tick != leastTick {
		t.Errorf("zoomed in: %v", seen)
	}
	for range 60 {
		l.Zoom(false)
	}
	if l.Tick != mostTick {
		t.Errorf("zoomed out to %d", l.Tick)
	}
	l.Zoom(true)
	if l.Tick >= mostTick {
		t.Error("the way back is closed")
	}
}

// TestTimelineMovesInTime: beyond the edge of the screen the time moves, zooming
// keeps the moment below the cursor, and one can go back to now.
func TestTimelineMovesInTime(t *testing.T) {
	s := &script{tracks: []Track{{TID: 7, Stretches: []Stretch{
		{From: 500e6, To: 510e6, Doing: Running, CPU: 1},
		{From: 510e6, To: 3000e6, Doing: Blocked, CPU: -1, Open: true},
	}}}}
	l := &Timeline{G: UnicodeGlyphs(), Width: 69, Tick: 10e6}
	const now = int64(3000e6)
	show := func() string { l.Show(s, now); return l.Describe(0).Text() }
	if got := show(); !strings.Contains(got, "blocked") {
		t.Fatal(got)
	}
	back := int((now-505e6)/10e6) - l.Cursor // the column that holds 505 ms
	l.Move(back)
	if got := show(); !strings.Contains(got, "running on CPU 1 for 10,000 us") || l.Cursor != l.cells-1 {
		t.Errorf("cursor %d of %d: %s", l.Cursor, l.cells, got)
	}
	for _, in := range []bool{true, true, true, true, false, false, false, false} {
		l.Zoom(in)
		if got := show(); !strings.Contains(got, "running on CPU 1 for 10,000 us") {
			t.Errorf("column %s: %s", Duration(uint64(l.Tick)), got)
		}
	}
	if l.Tick != 10e6 {
		t.Errorf("column %d", l.Tick)
	}
	l.SlideHalf(-1)
	if got := show(); !strings.Contains(got, "blocked") {
		t.Errorf("half a screen later: %s", got)
	}
	l.Move(-l.cells)
	if show(); l.Cursor != 0 || l.behind <= 0 {
		t.Errorf("cursor %d, %d behind", l.Cursor, l.behind)
	}
	l.Follow()
	if show(); l.to != now {
		t.Errorf("at %d, not now", l.to)
	}
	// Less of the past than the screen has: now comes back to its edge.
	l.Move(10)
	show()
	for range 20 {
		l.Zoom(false)
	}
	if show(); l.behind >= l.Tick || l.Cursor != 0 {
		t.Errorf("cursor %d, %d behind", l.Cursor, l.behind)
	}
}

// TestTimelineHead: what is missing is told from what is none of these threads',
// and nothing is wider than the screen.
func TestTimelineHead(t *testing.T) {
	bad := func(lines []Line) string {
		text := ""
		for _, l := range lines {
			for _, s := range l {
				if s.Style == Bad && len(s.Text) > 1 {
					text += s.Text
				}
			}
		}
		return text
	}
	for _, g := range []Glyphs{UnicodeGlyphs(), ASCIIGlyphs()} {
		for _, width := range []int{40, 60, 70, 80, 100, 120, 200} {
			l := &Timeline{G: g, Width: width, Tick: 10e6}
			s := &script{hidden: "12 switches of other tasks"}
			l.Show(s, 100e6)
			if head := l.Head(s, width, false); bad(head) != "" || !strings.Contains(head[1].Text(), "nothing lost  12 switches of other tasks") {
				t.Errorf("%d columns: %q is bad in %q", width, bad(head), head[1].Text())
			}
			s.lost = "3 events"
			head := l.Head(s, width, false)
			if bad(head) != "  lost: 3 events" {
				t.Errorf("%d columns: bad is %q", width, bad(head))
			}
			if legend := head[2]; columns(legend) > width || width >= 70 && !strings.Contains(legend.Text(), "stopped") {
				t.Errorf("%d columns: %q", width, legend.Text())
			}
		}
	}
}

// TestTimelineUnknown: time of which nothing is known is told from time before a
// thread was there.
func TestTimelineUnknown(t *testing.T) {
	s := &script{tracks: []Track{{TID: 7, Stretches: []Stretch{
		{From: 80e6, To: 90e6, Doing: Unclear, CPU: -1},
		{From: 90e6, To: 100e6, Doing: Running, CPU: 40},
	}}}}
	l := &Timeline{G: UnicodeGlyphs(), Width: 60, Tick: 10e6}
	l.Show(s, 100e6)
	row := l.Row(0)
	if got := row[len(row)-1].Text(); !strings.HasSuffix(got, "  ?█") {
		t.Errorf("%q", got)
	}
}

func TestSamplesMakeATimeline(t *testing.T) {
	a := attached(t, 1004)
	for k := 2; k < 6; k++ {
		a.Apply(frameAt(20, k))
	}
	tr := a.Samples()
	tracks := tr.Tracks(0, tr.Newest())
	if len(tracks) != 4 || len(tracks[0].Stretches) < 3 {
		t.Fatalf("%+v", tracks)
	}
	for _, x := range tracks {
		for i, s := range x.Stretches {
			if s.To <= s.From || i > 0 && s.From < x.Stretches[i-1].To {
				t.Errorf("stretch %d of %d: %+v", i, x.TID, s)
			}
		}
	}
	if _, err := tr.Exits(); err == nil || !strings.Contains(tr.Source(), "sampled") {
		t.Errorf("source %q, exits %v", tr.Source(), err)
	}
}

func TestExitsOfProcesses(t *testing.T) {
	g := UnicodeGlyphs()
	s := &script{exits: []ShortLived{
		{PID: 5, PPID: 4, Name: "old", LivedNS: 5e6},
		{PID: 6, PPID: 4, Name: "\x1b[31m", BornHere: true, Execs: 1, Code: 3, LivedNS: 1500e3, RunNS: 200e3},
		{PID: 7, PPID: 4, Name: "x", Signal: 9},
	}}
	var text []string
	for _, l := range Exits(s, &g, 80) {
		text = append(text, strings.Join(strings.Fields(l.Text()), " "))
	}
	want := "PID PARENT LIVED CPU EXIT BEGAN NAME|7 4 0ns 0ns signal 9 before x|6 4 1.50ms 200us code 3 fork, 1 exec ·[31m|5 4 5.00ms 0ns code 0 before old"
	// Widths separate the cells on the screen; here their texts follow each other.
	if got := strings.ReplaceAll(strings.Join(text, "|"), " ", ""); got != strings.ReplaceAll(want, " ", "") {
		t.Errorf("\n%s\n%s", got, strings.ReplaceAll(want, " ", ""))
	}
	s.err = errors.New("no BTF here")
	if got := Exits(s, &g, 80); len(got) != 2 || !strings.Contains(got[1].Text(), "no BTF") {
		t.Errorf("%v", got)
	}
	s.err = errors.New("not permitted: this capability is missing, and that one too")
	if got := Exits(s, &g, 30); len(got) != 3 || !strings.HasSuffix(got[2].Text(), "too") {
		t.Errorf("the reason is not shown to its end: %v", got)
	}
}
