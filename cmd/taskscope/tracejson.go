package main

import (
	"time"

	"taskscope/inspect"
)

// appendJSON writes the document of `trace --json`.
func (t *tracing) appendJSON(b []byte, s *inspect.TraceSums) []byte {
	var o jsonObject
	o.begin(b)
	o.time("taken", t.begun)
	o.str("traced", t.title)
	o.str("source", s.Source)
	if why := t.tracer.Why(); why != nil {
		o.str("source_why", why.Reason)
		o.str("source_remedy", why.Remedy)
	}
	if s.Source == inspect.TraceSampled {
		o.int("resolution_ns", int64(s.Resolution))
	} else {
		o.int("resolution_ns", 0)
	}
	o.int("elapsed_ns", int64(s.Elapsed))
	knownFloat(&o, "parallelism", s.Parallelism)
	if levels, ok := s.Levels.Get(); ok {
		list := make([]int, len(levels))
		for i, d := range levels {
			list[i] = int(d)
		}
		o.ints("running_at_once_ns", list)
	} else {
		o.null("running_at_once_ns", s.Levels.Why.Text())
	}
	o.list("processes", len(s.Processes), func(i int, o *jsonObject) { processTraceJSON(o, &s.Processes[i]) })
	o.list("threads", len(s.Threads), func(i int, o *jsonObject) { threadTraceJSON(o, &s.Threads[i]) })
	o.int("folded_threads", int64(s.FoldedThreads))
	pairsJSON(&o, "preemptions", s.Preemptions)
	pairsJSON(&o, "wake_ups", s.WakeUps)
	o.list("exits", len(s.Exits), func(i int, o *jsonObject) { exitJSON(o, &s.Exits[i]) })
	o.int("exits_forgotten", int64(s.ExitsForgotten))
	o.object("drops", func(o *jsonObject) { traceDropsJSON(o, &s.Drops) })
	t.fileJSON(&o)
	return append(o.end(), '\n')
}

func (t *tracing) fileJSON(o *jsonObject) {
	if t.writer == nil {
		return
	}
	c := t.writer.Counts()
	o.object("file", func(o *jsonObject) {
		o.name("name", t.fl.file)
		o.uint("slices", c.Slices)
		o.uint("cpu_slices", c.CPUSlices)
		o.uint("arrows", c.Arrows)
		o.uint("marks", c.Marks)
	})
}

func processTraceJSON(o *jsonObject, p *inspect.ProcessTrace) {
	o.int("pid", int64(p.PID))
	o.name("comm", p.Comm)
	o.int("threads", int64(p.Live))
	o.int("exited_threads", int64(p.Exited))
	knownFloat(o, "parallelism", p.Parallelism)
	traceCountsJSON(o, &p.TraceCounts)
}

func threadTraceJSON(o *jsonObject, t *inspect.ThreadTrace) {
	o.int("pid", int64(t.PID))
	o.int("tid", int64(t.ID.TID))
	o.uint("start_ticks", t.ID.Start)
	o.name("comm", t.Comm)
	o.str("state", t.State.String())
	if t.CPU >= 0 {
		o.int("cpu_last", int64(t.CPU))
	} else {
		o.null("cpu_last", "has not run yet")
	}
	o.int("since_mono_ns", t.SinceNS)
	o.bool("born", t.Born)
	traceCountsJSON(o, &t.TraceCounts)
}

func traceCountsJSON(o *jsonObject, c *inspect.TraceCounts) {
	knownUint(o, "run_ns", c.RunNS)
	knownUint(o, "ready_ns", c.ReadyNS)
	knownUint(o, "seen_run_ns", c.SeenRunNS)
	knownUint(o, "seen_ready_ns", c.SeenReadyNS)
	knownUint(o, "blocked_ns", c.BlockedNS)
	knownUint(o, "disk_ns", c.DiskNS)
	knownUint(o, "stopped_ns", c.StoppedNS)
	knownUint(o, "unknown_ns", c.UnknownNS)
	knownUint(o, "voluntary_switches", c.Voluntary)
	knownUint(o, "involuntary_switches", c.Involuntary)
	knownUint(o, "wakes", c.Wakes)
	knownUint(o, "migrations", c.Migrations)
	o.uint("missed_switches", c.MissedIns)
	o.uint("switches_not_shown", c.MissedOuts)
	o.uint("missed_wakes", c.MissedWakes)
	if cpus, ok := c.CPUs.Get(); ok {
		o.ints("cpus", cpus)
	} else {
		o.null("cpus", c.CPUs.Why.Text())
	}
	histogramJSON(o, "latency", c.Latency)
	histogramJSON(o, "waits", c.Waits)
}

