package spawn

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// TestQuotaHoldsAndIsRemoved: the group limits its tasks, and goes with the run.
func TestQuotaHoldsAndIsRemoved(t *testing.T) {
	t.Parallel()
	for _, tier := range []string{TierNative, TierGo} {
		t.Run(tier, func(t *testing.T) {
			p := tree(1, 2, load.Op{Kind: load.OpSpinWall, A: 1e9})
			p.Quota = &load.Quota{Time: 5 * time.Millisecond, Period: 100 * time.Millisecond}
			r, err := Start(testContext(t), p, Options{Tier: tier})
			if errors.Is(err, unix.EPERM) {
				t.Skipf("not permitted here: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			m := through(t, r)
			if len(runCgroups(r.ID())) == 0 {
				t.Error("the run has no control group")
			}
			var used uint64
			for _, mp := range m.Processes {
				for _, th := range mp.Threads {
					used += th.Report.CPUNS
				}
			}
			span := m.ParkedMonoNS - m.GateMonoNS
			if most := uint64(span/20) + 30e6; used > most {
				t.Errorf("%d ns of CPU time in %d ns, at most %d were allowed", used, span, most)
			}
			if left, err := r.Stop(testContext(t)); err != nil || left != (LeftBehind{}) {
				t.Errorf("Stop: %+v, %v", left, err)
			}
			if dirs := runCgroups(r.ID()); len(dirs) > 0 {
				t.Errorf("left: %v", dirs)
			}
		})
	}
}

// TestSweepRemovesAQuotaGroup: the version 1 directory of a dead controller.
func TestSweepRemovesAQuotaGroup(t *testing.T) {
	parent, ok := cpuDir()
	if !ok || unix.Access(parent, unix.W_OK) != nil {
		t.Skip("no version 1 cpu controller to write to")
	}
	id := newRunID() + "sweep"
	dir := filepath.Join(parent, cgroupPrefix+id+"-1-77") // process 1 has not begun at tick 77
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no directory: %v", err)
	}
	if countCgroups(id) != 1 {
		t.Error("it is not counted as left behind")
	}
	if _, err := Sweep(testContext(t), id); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
		_ = os.Remove(dir)
	}
}

// TestSchedulerOperations: what the workers of either tier say of themselves.
func TestSchedulerOperations(t *testing.T) {
	t.Parallel()
	cpus := allowed(t)
	first, last := cpus[0], cpus[len(cpus)-1]
	for _, tier := range []string{TierNative, TierGo} {
		t.Run(tier, func(t *testing.T) {
			t.Parallel()
			waker := thread("waker", load.Op{Kind: load.OpSleepRel, A: 30, B: 2e6})
			spinner := thread("spinner", load.Op{Kind: load.OpSpinFollow, A: 1, B: 60e9})
			spinner.Policy = unix.SCHED_IDLE
			waker.CPUs, spinner.CPUs = []int{first}, []int{first}
			mover := thread("mover", load.Op{Kind: load.OpMigrate, A: 20, B: uint64(first), C: uint64(last)})
			mover.CPUs = []int{last}
			yielder := thread("yielder", load.Op{Kind: load.OpYield, A: 50})
			m := through(t, startRun(t, root(waker, spinner, mover, yielder), Options{Tier: tier}))
			reports := map[string]load.Report{}
			for _, th := range m.Processes[0].Threads {
				reports[th.Name] = th.Report
			}
			if r := reports["spinner"]; tier == TierNative && r.Involuntary < r.Acquired || r.Acquired > 30+1 || r.EndNS < reports["waker"].EndNS {
				t.Errorf("spinner: %+v beside %+v", r, reports["waker"])
			}
			if r := reports["mover"]; r.Loops != 20 || r.Late != 0 {
				t.Errorf("mover: %+v", r)
			}
			if r := reports["yielder"]; r.Loops != 50 || r.Late > 50 {
				t.Errorf("yielder: %+v", r)
			}
		})
	}
}

// TestTimeSliceIsChecked: a slice that nobody has stops the run, as something
// that this machine does not offer.
func TestTimeSliceIsChecked(t *testing.T) {
	t.Parallel()
	for _, tier := range []string{TierNative, TierGo} {
		p := root(thread("w"))
		p.Processes[0].Threads[1].Setup = []load.Op{{Kind: load.OpCheckSlice, A: 3600e9}}
		if r, err := Start(testContext(t), p, Options{Tier: tier}); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: %v, %v; want EINVAL", tier, r, err)
		}
	}
}

func TestGoroutinesAreNoThreads(t *testing.T) {
	t.Parallel()
	p := root()
	p.Tier = TierGo
	p.Processes[0].Threads[0].Ops = []load.Op{{Kind: load.OpGoroutines, A: 500, B: 2, C: 300e6}}
	r := startRun(t, p, Options{})
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	most := 0
	for !isClosed(r.parked) && !isClosed(r.failed) {
		if b, err := os.ReadFile("/proc/" + strconv.Itoa(r.RootPID()) + "/status"); err == nil {
			_, rest, _ := strings.Cut(string(b), "\nThreads:")
			line, _, _ := strings.Cut(rest, "\n")
			n, _ := strconv.Atoi(strings.TrimSpace(line)) //nolint:errcheck // 0 then
			most = max(most, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := r.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	rep := r.Manifest().Processes[0].Threads[0].Report
	if rep.Result < 500 || rep.Loops < 500 || most < 3 || most > 20 {
		t.Errorf("%d goroutines, %d rounds, at most %d threads", rep.Result, rep.Loops, most)
	}
	if _, err := Start(testContext(t), p, Options{Tier: TierNative}); !errors.Is(err, load.ErrUsage) {
		t.Errorf("tier native: %v", err)
	}
}

func TestRealtimeAllowedSaysWhy(t *testing.T) {
	t.Parallel()
	err := RealtimeAllowed()
	t.Logf("real-time workers: %v", err)
	if err == nil {
		return
	}
	if text := err.Error(); !strings.Contains(text, "only one") && !strings.Contains(text, "CAP_SYS_NICE") {
		t.Errorf("%q gives no reason", text)
	}
}

func TestNoMoreTasksThanPlanned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		op   load.Op
		want bool
	}{
		{load.Op{Kind: load.OpHold, A: 1}, false},
		{load.Op{Kind: load.OpSpawn, A: 1}, true},
		{load.Op{Kind: load.OpStorm, A: 1}, true},
		{load.Op{Kind: load.OpServe, A: 1, B: 1}, true},
	} {
		if got := startsTasks(root(thread("w", tt.op))); got != tt.want {
			t.Errorf("kind %d: %v, want %v", tt.op.Kind, got, tt.want)
		}
	}
}
