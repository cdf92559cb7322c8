package load

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestCatalogueIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range All() {
		t.Run(s.Name, func(t *testing.T) {
			if seen[s.Name] || s.Title == "" || strings.Count(s.Teaches, ".") < 2 {
				t.Errorf("name twice, no title, or fewer than two sentences: %+v", s)
			}
			seen[s.Name] = true
			if _, ok := s.param("seconds"); !ok {
				t.Error("no parameter seconds")
			}
			for _, p := range s.Params {
				if p.Doc == "" || p.Range() == "" {
					t.Errorf("%s: no doc or range", p.Name)
				}
			}
			for _, args := range [][]string{nil, s.Quick, s.Realtime} {
				plan, err := s.Plan(args)
				if err != nil {
					t.Fatalf("%v: %v", args, err)
				}
				checkPlan(t, plan)
			}
			// Where as means something else than the shape of the workers.
			other := slices.Contains([]string{"crash", "spawn"}, s.Name)
			if p, ok := s.param("as"); ok && !other {
				for _, as := range p.Enum {
					args := append([]string{"as=" + as}, slices.DeleteFunc(slices.Clone(s.Quick), func(arg string) bool {
						return strings.HasPrefix(arg, "workers=")
					})...)
					n := 2 // of loads that always have two
					if _, ok := s.param("workers"); ok {
						args, n = append(args, "workers=3"), 3
					}
					plan, err := s.Plan(args)
					if err != nil {
						t.Fatal(err)
					}
					checkPlan(t, plan)
					extra := map[string]int{"crawl": 1}[s.Name] // its web server
					if got, want := len(plan.Processes)-extra, map[string]int{"threads": 1, "processes": 1 + n}[as]; got != want && (n == 3 || got < want) {
						t.Errorf("as=%s: %d processes, want %d", as, got, want)
					}
				}
			}
		})
	}
}

// checkPlan holds a plan against what runner and judge rely on.
func checkPlan(t *testing.T, p *Plan) {
	t.Helper()
	tasks := 0
	for i, q := range p.Processes {
		if (q.Parent < 0) != (i == 0) || q.Parent >= i {
			t.Errorf("process %d: parent %d does not come before it", i, q.Parent)
		}
		if len(q.Threads) == 0 {
			t.Fatalf("process %d has no leader", i)
		}
		tasks += len(q.Threads)
		for _, th := range q.Threads {
			if th.Name == "" || len(th.Name) > maxComm {
				t.Errorf("name %q is not 1 to 15 bytes", th.Name)
			}
		}
	}
	if p.Budget.Tasks < tasks || p.Budget.Tasks > tasks && !makesTasks(p) || p.Budget.MemoryBytes == 0 {
		t.Errorf("budget %+v for %d tasks", p.Budget, tasks)
	}
	for i, q := range p.Promises {
		if q.Process < -1 || q.Process >= len(p.Processes) ||
			(q.Process >= 0 && q.Thread >= len(p.Processes[q.Process].Threads)) ||
			(q.Process < 0 && q.Thread >= 0) {
			t.Errorf("promise %d has no subject: %+v", i, q)
		}
		if q.Because == "" || q.Field == "" || q.Scope == "" || q.Kind == "" || whenWords[q.When] == "" {
			t.Errorf("promise %d is incomplete: %+v", i, q)
		}
		if q.Kind == Equality && q.Expect.NeedsReport() && q.TolAbs+q.TolRel > 0 {
			t.Errorf("promise %d: an equality with a tolerance must be known before the run: %+v", i, q)
		}
	}
	if _, err := json.Marshal(p); err != nil {
		t.Error(err)
	}
}

// makesTasks tells whether a plan starts tasks that it does not list.
func makesTasks(p *Plan) bool {
	for _, q := range p.Processes {
		for _, th := range q.Threads {
			for _, op := range th.Ops {
				if slices.Contains([]OpKind{OpStorm, OpSupervise, OpSpawn, OpVfork, OpServe}, op.Kind) {
					return true
				}
			}
		}
	}
	return false
}

