package inspect_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// fakeTracee is a process of two threads, 700 and 701, that have run for so long.
func fakeTracee(run uint64) inspecttest.FakeProcess {
	c := inspecttest.Counters{RunNS: run, ReadyNS: run / 2, Voluntary: run / 1000}
	return inspecttest.FakeProcess{
		PID: 700, Comm: "stuck", Start: 50, Counters: c,
		Threads: []inspecttest.FakeThread{{TID: 701, Comm: "other", Start: 51, Counters: c}},
	}
}

func sampledTracer(t *testing.T, root string) *inspect.Tracer {
	t.Helper()
	tr, err := inspect.OpenTracer(t.Context(), inspect.TraceOptions{
		ID: inspect.ID{PID: 700, Start: 50}, Source: inspect.TraceSampled, ProcRoot: root, Every: 10 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// sumsWhen runs the tracer until a condition holds, and returns its sums.
func sumsWhen(t *testing.T, tr *inspect.Tracer, what string, ok func(*inspect.TraceSums) bool) *inspect.TraceSums {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var s *inspect.TraceSums
	err := tr.Run(ctx, func(*inspect.TraceBatch) {
		var err error
		if s, err = tr.Sums(); err != nil {
			t.Error(err)
		}
		if err != nil || ok(s) {
			cancel()
		}
	})
	if err != nil || !ok(s) {
		t.Fatalf("did not come: %s: %v, %+v", what, err, s)
	}
	return s
}

// TestTraceSampledStuck: an execve that hangs in the traced process keeps its
// stat from being read. The tracer neither waits for it nor calls the process
// gone, and books what the other files tell.
func TestTraceSampledStuck(t *testing.T) {
	t.Parallel()
	f := inspecttest.NewFakeProc(t)
	f.Put(fakeTracee(1_000_000))
	tr := sampledTracer(t, f.Root)
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	f.Put(fakeTracee(1_500_000))
	release := f.Block("700/task/700/stat", "")
	for _, tid := range []int{700, 701} {
		s := sumsWhen(t, tr, "half a millisecond of run time", func(s *inspect.TraceSums) bool {
			th := s.Thread(inspect.ThreadID{TID: tid})
			return th != nil && th.RunNS.V == 500_000 && th.ReadyNS.V == 250_000 && th.Voluntary == inspect.Know(uint64(500))
		})
		if th := s.Thread(inspect.ThreadID{TID: tid, Start: uint64(50 + tid - 700)}); th == nil || th.State != inspect.TraceBlocked {
			t.Errorf("thread %d: %+v", tid, th)
		}
	}
	// It goes on, and has become another program.
	p := fakeTracee(2_000_000)
	p.Comm = "next"
	release()
	f.Put(p)
	sumsWhen(t, tr, "the new name", func(s *inspect.TraceSums) bool {
		th := s.Thread(inspect.ThreadID{TID: 700})
		return th != nil && th.Comm == "next" && th.RunNS.V == 1_000_000
	})
	f.RemoveAll("700")
	if err := tr.Run(t.Context(), func(*inspect.TraceBatch) {}); !errors.Is(err, inspect.ErrTraceEnded) {
		t.Errorf("the process has gone: %v", err)
	}
}

// TestTraceSampledStuckAtStart: the same when it stands still already. Who it is
// can be read later only.
func TestTraceSampledStuckAtStart(t *testing.T) {
	t.Parallel()
	f := inspecttest.NewFakeProc(t)
	f.Put(fakeTracee(1_000_000))
	release := f.Block("700/task/701/stat", "")
	tr := sampledTracer(t, f.Root)
	defer tr.Close()
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	s, err := tr.Sums()
	if err != nil || len(s.Threads) != 2 || s.Threads[1].ID.Start != 0 || s.Threads[1].Comm != "other" {
		t.Fatalf("%+v, %v", s, err)
	}
	release()
	f.Put(fakeTracee(1_500_000))
	sumsWhen(t, tr, "both starts", func(s *inspect.TraceSums) bool {
		return s.Thread(inspect.ThreadID{TID: 701, Start: 51}) != nil && s.Thread(inspect.ThreadID{TID: 700, Start: 50}) != nil
	})
}

// TestTraceSampledNothing: not even a counter can be read. Nothing is booked,
// nothing hangs, also at the end.
func TestTraceSampledNothing(t *testing.T) {
	t.Parallel()
	f := inspecttest.NewFakeProc(t)
	f.Put(fakeTracee(1_000_000))
	tr := sampledTracer(t, f.Root)
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	f.Block("700/task/700/schedstat", "")
	s := sumsWhen(t, tr, "three samples", func(s *inspect.TraceSums) bool { return s.Drops.Samples >= 3 })
	if th := s.Thread(inspect.ThreadID{TID: 700}); th == nil || th.RunNS.V != 0 || th.State == inspect.TraceDead {
		t.Errorf("%+v", th)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}
