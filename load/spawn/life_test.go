package spawn

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskscope/load"
	"taskscope/load/spawn/native"

	"golang.org/x/sys/unix"
)

// child is a process below the root with one thread.
func child(parent int, end *load.End, ops ...load.Op) load.ProcessPlan {
	return load.ProcessPlan{Role: "child", Parent: parent, End: end, Threads: []load.ThreadPlan{thread("child", ops...)}}
}

// family is a plan of a root that does ops, and its children.
func family(ops []load.Op, children ...load.ProcessPlan) *load.Plan {
	p := root()
	p.Processes[0].Threads[0].Ops = ops
	p.Processes = append(p.Processes, children...)
	return p
}

func needsNative(t *testing.T) {
	t.Helper()
	if native.Image() == nil {
		t.Skip("no worker image for this architecture")
	}
}

func state(pid int) string {
	f, ok := statFields(pid)
	if !ok {
		return ""
	}
	return f[0]
}

var (
	fails  = load.Op{Kind: load.OpCrash}
	reap   = load.Op{Kind: load.OpReap}
	leaves = func(code uint64) load.Op { return load.Op{Kind: load.OpExit, A: code} }
)

func TestPlannedEnds(t *testing.T) {
	t.Parallel()
	needsNative(t)
	pool := load.ProcessPlan{Role: "pool", End: &load.End{Signal: 11, Reaped: true}, Threads: []load.ThreadPlan{
		thread("pool", load.Op{Kind: load.OpHold}), thread("bystander"), thread("victim", fails),
	}}
	tests := []struct {
		name string
		plan *load.Plan
		exit string // of process 1
		by   string
		left string // its state when the rest is parked
	}{
		{"exit, reaped", family([]load.Op{reap}, child(0, &load.End{Code: 7, Reaped: true}, leaves(7))), "exit 7", "parent", ""},
		{"exit, not reaped", family(nil, child(0, &load.End{Code: 7}, leaves(7))), "exit 7", "runner", "Z"},
		{"fault, reaped", family([]load.Op{reap}, child(0, &load.End{Signal: 11, Reaped: true}, fails)), "signal 11", "parent", ""},
		{"fault, not reaped", family(nil, child(0, &load.End{Signal: 11}, fails)), "signal 11", "runner", "Z"},
		{"one thread of three faults", family([]load.Op{reap}, pool), "signal 11", "parent", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.plan.Processes = append(tt.plan.Processes, child(0, nil))
			m := through(t, startRun(t, tt.plan, Options{}))
			if e := m.Processes[1].Exit; e == nil || e.String() != tt.exit || e.By != tt.by {
				t.Errorf("exit %+v, want %s by %s", e, tt.exit, tt.by)
			}
			if got := state(m.Processes[1].PID); got != tt.left {
				t.Errorf("state %q, want %q", got, tt.left)
			}
			if other := m.Processes[2]; other.Exit != nil || state(other.PID) != "S" {
				t.Errorf("the other process: %+v, state %q", other.Exit, state(other.PID))
			}
		})
	}
}

func TestEndsNobodyPlannedAreFailures(t *testing.T) {
	t.Parallel()
	needsNative(t)
	tests := []struct {
		name string
		plan *load.Plan
		want string
	}{
		{"fault", family(nil, child(0, nil, fails)), "killed by SIGSEGV"},
		{"exit", family(nil, child(0, nil, leaves(9))), "exit status 9"},
		{"another status", family(nil, child(0, &load.End{Code: 1}, leaves(2))), "exit status 2"},
		{"a fault instead of an exit", family(nil, child(0, &load.End{Code: 1}, fails)), "killed by SIGSEGV"},
		{"the orphan dies too", family([]load.Op{reap}, child(0, &load.End{Reaped: true}, leaves(0)), child(1, nil, leaves(9))), "exit status 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.plan.Processes[0].Subreaper = true
			r := startRun(t, tt.plan, Options{})
			if err := r.Release(); err != nil {
				t.Fatal(err)
			}
			if err := r.Wait(testContext(t)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Wait: %v, want one with %q", err, tt.want)
			}
		})
	}
}

