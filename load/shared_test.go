package load

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// planOf builds a plan or ends the test.
func planOf(t *testing.T, args ...string) *Plan {
	t.Helper()
	s, err := ByName(args[0])
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan(args[1:])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// promised are the constants promised for a field, in order.
func promised(p *Plan, field string, when When, kind CheckKind) (list []float64) {
	for _, q := range p.Promises {
		if q.Field == field && q.When == when && q.Kind == kind {
			list = append(list, q.Expect.Const)
		}
	}
	return list
}

// The numbers of the programs that the loads stand for.
func TestPromisedNumbers(t *testing.T) {
	for _, tt := range []struct {
		args  string
		field string
		when  When
		kind  CheckKind
		want  []float64
	}{
		{"sum as=threads workers=1", "result", WhenParked, Equality, []float64{4999999950000000, 4999999950000000}},
		{"sum as=threads workers=2", "result", WhenParked, Equality, []float64{1249999975000000, 3749999975000000, 4999999950000000}},
		{"sum as=processes workers=2", "result", WhenParked, Equality, []float64{1249999975000000, 3749999975000000, 4999999950000000}},
		{"sum as=processes workers=2", "messages", WhenParked, Equality, []float64{2}},
		{"counter mode=locked", "value", WhenParked, Equality, []float64{10000}},
		{"counter mode=racy", "value", WhenParked, Bound, []float64{10000}},
		{"counter mode=racy workers=3", "increments", WhenParked, Equality, []float64{1, 1, 1, 3}},
		{"counter mode=locked", "lost_updates", WhenParked, Equality, []float64{0}},
		{"isolation as=threads workers=2 each=50", "result", WhenParked, Equality, []float64{100, 100}},
		{"isolation as=processes workers=2 each=50", "result", WhenParked, Equality, []float64{50, 50}},
		{"hybrid processes=2 threads=2 each=50", "result", WhenParked, Equality, []float64{100, 100, 100, 100}},
		{"hybrid processes=2 threads=2", "address_spaces", WhenLive, Equality, []float64{3}},
		{"map items=1000 chunk=300", "chunks", WhenParked, Equality, []float64{4}},
		{"map items=1000 chunk=300", "result", WhenParked, Equality, []float64{499500}},
		{"pool as=threads work=sleep:5s", "address_spaces", WhenLive, Equality, []float64{1}},
		{"pool as=processes work=sleep:5s", "address_spaces", WhenLive, Equality, []float64{3}},
		{"pool as=processes work=sleep:5s", "elapsed_ns", WhenParked, Bound, []float64{5e9}},
		{"pool work=cpu:200ms", "run_ns", WhenDelta, Statistical, []float64{2e8, 2e8}},
		{"crawl workers=4 urls=4 delay=500ms", "elapsed_ns", WhenParked, Bound, []float64{5e8, 1e9}},
		{"crawl workers=4 urls=9 delay=100ms", "elapsed_ns", WhenParked, Bound, []float64{3e8, 4e8}},
		{"crawl workers=4 urls=9 delay=100ms", "pages", WhenParked, Equality, []float64{2, 2, 2, 3}},
		{"lock workers=2 hold=1ms think=1ms seconds=1s", "acquisitions", WhenParked, Equality, []float64{500, 500}},
		{"lock workers=4 hold=1ms think=1ms seconds=1s", "value", WhenParked, Equality, []float64{1000}},
		{"lock workers=4 hold=1ms think=1ms seconds=1s", "elapsed_ns", WhenParked, Bound, []float64{1e9}},
		{"gil workers=3 amount=100ms", "elapsed_ns", WhenParked, Bound, []float64{3e8}},
		{"gil workers=3 amount=100ms work=io", "elapsed_ns", WhenParked, Bound, []float64{1e8, 2e8}},
		{"pingpong k=500", "messages", WhenParked, Equality, []float64{500, 500}},
		{"pingpong k=500", "switches", WhenDelta, Bound, []float64{500, 500}},
		{"server connections=5", "threads", WhenLive, Equality, []float64{7}},
		{"server connections=5 open=2", "threads", WhenParked, Equality, []float64{4}},
		{"server connections=5 open=2", "fds", WhenParked, Equality, []float64{10, 10}},
		{"server mode=request", "threads", WhenParked, Equality, []float64{2}},
	} {
		p := planOf(t, strings.Fields(tt.args)...)
		if got := promised(p, tt.field, tt.when, tt.kind); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %s %s %s: %v, want %v", tt.args, tt.field, tt.when, tt.kind, got, tt.want)
		}
	}
}

// With FIFO on one CPU every message is a voluntary switch, and so is the final park.
func TestPingpongIsExactWithFIFO(t *testing.T) {
	p := planOf(t, "pingpong", "policy=fifo", "k=700")
	var got []float64
	for _, q := range p.Promises {
		if q.Field == "voluntary_switches" && q.Thread > 0 && q.Kind == Identity {
			got = append(got, q.Expect.Const)
		}
	}
	if !slices.Equal(got, []float64{701, 701}) {
		t.Errorf("promised %v, want k+1 for both players", got)
	}
	if !p.Budget.Realtime || p.Processes[0].Threads[1].Policy != 1 {
		t.Errorf("budget %+v", p.Budget)
	}
}

// A job that outlasts seconds stretches the planned duration.
func TestDurationCoversTheJob(t *testing.T) {
	for _, tt := range []struct {
		args string
		want time.Duration
	}{
		{"pool work=sleep:5s seconds=1s", 5 * time.Second},
		{"pool work=sleep:1s seconds=3s", 3 * time.Second},
		{"gil workers=4 amount=1s seconds=1s", 4 * time.Second},
		{"crawl urls=8 delay=1s seconds=1s", 2 * time.Second},
	} {
		if p := planOf(t, strings.Fields(tt.args)...); p.Duration != tt.want {
			t.Errorf("%s: %v, want %v", tt.args, p.Duration, tt.want)
		}
	}
}

func TestSharedLoadsRefuse(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"pool work=sleep", "want sleep:DURATION or cpu:DURATION"},
		{"pool work=nap:5s", "example: work=cpu:500ms"},
		{"pool work=cpu:9h", "1ms to 1h"},
		{"sum upto=1 workers=2", "at least the number of workers"},
		{"sum upto=200000000", "1 to 120000000"},
		{"pingpong cpus=0-2", "at most two CPUs"},
		{"pingpong policy=fifo cpus=0,1", "both players on one CPU"},
		{"server open=9", "at most connections"},
		{"server mode=request open=1", "mode=connection"},
		{"crawl urls=2", "at least the number of workers"},
		{"hybrid processes=500 threads=1000", "more than"},
	} {
		words := strings.Fields(tt.args)
		s, err := ByName(words[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Plan(words[1:]); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.args, err, tt.want)
		}
	}
}

// The value of an object counts only when all is done.
func TestEvalObject(t *testing.T) {
	m := &Manifest{Objects: []ManifestObject{{Value: 7}, {Value: 9}}}
	f := Exactly(1).Plus(2, objectKey(1))
	if v, ok := m.Eval(&f, -1, -1); ok {
		t.Errorf("%v before the end", v)
	}
	m.ParkedMonoNS = 1
	if v, ok := m.Eval(&f, -1, -1); !ok || v != 19 {
		t.Errorf("%v, %v; want 19", v, ok)
	}
	f = Formula{}.Plus(1, objectKey(2))
	if v, ok := m.Eval(&f, -1, -1); ok {
		t.Errorf("an object that is not there has the value %v", v)
	}
}
