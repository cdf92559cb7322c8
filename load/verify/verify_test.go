package verify

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/load"
)

// shapes are the runs every scenario is judged in.
func shapes(t *testing.T, run func(t *testing.T, name string, args []string)) {
	for _, s := range load.All() {
		if s.Name == "go-runtime" { // TestGoRuntime
			continue
		}
		run2 := func(label string, args []string) {
			t.Run(s.Name+label, func(t *testing.T) { run(t, s.Name, args) })
		}
		run2("", s.Quick)
		if s.Realtime != nil {
			run2("/realtime", s.Realtime)
		}
		for _, p := range s.Params {
			if p.Name == "as" {
				run2("/processes", append([]string{"as=processes"}, s.Quick...))
			}
		}
	}
}

func TestAsPromisedPasses(t *testing.T) {
	shapes(t, func(t *testing.T, name string, args []string) {
		r := pretend(t, name, otherBusy, args...).judge()
		expectVerdict(t, r, Pass)
		if len(r.Checks) < 10 {
			t.Errorf("only %d checks", len(r.Checks))
		}
		for _, c := range r.Checks {
			told := c.Source == "report" && c.SelfReported != nil && c.Why != "" // nobody else can know
			if c.Observed == nil && !told || c.Expected == nil || c.Source == "" || c.Because == "" {
				t.Errorf("incomplete check: %+v", c)
			}
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

// mutation breaks the observation of a run in one place.
type mutation struct {
	name      string
	scenarios string // names with spaces around, "" for all
	do        func(w *world)
}

func know[T any](k *inspect.Known[T], f func(T) T) { k.V = f(k.V) }

func less(n uint64) uint64 { return n - 1 }

// last is the newest sample of a phase that covers the tree.
func (w *world) last(phase load.When) *inspect.Snapshot {
	s := w.of(phase)
	return s[len(s)-1]
}

func (w *world) detail(phase load.When, f func(d *inspect.Detail)) {
	for _, s := range w.samples {
		if s.Phase == phase && s.Detail != nil && len(s.Detail.Segments) > 1 { // a process with work
			f(s.Detail)
		}
	}
}

func mutations() []mutation {
	return []mutation{
		{"one voluntary switch less of a thread", " threads tree idle vol duty ready ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Voluntary, less)
		}},
		{"one voluntary switch less of a process", " threads tree idle vol duty ready ", func(w *world) {
			p, _ := w.worker(w.last(load.WhenParked))
			know(&p.Switches.Voluntary, less)
		}},
		{"a thread is missing", "", func(w *world) {
			p, _ := w.worker(w.last(load.WhenReady))
			p.Threads = append([]inspect.Thread{}, p.Threads[:len(p.Threads)-1]...)
		}},
		{"a thread is missing at the end", "", func(w *world) {
			p, _ := w.worker(w.last(load.WhenParked))
			p.Threads = append([]inspect.Thread{}, p.Threads[:len(p.Threads)-1]...)
		}},
		{"the thread is another one with the same number", "", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			th.ID.Start++
		}},
		{"the thread count is one too high", "", func(w *world) {
			p, _ := w.worker(w.last(load.WhenReady))
			p.ThreadCount.V++
		}},
		{"a wrong name", "", func(w *world) {
			_, th := w.worker(w.last(load.WhenReady))
			th.Comm += "x"
		}},
		{"a process is missing", "", func(w *world) {
			s := w.last(load.WhenParked)
			s.Processes = s.Processes[:len(s.Processes)-1]
		}},
		{"a process is another one with the same number", "", func(w *world) {
			w.last(load.WhenParked).Processes[0].ID.Start++
		}},
		{"a child nobody promised", "", func(w *world) {
			s := w.last(load.WhenReady)
			p := *s.Processes[0]
			p.ID.PID, p.PPID = 99999, inspect.Know(s.Processes[0].ID.PID)
			s.Processes = append(s.Processes, &p)
		}},
		{"a wrong parent", " tree vol/p ", func(w *world) {
			p, _ := w.worker(w.last(load.WhenReady))
			p.PPID.V++
		}},
		{"one task is not asleep at the gate", "", func(w *world) {
			_, th := w.worker(w.last(load.WhenReady))
			th.State = 'D'
		}},
		{"a waiting task wakes up once", " threads tree idle ", func(w *world) {
			_, th := w.worker(w.last(load.WhenLive))
			know(&th.Voluntary, func(n uint64) uint64 { return n + 1 })
		}},
		{"a waiting task takes a fault", " threads tree idle ", func(w *world) {
			_, th := w.worker(w.last(load.WhenLive))
			know(&th.MinorFaults, func(n uint64) uint64 { return n + 1 })
		}},
		{"a waiting task runs for a nanosecond", " threads tree idle ", func(w *world) {
			p, _ := w.worker(w.last(load.WhenLive))
			know(&p.RunNS, func(n uint64) uint64 { return n + 1 })
		}},
		{"one slice too many", " vol duty ready ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Slices, func(n uint64) uint64 { return n + 1 })
		}},
		{"two per cent more run time", " duty ready ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.RunNS, func(n uint64) uint64 { return n + n/50 })
		}},
		{"a spinner sleeps", " ready ", func(w *world) {
			_, th := w.worker(w.of(load.WhenLive)[1])
			th.State = 'S'
		}},
		{"a spinner ran elsewhere", " ready ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			th.CPULast.V++
		}},
		{"another affinity", " ready ", func(w *world) {
			_, th := w.worker(w.last(load.WhenReady))
			th.CPUsAllowed.V = "0-1"
		}},
		{"three involuntary switches less", " ready ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Involuntary, func(n uint64) uint64 { return n - 3 })
			know(&th.Slices, func(n uint64) uint64 { return n - 3 })
		}},
		{"more than one core", " ready ", func(w *world) {
			p, _ := w.worker(w.last(load.WhenParked))
			know(&p.RunNS, func(n uint64) uint64 { return n + 2e9 })
		}},
		{"one page more resident", " mem ", func(w *world) {
			p, _ := w.worker(w.last(load.WhenParked))
			know(&p.RSSBytes, func(n uint64) uint64 { return n + 4096 })
		}},
		{"one page less anonymous", " mem ", func(w *world) {
			p, _ := w.worker(w.last(load.WhenParked))
			know(&p.RSSAnonBytes, func(n uint64) uint64 { return n - 4096 })
		}},
		{"one page more data", " mem ", func(w *world) {
			p, _ := w.worker(w.last(load.WhenParked))
			know(&p.DataBytes, func(n uint64) uint64 { return n + 4096 })
		}},
		{"one fault more", " mem ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.MinorFaults, func(n uint64) uint64 { return n + 1 })
		}},
		{"a segment one page larger", " mem ", func(w *world) {
			w.detail(load.WhenParked, func(d *inspect.Detail) { d.Segments[len(d.Segments)-2].Mem.Size += 4096 })
		}},
		{"a segment with one page less", " mem ", func(w *world) {
			w.detail(load.WhenParked, func(d *inspect.Detail) { d.Segments[len(d.Segments)-2].Mem.RSS -= 4096 })
		}},
		{"the mapped segment is elsewhere", " mem ", func(w *world) {
			w.detail(load.WhenParked, func(d *inspect.Detail) { d.Segments[len(d.Segments)-2].Start += 4096 })
		}},
		{"the heap is one page short", " mem ", func(w *world) {
			w.detail(load.WhenParked, func(d *inspect.Detail) { d.Segments[0].Mem.Size -= 4096 })
		}},
		{"the stack has one page more", " mem ", func(w *world) {
			w.detail(load.WhenParked, func(d *inspect.Detail) { d.Segments[len(d.Segments)-1].Mem.RSS += 4096 })
		}},
		{"the worker reports a switch less", " vol idle duty ", func(w *world) { w.report().Voluntary-- }},
		{"the worker reports an error", "", func(w *world) { w.report().Errno = 22 }},
		{"the worker has slept through edges it does not report", " duty ", func(w *world) {
			w.report().Late -= w.report().Involuntary + 1
		}},
		{"the worker is not where the manifest says", "", func(w *world) {
			p := &w.m.Processes[len(w.m.Processes)-1]
			p.Threads[len(p.Threads)-1].TID += 50
		}},
		{"a process outlives the run", "", func(w *world) {
			s := w.samples[len(w.samples)-1].Snapshot
			s.Processes = append(s.Processes, w.last(load.WhenParked).Processes[0])
		}},
		{"a control group is left", "", func(w *world) { w.left.Cgroups = 1 }},
	}
}

