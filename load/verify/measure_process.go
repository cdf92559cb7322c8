package verify

import "taskscope/inspect"

// FiguresOfProcess measures a living process over the interval of the changes;
// sizes is a later snapshot with what is dear to read. What only a job of its own
// can tell is unknown, with the reason. It is nil of a process that is not in
// all three snapshots. Pure.
func FiguresOfProcess(c *inspect.Changes, sizes *inspect.Snapshot, id inspect.ID) []Figure {
	i := c.Cur.Index(id.PID)
	if c.Prev == nil || i < 0 {
		return nil
	}
	before, now, last := c.Prev.ByID(id), c.Cur.ByID(id), sizes.ByID(id)
	if before == nil || now == nil || last == nil {
		return nil
	}
	d := c.Deltas[i]
	grown := func(get func(*inspect.Process) inspect.Known[uint64]) reading { return growthOf(get(before), get(now)) }
	rate := func(k inspect.Known[float64]) reading {
		if v, ok := k.Get(); ok {
			return number(v)
		}
		return unread(k.Why)
	}
	got := map[string]reading{
		MeasureWall:        number(float64(d.Interval)),
		MeasureCPU:         grown(func(p *inspect.Process) inspect.Known[uint64] { return p.CPUTimeNS }),
		measureReady:       grown(func(p *inspect.Process) inspect.Known[uint64] { return p.ReadyNS }),
		MeasureParallelism: rate(d.Parallelism),
		MeasureCreation:    unknown("it was there already: taskscope has not started it"),
		MeasurePSS:         knownReading(last.PSSBytes),
		MeasurePrivate:     knownReading(last.USSBytes),
		MeasureRSS:         knownReading(last.RSSBytes),
		MeasurePageTables:  knownReading(last.PageTableBytes),
		MeasureVoluntary:   grown(func(p *inspect.Process) inspect.Known[uint64] { return p.Switches.Voluntary }),
		MeasureInvoluntary: grown(func(p *inspect.Process) inspect.Known[uint64] { return p.Switches.Involuntary }),
		MeasureSwitchCost:  unknown("no counter of a process tells it; compare pingpong does"),
		MeasureFaults:      grown(func(p *inspect.Process) inspect.Known[uint64] { return p.MinorFaults }),
		MeasureFDs:         knownReading(asUint(last.FDs)),
		MeasureTasks:       knownReading(asUint(last.ThreadCount)),
		MeasureResult:      unknown("what it computes is in its memory: no file of the kernel tells it"),

		"cpu_percent":                     rate(d.CPUPercent),
		"ready_percent":                   rate(d.ReadyPercent),
		"voluntary_switches_per_second":   rate(d.VoluntaryRate),
		"involuntary_switches_per_second": rate(d.InvoluntaryRate),
		"minor_faults_per_second":         rate(d.MinorFaultRate),
		"vsize_bytes":                     knownReading(last.VSizeBytes),
		"swap_bytes":                      knownReading(last.SwapBytes),
	}
	var out []Figure
	for _, m := range append(Measures(), RateMeasures()...) {
		if r, ok := got[m.ID]; ok {
			if r.ok {
				r.source = c.Cur.Source
			}
			out = append(out, r.figure(m.ID))
		}
	}
	return out
}

func knownReading(k inspect.Known[uint64]) reading {
	if v, ok := k.Get(); ok {
		return number(float64(v))
	}
	return unread(k.Why)
}

// growthOf is the difference of a counter; one that went back is a reset.
func growthOf(before, now inspect.Known[uint64]) reading {
	a, b := knownReading(before), knownReading(now)
	switch {
	case !a.ok:
		return a
	case !b.ok:
		return b
	case b.num < a.num:
		return unread(inspect.WasReset)
	}
	return number(b.num - a.num)
}
