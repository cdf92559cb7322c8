package spawn

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// busyTree is a plan with every kind of waiting, several levels deep; one
// branch leads its own session, so that no process group reaches it.
func busyTree() *load.Plan {
	p := tree(2, 3,
		load.Op{Kind: load.OpSleepRel, A: 50, B: 1e6},
		load.Op{Kind: load.OpDuty, A: 20, B: 2e6, C: 100e3},
		load.Op{Kind: load.OpHold})
	p.Processes[2].Setsid = true
	p.Processes[7].Setsid = true
	return p
}

// nastyPlans are those of which most can be left.
func nastyPlans() map[string]*load.Plan {
	queue := root()
	queue.Objects = []load.Object{{Kind: load.ObjectQueue, Count: 4, Bytes: 64}, {Kind: load.ObjectQueue, Count: 4, Bytes: 64}}
	return map[string]*load.Plan{
		"tree":    busyTree(),
		"orphans": orphanPlan(load.Op{Kind: load.OpHold}),
		"states":  statesPlan(3600e9),
		"storm":   family([]load.Op{{Kind: load.OpStorm, A: 100000, B: 5e6, C: 1}}),
		"spawn":   family([]load.Op{{Kind: load.OpSpawn, A: 1 << 30, B: 1}}),
		"supervised": family([]load.Op{{Kind: load.OpSupervise, A: 10000, B: 5e6, C: 1}},
			child(0, &load.End{Code: 1, Reaped: true}, load.Op{Kind: load.OpHold, A: 5e6}, leaves(1))),
		"waiting": stuckPlan(),
		"busy":    family([]load.Op{{Kind: load.OpSpinWall}}, child(0, nil, load.Op{Kind: load.OpSpinWall})),
		"queues":  queue,
	}
}

// TestKilledControllerLeavesNothing kills the controller at random moments,
// some in the middle of starting, some with everything running: with every
// guard, and with each of them and each two of them switched off. What one
// guard alone does not reach is left to the deadline: a death signal that is
// not in force until a process is adopted, a pipe that nobody looks at who is
// stopped or in a vfork. For a long run:
//
//	TASKSCOPE_KILL_ROUNDS=200 go test ./load/spawn -run Killed -v -timeout 1h
func TestKilledControllerLeavesNothing(t *testing.T) {
	needsNative(t)
	tests := []struct {
		name, tier string
		without    guards
		not        []string // plans that the rest does not reach
	}{
		{"all", TierNative, 0, nil},
		{"no death signal", TierNative, guardDeathSignal, nil},
		{"no cgroup", TierNative, guardCgroup, nil},
		{"no pipe", TierNative, guardPipe, nil},
		{"cgroup only", TierNative, guardDeathSignal | guardPipe, nil},
		{"pipe only", TierNative, guardCgroup | guardDeathSignal, []string{"states"}},
		{"death signal only", TierNative, guardCgroup | guardPipe, []string{"orphans"}},
		{"go, all", TierGo, 0, nil},
		{"go, pipe only", TierGo, guardCgroup | guardDeathSignal, nil},
		{"go, death signal only", TierGo, guardCgroup | guardPipe, nil},
	}
	parent, ok := unifiedDir()
	grouped := ok && unix.Access(parent, unix.W_OK) == nil
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !grouped && tt.without&guardDeathSignal != 0 {
				if tt.without&guardPipe != 0 {
					t.Skip("no cgroup may be made here: nothing would be left to end the run but its deadline")
				}
				tt.not = []string{"states"} // as with the pipe only
			}
			plans := nastyPlans()
			if tt.tier == TierGo {
				plans = map[string]*load.Plan{"tree": busyTree()}
			}
			var names []string
			for name := range plans {
				if !slices.Contains(tt.not, name) {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			var took []time.Duration
			for i := range rounds(max(len(names), 3)) {
				job := controllerJob{
					Plan: plans[names[i%len(names)]], RunID: newRunID() + "kill", Tier: tt.tier, Release: true, Without: tt.without,
				}
				took = append(took, killController(t, job, rand.N(3) > 0))
			}
			slices.Sort(took)
			t.Logf("%d rounds: nothing left after %v at most, %v in the median", len(took), took[len(took)-1], took[len(took)/2])
		})
	}
}

// killController kills a controller, with everything running or in the middle
// of starting, and says after how long nothing was left.
func killController(t *testing.T, job controllerJob, running bool) time.Duration {
	t.Helper()
	cmd, lines := otherProcess(t, job)
	if running {
		lines.Scan()
		if lines.Text() != "ready <nil>" {
			t.Fatalf("the controller said %q", lines.Text())
		}
		time.Sleep(rand.N(5 * time.Millisecond)) // the moment is what varies
	} else {
		time.Sleep(rand.N(15 * time.Millisecond))
	}
	known := identities{}
	known.add(cmd.Process.Pid)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_ = cmd.Wait() //nolint:errcheck // killed
	took := nothingLeft(t, job.RunID, known, began)
	for i := range job.Plan.Objects {
		if unlinkQueue(job.RunID, i) {
			t.Errorf("message queue %d is left", i)
		}
	}
	return took
}

// TestDeadlineEndsWhatNobodyReaches: with every other guard switched off, the
// deadline ends the run of a killed controller.
func TestDeadlineEndsWhatNobodyReaches(t *testing.T) {
	t.Parallel()
	needsNative(t)
	job := controllerJob{
		Plan: statesPlan(3600e9), RunID: newRunID() + "late", Tier: TierNative, Release: true,
		Without: guardCgroup | guardDeathSignal | guardPipe, Lifetime: 2 * time.Second,
	}
	took := killController(t, job, true)
	t.Logf("nothing left after %v", took)
}

// TestSweepEndsWhatNobodyElseDoes: with all guards switched off, a killed
// controller leaves everything; sweep ends it, and nobody who only looks alike.
func TestSweepEndsWhatNobodyElseDoes(t *testing.T) {
	t.Parallel()
	needsNative(t)
	for name, plan := range nastyPlans() {
		if name == "states" { // a tracer takes along whom it traces
			continue
		}
		t.Run(name, func(t *testing.T) {
			job := controllerJob{
				Plan: plan, RunID: newRunID() + "swept", Tier: TierNative, Release: true,
				Without: guardCgroup | guardDeathSignal | guardPipe, Lifetime: time.Minute,
			}
			cmd, lines := otherProcess(t, job)
			if lines.Scan(); lines.Text() != "ready <nil>" {
				t.Fatalf("the controller said %q", lines.Text())
			}
			known := identities{}
			known.add(cmd.Process.Pid)
			_ = cmd.Process.Kill() //nolint:errcheck // it lives: nobody has waited for it
			_ = cmd.Wait()         //nolint:errcheck // killed
			left := carriers(t, job.RunID)
			if len(left) == 0 {
				t.Fatal("nothing was left to be swept")
			}
			decoy := lookalike(t, left[0])
			removed, err := Sweep(testContext(t), job.RunID)
			if err != nil || len(removed.Processes) == 0 || slices.Contains(removed.Processes, decoy) {
				t.Errorf("Sweep: %v, %v; the lookalike is %d", removed, err, decoy)
			}
			if s := state(decoy); s == "" || s == "Z" {
				t.Errorf("the lookalike is gone: state %q", s)
			}
			if err := unix.Kill(decoy, unix.SIGKILL); err != nil { // a child of ours, not yet reaped
				t.Fatal(err)
			}
			nothingLeft(t, job.RunID, known, time.Now())
		})
	}
}