// allMutations are those of every theme.
func allMutations() []mutation {
	return slices.Concat(mutations(), schedMutations(), sharedMutations(), lifeMutations())
}

// onlyBounded are the mutations that break nothing but a bound.
const onlyBounded = "the CPU was taken three times more than the worker knows; the worker has slept through edges it does not report; " +
	"a thread that should wait for the network waits for something else"

func (m mutation) applies(name string, processes bool) bool {
	if m.scenarios == "" {
		return true
	}
	return strings.Contains(m.scenarios, " "+name+" ") ||
		(processes && strings.Contains(m.scenarios, " "+name+"/p "))
}

func TestEveryBrokenObservationFails(t *testing.T) {
	used := map[string]bool{}
	shapes(t, func(t *testing.T, name string, args []string) {
		processes := args[0] == "as=processes"
		for _, m := range allMutations() {
			if !m.applies(name, processes) {
				continue
			}
			used[m.name] = true
			t.Run(m.name, func(t *testing.T) {
				for _, busy := range []float64{otherBusy, 150} {
					w := pretend(t, name, busy, args...)
					m.do(w)
					r := w.judge()
					// On a busy machine only equalities and identities can
					// still fail; all mutations here break one, except these.
					if busy == 150 && strings.Contains(onlyBounded+lifeBounds, m.name) {
						expectVerdict(t, r, Undecided)
						continue
					}
					expectVerdict(t, r, Fail)
					if r.Why == "" {
						t.Error("no reason")
					}
				}
			})
		}
	})
	for _, m := range allMutations() {
		if !used[m.name] {
			t.Errorf("mutation %q was never used", m.name)
		}
	}
}

