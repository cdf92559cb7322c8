package views_test

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"
	"go.uber.org/goleak"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
	"taskscope/views"
	"taskscope/views/model"
	"taskscope/views/viewtest"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // start times are shown in local time
	if os.Getenv(ptyChild) != "" {
		os.Exit(runPtyChild())
	}
	goleak.VerifyTestMain(m)
}

// open shows the canned machine.
func open(t *testing.T, w, h int, change ...func(*views.Config)) (*viewtest.Driver, *viewtest.Source) {
	t.Helper()
	src := viewtest.NewSource(inspecttest.Frame(20))
	c := views.Config{Sampler: src, Interval: time.Second}
	for _, f := range change {
		f(&c)
	}
	d := viewtest.Open(t, c, w, h)
	d.WaitFor("the first frame", func(lines []string) bool { return len(lines) == h })
	return d, src
}

// next moves the canned machine on by k seconds.
func next(src *viewtest.Source, n, k int) {
	cur := inspecttest.SnapshotAt(n, k)
	src.Push(&inspect.Frame{Snapshot: cur, Changes: inspect.Diff(inspecttest.SnapshotAt(n, k-1), cur)})
}

func TestTreeGoldens(t *testing.T) {
	for _, size := range []struct {
		name string
		w, h int
	}{{"tree_200x50", 200, 50}, {"tree_120x40", 120, 40}, {"tree_80x24", 80, 24}, {"tree_60x15", 60, 15}, {"tree_30x8", 30, 8}} {
		t.Run(size.name, func(t *testing.T) {
			d, _ := open(t, size.w, size.h)
			d.See("1004")
			d.Golden(size.name)
		})
	}
}

func TestASCIIUsesNoOtherGlyphs(t *testing.T) {
	d, _ := open(t, 120, 40, func(c *views.Config) { c.ASCII, c.Mono = true, true })
	d.See("busy")
	d.Golden("tree_ascii_mono")
	for _, page := range []string{"", "\n2", "3", "4", "5", "6"} {
		if strings.HasPrefix(page, "\n") {
			d.Type("1004")
			d.Press(tcell.KeyEnter, tcell.KeyEnter)
			d.See("1 Overview")
			page = page[1:]
		}
		d.Type(page)
	}
	d.Type("1")
	d.See("Process", "Memory")
	for _, r := range d.Text() {
		if r >= 0x2500 && r < 0x2600 || r == '—' || r == '›' || r == '…' {
			t.Errorf("%q on an ASCII screen:\n%s", r, d.Text())
			break
		}
	}
}

func TestMonoHasNoColour(t *testing.T) {
	d, _ := open(t, 120, 40, func(c *views.Config) { c.Mono = true })
	d.See("busy")
	for _, l := range d.Styles() {
		if strings.ContainsAny(l, "gyrt?") {
			t.Fatalf("colour in mono: %s", l)
		}
	}
}

func TestTooSmallAndBack(t *testing.T) {
	d, _ := open(t, 80, 24)
	d.See("COMMAND")
	d.Resize(20, 5)
	d.See("too small")
	d.Resize(80, 24)
	d.See("COMMAND")
	for _, size := range [][2]int{{1, 1}, {0, 0}, {200, 2}, {2, 60}, {31, 9}, {500, 200}, {60, 15}} {
		d.Resize(size[0], size[1])
	}
	d.See("COMMAND")
}

// With samples far apart, processes that have exited do not stay until the next.
func TestExitedRowsGoBeforeTheNextSample(t *testing.T) {
	t.Parallel()
	d, src := open(t, 100, 40, func(c *views.Config) { c.Interval = time.Hour })
	d.See("busy")
	prev, cur := inspecttest.SnapshotAt(20, 1), inspecttest.SnapshotAt(18, 2)
	src.Push(&inspect.Frame{Snapshot: cur, Changes: inspect.Diff(prev, cur)})
	d.See("exited")
	d.Lose("exited")
}

