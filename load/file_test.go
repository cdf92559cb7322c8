package load

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func corpus(t testing.TB, kind string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "files", kind, "*.toml"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", kind, names, err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestGoodFiles(t *testing.T) {
	for name, text := range corpus(t, "good") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			s, err := ParseFile(name, text)
			if err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{nil, {"seconds=3s"}} {
				plan, err := s.Plan(args)
				if err != nil {
					t.Fatal(err)
				}
				checkPlan(t, plan)
				if args != nil && plan.Duration != 3*time.Second {
					t.Errorf("duration %v", plan.Duration)
				}
			}
			if d, err := s.Describe(); err != nil || len(d.Promises) < 5 {
				t.Errorf("described as %+v, %v", d, err)
			}
		})
	}
}

// TestBadFiles: each says where it is wrong, as its first line wants.
func TestBadFiles(t *testing.T) {
	for name, text := range corpus(t, "bad") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			first, _, _ := strings.Cut(string(text), "\n")
			want, ok := strings.CutPrefix(first, "# want: ")
			if !ok {
				t.Fatalf("first line %q", first)
			}
			s, err := ParseFile(name, text)
			if !errors.Is(err, ErrUsage) {
				t.Fatalf("%v, %v; want an error that wraps ErrUsage", s, err)
			}
			if got := err.Error(); !strings.Contains(got, name+":"+strings.TrimPrefix(want, ":")) || strings.Contains(got, "\n") {
				t.Errorf("%q lacks %q", got, want)
			}
		})
	}
}

func TestFileTooLarge(t *testing.T) {
	if _, err := ParseFile("f", make([]byte, maxFile+1)); !errors.Is(err, ErrUsage) {
		t.Errorf("%v", err)
	}
}

// TestBakery: what is promised of a load file follows from its phases.
func TestBakery(t *testing.T) {
	const name = "testdata/files/good/bakery.toml"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseFile(name, text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "bakery" || len(p.Processes) != 4 || p.Budget.Tasks != 9 || p.Duration != 1500*time.Millisecond {
		t.Errorf("%s: %d processes, %d tasks, %v", s.Name, len(p.Processes), p.Budget.Tasks, p.Duration)
	}
	hands := p.Processes[1].Threads[1]
	var kinds []OpKind
	for _, o := range hands.Ops {
		kinds = append(kinds, o.Kind)
	}
	round := []OpKind{OpSpinCPU, OpTake, OpSleepRel, OpGive, OpSend, OpEdge}
	if want := append(slices.Repeat(round, 4), OpHold); !slices.Equal(kinds, want) {
		t.Errorf("operations %v, want %v", kinds, want)
	}
	if edge := hands.Ops[23]; edge.A != 120e6 {
		t.Errorf("the fourth edge is at %d ns", edge.A)
	}
	if end := p.Processes[3].End; end == nil || end.Code != 3 || !end.Reaped {
		t.Errorf("the guest ends as %+v", end)
	}
	least := func(process, thread int, field string) float64 {
		for _, q := range p.Promises {
			if q.Process == process && q.Thread == thread && q.Field == field && (q.AtLeast || q.Kind == Equality) {
				return q.Expect.Const
			}
		}
		return math.NaN()
	}
	for _, tt := range []struct {
		process, thread int
		field           string
		want            float64
	}{
		{0, 1, "run_ns", 12e6},
		{1, 1, "run_ns", 8e6},
		{1, 1, "voluntary_switches", 4 + 1},
		{1, 0, "nice", 2},
		{2, -1, "rss_bytes", 1<<20 + 128<<10},
		{2, 2, "segment_rss_bytes", 1 << 20},
		{2, -1, "heap_rss_bytes", 128 << 10},
		{-1, -1, "value", 8},
		{0, -1, "children", 3},
	} {
		if got := least(tt.process, tt.thread, tt.field); got != tt.want {
			t.Errorf("process %d, thread %d: %s %v, want %v", tt.process, tt.thread, tt.field, got, tt.want)
		}
	}
}

func TestFindCircle(t *testing.T) {
	for _, tt := range []struct {
		order map[string][]string
		want  string
	}{
		{nil, ""},
		{map[string][]string{"a": {"b", "c"}, "b": {"c"}}, ""},
		{map[string][]string{"a": {"b"}, "b": {"a"}}, "a b"},
		{map[string][]string{"x": {"a"}, "a": {"b"}, "b": {"c"}, "c": {"a"}}, "a b c"},
	} {
		if got := strings.Join(findCircle(tt.order), " "); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.order, got, tt.want)
		}
	}
}

// FuzzParseFile: any text gives a plan that a runner can work with, or an
// error for its writer.
func FuzzParseFile(f *testing.F) {
	for _, kind := range []string{"good", "bad"} {
		for _, text := range corpus(f, kind) {
			f.Add(text)
		}
	}
	// Thousands of tasks are a matter of seconds, not of what is right.
	large := regexp.MustCompile(`[0-9]{3}`)
	f.Fuzz(func(t *testing.T, text []byte) {
		if large.Match(text) {
			t.Skip()
		}
		s, err := ParseFile("fuzz.toml", text)
		if err != nil {
			if !errors.Is(err, ErrUsage) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			return
		}
		plan, err := s.Plan(nil)
		if err != nil {
			t.Fatalf("it parsed, but gives no plan: %v", err)
		}
		checkPlan(t, plan)
	})
}
