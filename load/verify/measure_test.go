package verify

import (
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/load"
)

// measured is a pretended run in which every process has known sizes, with its
// figures.
func measured(t *testing.T, change func(w *world), name string, args ...string) map[string]Figure {
	t.Helper()
	w := pretend(t, name, otherBusy, args...)
	for _, phase := range []load.When{load.WhenReady, load.WhenParked} {
		for _, p := range w.last(phase).Processes {
			p.PSSBytes, p.USSBytes, p.PageTableBytes = inspect.Know(uint64(3000)), inspect.Know(uint64(2000)), inspect.Know(uint64(8192))
			p.FDs, p.MinorFaults = inspect.Know(7), inspect.Know(uint64(100))
		}
	}
	for _, p := range w.last(load.WhenParked).Processes {
		p.MinorFaults.V += 5
	}
	w.m.StartNS = 4e6
	if change != nil {
		change(w)
	}
	out := map[string]Figure{}
	for _, f := range FiguresOf(w.m, w.samples) {
		out[f.Measure] = f
	}
	if len(out) != len(Measures()) {
		t.Errorf("%d figures of %d measures", len(out), len(Measures()))
	}
	return out
}

func expectNumber(t *testing.T, figures map[string]Figure, measure string, want float64) {
	t.Helper()
	f := figures[measure]
	if !f.Known || f.IsText() || f.Number != want || f.Source == "" {
		t.Errorf("%s: %+v, want %v", measure, f, want)
	}
}

func expectUnknown(t *testing.T, figures map[string]Figure, measure, why string) {
	t.Helper()
	f := figures[measure]
	if f.Known || f.Number != 0 || f.Text != "" || !strings.Contains(f.Why, why) {
		t.Errorf("%s: %+v, want unknown because of %q", measure, f, why)
	}
}

// TestFiguresOfShapes: eight workers in one process, and in one each.
func TestFiguresOfShapes(t *testing.T) {
	for _, tt := range []struct {
		as        string
		processes float64
	}{{"threads", 1}, {"processes", 9}} {
		t.Run(tt.as, func(t *testing.T) {
			n := tt.processes
			got := measured(t, nil, "idle", "as="+tt.as, "workers=8", "seconds=1s")
			for measure, want := range map[string]float64{
				MeasureWall: 1e9, MeasureCPU: 9 * 20_000, MeasureParallelism: 9 * 20_000 / 1e9, MeasureCreation: 4e6 / 8,
				MeasurePSS: n * 3000, MeasurePrivate: n * 2000, MeasureRSS: n * 40960, MeasurePageTables: n * 8192,
				MeasureVoluntary: 9 + 8, MeasureInvoluntary: 0, MeasureFaults: n * 5, measureStartFaults: n * 100, MeasureStartCPU: 9 * 1000,
				measureReady: 0, MeasureEnded: 0, MeasureFDs: n * 7, MeasureProcesses: n, MeasureTasks: 9,
			} {
				expectNumber(t, got, measure, want)
			}
			expectUnknown(t, got, MeasureSwitchCost, "does not go into switching")
			expectUnknown(t, got, MeasureResult, "computes nothing")
		})
	}
}

