package views_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/gdamore/tcell/v2"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
	"taskscope/views"
	"taskscope/views/model"
)

// fakeTracer says the same whenever it is asked.
type fakeTracer struct {
	mu     sync.Mutex
	now    int64
	closed int
}

func (f *fakeTracer) Source() string { return "scheduler trace" }
func (f *fakeTracer) Why() string    { return "" }
func (f *fakeTracer) Lost() string   { return "3 events" }
func (f *fakeTracer) Hidden() string { return "" }

func (f *fakeTracer) Note(*model.Stretch) string { return "" }

func (f *fakeTracer) Newest() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fakeTracer) Tracks(int64, int64) []model.Track {
	return []model.Track{
		{TID: 1004, Name: "busy", Stretches: []model.Stretch{{From: 1e9, To: 2e9, Doing: model.Running, CPU: 1}, {From: 2e9, To: 3e9, Doing: model.Waiting, CPU: -1}}},
		{TID: 1008, Name: "idle", Stretches: []model.Stretch{{From: 0, To: 3e9, Doing: model.Blocked, CPU: -1, Open: true}}},
	}
}

func (f *fakeTracer) Exits() ([]model.ShortLived, error) {
	return []model.ShortLived{{PID: 1234, PPID: 1004, Name: "brief", Code: 3, LivedNS: 2e6, BornHere: true}}, nil
}

func (f *fakeTracer) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
}

func attachTo(pid int) func(*views.Config) { return func(c *views.Config) { c.Start.Attach = pid } }

func TestTimelineOfATrace(t *testing.T) {
	tr := &fakeTracer{now: 3e9}
	d, _ := open(t, 100, 30, attachTo(inspecttest.FocusPID), func(c *views.Config) {
		c.Trace = func(context.Context, inspect.ID) (model.Tracer, error) { return tr, nil }
	})
	d.See("1 Overview")
	d.Type("7")
	d.See("scheduler trace", "lost: 3 events", "column 50.0ms", "busy")
	d.Golden("attach_timeline")
	d.Type("-")
	d.See("column 100ms")
	d.Type("++")
	d.See("column 20.0ms")
	d.Press(tcell.KeyLeft, tcell.KeyLeft)
	d.See("-40.0ms", "ready, waiting for a CPU for 1,000,000 us, from 2.000000 to 3.000000")
	d.Press(tcell.KeyDown)
	d.See("blocked for 3,000,000 us, from 0.000000 to now")
	d.Type("E")
	d.See("short-lived", "brief", "code 3")
	d.Press(tcell.KeyEsc)
	d.Type("p")
	d.See("PAUSED")
	tr.mu.Lock()
	tr.now = 5e9
	tr.mu.Unlock()
	d.Press(tcell.KeyLeft)
	d.See("-60.0ms", "blocked for 3,000,000 us") // the moment of the pause
	d.Type("p")
	d.See("nothing is known of this moment")
	d.Press(tcell.KeyEsc)
	d.See("COMMAND")
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.closed != 1 {
		t.Errorf("closed %d times", tr.closed)
	}
}

func TestTimelineWithoutATrace(t *testing.T) {
	d, src := open(t, 100, 30, attachTo(inspecttest.FocusPID), func(c *views.Config) {
		c.Trace = func(context.Context, inspect.ID) (model.Tracer, error) { return nil, errors.New("BPF is forbidden") }
	})
	d.See("1 Overview")
	d.Type("7")
	d.See("sampled", "no trace: BPF is forbidden")
	for k := range 4 {
		next(src, 20, k+2)
		d.See("Timeline")
	}
	d.See("busy")
	d.Type("E")
	d.See("seen by the scheduler trace only", "BPF is forbidden")
}