func TestWrongPromiseFails(t *testing.T) {
	shapes(t, func(t *testing.T, name string, args []string) {
		w := pretend(t, name, otherBusy, args...)
		for i := range w.m.Plan.Promises {
			q := &w.m.Plan.Promises[i]
			right := *q
			switch {
			case q.ExpectText != "":
				q.ExpectText += "x"
			case q.Kind == load.Bound && !q.AtLeast:
				q.Expect.Const -= 1e12
			default:
				q.Expect.Const += 1e12
			}
			if r := w.judge(); r.Verdict != Fail {
				t.Errorf("promise %d %+v made wrong: verdict %s", i, q, r.Verdict)
			}
			*q = right
		}
	})
}

func TestNoiseExcusesOnlyWhatItCanExplain(t *testing.T) {
	starve := func(w *world) {
		_, th := w.worker(w.last(load.WhenLive))
		know(&th.RunNS, func(n uint64) uint64 { return n / 2 })
	}
	for _, tt := range []struct {
		name string
		busy float64
		host bool
		want Verdict
		why  string
	}{
		{"quiet", otherBusy, true, Fail, ""},
		{"busy", 190, true, Undecided, "busybody (pid 800, 190 % on CPU 1)"},
		{"not known", otherBusy, false, Undecided, "is not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := pretend(t, "ready", tt.busy)
			starve(w)
			if !tt.host {
				var kept []Sample
				for _, s := range w.samples {
					if s.Reach != ReachHost {
						kept = append(kept, s)
					}
				}
				w.samples = kept
			}
			r := w.judge()
			expectVerdict(t, r, tt.want)
			if !strings.Contains(r.Why, tt.why) {
				t.Errorf("why %q lacks %q", r.Why, tt.why)
			}
			if (r.Noise.OtherCPUPercent != nil) != tt.host {
				t.Errorf("noise %+v", r.Noise)
			}
		})
	}
}

func TestTooFewCPUs(t *testing.T) {
	w := pretend(t, "ready", otherBusy)
	w.m.Plan.Budget.CPUs = 3.6
	_, th := w.worker(w.last(load.WhenLive))
	know(&th.RunNS, func(n uint64) uint64 { return n / 2 })
	r := w.judge()
	expectVerdict(t, r, Undecided)
	if !strings.Contains(r.Why, "asks for 3.6 CPUs and may use 1") {
		t.Errorf("why: %s", r.Why)
	}
}

