package spawn

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskscope/load"
)

// tasksOf lists the names of a process' threads as the kernel has them.
func tasksOf(t *testing.T, pid int) map[int]string {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	names := map[int]string{}
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/comm", pid, tid))
		if err != nil {
			t.Fatal(err)
		}
		names[tid] = strings.TrimSuffix(string(b), "\n")
	}
	return names
}

// checkTasks compares a manifest with the kernel's view of every process.
func checkTasks(t *testing.T, m *load.Manifest) {
	t.Helper()
	for i, p := range m.Processes {
		names := tasksOf(t, p.PID)
		if len(names) != len(p.Threads) {
			t.Errorf("process %d: %d tasks, want %d", i, len(names), len(p.Threads))
		}
		for _, th := range p.Threads {
			if got, ok := names[th.TID]; !ok || got != th.Name {
				t.Errorf("process %d: tid %d is %q (there: %v), want %q", i, th.TID, got, ok, th.Name)
			}
		}
		if p.Threads[0].TID != p.PID {
			t.Errorf("process %d: leader has tid %d, pid is %d", i, p.Threads[0].TID, p.PID)
		}
	}
}

func TestThreadsAndNamesAreExact(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 16, 2000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			began := time.Now()
			r := startRun(t, root(threads(n)...), Options{})
			t.Logf("%d threads ready and seen asleep after %v", n, time.Since(began))
			checkTasks(t, r.Manifest())
		})
	}
}

func TestTenThousandThreads(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	const n = 10_000
	if h := hostLimits(); h.tasks.value < n/2 || h.memory.value < 2<<30 {
		t.Skipf("this machine allows %d tasks (%s) and %d bytes (%s)", h.tasks.value, h.tasks.source, h.memory.value, h.memory.source)
	}
	began := time.Now()
	r := startRun(t, root(threads(n)...), Options{Limits: Limits{MaxTasks: n + 1}})
	t.Logf("%d threads ready and seen asleep after %v", n, time.Since(began))
	m := through(t, r)
	checkTasks(t, m)
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	names := []string{"fifteen-bytes-x", "with space", ") R 1 (", "new\nline", "\x1b[31mred", "\xff\xfe\xfd", ""}
	var list []load.ThreadPlan
	for _, n := range names {
		list = append(list, thread(n))
	}
	r := startRun(t, root(list...), Options{})
	checkTasks(t, r.Manifest())
}

func TestTreeIsExact(t *testing.T) {
	t.Parallel()
	p := tree(3, 3)
	p.Processes[5].Setsid = true
	began := time.Now()
	r := startRun(t, p, Options{})
	t.Logf("%d processes ready after %v", len(p.Processes), time.Since(began))
	m := r.Manifest()
	checkTasks(t, m)
	for i, mp := range m.Processes {
		f, ok := statFields(mp.PID)
		if !ok {
			t.Fatalf("process %d is gone", i)
		}
		want := os.Getpid()
		if parent := p.Processes[i].Parent; parent >= 0 {
			want = m.Processes[parent].PID
		}
		if f[1] != fmt.Sprint(want) || mp.PPID != want {
			t.Errorf("process %d: ppid %s, reported %d, want %d", i, f[1], mp.PPID, want)
		}
		if leads := f[3] == fmt.Sprint(mp.PID); leads != p.Processes[i].Setsid {
			t.Errorf("process %d: session %s, pid %d, Setsid %v", i, f[3], mp.PID, p.Processes[i].Setsid)
		}
	}
	if r.RootPID() != m.Processes[0].PID {
		t.Errorf("RootPID %d, manifest %d", r.RootPID(), m.Processes[0].PID)
	}
}

func TestRootMayLeadASession(t *testing.T) {
	t.Parallel()
	p := root()
	p.Processes[0].Setsid = true
	r := startRun(t, p, Options{})
	if f, ok := statFields(r.RootPID()); !ok || f[3] != fmt.Sprint(r.RootPID()) {
		t.Errorf("session %v, want %d", f, r.RootPID())
	}
}