// TestFiguresFollowTheSamples: whatever is changed in the observation of one
// process changes the figure, or makes it unknown.
func TestFiguresFollowTheSamples(t *testing.T) {
	args := []string{"as=processes", "workers=3", "seconds=1s"}
	whole := measured(t, nil, "idle", args...)
	one := func(phase load.When, f func(p *inspect.Process)) func(w *world) {
		return func(w *world) { f(w.last(phase).Processes[2]) }
	}
	for _, tt := range []struct {
		measure string
		by      float64
		change  func(w *world)
	}{
		{MeasurePSS, 1, one(load.WhenParked, func(p *inspect.Process) { p.PSSBytes.V++ })},
		{MeasurePrivate, 1, one(load.WhenParked, func(p *inspect.Process) { p.USSBytes.V++ })},
		{MeasureRSS, 1, one(load.WhenParked, func(p *inspect.Process) { p.RSSBytes.V++ })},
		{MeasurePageTables, 1, one(load.WhenParked, func(p *inspect.Process) { p.PageTableBytes.V++ })},
		{MeasureFDs, 1, one(load.WhenParked, func(p *inspect.Process) { p.FDs.V++ })},
		{MeasureTasks, 1, one(load.WhenParked, func(p *inspect.Process) { p.ThreadCount.V++ })},
		{MeasureVoluntary, 1, one(load.WhenParked, func(p *inspect.Process) { p.Switches.Voluntary.V++ })},
		{MeasureInvoluntary, -1, one(load.WhenReady, func(p *inspect.Process) { p.Switches.Involuntary.V++ })},
		{MeasureFaults, -1, one(load.WhenReady, func(p *inspect.Process) { p.MinorFaults.V++ })},
		{measureStartFaults, 1, one(load.WhenReady, func(p *inspect.Process) { p.MinorFaults.V++ })},
		{MeasureCPU, 1, one(load.WhenParked, func(p *inspect.Process) { p.CPUTimeNS.V++ })},
		{MeasureStartCPU, 1, one(load.WhenReady, func(p *inspect.Process) { p.CPUTimeNS.V++ })},
		{measureReady, 1, one(load.WhenParked, func(p *inspect.Process) { p.ReadyNS.V++ })},
		{MeasureWall, 7, func(w *world) { w.report().EndNS += 7 }},
		{MeasureCreation, 1, func(w *world) { w.m.StartNS += 3 }},
	} {
		if tt.measure == MeasureInvoluntary { // from 0 to below 0 is a reset
			got := measured(t, tt.change, "idle", args...)
			expectUnknown(t, got, tt.measure, "went back")
			continue
		}
		got := measured(t, tt.change, "idle", args...)
		expectNumber(t, got, tt.measure, whole[tt.measure].Number+tt.by)
	}
}

// TestFiguresUnknown: what one process does not tell is not known of all, and
// is not 0.
func TestFiguresUnknown(t *testing.T) {
	got := measured(t, func(w *world) {
		p := w.last(load.WhenParked).Processes[1]
		p.PSSBytes = inspect.Unknown[uint64](inspect.NeedsPtrace)
		p.Switches.Voluntary = inspect.Unknown[uint64](inspect.SourceLacks)
	}, "idle", "as=processes")
	expectUnknown(t, got, MeasurePSS, "CAP_SYS_PTRACE")
	expectUnknown(t, got, MeasureVoluntary, inspect.SourceLacks.Text())
	expectNumber(t, got, MeasurePrivate, 5*2000)

	got = measured(t, func(w *world) { w.samples = nil }, "idle")
	for measure, f := range got {
		if f.Known && f.Source != "report" && f.Source != "runner" {
			t.Errorf("%s is known without a sample: %+v", measure, f)
		}
	}
}

// TestFiguresOfEndedTasks: counters that went with their tasks are not known,
// unless the tracer has them.
func TestFiguresOfEndedTasks(t *testing.T) {
	sums := func(w *world, ready, parked uint64) {
		for i := range w.samples {
			s := &w.samples[i]
			if s.Reach != ReachTree || s.Phase != load.WhenReady && s.Phase != load.WhenParked {
				continue
			}
			n := map[load.When]uint64{load.WhenReady: ready, load.WhenParked: parked}[s.Phase]
			counts := inspect.TraceCounts{RunNS: inspect.Know(n), ReadyNS: inspect.Know(n), Voluntary: inspect.Know(n), Involuntary: inspect.Know(n)}
			s.Trace = &inspect.TraceSums{Source: inspect.TraceExact, Processes: []inspect.ProcessTrace{
				{PID: firstPID, TraceCounts: counts}, {PID: 99999, TraceCounts: counts},
			}}
		}
	}
	args := []string{"as=processes", "n=300", "seconds=500ms"}
	got := measured(t, nil, "spawn", args...)
	expectUnknown(t, got, MeasureCPU, "have ended, with their counters, and the scheduler could not be traced")
	expectUnknown(t, got, MeasureParallelism, "have ended")
	expectUnknown(t, got, MeasureFaults, "nobody else counts")
	got = measured(t, func(w *world) { sums(w, 10, 1000) }, "spawn", args...)
	expectNumber(t, got, MeasureCPU, 2*990)
	expectNumber(t, got, MeasureVoluntary, 2*990)
	expectUnknown(t, got, MeasureFaults, "nobody else counts")
	got = measured(t, func(w *world) {
		sums(w, 10, 1000)
		for i := range w.samples {
			if tr := w.samples[i].Trace; tr != nil && w.samples[i].Phase == load.WhenParked {
				tr.Drops.ProcessesFull = 3
			}
		}
	}, "spawn", args...)
	expectUnknown(t, got, MeasureCPU, "lost 3 events")

	// Threads that have ended take their switches along, but not their CPU time.
	got = measured(t, nil, "spawn", "as=threads", "n=300", "seconds=500ms")
	expectUnknown(t, got, MeasureVoluntary, "threads of the job have ended")
	if !got[MeasureCPU].Known {
		t.Errorf("CPU time: %+v", got[MeasureCPU])
	}
}