// Noise elsewhere is no excuse: the load has a CPU of its own.
func TestNoiseOnOtherCPUs(t *testing.T) {
	for _, tt := range []struct {
		cpu  int
		want Verdict
	}{{0, Undecided}, {1, Fail}} {
		w := pretend(t, "ready", 90)
		for _, s := range w.of(load.WhenLive)[3:] {
			_, th := w.worker(s)
			know(&th.RunNS, func(n uint64) uint64 { return n / 2 })
		}
		for _, s := range w.samples {
			if s.Reach != ReachHost {
				continue
			}
			sec := float64(s.MonoNS) / 1e9
			s.Host.PerCPU = []inspect.CPUTimes{{Idle: sec}, {Idle: sec}}
			s.Host.PerCPU[tt.cpu] = inspect.CPUTimes{User: sec}
		}
		for _, phase := range []load.When{load.WhenReady, load.WhenParked} {
			for _, s := range w.samples {
				if s.Phase == phase && s.Reach == ReachHost && tt.cpu == 0 {
					for _, p := range s.Processes { // the tree's own share is not noise
						if p.ID.PID >= firstPID {
							p.CPUTimeNS = inspect.Know(uint64(0))
						}
					}
				}
			}
		}
		if r := w.judge(); r.Verdict != tt.want {
			t.Errorf("CPU %d busy: %s (%s), want %s; noise %v", tt.cpu, r.Verdict, r.Why, tt.want, *r.Noise.GatePercent)
		}
	}
}

func TestUnknownIsNotZero(t *testing.T) {
	for _, tt := range []struct {
		why  inspect.Why
		want Verdict
	}{
		{inspect.NotRead, Undecided},
		{inspect.Stuck, Undecided},
		{inspect.NeedsPtrace, Skipped},
		{inspect.NotSupported, Skipped},
		{inspect.SourceLacks, Skipped},
		{inspect.Gone, Fail},
	} {
		w := pretend(t, "vol", otherBusy)
		_, th := w.worker(w.last(load.WhenParked))
		th.Voluntary = inspect.Unknown[uint64](tt.why)
		r := w.judge()
		if r.Verdict != tt.want {
			t.Errorf("%s: verdict %s (%s), want %s", tt.why.Text(), r.Verdict, r.Why, tt.want)
		}
		if !strings.Contains(r.Why, tt.why.Text()) {
			t.Errorf("why %q lacks %q", r.Why, tt.why.Text())
		}
	}
}

func TestMissingSamplesAreNotFailures(t *testing.T) {
	for _, phase := range []load.When{load.WhenReady, load.WhenLive, load.WhenParked, load.WhenGone} {
		w := pretend(t, "ready", otherBusy)
		var kept []Sample
		for _, s := range w.samples {
			if s.Phase != phase {
				kept = append(kept, s)
			}
		}
		w.samples = kept
		expectVerdict(t, w.judge(), Undecided)
	}
}

func TestWhileRunning(t *testing.T) {
	full := pretend(t, "ready", otherBusy)
	upTo := func(phases ...load.When) *Result {
		w := pretend(t, "ready", otherBusy)
		w.left = nil
		w.m.Phase = "running"
		var kept []Sample
		for _, s := range full.samples {
			for _, p := range phases {
				if s.Phase == p {
					kept = append(kept, s)
				}
			}
		}
		w.samples = kept
		return w.judge()
	}
	count := func(r *Result, v Verdict) (n int) {
		for _, c := range r.Checks {
			if c.Verdict == v {
				n++
			}
		}
		return n
	}
	ready := upTo(load.WhenReady)
	live := upTo(load.WhenReady, load.WhenLive)
	parked := upTo(load.WhenReady, load.WhenLive, load.WhenParked)
	for name, r := range map[string]*Result{"ready": ready, "live": live, "parked": parked} {
		if r.Verdict != Pending {
			t.Errorf("%s: verdict %s (%s), want pending", name, r.Verdict, r.Why)
		}
		if n := count(r, Fail) + count(r, Undecided) + count(r, Skipped); n != 0 {
			t.Errorf("%s: %d checks neither pass nor wait", name, n)
		}
	}
	if a, b, c := count(ready, Pass), count(live, Pass), count(parked, Pass); a == 0 || b <= a || c <= b {
		t.Errorf("passed at ready %d, live %d, parked %d: they must grow", a, b, c)
	}
	if n := count(parked, Pending); n != 1 {
		t.Errorf("%d checks wait at the end, want the one about what is gone", n)
	}
}

func TestGoTierMakesNoExactPromises(t *testing.T) {
	w := pretend(t, "vol", otherBusy)
	w.m.Plan.Tier = "go"
	_, th := w.worker(w.last(load.WhenParked))
	know(&th.Voluntary, func(n uint64) uint64 { return n * 2 })
	r := w.judge()
	expectVerdict(t, r, Skipped)
	if !strings.Contains(r.Why, "runtime") {
		t.Errorf("why: %s", r.Why)
	}
}