func orphanPlan(ops ...load.Op) *load.Plan {
	p := family([]load.Op{reap},
		child(0, &load.End{Reaped: true}, leaves(0)),
		child(1, nil, append([]load.Op{{Kind: load.OpAdopted}}, ops...)...))
	p.Processes[0].Subreaper = true
	return p
}

func TestOrphanIsAdopted(t *testing.T) {
	t.Parallel()
	needsNative(t)
	m := through(t, startRun(t, orphanPlan(), Options{}))
	orphan := m.Processes[2]
	f, ok := statFields(orphan.PID)
	if want := m.Processes[0].PID; !ok || f[1] != fmt.Sprint(want) || orphan.AdopterPID != want {
		t.Errorf("parent %v, reported %d, want %d", f, orphan.AdopterPID, want)
	}
	if orphan.PPID != m.Processes[1].PID {
		t.Errorf("started by %d, want %d", orphan.PPID, m.Processes[1].PID)
	}
}

// TestOrphanDiesWithItsNewParent: from the adoption on the parent-death signal
// is in force again.
func TestOrphanDiesWithItsNewParent(t *testing.T) {
	t.Parallel()
	needsNative(t)
	r := startRun(t, orphanPlan(load.Op{Kind: opTestWedge}), Options{})
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the orphan is adopted", func() bool { return r.Manifest().Processes[2].AdopterPID != 0 })
	orphan := r.Manifest().Processes[2].PID
	if err := unix.Kill(r.RootPID(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the orphan has died", func() bool { s := state(orphan); return s == "" || s == "Z" })
	var death *DeathError
	if err := r.Wait(testContext(t)); !errors.As(err, &death) || death.Process != 0 {
		t.Errorf("Wait: %v, want the death of the root", err)
	}
}

// statesPlan has a process stopped, one traced and one in a vfork.
func statesPlan(until uint64) *load.Plan {
	return family([]load.Op{
		{Kind: load.OpTrace, A: 2},
		{Kind: load.OpAwaitState, A: 1, B: 'T'},
		{Kind: load.OpAwaitState, A: 2, B: 't'},
		{Kind: load.OpAwaitState, A: 3, B: 'D'},
		{Kind: load.OpMark, A: load.MarkFrom},
		{Kind: load.OpHold, A: until},
		{Kind: load.OpMark, A: load.MarkUntil},
		{Kind: load.OpUntrace, A: 2},
		{Kind: load.OpSignal, A: uint64(unix.SIGCONT), B: 1},
	},
		child(0, nil, load.Op{Kind: load.OpStopSelf}),
		child(0, nil),
		child(0, nil, load.Op{Kind: load.OpVfork, A: until}))
}

func TestStates(t *testing.T) {
	t.Parallel()
	needsNative(t)
	r := startRun(t, statesPlan(1e9), Options{})
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "all are in their states", func() bool {
		return r.Manifest().Processes[0].Threads[0].Report.FromNS != 0 || isClosed(r.failed)
	})
	m := r.Manifest()
	for i, want := range []string{"", "T", "t", "D"} {
		got := state(m.Processes[i].PID)
		if rep := r.Manifest().Processes[0].Threads[0].Report; rep.UntilNS != 0 {
			t.Skip("the machine is too busy: the states were over before they could be read")
		}
		if i > 0 && got != want {
			t.Errorf("process %d is in state %s, want %s", i, got, want)
		}
	}
	if err := r.Wait(testContext(t)); err != nil {
		if errors.Is(err, unix.EPERM) {
			t.Skipf("tracing is not permitted here: %v", err)
		}
		t.Fatal(err)
	}
	for i, p := range r.Manifest().Processes {
		if s := state(p.PID); s != "S" {
			t.Errorf("process %d is in state %s at the end", i, s)
		}
	}
}

// TestStopEndsWhatCannotAnswer: stopped, traced and vforking processes end.
func TestStopEndsWhatCannotAnswer(t *testing.T) {
	t.Parallel()
	needsNative(t)
	r := startRun(t, statesPlan(3600e9), Options{})
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "all are in their states", func() bool {
		return r.Manifest().Processes[0].Threads[0].Report.FromNS != 0 || isClosed(r.failed)
	})
	left, err := r.Stop(testContext(t))
	if err != nil || left != (LeftBehind{}) {
		t.Errorf("Stop: %+v, %v", left, err)
	}
	nothingLeft(t, r.ID(), identities{}, time.Now())
}