func TestParseValues(t *testing.T) {
	for _, tt := range []struct {
		kind ParamKind
		text string
		want float64
	}{
		{ParamInt, "4", 4},
		{ParamDuration, "5s", 5e9},
		{ParamDuration, "5", 5e9},
		{ParamDuration, "0.25", 25e7},
		{ParamDuration, "100ms", 1e8},
		{ParamDuration, "1m30s", 90e9},
		{ParamBytes, "4096", 4096},
		{ParamBytes, "4k", 4096},
		{ParamBytes, "64MiB", 64 << 20},
		{ParamBytes, "64 MiB", 64 << 20},
		{ParamBytes, "1.5GiB", 3 << 29},
		{ParamBytes, "64MB", 64e6},
		{ParamPercent, "50%", 50},
		{ParamPercent, "2.5", 2.5},
		{ParamRate, "200Hz", 200},
		{ParamRate, "200/s", 200},
		{ParamRate, "1kHz", 1000},
		{ParamRate, "200", 200},
	} {
		got, err := parseNumber(tt.kind, tt.text)
		if err != nil || got != tt.want {
			t.Errorf("%s %q = %v, %v; want %v", tt.kind, tt.text, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		kind ParamKind
		text string
	}{
		{ParamInt, ""},
		{ParamInt, "4.5"},
		{ParamInt, "four"},
		{ParamInt, "99999999999"},
		{ParamDuration, "5 parsecs"},
		{ParamDuration, "NaN"},
		{ParamDuration, "Inf"},
		{ParamBytes, "64Mib"},
		{ParamBytes, "0.3"},
		{ParamBytes, "MiB"},
		{ParamBytes, "50%"},
		{ParamPercent, "50Hz"},
		{ParamRate, "NaN"},
		{ParamRate, "1e999"},
	} {
		if got, err := parseNumber(tt.kind, tt.text); err == nil {
			t.Errorf("%s %q = %v, want an error", tt.kind, tt.text, got)
		}
	}
}

func TestParseCPUs(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []int
		back string
	}{
		{"", nil, ""},
		{"0", []int{0}, "0"},
		{"1,0", []int{0, 1}, "0-1"},
		{"0-2,5,4,4", []int{0, 1, 2, 4, 5}, "0-2,4-5"},
	} {
		got, err := parseCPUs(tt.text)
		if err != nil || !slices.Equal(got, tt.want) || CPUList(got) != tt.back {
			t.Errorf("%q = %v (%q), %v; want %v (%q)", tt.text, got, CPUList(got), err, tt.want, tt.back)
		}
	}
	for _, text := range []string{",", "a", "-1", "2-1", "1-", "9999", "0x1"} {
		if got, err := parseCPUs(text); err == nil {
			t.Errorf("%q = %v, want an error", text, got)
		}
	}
}

func TestUsageErrorsHelp(t *testing.T) {
	for _, tt := range []struct {
		scenario string
		args     []string
		want     []string
	}{
		{"vol", []string{"workers=0"}, []string{"workers=0", "1 to 2000", "example: workers=4"}},
		{"vol", []string{"worker=4"}, []string{`no parameter "worker"`, "did you mean workers?"}},
		{"vol", []string{"rate=fast"}, []string{"rate=fast", "0.1Hz to 1000Hz", "example: rate=200Hz"}},
		{"vol", []string{"as=fibres"}, []string{"threads or processes"}},
		{"vol", []string{"workers"}, []string{`"workers" is not of the form key=value`, "example"}},
		{"vol", []string{"workers=1", "workers=2"}, []string{"given twice"}},
		{"vol", []string{"seconds=1ms", "rate=1"}, []string{"shorter than one period"}},
		{"mem", []string{"heap=100k"}, []string{"a multiple of 64KiB"}},
		{"mem", []string{"stack=64MiB"}, []string{"at most 6MiB"}},
		{"ready", []string{"cpus=0-1"}, []string{"exactly one CPU", "example: cpus=0"}},
		{"ready", []string{"cpus=x"}, []string{"not a CPU number"}},
		{"threads", []string{"names=a-name-longer-than-15"}, []string{"1 to 15 bytes of UTF-8"}},
		{"threads", []string{"names=a,b,c", "workers=2"}, []string{"3 names for workers=2"}},
		{"tree", []string{"depth=12", "width=100"}, []string{"more than"}},
	} {
		s, err := ByName(tt.scenario)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Plan(tt.args)
		if !errors.Is(err, ErrUsage) {
			t.Errorf("%s %v: %v does not wrap ErrUsage", tt.scenario, tt.args, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s %v: %q lacks %q", tt.scenario, tt.args, err, want)
			}
		}
	}
	if _, err := ByName("thraeds"); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "did you mean threads?") {
		t.Errorf("near name: %v", err)
	}
	if _, err := ByName("xyzzy"); err == nil || !strings.Contains(err.Error(), "scenarios: threads") {
		t.Errorf("no near name: %v", err)
	}
}