// TestVoluntarySwitchesAreExact: one sleep is one voluntary switch, and the
// final park is one; nothing else blocks.
func TestVoluntarySwitchesAreExact(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		n    int
		op   load.Op
	}{
		{"idle", 64, load.Op{Kind: load.OpEnd}},
		{"relative 100 Hz", 32, load.Op{Kind: load.OpSleepRel, A: 100, B: 10e6}},
		{"relative 1 kHz", 4, load.Op{Kind: load.OpSleepRel, A: 1000, B: 1e6}},
		{"absolute 1 kHz", 4, load.Op{Kind: load.OpSleepAbs, A: 1000, B: 1e6}},
		{"hold", 16, load.Op{Kind: load.OpHold, A: 100e6}},
		{"spin", 2, load.Op{Kind: load.OpSpinCPU, A: 50e6}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := startRun(t, root(threads(tt.n, tt.op)...), Options{})
			m := r.Manifest()
			before := switches(t, m)
			m = through(t, r)
			after := switches(t, m)
			for _, p := range m.Processes {
				for _, th := range p.Threads {
					checkSleeper(t, th, tt.op, after[th.TID]-before[th.TID])
				}
			}
		})
	}
}

// TestSwitchesAreExactOnACrowdedMachine: with more busy threads than CPUs,
// sleepers are preempted anywhere; their counts stay exact.
func TestSwitchesAreExactOnACrowdedMachine(t *testing.T) {
	ops := []load.Op{
		{Kind: load.OpSleepRel, A: 300, B: 1e6},
		{Kind: load.OpSleepAbs, A: 300, B: 1e6},
		{Kind: load.OpDuty, A: 300, B: 1e6, C: 50e3},
	}
	var list []load.ThreadPlan
	for i := range 4 * runtime.NumCPU() {
		spinner := thread("spin", load.Op{Kind: load.OpSpinWall, A: 600e6})
		spinner.Role = "spinner"
		list = append(list, spinner, thread("sleep", ops[i%len(ops)]))
	}
	r := startRun(t, root(list...), Options{})
	before := switches(t, r.Manifest())
	m := through(t, r)
	after := switches(t, m)
	late := uint64(0)
	for i, th := range m.Processes[0].Threads {
		want := uint64(1) // the final park
		if th.Role == "worker" {
			late += th.Report.Late
			if want += list[i-1].Ops[0].A; list[i-1].Ops[0].Kind != load.OpSleepRel {
				want -= th.Report.Late
			}
		}
		if got := after[th.TID] - before[th.TID]; got != want || got != th.Report.Waits+1 {
			t.Errorf("%s, kind %v: observed %d voluntary switches, want %d; report %+v", th.Name, list[max(0, i-1)].Ops, got, want, th.Report)
		}
	}
	t.Logf("%d edges of %d threads were late", late, 4*runtime.NumCPU())
}

func checkSleeper(t *testing.T, th load.ManifestThread, op load.Op, observed uint64) {
	t.Helper()
	rep := th.Report
	want := uint64(0)
	switch {
	case th.Role == "leader" || op.Kind == load.OpEnd || op.Kind == load.OpSpinCPU:
	case op.Kind == load.OpSleepRel:
		want = op.A
	case op.Kind == load.OpSleepAbs:
		want = op.A - rep.Late
	case op.Kind == load.OpHold:
		want = 1
	}
	if sleeps := op.Kind == load.OpSleepRel || op.Kind == load.OpSleepAbs; sleeps && th.Role == "worker" && rep.Loops != op.A {
		t.Errorf("%s: %d loops, want %d", th.Name, rep.Loops, op.A)
	}
	if rep.Voluntary != want || rep.Waits != want {
		t.Errorf("%s: reports %d voluntary switches, %d waits, %d late; want %d", th.Name, rep.Voluntary, rep.Waits, rep.Late, want)
	}
	if observed != want+1 {
		t.Errorf("%s: observed %d voluntary switches, want %d + the final park", th.Name, observed, want)
	}
	if rep.MinorFaults != 0 || rep.MajorFaults != 0 {
		t.Errorf("%s: %d minor, %d major faults while nothing was touched", th.Name, rep.MinorFaults, rep.MajorFaults)
	}
}

// switches reads every thread's voluntary switches.
func switches(t *testing.T, m *load.Manifest) map[int]uint64 {
	t.Helper()
	list := map[int]uint64{}
	for _, p := range m.Processes {
		for _, th := range p.Threads {
			list[th.TID] = statusOf(t, p.PID, th.TID, "voluntary_ctxt_switches")
		}
	}
	return list
}