func TestMoveFoldAndTop(t *testing.T) {
	d, _ := open(t, 100, 30)
	d.See("busy")
	d.Selected("init")
	d.Type("j")
	d.Selected("bash")
	d.Type(" ")
	d.See("(+")
	d.Lose("busy")
	d.Press(tcell.KeyRight) // unfold
	d.See("busy")
	d.Press(tcell.KeyRight) // first child
	d.Selected("busy")
	d.Press(tcell.KeyBackspace2)
	d.Selected("bash")
	d.Press(tcell.KeyLeft, tcell.KeyLeft) // fold, parent
	d.Selected("init")
	d.Type("*")
	d.Type("G")
	d.Type("g")
	d.Selected("init")
}

func TestSelectionFollowsIdentityAndKeepsItsLine(t *testing.T) {
	d, src := open(t, 100, 30)
	d.See("busy")
	d.Type("t") // the list: sorted by CPU, it will be re-sorted
	d.See("list")
	d.Type("1007")
	d.Press(tcell.KeyEnter)
	d.Selected("1007")
	at := lineOf(d, "1007")
	for k := 2; k < 5; k++ {
		next(src, 20, k)
		d.Selected("1007")
	}
	if got := lineOf(d, "1007"); got != at {
		t.Errorf("the selected row moved from line %d to %d", at, got)
	}
}

func lineOf(d *viewtest.Driver, text string) int {
	for y, l := range d.Lines()[3:] {
		if strings.HasPrefix(strings.TrimSpace(l), text) {
			return y
		}
	}
	return -1
}

func TestSearchFilterAndErrors(t *testing.T) {
	d, _ := open(t, 100, 30)
	d.See("busy")
	d.Type("/busy")
	d.Press(tcell.KeyEnter)
	d.Selected("busy")
	d.See("search busy")
	d.Press(tcell.KeyEsc)
	d.Lose("search busy")

	d.Type("fthreads>")
	d.WaitFor("an error while typing", func(lines []string) bool { return len(lines[28]) > len("filter threads>")+5 })
	d.Type("3")
	d.See("filter threads>3")
	d.Lose("kworker")
	d.Press(tcell.KeyEnter)
	d.See("1004")
	d.Lose("2010")
	d.Press(tcell.KeyEsc)
	d.See("2010")
}

func TestSortMenuAndKeys(t *testing.T) {
	d, _ := open(t, 100, 30)
	d.See("▲PID")
	d.Type("P")
	d.See("▼CPU%")
	d.Type("I")
	d.See("▲CPU%")
	d.Type("M")
	d.See("▼RSS")
	d.Type("s")
	d.See("sort by")
	d.Press(tcell.KeyHome, tcell.KeyEnter)
	d.See("▲PID")
	d.Type(">")
	d.See("USER▲")
	d.Type(":sort threads")
	d.Press(tcell.KeyEnter)
	d.See("▼THR")
}

func TestPauseKeepsTheData(t *testing.T) {
	d, src := open(t, 100, 30)
	d.See("20 processes")
	d.Type("p")
	d.See("PAUSED")
	next(src, 12, 2)
	d.Type("j") // everything else still works
	d.Selected("bash")
	d.See("20 processes")
	d.Type("p")
	d.See("12 processes")
}

func TestRequestFollowsWhatIsShown(t *testing.T) {
	d, src := open(t, 100, 30)
	d.See("busy")
	if q := src.Request(); q.Want&inspect.WantThreads != 0 || len(q.ThreadsOf) == 0 {
		t.Errorf("the tree reads all threads instead of those on screen: %+v", q)
	}
	d.Type("H")
	d.See("main thread")
	if src.Request().Want&inspect.WantThreads == 0 {
		t.Error("threads are shown but not read")
	}
	d.Type("H1004")
	d.Press(tcell.KeyEnter, tcell.KeyEnter)
	d.See("1 Overview")
	if q := src.Request(); q.Focus != inspecttest.FocusPID || q.Detail&inspect.DetailSegments != 0 {
		t.Errorf("overview: %+v", q)
	}
	d.Type("3")
	d.See("SEGMENT")
	if q := src.Request(); q.Detail&inspect.DetailSegments == 0 {
		t.Errorf("memory: %+v", q)
	}
}

