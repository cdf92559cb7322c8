package spawn

import (
	"strconv"
	"testing"

	"taskscope/load"
)

func itoa(n int) string { return strconv.Itoa(n) }

// checkGoTasks compares a manifest with the kernel's view; the Go runtime has
// threads of its own besides.
func checkGoTasks(t *testing.T, m *load.Manifest) {
	t.Helper()
	for i, p := range m.Processes {
		names := tasksOf(t, p.PID)
		seen := map[int]bool{}
		for _, th := range p.Threads {
			if got := names[th.TID]; got != th.Name || seen[th.TID] {
				t.Errorf("process %d: tid %d is %q (twice: %v), want %q", i, th.TID, got, seen[th.TID], th.Name)
			}
			seen[th.TID] = true
		}
		if p.Threads[0].TID != p.PID {
			t.Errorf("process %d: the leader has tid %d, pid %d", i, p.Threads[0].TID, p.PID)
		}
	}
}

// TestGoTier runs the same operations without the native image; its counts
// are approximate, its tasks are not.
func TestGoTier(t *testing.T) {
	t.Parallel()
	p := tree(2, 2, load.Op{Kind: load.OpSleepRel, A: 20, B: 2e6})
	p.Processes[3].Setsid = true
	r := startRun(t, p, Options{Tier: TierGo})
	if r.Tier() != TierGo || r.Manifest().Plan.Tier != TierGo {
		t.Errorf("tier %q", r.Tier())
	}
	checkGoTasks(t, r.Manifest())
	m := through(t, r)
	checkGoTasks(t, m)
	for i, mp := range m.Processes {
		if parent := p.Processes[i].Parent; parent >= 0 && mp.PPID != m.Processes[parent].PID {
			t.Errorf("process %d: ppid %d, want %d", i, mp.PPID, m.Processes[parent].PID)
		}
		for _, th := range mp.Threads {
			if th.Name == "leader" {
				continue
			}
			if rep := th.Report; rep.Loops != 20 || rep.Voluntary < 15 || rep.Voluntary > 60 {
				t.Errorf("%s: %d loops, %d voluntary switches; want 20 and about 20", th.Name, rep.Loops, rep.Voluntary)
			}
		}
	}
}

func TestGoTierOperations(t *testing.T) {
	t.Parallel()
	const mapped, heap, stack = 4 << 20, 2 << 20, 1 << 20
	cpus := allowed(t)
	last := cpus[len(cpus)-1]
	p := root(
		thread("mem", load.Op{Kind: load.OpMap, A: mapped, B: mapped, C: 2}, load.Op{Kind: load.OpHeap, A: heap}, load.Op{Kind: load.OpStack, A: stack}),
		thread("duty", load.Op{Kind: load.OpDuty, A: 10, B: 10e6, C: 2e6}),
		thread("cpu", load.Op{Kind: load.OpSpinCPU, A: 20e6}, load.Op{Kind: load.OpSpinWall, A: 50e6}),
		thread("abs", load.Op{Kind: load.OpSleepAbs, A: 20, B: 2e6}),
		thread("misc", load.Op{Kind: load.OpYield, A: 100}, load.Op{Kind: load.OpMigrate, A: 10, B: uint64(cpus[0]), C: uint64(last)},
			load.Op{Kind: load.OpHold, A: 100e6}),
	)
	r := startRun(t, p, Options{Tier: TierGo})
	before := statusOf(t, r.RootPID(), 0, "VmRSS")
	m := through(t, r)
	grown := statusOf(t, r.RootPID(), 0, "VmRSS") - before
	const want = (mapped + heap + stack) >> 10
	if grown < want || grown > want+2048 {
		t.Errorf("VmRSS grew by %d kB, want %d and at most 2 MiB of the runtime", grown, want)
	}
	reports := map[string]load.Report{}
	for _, th := range m.Processes[0].Threads {
		reports[th.Name] = th.Report
	}
	area := reports["mem"].Slots["2"]
	got := smaps(t, r.RootPID(), func(h string) bool { return len(h) > 12 && h[:12] == strconv.FormatUint(area, 16)[:12] })
	if got["Rss"] != mapped>>10 || got["Size"] != mapped>>10 {
		t.Errorf("area: %v", got)
	}
	if cpu := reports["duty"].CPUNS; cpu < 20e6 || cpu > 30e6 { // an interrupt may be booked to its last burst
		t.Errorf("duty: %d ns of CPU, want 20 ms", cpu)
	}
	if cpu := reports["cpu"].CPUNS; cpu < 20e6 {
		t.Errorf("cpu: %d ns, want at least 20 ms", cpu)
	}
	if rep := reports["abs"]; rep.Loops != 20 || rep.Waits+rep.Late < 20 {
		t.Errorf("abs: %+v", rep)
	}
	if rep := reports["misc"]; rep.Loops != 111 || rep.EndNS-m.GateMonoNS < 100e6 {
		t.Errorf("misc: %+v", rep)
	}
}

func TestGoWorkerRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"a", "b", "c"}, {"a", "b", processArg + "x"}, {"a", "b", processArg + "-1"}, {processArg + "1"}} {
		if index, ok := processIndex(args); ok {
			t.Errorf("%q: %d", args, index)
		}
	}
	if index, ok := processIndex([]string{"a", "b", processArg + "7"}); !ok || index != 7 {
		t.Errorf("%d, %v; want 7", index, ok)
	}
}