// runTime is the first number of a thread's schedstat: nanoseconds on a CPU.
func runTime(t *testing.T, pid, tid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", pid, tid))
	if err != nil {
		t.Skipf("no schedstat: %v", err)
	}
	n, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDutyKeepsItsBudget: never less, and no more than a look at the clock. What an
// interrupt, or the machine below this one, takes from the very last burst is
// booked as the thread's own, so of a few runs one has to be exact.
func TestDutyKeepsItsBudget(t *testing.T) {
	const tries = 5
	for try := 1; ; try++ {
		over := dutyOver(t)
		if over <= 0.001 {
			return
		}
		if try == tries {
			t.Fatalf("%d runs, none exact; the last one %+.4f %%", tries, 100*over)
		}
	}
}

// dutyOver runs three budgets and gives the largest share by which one was
// overdrawn.
func dutyOver(t *testing.T) float64 {
	tests := []struct {
		name string
		op   load.Op
	}{
		{"10 % of 10 ms", load.Op{Kind: load.OpDuty, A: 200, B: 10e6, C: 1e6}},
		{"50 % of 1 ms", load.Op{Kind: load.OpDuty, A: 1000, B: 1e6, C: 500e3}},
		{"20 % of 100 ms", load.Op{Kind: load.OpDuty, A: 10, B: 100e6, C: 20e6}},
	}
	var list []load.ThreadPlan
	for _, tt := range tests {
		list = append(list, thread("d", tt.op))
	}
	r := startRun(t, root(list...), Options{})
	m := r.Manifest()
	var before []int64
	for _, th := range m.Processes[0].Threads {
		before = append(before, runTime(t, m.Processes[0].PID, th.TID))
	}
	m = through(t, r)
	worst := 0.0
	for i, tt := range tests {
		th := m.Processes[0].Threads[i+1]
		want := float64(tt.op.A * tt.op.C)
		observed := float64(runTime(t, m.Processes[0].PID, th.TID) - before[i+1])
		self := float64(th.Report.CPUNS)
		t.Logf("%s: want %.0f ns, self %+.4f %%, observed %+.4f %%, %d late", tt.name, want,
			100*(self/want-1), 100*(observed/want-1), th.Report.Late)
		if self < want || observed < self {
			t.Errorf("%s: want %.0f ns, self %.0f, observed %.0f", tt.name, want, self, observed)
		}
		if got := th.Report.Waits + th.Report.Late; got != tt.op.A {
			t.Errorf("%s: %d waits + late, want %d", tt.name, got, tt.op.A)
		}
		worst = max(worst, self/want-1, observed/want-1)
	}
	return worst
}

// smaps finds the area that begins at an address, in kB by key.
func smaps(t *testing.T, pid int, match func(header string) bool) map[string]uint64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	var found map[string]uint64
	inside := false
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		f := strings.Fields(value)
		if !strings.HasSuffix(strings.TrimSpace(line), "kB") {
			if strings.Contains(key, "-") {
				if inside = match(line); inside {
					found = map[string]uint64{}
				}
			}
			continue
		}
		if inside && len(f) > 0 {
			n, err := strconv.ParseUint(f[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			found[key] = n
		}
	}
	if found == nil {
		t.Fatalf("process %d: no such area in smaps:\n%s", pid, b)
	}
	return found
}

func TestMemoryIsExactToThePage(t *testing.T) {
	t.Parallel()
	const mapped, touched, second, heap, stack, leaderStack = 8 << 20, 5 << 20, 1 << 20, 4 << 20, 300 << 10, 1 << 20
	p := root(thread("mem",
		load.Op{Kind: load.OpMap, A: mapped, B: touched, C: 3},
		load.Op{Kind: load.OpMap, A: second, B: second, C: 4},
		load.Op{Kind: load.OpHeap, A: heap},
		load.Op{Kind: load.OpStack, A: stack}))
	p.Processes[0].Threads[0].Ops = []load.Op{{Kind: load.OpStack, A: leaderStack}}
	r := startRun(t, p, Options{})
	pid := r.RootPID()
	before := map[string]uint64{}
	keys := []string{"VmRSS", "RssAnon", "VmStk", "RssFile", "RssShmem"}
	for _, k := range keys {
		before[k] = statusOf(t, pid, 0, k)
	}
	m := through(t, r)
	report := m.Processes[0].Threads[1].Report
	page := uint64(os.Getpagesize())
	const total = touched + second + heap + stack
	want := map[string]uint64{"VmRSS": total + leaderStack, "RssAnon": total + leaderStack, "VmStk": leaderStack}
	for _, k := range keys {
		if got := statusOf(t, pid, 0, k) - before[k]; got != want[k]>>10 {
			t.Errorf("%s grew by %d kB, want %d", k, got, want[k]>>10)
		}
	}
	if report.Bytes != total || report.MinorFaults != total/page {
		t.Errorf("reports %d bytes and %d minor faults, want %d and %d", report.Bytes, report.MinorFaults, total, total/page)
	}
	area := func(slot string) func(string) bool {
		return func(h string) bool { return strings.HasPrefix(h, fmt.Sprintf("%x-", report.Slots[slot])) }
	}
	isHeap := func(h string) bool { return strings.Contains(h, "[heap]") }
	for _, c := range []struct {
		name      string
		match     func(string) bool
		size, rss uint64
	}{{"first", area("3"), mapped, touched}, {"second", area("4"), second, second}, {"heap", isHeap, heap, heap}} {
		got := smaps(t, pid, c.match)
		if got["Size"] != c.size>>10 || got["Rss"] != c.rss>>10 || got["Anonymous"] != c.rss>>10 || got["Private_Dirty"] != c.rss>>10 {
			t.Errorf("%s: %v, want size %d, the rest %d kB", c.name, got, c.size>>10, c.rss>>10)
		}
	}
}

// TestFootprintOfAProcess: what an idle process has resident is its image, its
// stack page and the arena, and the same in every process of a tree.
func TestFootprintOfAProcess(t *testing.T) {
	t.Parallel()
	r := startRun(t, tree(1, 4), Options{})
	m := r.Manifest()
	var sizes []uint64
	for _, p := range m.Processes[1:] {
		sizes = append(sizes, statusOf(t, p.PID, 0, "VmRSS"))
	}
	sort.Slice(sizes, func(i, j int) bool { return sizes[i] < sizes[j] })
	if sizes[0] != sizes[len(sizes)-1] || sizes[0] > 256 {
		t.Errorf("resident kB of four equal children: %v", sizes)
	}
	t.Logf("an idle child has %d kB resident", sizes[0])
}

func TestCostOfAThread(t *testing.T) {
	t.Parallel()
	const n = 200
	r := startRun(t, root(threads(n)...), Options{})
	got := statusOf(t, r.RootPID(), 0, "RssAnon")
	t.Logf("%d threads have %d kB of anonymous memory", n, got)
	if want := uint64(n*os.Getpagesize()) >> 10; got < want || got > want+64 {
		t.Errorf("RssAnon %d kB, want one page per thread: %d kB and at most 64 more", got, want)
	}
}

func TestYieldsAndMigrations(t *testing.T) {
	t.Parallel()
	yield := thread("yield", load.Op{Kind: load.OpYield, A: 1000})
	hop := thread("hop", load.Op{Kind: load.OpMigrate, A: 100, B: 0, C: 1})
	list := []load.ThreadPlan{yield}
	cpus := allowed(t)
	if len(cpus) > 1 {
		hop.Ops[0].B, hop.Ops[0].C = uint64(cpus[0]), uint64(cpus[1])
		hop.CPUs = []int{cpus[1]}
		list = append(list, hop)
	}
	r := startRun(t, root(list...), Options{})
	m := through(t, r)
	if got := m.Processes[0].Threads[1].Report; got.Loops != 1000 || got.Voluntary != 0 {
		t.Errorf("yield: %d loops, %d voluntary switches; want 1000, 0", got.Loops, got.Voluntary)
	}
	if len(cpus) < 2 {
		return
	}
	th := m.Processes[0].Threads[2]
	if th.Report.Loops != 100 {
		t.Errorf("migrate: %d loops, want 100", th.Report.Loops)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/sched", r.RootPID(), th.TID))
	if err != nil {
		t.Logf("no sched file: %v", err)
		return
	}
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "se.nr_migrations" {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil || n < 100 || n > 103 { // being cloned and pinned may move it too
				t.Errorf("nr_migrations %d (%v), want 100 and at most 3 of the set-up", n, err)
			}
		}
	}
}

func allowed(t *testing.T) []int {
	t.Helper()
	var list []int
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "Cpus_allowed_list:")
	line, _, _ := strings.Cut(rest, "\n")
	for _, part := range strings.Split(strings.TrimSpace(line), ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(lo)
		if err != nil {
			t.Fatal(err)
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(hi); err != nil {
				t.Fatal(err)
			}
		}
		for ; a <= b; a++ {
			list = append(list, a)
		}
	}
	return list
}