func TestMadeTasksAreCounted(t *testing.T) {
	t.Parallel()
	needsNative(t)
	supervised := family([]load.Op{{Kind: load.OpSupervise, A: 5, B: 10e6, C: 2}},
		child(0, &load.End{Code: 1, Reaped: true}, load.Op{Kind: load.OpHold, A: 10e6}, leaves(1)),
		child(0, &load.End{Code: 1, Reaped: true}, load.Op{Kind: load.OpHold, A: 20e6}, leaves(1)))
	tests := []struct {
		name           string
		plan           *load.Plan
		loops, reaped  uint64
		children, most int
	}{
		{"threads", family([]load.Op{{Kind: load.OpSpawn, A: 300}}), 300, 0, 0, 0},
		{"processes", family([]load.Op{{Kind: load.OpSpawn, A: 100, B: 1}}), 100, 0, 0, 0},
		{"storm", family([]load.Op{{Kind: load.OpStorm, A: 50, B: 1e6, C: 4}}), 50, 50, 0, 4},
		{"supervised", supervised, 5, 5, 2, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := through(t, startRun(t, tt.plan, Options{}))
			rep := m.Processes[0].Threads[0].Report
			if rep.Loops != tt.loops || rep.Acquired != tt.reaped {
				t.Errorf("made %d, reaped %d; want %d, %d", rep.Loops, rep.Acquired, tt.loops, tt.reaped)
			}
			if tt.most > 0 && (rep.Slots["0"] == 0 || rep.Slots["0"] > uint64(tt.most)) {
				t.Errorf("%d at a time, want at most %d", rep.Slots["0"], tt.most)
			}
			if n := childrenOf(t, m.Processes[0].PID); n != tt.children {
				t.Errorf("%d children at the end, want %d", n, tt.children)
			}
			if n := statusOf(t, m.Processes[0].PID, 0, "Threads"); n != 1 {
				t.Errorf("%d threads at the end", n)
			}
		})
	}
}

// childrenOf counts processes by the parent that /proc gives.
func childrenOf(t *testing.T, pid int) (n int) {
	t.Helper()
	for _, p := range pids() {
		if f, ok := statFields(p); ok && len(f) > 1 && f[1] == fmt.Sprint(pid) {
			n++
		}
	}
	return n
}

