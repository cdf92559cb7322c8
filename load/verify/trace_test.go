package verify

import (
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/load"
)

// traced gives every sample of the tree the sums of a tracer that has seen the
// same as the kernel's counters tell.
func (w *world) traced() *world {
	for i := range w.samples {
		s := &w.samples[i]
		if s.Reach != ReachTree {
			continue
		}
		s.Trace = &inspect.TraceSums{Source: inspect.TraceExact, MonoNS: s.MonoNS}
		for _, p := range s.Processes {
			one := inspect.ProcessTrace{PID: p.ID.PID, Live: len(p.Threads), TraceCounts: inspect.TraceCounts{
				RunNS: p.RunNS, ReadyNS: p.ReadyNS, Voluntary: p.Switches.Voluntary, Involuntary: p.Switches.Involuntary,
				Migrations: inspect.Know(uint64(0)),
			}}
			s.Trace.Processes = append(s.Trace.Processes, one)
			for k := range p.Threads {
				t := &p.Threads[k]
				s.Trace.Threads = append(s.Trace.Threads, inspect.ThreadTrace{PID: p.ID.PID, ID: t.ID, TraceCounts: inspect.TraceCounts{
					RunNS: t.RunNS, ReadyNS: t.ReadyNS, Voluntary: t.Voluntary, Involuntary: t.Involuntary,
					Migrations: inspect.Know(uint64(0)),
				}})
			}
		}
	}
	return w
}

// parkedTrace are the tracer's sums at the end.
func (w *world) parkedTrace(t *testing.T) *inspect.TraceSums {
	t.Helper()
	for i := len(w.samples) - 1; i >= 0; i-- {
		if s := &w.samples[i]; s.Phase == load.WhenParked && s.Trace != nil {
			return s.Trace
		}
	}
	t.Fatal("no sums at the end")
	return nil
}

func byTracer(r *Result) []Check {
	var out []Check
	for _, c := range r.Checks {
		if c.Source == inspect.TraceExact {
			out = append(out, c)
		}
	}
	return out
}

func TestTracerAgrees(t *testing.T) {
	for _, name := range []string{"vol", "ready", "duty", "idle", "threads", "tree"} {
		t.Run(name, func(t *testing.T) {
			plain := pretend(t, name, otherBusy).judge()
			if plain.Trace != nil || len(byTracer(plain)) > 0 {
				t.Fatal("checks by a tracer that was not there")
			}
			r := pretend(t, name, otherBusy).traced().judge()
			expectVerdict(t, r, Pass)
			checks := byTracer(r)
			if len(checks) == 0 || r.Trace == nil || r.Trace.Checks != len(checks) || r.Trace.LeftOut != 0 {
				t.Fatalf("%d checks, note %+v", len(checks), r.Trace)
			}
			for _, c := range checks {
				if c.Observed == nil || c.Expected == nil || c.Because == "" {
					t.Errorf("incomplete check: %+v", c)
				}
			}
		})
	}
}

// TestTracerDisagrees: what the tracer alone has seen otherwise fails, unless
// it says itself that it has not seen everything.
func TestTracerDisagrees(t *testing.T) {
	last := func(s *inspect.TraceSums) *inspect.TraceCounts { return &s.Threads[len(s.Threads)-1].TraceCounts }
	for _, tc := range []struct {
		name, load, why string
		do              func(s *inspect.TraceSums)
		want            Verdict
	}{
		{"one voluntary switch less", "vol", "observed", func(s *inspect.TraceSums) { last(s).Voluntary.V-- }, Fail},
		{"one voluntary switch more of a process", "vol", "observed", func(s *inspect.TraceSums) { s.Processes[0].Voluntary.V++ }, Fail},
		{"a second of run time", "duty", "run_ns", func(s *inspect.TraceSums) { last(s).RunNS.V += 1e9 }, Fail},
		{"a second of ready time", "ready", "ready_ns", func(s *inspect.TraceSums) { last(s).ReadyNS.V += 1e9 }, Fail},
		{"less, but switches were not shown", "vol", "", func(s *inspect.TraceSums) { last(s).Voluntary.V--; s.Drops.ChainBreaks = 3 }, Pass},
		{"less, but the table was full", "vol", "", func(s *inspect.TraceSums) { last(s).Voluntary.V--; s.Drops.ThreadsFull = 1 }, Pass},
		{"a thread was not followed", "vol", "", func(s *inspect.TraceSums) { s.Threads = s.Threads[:len(s.Threads)-1] }, Pass},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := pretend(t, tc.load, 0).traced()
			tc.do(w.parkedTrace(t))
			r := w.judge()
			if r.Verdict != tc.want || !strings.Contains(r.Why, tc.why) {
				t.Errorf("%s (%s), want %s", r.Verdict, r.Why, tc.want)
			}
			if tc.want == Pass && (r.Trace.LeftOut == 0 || r.Trace.Why == "") {
				t.Errorf("nothing left out: %+v", r.Trace)
			}
		})
	}
}

func TestTracedFieldsExist(t *testing.T) {
	for _, field := range []string{"run_ns", "ready_ns", "voluntary_switches", "involuntary_switches", "migrations"} {
		if tracedFieldOf(field) == nil {
			t.Errorf("%s is not judged by the tracer", field)
		}
		if _, ok := inspect.FieldByID(field); !ok {
			t.Errorf("%s is no field", field)
		}
	}
	if tracedFieldOf("comm") != nil {
		t.Error("the tracer knows names")
	}
}