func TestIntervalAndRefresh(t *testing.T) {
	d, src := open(t, 100, 30)
	d.Type("d")
	d.See("interval in seconds 1")
	d.Press(tcell.KeyCtrlU)
	d.Type("x")
	d.Press(tcell.KeyEnter)
	d.See("not a number")
	d.Press(tcell.KeyCtrlU)
	d.Type("0.5")
	d.Press(tcell.KeyEnter)
	d.See("every 500ms")
	if src.Interval() != 500*time.Millisecond {
		t.Errorf("interval %v", src.Interval())
	}
	before := src.Refreshes()
	d.Press(tcell.KeyCtrlR)
	d.Type("?")
	d.See("Keys of this page")
	if src.Refreshes() != before+1 {
		t.Error("Ctrl-R does not refresh")
	}
}

func TestCopy(t *testing.T) {
	d, _ := open(t, 100, 30)
	d.See("busy")
	d.Type("1004")
	d.Press(tcell.KeyEnter)
	d.Type("y")
	d.See("copied 1004")
	if d.Clipboard() != "1004" {
		t.Errorf("clipboard %q", d.Clipboard())
	}
}

func TestColumnsMenuAndCommand(t *testing.T) {
	d, _ := open(t, 100, 30)
	d.See("COMMAND")
	d.Press(tcell.KeyF2)
	d.See("[x] PID")
	d.Press(tcell.KeyEsc)
	d.Type(":columns pid,comm,nope")
	d.Press(tcell.KeyEnter)
	d.See(`no field "nope"`)
	d.Type(":col pid,rss_bytes,comm")
	d.Press(tcell.KeyEnter)
	d.Lose("CPU%")
	d.See("RSS")
}

func TestHostileNamesAreHarmless(t *testing.T) {
	d, _ := open(t, 160, 40)
	d.See(`\xff\xfe`, "a) R 1 (b", "·[31mred")
}

func TestAttachGoldens(t *testing.T) {
	d, _ := open(t, 120, 40)
	d.See("busy")
	d.Type(":attach 1004")
	d.Press(tcell.KeyEnter)
	d.See("The main thread")
	d.Golden("attach_overview")
	for _, p := range []struct{ key, see, name string }{
		{"2", "TIMELINE", "attach_threads"},
		{"3", "SEGMENT", "attach_memory"},
		{"4", "time slice", "attach_switches"},
		{"5", "Program counter", "attach_pcb"},
		{"6", "max open files", "attach_resources"},
	} {
		d.Type(p.key)
		if p.key == "6" {
			p.see = "open files"
		}
		d.See(p.see)
		d.Golden(p.name)
	}
	d.Type("3*")
	d.See("total", "▼ stacks")
	d.Golden("attach_memory_unfolded")
	d.Type("t")
	d.See("gap")
	d.Golden("attach_map")
	d.Resize(60, 15)
	d.WaitFor("the small screen", func(lines []string) bool { return len(lines) == 15 })
	d.Type("2")
	d.See("TID")
	d.Golden("attach_threads_60x15")
}

func TestAttachedProcessExits(t *testing.T) {
	d, src := open(t, 120, 40)
	d.See("busy")
	d.Type(":attach 1004")
	d.Press(tcell.KeyEnter)
	d.See("The main thread")
	next(src, 4, 2) // 1004 is the fifth process
	d.See("exited: last data", "busy worker")
	d.Type("23456")
	d.See("exited: last data", "Limits")
	d.Press(tcell.KeyEsc)
	d.See("COMMAND")
}