// TestFiguresOfJobs: what a job itself tells.
func TestFiguresOfJobs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		result any
	}{
		{"sum", []string{"as=processes"}, 4999999950000000.0},
		{"sum", []string{"as=threads"}, 4999999950000000.0},
		{"isolation", []string{"as=threads"}, "4 x 4000"},
		{"isolation", []string{"as=processes"}, "4 x 1000"},
		{"counter", []string{"as=threads", "workers=10"}, 10.0},
		{"spawn", []string{"as=threads", "n=300"}, 300.0},
	} {
		got := measured(t, nil, tt.name, tt.args...)[MeasureResult]
		var value any = got.Number
		if got.IsText() {
			value = got.Text
		}
		if !got.Known || value != tt.result {
			t.Errorf("%s %v: result %+v, want %v", tt.name, tt.args, got, tt.result)
		}
	}
}

// TestParallelism: by the workers' own account, and never more than there are
// CPUs.
func TestParallelism(t *testing.T) {
	busy := func(ns uint64, more func(w *world)) map[string]Figure {
		return measured(t, func(w *world) {
			for k := range w.m.Processes[0].Threads {
				w.m.Processes[0].Threads[k].Report.CPUNS = ns
			}
			if more != nil {
				more(w)
			}
		}, "idle", "as=threads", "workers=3", "seconds=1s")
	}
	expectNumber(t, busy(4e8, nil), MeasureParallelism, 1.6)
	expectUnknown(t, busy(6e8, nil), MeasureParallelism, "2.4 would run at once on 2 CPUs")
	got := busy(4e8, func(w *world) { w.report().Phase = load.ReportRunning })
	if f := got[MeasureParallelism]; f.Source == "report" {
		t.Errorf("a worker has not reported: %+v", f)
	}
}

// TestSwitchCost: the time of a message is that of a switch only where each
// message was one.
func TestSwitchCost(t *testing.T) {
	const k = 10000
	run := func(switches uint64) map[string]Figure {
		return measured(t, func(w *world) {
			for i := range w.m.Processes {
				for j := range w.m.Processes[i].Threads {
					if r := &w.m.Processes[i].Threads[j].Report; r.Done == k {
						r.Result = 2 * k * 1500
					}
				}
			}
			w.last(load.WhenParked).Processes[0].Switches.Voluntary.V = w.last(load.WhenReady).Processes[0].Switches.Voluntary.V + switches
			w.last(load.WhenParked).Processes[0].Switches.Involuntary = w.last(load.WhenReady).Processes[0].Switches.Involuntary
		}, "pingpong", "as=threads", "over=pipe", "seconds=800ms")
	}
	expectNumber(t, run(2*k+5), MeasureSwitchCost, 1500)
	expectUnknown(t, run(k), MeasureSwitchCost, "20000 messages took 10000 switches")
	expectUnknown(t, run(3*k), MeasureSwitchCost, "20000 messages took 30000 switches")
}

