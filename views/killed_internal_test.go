package views

import (
	"os"
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/load"
	"taskscope/load/verify"
	"taskscope/views/model"
)

// TestIfKilled: before a worker is killed, the load says what comes of it.
func TestIfKilled(t *testing.T) {
	r, err := inspect.NewReader(inspect.Options{Source: inspect.SourceProc})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	id, err := r.Resolve(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	target, err := inspect.OpenTarget(id)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	plan := &load.Plan{Processes: []load.ProcessPlan{{Role: "root", Parent: -1, Threads: []load.ThreadPlan{{Name: "w"}}}}}
	p := &runPage{status: model.LoadStatus{Result: &verify.Result{Manifest: &load.Manifest{
		Plan: plan, Processes: []load.ManifestProcess{{PID: os.Getpid()}},
	}}}}
	if got := p.ifKilled(subjects{{target: target}}); !strings.Contains(got, plan.IfKilled(0)) {
		t.Errorf("%q does not say %q", got, plan.IfKilled(0))
	}
	p.status.Result.Manifest.Processes[0].PID++
	if got := p.ifKilled(subjects{{target: target}}); got != "" {
		t.Errorf("of a process that is not of the plan: %q", got)
	}
}
