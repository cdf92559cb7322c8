package views_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/gdamore/tcell/v2"

	"taskscope/inspect/inspecttest"
	"taskscope/load/verify"
	"taskscope/views"
	"taskscope/views/model"
)

// fakeLoads starts runs that exist only in the test.
type fakeLoads struct {
	mu     sync.Mutex
	runs   []*fakeRun
	refuse error
}

func (f *fakeLoads) Catalog() []model.LoadInfo {
	return []model.LoadInfo{
		{
			Name: "vol", Title: "blocks a known number of times", Teaches: "voluntary switches", Promises: []string{"exactly n"},
			Params: []model.LoadParam{{Name: "workers", Default: "4", Range: "1..100", Doc: "threads"}, {Name: "period", Default: "5ms"}}, Needs: []string{"nothing"},
		},
		{Name: "duty", Title: "uses a known share of a CPU"},
	}
}

func (f *fakeLoads) Start(_ context.Context, name string, params []string) (model.LoadRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	r := &fakeRun{name: name, params: params}
	f.runs = append(f.runs, r)
	return r, nil
}

func (f *fakeLoads) run(i int) *fakeRun {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.runs[i]
}

type fakeRun struct {
	name    string
	mu      sync.Mutex
	params  []string
	stopped int
	paused  bool
}

func (r *fakeRun) Name() string  { return r.name }
func (r *fakeRun) RunID() string { return "abc" }
func (r *fakeRun) RootPID() int  { return inspecttest.FocusPID }

func (r *fakeRun) Status() model.LoadStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return model.LoadStatus{Phase: "running", Paused: r.paused, Elapsed: 2.5, Total: 10, Params: r.params, Result: &verify.Result{
		Checks: []verify.Check{
			{Subject: "thread a", Field: "voluntary_switches", Expected: 200.0, SelfReported: 200.0, Observed: 200.0, Verdict: verify.Pass, Because: "one per period"},
			{Subject: "thread b", Field: "rss_bytes", Expected: 65536.0, Observed: 131072.0, Verdict: verify.Fail, Because: "as touched", Why: "twice as much"},
			{Subject: "tree", Field: "descendants", Expected: 0.0, Verdict: verify.Pending, Because: "none"},
		},
	}}
}

func (r *fakeRun) Again(_ context.Context, params []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.params = params
	return nil
}

func (r *fakeRun) Pause() error  { return r.setPaused(true) }
func (r *fakeRun) Resume() error { return r.setPaused(false) }

func (r *fakeRun) setPaused(p bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = p
	return nil
}

func (r *fakeRun) Stop(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped++
	return nil
}

func (r *fakeRun) stops() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

func TestLoadsFromCatalogueToVerdicts(t *testing.T) {
	loads := &fakeLoads{}
	d, _ := open(t, 120, 40, func(c *views.Config) { c.Loads = loads })
	d.See("busy")
	d.Type("L")
	d.See("WHAT IT DOES", "Promises", "exactly n")
	d.Golden("loads")
	d.Press(tcell.KeyEnter)
	d.See("start vol workers=4 period=5ms")
	d.Type(" nope=1")
	d.Press(tcell.KeyEnter)
	d.See(`no parameter "nope"`)
	d.Press(tcell.KeyCtrlW, tcell.KeyEnter)
	d.See("run vol", "FAIL", "pending", "busy")
	d.Golden("run")
	d.Type("v")
	d.See("Checks that have not passed: 2")
	d.Type("v")
	d.See("Checks: expected")
	d.Type("x")
	d.See("running, FROZEN", "load frozen", "frozen; what is promised about time")
	d.Type("x")
	d.Lose("FROZEN")
	d.Type("e")
	d.See("again with")
	d.Type(" workers=9")
	d.Press(tcell.KeyEnter)
	d.See("period=5ms workers=9")
	d.Press(tcell.KeyTab, tcell.KeyEnter)
	d.See("1 Overview")
	d.Press(tcell.KeyEsc)
	d.See("Checks")
	d.Press(tcell.KeyEsc)
	d.See("WHAT IT DOES")
	d.WaitFor("the run to be stopped", func([]string) bool { return loads.run(0).stops() == 1 })
}

func TestLeavingTheProgramEndsTheLoad(t *testing.T) {
	run := &fakeRun{name: "vol"}
	d, _ := open(t, 100, 30, func(c *views.Config) { c.Start.Run = run })
	d.See("Checks")
	d.Press(tcell.KeyCtrlC)
	if err := d.Ended(); err != nil {
		t.Error(err)
	}
	if run.stops() != 1 {
		t.Errorf("stopped %d times", run.stops())
	}
}

func TestLoadsAreRefusedWithTheReason(t *testing.T) {
	d, _ := open(t, 100, 30)
	d.See("busy")
	d.Type("L")
	d.See("none were supplied")

	d, _ = open(t, 100, 30, func(c *views.Config) { c.Loads, c.ReadOnly = &fakeLoads{}, true })
	d.See("busy")
	d.Type("L")
	d.See("WHAT IT DOES")
	d.Press(tcell.KeyEnter)
	d.See("read-only")

	d, _ = open(t, 100, 30, func(c *views.Config) { c.Loads = &fakeLoads{refuse: errors.New("too many tasks:\nraise --max-tasks")} })
	d.See("busy")
	d.Type("L")
	d.See("WHAT IT DOES")
	d.Press(tcell.KeyEnter, tcell.KeyEnter)
	d.See("too many tasks: raise --max-tasks")
}