// TestKilledWorkerLeavesNothing kills the root of such plans: what it has
// started goes with it, and the runner reaps all of it.
func TestKilledWorkerLeavesNothing(t *testing.T) {
	needsNative(t)
	for name, plan := range map[string]*load.Plan{
		"storm": family([]load.Op{{Kind: load.OpStorm, A: 100000, B: 100e6, C: 8}}),
		"supervised": family([]load.Op{{Kind: load.OpSupervise, A: 1, B: 5e6, C: 1}},
			child(0, &load.End{Code: 1, Reaped: true}, load.Op{Kind: load.OpHold, A: 5e6}, leaves(1))),
	} {
		t.Run(name, func(t *testing.T) {
			r := startRun(t, plan, Options{})
			if err := r.Release(); err != nil {
				t.Fatal(err)
			}
			eventually(t, 10*time.Second, "it has started some", func() bool { return r.Manifest().Processes[0].Threads[0].Report.Loops > 0 })
			if err := unix.Kill(r.RootPID(), unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if left, err := r.Stop(testContext(t)); err != nil || left != (LeftBehind{}) {
				t.Errorf("Stop: %+v, %v", left, err)
			}
			if n := childrenOf(t, os.Getpid()); n > 0 {
				for _, p := range pids() {
					if f, ok := statFields(p); ok && f[1] == fmt.Sprint(os.Getpid()) && f[2] == fmt.Sprint(r.RootPID()) {
						t.Errorf("process %d of the run's group is still there, state %s", p, f[0])
					}
				}
			}
		})
	}
}

func TestLifePlansThatAreRefused(t *testing.T) {
	t.Parallel()
	other := child(0, nil)
	tests := []struct {
		name string
		plan *load.Plan
		want string
	}{
		{"the root ends", func() *load.Plan { p := root(); p.Processes[0].End = &load.End{}; return p }(), "the root must not end"},
		{"nothing ends it", family(nil, child(0, &load.End{})), "nothing in it"},
		{"no such process", family([]load.Op{{Kind: load.OpAwaitState, A: 5}}, other), "there is no process 5"},
		{"a signal to somebody else", family(nil, child(0, nil, load.Op{Kind: load.OpSignal, A: 9, B: 0})), "is not its child"},
		{"a debugger of somebody else", family(nil, other, child(0, nil, load.Op{Kind: load.OpTrace, A: 1})), "is not its child"},
		{"slots", family([]load.Op{{Kind: load.OpSpawn, C: 14}}), "slot 14"},
		{"slot overflow", family([]load.Op{{Kind: load.OpTouch, B: 1 << 63}}), "slot"},
		{"nobody at a time", family([]load.Op{{Kind: load.OpStorm, A: 1}}), "0 at a time"},
		{"too many workers", family([]load.Op{{Kind: load.OpSupervise, C: 65}}), "65 workers"},
		{"a file too many", family([]load.Op{{Kind: load.OpFile, C: 64}}), "file 64"},
		{"no period", family([]load.Op{{Kind: load.OpGrow, A: 1}}), "period"},
		{"half a huge page", family([]load.Op{{Kind: load.OpHuge, A: 1 << 20, B: 2 << 20}}), "huge"},
		{"no file", family([]load.Op{{Kind: load.OpIO, C: 64 << 32}}), "file 64"},
	}
	for _, tt := range tests {
		if err := validate(tt.plan); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestHugePagesAreNeeded(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, enabled, size, want string }{
		{"never", "always madvise [never]\n", "2097152\n", "switched off"},
		{"madvise", "always [madvise] never\n", "2097152\n", ""},
		{"always", "[always] madvise never\n", "", ""},
		{"larger pages", "[always] madvise never\n", "536870912\n", "536870912 bytes"},
		{"absent", "", "", "no transparent huge pages"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		for file, text := range map[string]string{"enabled": tt.enabled, "hpage_pmd_size": tt.size} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := noHugePages(dir)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	dir := t.TempDir()
	for name, enabled := range map[string]string{"hugepages-2048kB": "[inherit] never", "hugepages-64kB": "always [never]", "hugepages-128kB": "[always] never"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "enabled"), []byte(enabled), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "enabled"), []byte("[always]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := noHugePages(dir); !strings.Contains(got, "128kB") {
		t.Errorf("sizes in between: %q", got)
	}
	p := root()
	p.Needs = []string{load.NeedHugePages}
	if err := checkNeeds(p); err != nil && !errors.Is(err, ErrLacks) {
		t.Errorf("%v does not wrap ErrLacks", err)
	}
}

// TestImageSizes compares the headers with what the kernel has mapped.
func TestImageSizes(t *testing.T) {
	t.Parallel()
	needsNative(t)
	r := startRun(t, root(), Options{})
	image := r.Manifest().Image
	if image == nil {
		t.Fatal("no sizes")
	}
	if kB := statusOf(t, r.RootPID(), 0, "VmExe"); kB<<10 != image.CodeBytes {
		t.Errorf("code %d, VmExe %d kB", image.CodeBytes, kB)
	}
	if kB := statusOf(t, r.RootPID(), 0, "VmData"); kB<<10 != image.DataBytes {
		t.Errorf("data %d, VmData %d kB", image.DataBytes, kB)
	}
	if imageSizes([]byte("no program"), 4096) != nil {
		t.Error("sizes of what is no program")
	}
}