func TestStartAttached(t *testing.T) {
	d, _ := open(t, 100, 30, func(c *views.Config) { c.Start.Attach = 1004 })
	d.See("1004 busy worker", "The main thread")
	d.Type("q")
	d.See("COMMAND")
}

func TestHelpAndDoctor(t *testing.T) {
	d, _ := open(t, 100, 60, func(c *views.Config) {
		c.Capabilities = func() *inspect.Report {
			return &inspect.Report{Capabilities: []inspect.Capability{{ID: "x", Title: "Title of x", State: "absent", Reason: "reason of x", Remedy: "remedy of x"}}}
		}
	})
	d.Type("?")
	d.See("Keys of this page", "Moving", "choose the sort column")
	// What is off is what was off on the page one comes from.
	d.Lose("no order to choose")
	d.Type("G")
	d.See("How to read the screens")
	d.Press(tcell.KeyEsc)
	d.See("COMMAND")
	d.Type("D")
	d.See("absent", "Title of x", "reason of x", "remedy of x")
	d.Type("q")
	d.See("COMMAND")
}

func TestQuitEveryWay(t *testing.T) {
	for name, quit := range map[string]func(*viewtest.Driver){
		"q":          func(d *viewtest.Driver) { d.Type("q") },
		"Ctrl-C":     func(d *viewtest.Driver) { d.Press(tcell.KeyCtrlC) },
		"command":    func(d *viewtest.Driver) { d.Type(":q"); d.Press(tcell.KeyEnter) },
		"in prompt":  func(d *viewtest.Driver) { d.Type("f"); d.Press(tcell.KeyCtrlC) },
		"on subpage": func(d *viewtest.Driver) { d.Type("?"); d.Press(tcell.KeyCtrlC) },
		"context":    func(d *viewtest.Driver) { d.Cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := open(t, 80, 24)
			quit(d)
			if err := d.Ended(); err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// failing is a source that ends by itself.
type failing struct{ *viewtest.Source }

var errSource = errors.New("the source broke")

func (failing) Run(context.Context) error { return errSource }

func TestSourceThatEnds(t *testing.T) {
	d := viewtest.Open(t, views.Config{Sampler: failing{viewtest.NewSource(nil)}}, 80, 24)
	if err := d.Ended(); !errors.Is(err, errSource) {
		t.Errorf("ended with %v", err)
	}
}

// TestStartStop starts and stops many times at every moment of the start: the
// arrangement of pump and application must neither hang nor leak.
func TestStartStop(t *testing.T) {
	n := 60
	if testing.Short() {
		n = 10
	}
	for i := range n {
		src := viewtest.NewSource(inspecttest.Frame(8))
		d := viewtest.Open(t, views.Config{Sampler: src, Interval: time.Second}, 80, 24)
		for range i % 7 {
			src.Push(inspecttest.Frame(8))
		}
		if i%3 == 0 {
			d.Press(tcell.KeyCtrlC)
		} else {
			d.Cancel()
		}
		if err := d.Ended(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSaveView(t *testing.T) {
	var got views.View
	d, _ := open(t, 120, 40, func(c *views.Config) {
		c.View = views.View{Columns: []string{"pid", "rss_bytes", "comm"}, Flat: true, ListSort: model.Order{Field: "rss_bytes"}}
		c.Save = func(v views.View) (string, error) { got = v; return "/somewhere", nil }
	})
	d.See("COMM", "list")
	d.Lose("STATE")
	d.Type("I")
	d.Type("d")
	d.Press(tcell.KeyCtrlU)
	d.Type("2")
	d.Press(tcell.KeyEnter)
	d.Press(tcell.KeyCtrlS)
	d.See("saved columns, order, layout and interval in /somewhere")
	want := views.View{
		Columns: []string{"pid", "rss_bytes", "comm"}, Flat: true, Interval: 2 * time.Second,
		ListSort: model.Order{Field: "rss_bytes", Desc: true}, TreeSort: model.Order{Field: "pid"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("saved %+v, want %+v", got, want)
	}
}
