package inspect_test

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

func TestTarget(t *testing.T) {
	inspecttest.RequireCap(t, "pidfd")
	cmd := helper(t, "threads")
	pid := cmd.Process.Pid
	r := open(t, "")
	id, err := r.Resolve(pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inspect.OpenTarget(inspect.ID{PID: pid, Start: id.Start + 1}); !errors.Is(err, inspect.ErrChanged) {
		t.Errorf("another identity: %v", err)
	}
	target, err := inspect.OpenTarget(id)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if target.ID() != id {
		t.Errorf("target is %v, want %v", target.ID(), id)
	}
	if err := target.SetNice(7); err != nil {
		t.Fatal(err)
	}
	if err := target.SetAffinity([]int{firstCPU(t)}); err != nil {
		t.Fatal(err)
	}
	p := read(t, r, only(pid)).ByPID(pid)
	for _, th := range p.Threads {
		if th.Nice != inspect.Know(7) || th.CPUsAllowed.V == "" || th.CPUsAllowed != p.Threads[0].CPUsAllowed {
			t.Errorf("thread %v: nice %+v, CPUs %+v", th.ID, th.Nice, th.CPUsAllowed)
		}
	}
	last := p.Threads[len(p.Threads)-1].ID
	if err := target.SetThreadNice(last, 12); err != nil {
		t.Fatal(err)
	}
	if err := target.SetThreadNice(inspect.ThreadID{TID: last.TID, Start: last.Start + 1}, 13); !errors.Is(err, inspect.ErrChanged) {
		t.Errorf("another thread: %v", err)
	}
	if err := target.SetThreadAffinity(last, []int{firstCPU(t)}); err != nil {
		t.Error(err)
	}
	p = read(t, r, only(pid)).ByPID(pid)
	i := slices.IndexFunc(p.Threads, func(t inspect.Thread) bool { return t.ID == last })
	if i < 0 {
		t.Fatalf("thread %v is gone", last)
	}
	if got := p.Threads[i].Nice; got != inspect.Know(12) || p.Nice != inspect.Know(7) {
		t.Errorf("nice of one thread %+v, of the leader %+v", got, p.Nice)
	}
	if err := target.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if state, err := cmd.Process.Wait(); err != nil || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("ended with %v, %v", state, err)
	}
	if err := target.Signal(unix.SIGTERM); !errors.Is(err, inspect.ErrNoProcess) {
		t.Errorf("signal to a reaped process: %v", err)
	}
	if err := target.SetNice(1); err == nil {
		t.Error("a reaped process got a nice value")
	}
	if _, err := inspect.OpenTarget(id); !errors.Is(err, inspect.ErrNoProcess) && !errors.Is(err, inspect.ErrChanged) {
		t.Errorf("a reaped process is opened: %v", err)
	}
}

func firstCPU(t *testing.T) int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for i := range 1024 {
		if set.IsSet(i) {
			return i
		}
	}
	t.Fatal("no CPU")
	return 0
}

func TestProbe(t *testing.T) {
	rep := inspect.Probe(t.Context(), "")
	caps := rep.Capabilities
	seen := map[string]bool{}
	for _, c := range caps {
		if c.ID == "" || c.Title == "" || seen[c.ID] {
			t.Errorf("no or double ID, or no title: %+v", c)
		}
		seen[c.ID] = true
		switch c.State {
		case inspect.Available:
			if c.Reason != "" || c.Remedy != "" {
				t.Errorf("available, and yet: %+v", c)
			}
		case inspect.Absent, inspect.UnknownState:
			if c.Reason == "" {
				t.Errorf("no reason: %+v", c)
			}
		default:
			t.Errorf("state %q", c.State)
		}
	}
	gives := 0
	for _, c := range caps {
		if len(c.Needs) > 0 {
			gives++
		}
	}
	if gives != len(rep.Gives) || (rep.Grant == "") != (gives == 0) || (rep.Grant == "") == (rep.NoGrant == "") {
		t.Errorf("%d capabilities could be given: %q gives %q, else %q", gives, rep.Grant, rep.Gives, rep.NoGrant)
	}
	if !seen["proc_smaps_other_users"] || !seen["taskstats"] || len(caps) < 15 || !seen["bpf_trace"] {
		t.Errorf("%d capabilities: %v", len(caps), seen)
	}
}

func TestProbeOfNoMount(t *testing.T) {
	for _, c := range inspect.Probe(t.Context(), "/no/such/place").Capabilities {
		if c.State != inspect.UnknownState || c.Reason == "" || c.Needs != nil {
			t.Errorf("%+v", c)
		}
	}
}