// TestEnded: who fails, and who goes along.
func TestEnded(t *testing.T) {
	for as, want := range map[string]float64{"threads": 5, "processes": 1} {
		expectNumber(t, measured(t, nil, "crash", "as="+as, "workers=4", "seconds=1500ms"), MeasureEnded, want)
	}
	got := measured(t, func(w *world) {
		p := w.last(load.WhenParked).Processes[0]
		p.Threads = p.Threads[:len(p.Threads)-1]
	}, "idle", "as=threads")
	expectNumber(t, got, MeasureEnded, 1)
	got = measured(t, func(w *world) {
		p := w.last(load.WhenParked).Processes[0]
		p.Threads, p.ThreadsWhy = nil, inspect.Denied
	}, "idle", "as=threads")
	expectUnknown(t, got, MeasureEnded, inspect.Denied.Text())
}

func TestTogether(t *testing.T) {
	of := func(values ...float64) []reading {
		var out []reading
		for _, v := range values {
			out = append(out, number(v))
		}
		return out
	}
	for _, tt := range []struct {
		in   []reading
		want string
	}{
		{of(1, 1, 1), "3 x 1"},
		{of(1, 2, 2), "1, 2 x 2"},
		{of(1, 2, 3, 4, 5, 6, 7, 8), "1, 2, 3, 4, 5, 6, 7, 8"},
		{of(1, 2, 3, 4, 5, 6, 7, 8, 9), "1, 2, 3, 4, 5, 6, 7, 8, …"},
	} {
		if got := together(tt.in); got.str != tt.want {
			t.Errorf("%q, want %q", got.str, tt.want)
		}
	}
	if got := together(of(7)); got.isText || got.num != 7 {
		t.Errorf("a single result: %+v", got)
	}
}

// TestFiguresOfProcess: two living processes over an interval.
func TestFiguresOfProcess(t *testing.T) {
	id := inspect.ID{PID: 7, Start: 1}
	at := func(ns int64, n uint64) *inspect.Snapshot {
		return &inspect.Snapshot{MonoNS: ns, Source: "proc", ReadAt: []int64{ns}, Processes: []*inspect.Process{{
			ID: id, CPUTimeNS: inspect.Know(1000 * n), ReadyNS: inspect.Know(n), MinorFaults: inspect.Know(n), ThreadCount: inspect.Know(3),
			Switches: inspect.Switches{Voluntary: inspect.Know(n), Involuntary: inspect.Know(2 * n), Scope: inspect.ScopeProcess},
			PSSBytes: inspect.Know(100 * n), FDs: inspect.Know(int(n)), USSBytes: inspect.Unknown[uint64](inspect.NeedsPtrace),
		}}}
	}
	figures := func(before, after, sizes *inspect.Snapshot) map[string]Figure {
		out := map[string]Figure{}
		for _, f := range FiguresOfProcess(inspect.Diff(before, after), sizes, id) {
			out[f.Measure] = f
		}
		return out
	}
	got := figures(at(1e9, 10), at(3e9, 30), at(3.1e9, 40))
	for measure, want := range map[string]float64{
		MeasureWall: 2e9, MeasureCPU: 20000, measureReady: 20, MeasureFaults: 20, MeasureVoluntary: 20, MeasureInvoluntary: 40,
		MeasurePSS: 4000, MeasureFDs: 40, MeasureTasks: 3, "voluntary_switches_per_second": 10, "involuntary_switches_per_second": 20,
	} {
		expectNumber(t, got, measure, want)
	}
	expectUnknown(t, got, MeasurePrivate, "CAP_SYS_PTRACE")
	expectUnknown(t, got, MeasureCreation, "taskscope has not started it")
	expectUnknown(t, got, MeasureSwitchCost, "no counter")
	expectUnknown(t, got, MeasureResult, "in its memory")

	got = figures(at(1e9, 30), at(3e9, 10), at(3.1e9, 10))
	expectUnknown(t, got, MeasureVoluntary, inspect.WasReset.Text())
	expectUnknown(t, got, MeasureCPU, inspect.WasReset.Text())

	gone := at(3e9, 30)
	gone.Processes[0].ID.Start++
	if f := figures(at(1e9, 10), gone, gone); len(f) != 0 {
		t.Errorf("another process with the same PID was measured: %v", f)
	}
}
