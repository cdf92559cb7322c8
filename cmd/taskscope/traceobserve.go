package main

import (
	"context"

	"taskscope/inspect"
)

// traceTree starts the tracer of the observer, which adds up only and delivers
// nothing, unless states are asked for: no reader of it runs while the load is
// measured. It is nil where the scheduler cannot be traced, for which load verify
// is none the worse.
func (a *app) traceTree(ctx context.Context, root int, states bool) *inspect.Tracer {
	if a.source == "proc" {
		return nil
	}
	t, err := inspect.OpenTracer(ctx, inspect.TraceOptions{
		ID: inspect.ID{PID: root}, Descendants: true, Events: states, Source: inspect.TraceExact, ProcRoot: a.procRoot,
	})
	if err != nil {
		return nil
	}
	if err := t.Start(); err != nil {
		t.Close()
		return nil
	}
	return t
}

// traceSums is what the judge needs of the tracer's sums.
func traceSums(t *inspect.Tracer) *inspect.TraceSums {
	if t == nil {
		return nil
	}
	s, err := t.Sums()
	if err != nil {
		return nil
	}
	s.Exits = nil
	for i := range s.Threads {
		c := &s.Threads[i].TraceCounts
		c.Latency, c.Waits = inspect.Known[inspect.Histogram]{}, inspect.Known[inspect.Histogram]{}
	}
	for i := range s.Processes {
		c := &s.Processes[i].TraceCounts
		c.Latency, c.Waits = inspect.Known[inspect.Histogram]{}, inspect.Known[inspect.Histogram]{}
	}
	return s
}