func TestNoPlan(t *testing.T) {
	if r := Judge(&load.Manifest{RunID: "x"}, nil, nil); r.Verdict != Undecided || r.Why == "" {
		t.Errorf("%+v", r)
	}
	if r := Judge(&load.Manifest{RunID: "x", Plan: &load.Plan{Promises: []load.Promise{{Process: 3, Thread: 2, Field: "comm", ExpectText: "x", When: load.WhenReady}}}}, nil, &LeftBehind{}); r.Verdict != Undecided {
		t.Errorf("%+v", r)
	}
}

// A load that only waits is judged from when it waits.
func TestArrivals(t *testing.T) {
	for _, tt := range []struct {
		name    string
		running []int // live samples in which a task is in state R
		want    Verdict
	}{
		{"late", []int{0, 1}, Pass},
		{"never", []int{0, 1, 2, 3}, Undecided},
		{"once more", []int{0, 2}, Fail},
	} {
		w := pretend(t, "idle", otherBusy)
		for _, i := range tt.running {
			_, th := w.worker(w.of(load.WhenLive)[i])
			th.State = 'R'
			if i < 2 {
				know(&th.Voluntary, less) // it has not come to its wait
			}
		}
		if r := w.judge(); r.Verdict != tt.want {
			t.Errorf("%s: %s (%s), want %s", tt.name, r.Verdict, r.Why, tt.want)
		}
	}
}

func TestPhaseOf(t *testing.T) {
	w := pretend(t, "duty", otherBusy)
	end := gateNS + int64(w.m.Plan.Duration)
	for _, tt := range []struct {
		name     string
		from, to int64
		want     load.When
		ok       bool
	}{
		{"before the gate", gateNS - 10, gateNS - 1, load.WhenReady, true},
		{"across the gate", gateNS - 10, gateNS + 1, "", false},
		{"too soon", gateNS + 10, gateNS + 20, "", false},
		{"live", gateNS + 2000, gateNS + 3000, load.WhenLive, true},
		{"across the end of a worker", end - 10, end + 10, "", false},
		{"not parked yet", end + 1, end + 2, "", false},
		{"parked", end + 2e6, end + 3e6, load.WhenParked, true},
	} {
		s := &inspect.Snapshot{MonoNS: tt.from, ReadAt: []int64{tt.to}}
		if got, ok := PhaseOf(w.m, s, 1000); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %q, %v; want %q, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
	w.report().StartNS = gateNS + 5000 // the last worker begins late
	if _, ok := PhaseOf(w.m, &inspect.Snapshot{MonoNS: gateNS + 5500, ReadAt: []int64{gateNS + 5600}}, 1000); ok {
		t.Error("a sample counts although a worker has just begun")
	}
	// Marks count instead of what the worker does otherwise.
	w.report().FromNS, w.report().UntilNS = gateNS+100_000, gateNS+200_000
	for mono, want := range map[int64]bool{gateNS + 50_000: false, gateNS + 100_500: false, gateNS + 150_000: true, gateNS + 200_500: false} {
		if _, ok := PhaseOf(w.m, &inspect.Snapshot{MonoNS: mono}, 1000); ok != want {
			t.Errorf("%d ns after the gate, marked from 100000 to 200000: counts %v", mono-gateNS, ok)
		}
	}
	w.m.GateMonoNS = 0
	if got, ok := PhaseOf(w.m, &inspect.Snapshot{MonoNS: 1 << 60}, 0); got != load.WhenReady || !ok {
		t.Errorf("gate closed: %q, %v", got, ok)
	}
}

// Every field that a scenario promises is one that the judge or the inspector has.
func TestFieldsExist(t *testing.T) {
	known := derivedIndex()
	for _, s := range load.All() {
		plan, err := s.Plan(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range plan.Promises {
			if known[q.Field] != nil {
				continue
			}
			if _, ok := inspect.FieldByID(q.Field); !ok {
				t.Errorf("%s promises %q, which nobody knows", s.Name, q.Field)
			}
		}
	}
	for _, d := range DerivedFields() {
		if d.Doc == "" {
			t.Errorf("%s is not documented", d.ID)
		}
	}
}
