package model

import (
	"fmt"
	"math"

	"taskscope/inspect"
)

// Switches is the switches panel: totals and rates of the whole process, the
// scope of the numbers, and a short history.
func (a *Attached) Switches(g *Glyphs, width int) []Line {
	p := a.Process
	if p == nil {
		return []Line{Plain("waiting for the first sample of this process", Muted)}
	}
	d := pendingDelta()
	if a.Delta != nil {
		d = *a.Delta
	}
	cell := func(s Span) Span { s.Width = -12; return s }
	exact := func(k inspect.Known[uint64]) Span { return cell(KnownText(g, k, Grouped)) }
	n := max(8, min(width-labelWidth-30, 60))
	top := math.Max(a.Voluntary.Max(), a.Involuntary.Max())
	lines := []Line{
		item("", Span{Text: "per second", Width: -12, Style: Head}, Span{Text: "total", Width: -12, Style: Head}, Span{Text: "   history, 0 to " + Rate(top) + "/s", Style: Head}),
		item("voluntary", cell(g.Number(d.VoluntaryRate)), exact(p.Switches.Voluntary), Span{Text: "   "},
			Span{Text: g.SparkText(a.Voluntary.Last(n), top), Style: OK}),
		item("involuntary", cell(g.Number(d.InvoluntaryRate)), exact(p.Switches.Involuntary), Span{Text: "   "},
			Span{Text: g.SparkText(a.Involuntary.Last(n), top), Style: Warn}),
		nil,
		item("scope", scopeSpans(g, p)...),
	}
	if why := p.Switches.Voluntary.Why; why != inspect.OK {
		lines = append(lines, item("", Span{Text: "totals " + g.Unknown + ": " + why.Text(), Style: Muted}))
	}
	if p.Exited.Threads > 0 {
		lines = append(lines, item("exited threads", Span{Text: fmt.Sprintf("%d seen", p.Exited.Threads)},
			Span{Text: fmt.Sprintf(", last seen with %s voluntary and %s involuntary", Grouped(p.Exited.Voluntary), Grouped(p.Exited.Involuntary)), Style: Muted}))
	}
	if r, ok := p.RunNS.Get(); ok {
		if s := p.Slices.Or(0); s > 0 {
			lines = append(lines, item("time slice", Span{Text: Duration(r / s)}, Span{Text: " on a CPU per turn, on average over its life", Style: Muted}))
		}
		if w, ok := p.ReadyNS.Get(); ok && p.Slices.Or(0) > 0 {
			lines = append(lines, item("wait for a CPU", Span{Text: Duration(w / p.Slices.V)}, Span{Text: " per turn, on average over its life", Style: Muted}))
		}
	}
	return append(lines,
		nil,
		item("voluntary", Span{Text: "it blocked: it waited for a lock, data, time or a child", Style: Muted}),
		item("involuntary", Span{Text: "the CPU was taken away: turn over, or a more urgent thread", Style: Muted}),
	)
}

// scopeSpans says what the switch totals cover.
func scopeSpans(g *Glyphs, p *inspect.Process) []Span {
	switch {
	case p.Switches.Scope == inspect.ScopeProcess && p.Switches.Exact:
		return []Span{{Text: "all threads, exited ones included", Style: OK}, {Text: " (the kernel's own total)", Style: Muted}}
	case p.Switches.Scope == inspect.ScopeProcess:
		return []Span{{Text: "all threads, exited ones as far as seen", Style: Warn}, {Text: ": at least this many", Style: Muted}}
	case p.Switches.Scope == inspect.ScopeProcessLive:
		return []Span{{Text: "living threads only", Style: Warn}}
	}
	return []Span{g.UnknownSpan(p.Switches.Voluntary.Why), {Text: "  " + p.Switches.Voluntary.Why.Text(), Style: Muted}}
}

// SwitchTable lists the threads with their switch counters.
type SwitchTable struct{ *Threads }

var switchColumns = []Column{
	{ID: "tid", Title: "TID", Width: 7},
	{ID: "comm", Title: "NAME", Width: 16, Left: true},
	{ID: "vol_rate", Title: "VOL/s", Width: 8},
	{ID: "inv_rate", Title: "INV/s", Width: 8},
	{ID: "vol", Title: "VOLUNTARY", Width: 11},
	{ID: "inv", Title: "INVOLUNTARY", Width: 11},
	{ID: "slices", Title: "TURNS", Width: 11},
	{ID: "rest", Title: "", Width: 1, Left: true, Flex: true},
}

// Columns are the counters.
func (s SwitchTable) Columns() []Column { return switchColumns }

// Row makes the cells of one thread.
func (s SwitchTable) Row(i int) []Line {
	at := s.order[i]
	th := &s.A.Process.Threads[at]
	d := s.A.threadDelta(at)
	if d == nil {
		k := inspect.Unknown[float64](inspect.NeedsTwoSamples)
		d = &inspect.ThreadDelta{VoluntaryRate: k, InvoluntaryRate: k}
	}
	exact := func(k inspect.Known[uint64]) Line {
		t := KnownText(&s.G, k, Grouped)
		if k.OK() && k.V == 0 {
			t.Style = Muted
		}
		return Line{t}
	}
	return []Line{
		Plain(fmt.Sprint(th.ID.TID), Normal), s.cell(Column{ID: "comm"}, at, th, d),
		{s.G.Number(d.VoluntaryRate)},
		{s.G.Number(d.InvoluntaryRate)},
		exact(th.Voluntary), exact(th.Involuntary), exact(th.Slices), nil,
	}
}