func TestThreadsNames(t *testing.T) {
	s, _ := ByName("threads")
	plan, err := s.Plan([]string{"names=b,a b,) R 1 ("})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := JoinNames(plan.Processes[0].Threads), ") R 1 (,a b,b,threads"; got != want {
		t.Errorf("names %q, want %q", got, want)
	}
	if plan.Parameters["workers"] != "3" {
		t.Errorf("workers %q, want the number of names", plan.Parameters["workers"])
	}
}

func TestTreeShape(t *testing.T) {
	s, _ := ByName("tree")
	plan, err := s.Plan([]string{"depth=3", "width=2", "threads=4"})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Processes) != 1+2+4+8 || plan.Budget.Tasks != 15*4 {
		t.Fatalf("%d processes, %d tasks", len(plan.Processes), plan.Budget.Tasks)
	}
	children := make([]int, 15)
	for _, p := range plan.Processes[1:] {
		children[p.Parent]++
	}
	if want := []int{2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0}; !slices.Equal(children, want) {
		t.Errorf("children %v, want %v", children, want)
	}
}

// The sums over a process and over the tree are those of the single threads,
// whatever the workers will report.
func TestSwitchSumsAgree(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want float64
	}{
		{[]string{"vol", "as=threads", "workers=3", "rate=100", "seconds=2"}, 3*200 + 4},
		{[]string{"vol", "as=processes", "workers=3", "rate=100", "seconds=2"}, 3*200 + 4},
		// What they report below, and a park each.
		{[]string{"duty", "as=threads", "workers=2"}, 0 + 10 + 20 + 3},
		{[]string{"duty", "as=processes", "workers=2"}, 0 + 10 + 20 + 3},
	} {
		s, _ := ByName(tt.args[0])
		plan, err := s.Plan(tt.args[1:])
		if err != nil {
			t.Fatal(err)
		}
		m := manifestFor(plan)
		reported := uint64(0)
		for i := range m.Processes {
			for j := range m.Processes[i].Threads {
				m.Processes[i].Threads[j].Report.Voluntary = reported * 10
				reported++
			}
		}
		sums := map[string]float64{}
		for _, q := range plan.Promises {
			if q.Field == "voluntary_switches" && q.Kind != Bound {
				v, ok := m.Eval(&q.Expect, q.Process, q.Thread)
				if !ok {
					t.Fatalf("not known: %+v", q)
				}
				switch {
				case q.Thread >= 0:
					sums["threads"] += v
				case q.Process >= 0:
					sums["processes"] += v
				default:
					sums["tree"] += v
				}
			}
		}
		for kind, v := range sums {
			if v != tt.want {
				t.Errorf("%v: sum of the %s %v, want %v", tt.args, kind, v, tt.want)
			}
		}
		if len(plan.Processes) > 1 != (sums["tree"] > 0) {
			t.Errorf("%v: sums %v", tt.args, sums)
		}
	}
}

// manifestFor makes a manifest whose workers are all done.
func manifestFor(p *Plan) *Manifest {
	m := &Manifest{Plan: p, GateMonoNS: 1}
	for _, q := range p.Processes {
		mp := ManifestProcess{Role: q.Role}
		for _, th := range q.Threads {
			mp.Threads = append(mp.Threads, ManifestThread{Role: th.Role, Name: th.Name, Report: Report{Phase: ReportParked}})
		}
		m.Processes = append(m.Processes, mp)
	}
	return m
}