func TestSchedulingAttributes(t *testing.T) {
	t.Parallel()
	cpu := allowed(t)[0]
	p := root(
		load.ThreadPlan{Name: "batch", Policy: 3, Nice: 7},
		load.ThreadPlan{Name: "idle", Policy: 5, CPUs: []int{cpu}},
		load.ThreadPlan{Name: "plain"},
	)
	// What the leader has, neither its children nor its threads inherit.
	p.Processes[0].Threads[0].Nice = 3
	p.Processes[0].Threads[0].CPUs = []int{cpu}
	p.Processes = append(p.Processes, load.ProcessPlan{Role: "child", Parent: 0, Threads: []load.ThreadPlan{{Name: "child"}}})
	r := startRun(t, p, Options{})
	m := r.Manifest()
	want := map[string][3]string{ // nice, policy, processor list
		"leader": {"3", "0", fmt.Sprint(cpu)},
		"batch":  {"7", "3", ""}, "idle": {"0", "5", fmt.Sprint(cpu)}, "plain": {"0", "0", ""}, "child": {"0", "0", ""},
	}
	for _, mp := range m.Processes {
		for _, th := range mp.Threads {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", mp.PID, th.TID))
			if err != nil {
				t.Fatal(err)
			}
			f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
			w := want[th.Name]
			if f[16] != w[0] || f[38] != w[1] {
				t.Errorf("%s: nice %s, policy %s; want %s, %s", th.Name, f[16], f[38], w[0], w[1])
			}
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", mp.PID, th.TID))
			if err != nil {
				t.Fatal(err)
			}
			pinned := strings.Contains(string(status), "Cpus_allowed_list:\t"+fmt.Sprint(cpu)+"\n")
			if len(allowed(t)) > 1 && pinned != (w[2] != "") {
				t.Errorf("%s: pinned %v, want %v", th.Name, pinned, w[2] != "")
			}
		}
	}
}

