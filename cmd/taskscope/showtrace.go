package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"taskscope/inspect"
	"taskscope/views/model"
)

// leastTraced is the shortest interval for which `show` opens the tracer, which
// takes it some 60 ms.
const leastTraced = 500 * time.Millisecond

// showTracer adds up what the process does between the two readings of `show`:
// each switch, wake-up and move, where the readings have but their sums.
type showTracer struct {
	tracer *inspect.Tracer // nil: not to be had
	sums   *inspect.TraceSums
	why    string // why there are none
}

// openShowTracer gets it ready; what it costs is paid before the interval.
func (a *app) openShowTracer(ctx context.Context, id inspect.ID, interval time.Duration) *showTracer {
	switch {
	case a.source == "proc":
		return &showTracer{why: "the source proc has no trace"}
	case interval < leastTraced:
		return &showTracer{why: fmt.Sprintf("the interval is shorter than %v", leastTraced)}
	}
	t, err := inspect.OpenTracer(ctx, inspect.TraceOptions{ID: id, Source: inspect.TraceExact, ProcRoot: a.procRoot})
	if err != nil {
		return &showTracer{why: oneLine(err.Error())}
	}
	return &showTracer{tracer: t}
}

func (s *showTracer) start() {
	if s.tracer == nil {
		return
	}
	if err := s.tracer.Start(); err != nil {
		s.close()
		s.why = oneLine(err.Error())
	}
}

// stop takes the sums, and keeps them only if nothing of them is missing.
func (s *showTracer) stop() {
	if s.tracer == nil {
		return
	}
	sums, err := s.tracer.Sums()
	s.close()
	d := inspect.TraceDrops{}
	if err == nil {
		d = sums.Drops
	}
	switch {
	case err != nil:
		s.why = oneLine(err.Error())
	case d.ThreadsFull|d.Reused|d.ProgramMisses != 0:
		s.why = "the tracer has not seen everything"
	default:
		s.sums = sums
	}
}

func (s *showTracer) close() {
	if s.tracer != nil {
		s.tracer.Close()
		s.tracer = nil
	}
}

// process is the sum over the threads of the process, nil when there is none.
func (s *showTracer) process(id inspect.ID) *inspect.ProcessTrace {
	if s == nil || s.sums == nil {
		return nil
	}
	return s.sums.Process(id.PID)
}

// improve puts the moves that were counted in the place of those that two
// readings can tell.
func (s *showTracer) improve(d *inspect.Delta) {
	if s.sums == nil || d == nil {
		return
	}
	if p := s.process(d.ID); p != nil && d.Migrations.OK() {
		d.Migrations = p.Migrations
	}
	for i := range d.Threads {
		t := &d.Threads[i]
		if seen := s.sums.Thread(t.ID); seen != nil && t.Migrations.OK() {
			t.Migrations = seen.Migrations
		}
	}
}

func (s *showTracer) json(o *jsonObject, id inspect.ID) {
	p := s.process(id)
	if p == nil {
		why := inspect.NotRead.Text()
		if s != nil && s.why != "" {
			why = s.why
		}
		o.null("trace", why)
		return
	}
	o.object("trace", func(o *jsonObject) {
		o.str("source", s.sums.Source)
		o.float("interval_seconds", s.sums.Elapsed.Seconds())
		o.object("process", func(o *jsonObject) { processTraceJSON(o, p) })
		o.list("threads", len(s.sums.Threads), func(i int, o *jsonObject) { threadTraceJSON(o, &s.sums.Threads[i]) })
	})
}

func (s *showTracer) text(b *bytes.Buffer, a *app, id inspect.ID) {
	p := s.process(id)
	if p == nil {
		return
	}
	line := func(key, text string) { fmt.Fprintf(b, "  %-32s %s\n", key, text) }
	if n, ok := p.Wakes.Get(); ok && s.sums.Elapsed > 0 {
		line("wakes_per_second", model.Rate(float64(n)/s.sums.Elapsed.Seconds()))
	}
	if h, ok := p.Latency.Get(); ok && h.Count > 0 {
		mean, _ := h.MeanNS()
		p99, _ := h.QuantileNS(0.99)
		line("wait_after_wake_up", fmt.Sprintf("mean %s, 99 %% below %s, longest %s", model.Duration(uint64(mean)), model.Duration(p99), model.Duration(h.MaxNS)))
	}
	line("source_of_moves_and_wake_ups", a.clean("every event, for "+model.Duration(uint64(s.sums.Elapsed))))
}