func histogramJSON(o *jsonObject, key string, k inspect.Known[inspect.Histogram]) {
	h, ok := k.Get()
	if !ok {
		o.null(key, k.Why.Text())
		return
	}
	o.object(key, func(o *jsonObject) {
		o.uint("count", h.Count)
		o.uint("sum_ns", h.SumNS)
		o.uint("max_ns", h.MaxNS)
		mean, ok := h.MeanNS()
		if !ok {
			o.null("mean_ns", "nothing was counted")
			o.null("p50_ns", "nothing was counted")
			o.null("p99_ns", "nothing was counted")
		} else {
			p50, _ := h.QuantileNS(0.5)
			p99, _ := h.QuantileNS(0.99)
			o.float("mean_ns", mean)
			o.uint("p50_ns", p50)
			o.uint("p99_ns", p99)
		}
		buckets := make([]int, 0, len(h.Buckets))
		for _, n := range h.Buckets {
			buckets = append(buckets, int(n))
		}
		o.ints("log2_ns", buckets)
	})
}

func pairsJSON(o *jsonObject, key string, k inspect.Known[[]inspect.TracePair]) {
	pairs, ok := k.Get()
	if !ok {
		o.null(key, k.Why.Text())
		return
	}
	o.list(key, len(pairs), func(i int, o *jsonObject) {
		p := &pairs[i]
		o.int("who_tid", int64(p.WhoTID))
		o.int("who_pid", int64(p.WhoPID))
		o.name("who_comm", p.WhoComm)
		o.int("whom_tid", int64(p.WhomTID))
		o.int("whom_pid", int64(p.WhomPID))
		o.name("whom_comm", p.WhomComm)
		o.uint("count", p.Count)
	})
}

// exitJSON is the end of a process, for `trace` and `watch`.
func exitJSON(o *jsonObject, e *inspect.ProcessExit) {
	o.int("pid", int64(e.ID.PID))
	o.uint("start_ticks", e.ID.Start)
	o.int("ppid", int64(e.PPID))
	o.uint("uid", uint64(e.UID))
	o.name("comm", e.Comm)
	o.int("exited_mono_ns", e.NS)
	o.int("lifetime_ns", int64(e.Lifetime/time.Nanosecond))
	if e.Signal == 0 {
		o.int("exit_code", int64(e.ExitCode))
		o.null("signal", "it exited by itself")
	} else {
		o.null("exit_code", "ended by a signal")
		o.int("signal", int64(e.Signal))
	}
	o.bool("core_dumped", e.CoreDumped)
	o.uint("run_ns", e.RunNS)
	o.uint("voluntary_switches", e.Voluntary)
	o.uint("involuntary_switches", e.Involuntary)
	o.bool("born_in_trace", e.BornInTrace)
	o.int("execs", int64(e.Execs))
}

func traceDropsJSON(o *jsonObject, d *inspect.TraceDrops) {
	o.bool("lost", d.Lost())
	for _, x := range []struct {
		key string
		n   uint64
	}{
		{"events", d.Events},
		{"events_dropped", d.EventsDropped},
		{"exits_dropped", d.ExitsDropped},
		{"threads_full", d.ThreadsFull},
		{"pairs_full", d.PairsFull},
		{"processes_full", d.ProcessesFull},
		{"threads_reused", d.Reused},
		{"switches_seen", d.Switches},
		{"switches_not_seen", d.ChainBreaks},
		{"switches_not_seen_beside_traced", d.TracedBreaks},
		{"programs_not_run", d.ProgramMisses},
		{"unknown_stretches", d.Gaps},
		{"samples", d.Samples},
		{"samples_missed", d.SamplesMissed},
	} {
		o.uint(x.key, x.n)
	}
	o.list("cpus", len(d.CPUs), func(i int, o *jsonObject) {
		o.int("cpu", int64(d.CPUs[i].CPU))
		o.uint("switches_seen", d.CPUs[i].Switches)
		o.uint("switches_not_seen", d.CPUs[i].Breaks)
		o.uint("switches_not_seen_beside_traced", d.CPUs[i].Traced)
	})
}