func TestRealtimeYieldersAreExact(t *testing.T) {
	cpus := allowed(t)
	if len(cpus) < 2 {
		t.Skip("needs a second CPU")
	}
	var list []load.ThreadPlan
	for range 3 {
		th := thread("fifo", load.Op{Kind: load.OpYield, A: 500})
		th.Policy, th.RTPrio, th.CPUs = 1, 10, []int{cpus[len(cpus)-1]}
		list = append(list, th)
	}
	r := startRun(t, root(list...), Options{Limits: Limits{Realtime: true}})
	for _, th := range through(t, r).Processes[0].Threads[1:] {
		t.Logf("%s: %d involuntary switches for 500 yields", th.Name, th.Report.Involuntary)
		if th.Report.Voluntary != 0 {
			t.Errorf("%s: %d voluntary switches, want 0", th.Name, th.Report.Voluntary)
		}
	}
}

func TestManifestFollowsTheRun(t *testing.T) {
	t.Parallel()
	r := startRun(t, root(thread("w", load.Op{Kind: load.OpSleepRel, A: 5, B: 2e6})), Options{})
	if m := r.Manifest(); m.Phase != "ready" || m.GateMonoNS != 0 || m.Processes[0].Threads[1].Report.Phase != 1 {
		t.Errorf("at the gate: %s %d %+v", m.Phase, m.GateMonoNS, m.Processes[0].Threads[1].Report)
	}
	m := through(t, r)
	rep := m.Processes[0].Threads[1].Report
	if m.Phase != "parked" || rep.Phase != 3 || m.GateMonoNS > rep.StartNS || rep.StartNS >= rep.EndNS || rep.EndNS > m.ParkedMonoNS {
		t.Errorf("parked: phase %s, gate %d, start %d, end %d, parked %d", m.Phase, m.GateMonoNS, rep.StartNS, rep.EndNS, m.ParkedMonoNS)
	}
	if _, err := r.Stop(testContext(t)); err != nil {
		t.Fatal(err)
	}
	m = r.Manifest()
	if rep := m.Processes[0].Threads[1].Report; m.Phase != "ended" || rep.Voluntary != 5 {
		t.Errorf("ended: %s %+v", m.Phase, rep)
	}
	if m.Plan.Tier != TierNative || r.Tier() != TierNative {
		t.Errorf("tier %q, %q", m.Plan.Tier, r.Tier())
	}
}