func TestEval(t *testing.T) {
	m := &Manifest{GateMonoNS: 100, Processes: []ManifestProcess{
		{Threads: []ManifestThread{{Report: Report{Phase: ReportParked, StartNS: 110, EndNS: 200, Late: 1}}}},
		{Threads: []ManifestThread{
			{Report: Report{Phase: ReportParked, StartNS: 105, EndNS: 300, Late: 2}},
			{Report: Report{Phase: ReportRunning, StartNS: 103}},
		}},
	}}
	span := Formula{}.with(Term{Key: "end_mono_ns", Factor: 1, Agg: AggMax}).with(Term{Key: "start_mono_ns", Factor: -1, Agg: AggMin})
	for _, tt := range []struct {
		name            string
		f               Formula
		process, thread int
		want            float64
		ok              bool
	}{
		{"constant", Exactly(7), -1, -1, 7, true},
		{"one thread", Exactly(7).Plus(-1, "late"), 1, 0, 5, true},
		{"tasks", Formula{}.Plus(1, "one"), -1, -1, 3, true},
		{"since the gate", Formula{}.Plus(1, "since_gate_ns"), 0, 0, 100, true},
		{"not done yet", Formula{}.Plus(1, "late"), 1, 1, 0, false},
		{"sum with one not done", Formula{}.Plus(1, "late"), -1, -1, 0, false},
		{"unknown key", Formula{}.Plus(1, "nonsense"), 0, 0, 0, false},
		{"no such process", Formula{}.Plus(1, "late"), 5, -1, 0, false},
		{"span of one", span, 0, -1, 90, true},
	} {
		got, ok := m.Eval(&tt.f, tt.process, tt.thread)
		if ok != tt.ok || (ok && got != tt.want) {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
	m.Processes[1].Threads = m.Processes[1].Threads[:1]
	if got, ok := m.Eval(&span, -1, -1); !ok || got != 195 {
		t.Errorf("span of the tree: %v, %v; want 195", got, ok)
	}
}

func TestDescribe(t *testing.T) {
	s, _ := ByName("vol")
	d, err := s.Describe("workers=2", "seconds=1")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(d.Promises, "\n")
	for _, want := range []string{
		"2 threads: voluntary_switches = 201 from the gate to the end (equality)",
		"1 process: voluntary_switches = 403 ",
		"the tree: descendants = 0 at the gate",
		"1 process: threads = 3",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("promises lack %q:\n%s", want, all)
		}
	}
	if _, err := s.Describe("workers=none"); !errors.Is(err, ErrUsage) {
		t.Errorf("bad parameter: %v", err)
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"5s", "64MiB", "50%", "200Hz", "1e3", "-1", ".", "", "１", "0x10"} {
		f.Add(s)
	}
	kinds := []ParamKind{ParamInt, ParamDuration, ParamBytes, ParamPercent, ParamRate}
	f.Fuzz(func(t *testing.T, text string) {
		for _, k := range kinds {
			n, err := parseNumber(k, text)
			if err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
				t.Errorf("%s %q = %v", k, text, n)
			}
		}
	})
}

func FuzzParseCPUs(f *testing.F) {
	for _, s := range []string{"", "0", "0-1", "0,1", "3-1", "0-8191", ",", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseCPUs(text)
		if err != nil {
			return
		}
		again, err := parseCPUs(CPUList(list))
		if err != nil || !slices.Equal(list, again) {
			t.Errorf("%q = %v, written %q, read again %v, %v", text, list, CPUList(list), again, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("workers=4", "rate=200Hz")
	f.Add("as=processes", "seconds=5")
	s, err := ByName("vol")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v, err := s.Parse([]string{a, b})
		if err != nil {
			if !errors.Is(err, ErrUsage) {
				t.Errorf("%q %q: %v does not wrap ErrUsage", a, b, err)
			}
			return
		}
		if w := v.Int("workers"); w < 1 || w > 2000 {
			t.Errorf("%q %q: workers %d out of range", a, b, w)
		}
	})
}
