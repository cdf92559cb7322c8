package model

import (
	"fmt"
	"strings"

	"taskscope/inspect"
)

// labelWidth is the width of the labels in texts of label and value.
const labelWidth = 20

// noteWidth is the width of the unit behind a value, before its history.
const noteWidth = 22

// item is a line of a label and its value.
func item(label string, value ...Span) Line {
	return append(Line{{Text: "  " + label, Style: Muted, Width: labelWidth}, {Text: " "}}, value...)
}

// section is a heading line.
func section(title string) Line { return Plain(title, Head) }

// Overview is the first panel of the attach page: what the process is, what
// it does, in sentences and in its main numbers.
func (a *Attached) Overview(g *Glyphs, width int) []Line {
	p := a.Process
	if p == nil {
		return []Line{Plain("waiting for the first sample of this process", Muted)}
	}
	var lines []Line
	for _, s := range a.Explain() {
		for i, l := range Wrap(s, width-4) {
			mark := g.Arrow
			if i > 0 {
				mark = " "
			}
			lines = append(lines, Line{{Text: mark + " ", Style: Accent}, {Text: l}})
		}
	}
	lines = append(lines, nil, section("Time since the last sample"))
	lines = append(lines, a.timeLines(g, width)...)
	lines = append(lines, nil, section("Process"))
	lines = append(lines, a.processLines(g)...)
	lines = append(lines, nil, section("Memory"))
	lines = append(lines, a.memoryLines(g, width)...)
	return lines
}

func (a *Attached) timeLines(g *Glyphs, width int) []Line {
	var d inspect.Delta
	if a.Delta != nil {
		d = *a.Delta
	} else {
		d = pendingDelta()
	}
	n := max(8, min(width-labelWidth-noteWidth-8, 60))
	threads := float64(max(len(a.Process.Threads), 1)) * 100
	var shares Line
	if d.RunningPercent.OK() {
		shares = g.Shares(d.RunningPercent.V, d.ReadyPercent.Or(0), threads, n)
	} else {
		shares = Line{g.UnknownSpan(d.RunningPercent.Why)}
	}
	percent := func(k inspect.Known[float64], s Style) Span {
		v := g.Number(k)
		if v.Style == Normal {
			v.Style = s
		}
		v.Width = -6
		return v
	}
	return []Line{
		item("CPU", percent(d.CPUPercent, Normal), Span{Text: " % of one CPU", Style: Muted, Width: noteWidth}, Span{Text: g.SparkText(a.CPU.Last(n), max(a.CPU.Max(), 100)), Style: OK}),
		item("running", append(Line{percent(d.RunningPercent, OK), {Text: " % over all threads", Style: Muted, Width: noteWidth}}, shares...)...),
		item("ready", percent(d.ReadyPercent, Warn), Span{Text: " % waiting for a CPU", Style: Muted, Width: noteWidth}, Span{Text: g.SparkText(a.Ready.Last(n), max(a.Ready.Max(), 100)), Style: Warn}),
		item("blocked", percent(d.BlockedPercent, Normal), Span{Text: " % waiting for something else", Style: Muted}),
		item("parallelism", percent(d.Parallelism, Normal), Span{Text: " threads running at once, on average", Style: Muted}),
		item("voluntary", percent(d.VoluntaryRate, Normal), Span{Text: " switches/s: it blocked", Style: Muted}),
		item("involuntary", percent(d.InvoluntaryRate, Normal), Span{Text: " switches/s: the CPU was taken away", Style: Muted}),
	}
}

// pendingDelta is a delta before there are two samples.
func pendingDelta() inspect.Delta {
	k := inspect.Unknown[float64](inspect.NeedsTwoSamples)
	return inspect.Delta{
		CPUPercent: k, UserPercent: k, SystemPercent: k, RunningPercent: k, ReadyPercent: k, BlockedPercent: k,
		VoluntaryRate: k, InvoluntaryRate: k, MinorFaultRate: k, MajorFaultRate: k, Parallelism: k,
	}
}

func (a *Attached) processLines(g *Glyphs) []Line {
	p := a.Process
	parent := KnownText(g, p.PPID, itoa)
	if q := a.Frame.ByPID(p.PPID.Or(-1)); q != nil {
		parent.Text += " " + Sanitize(q.Comm)
	}
	user := a.field(g, "user")
	return []Line{
		item("command", Span{Text: Sanitize(strings.Join(cut(p.Cmdline.Or([]string{p.Comm}), 600), " "))}),
		item("user", user),
		item("parent", parent),
		item("children", Span{Text: childrenText(a.Children)}),
		item("threads", KnownText(g, p.ThreadCount, itoa), Span{Text: "   last seen on ", Style: Muted}, Span{Text: a.cpusOf()}),
		item("scheduling", KnownText(g, p.Policy, PolicyWord), Span{Text: "  nice ", Style: Muted}, KnownText(g, p.Nice, itoa),
			Span{Text: "  may run on CPUs ", Style: Muted}, KnownText(g, p.CPUsAllowed, Sanitize)),
	}
}

func childrenText(children []*inspect.Process) string {
	if len(children) == 0 {
		return "none"
	}
	var names []string
	for _, c := range children[:min(len(children), 6)] {
		names = append(names, fmt.Sprintf("%d %s", c.ID.PID, Sanitize(c.Comm)))
	}
	text := strings.Join(names, ", ")
	if n := len(children) - 6; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	return text
}

func (a *Attached) memoryLines(g *Glyphs, width int) []Line {
	p := a.Process
	n := max(8, min(width-labelWidth-noteWidth-8, 60))
	size := func(k inspect.Known[uint64]) Line {
		return WithReason(g, k, func(v uint64) string { return BytesLong(v) })
	}
	rss := size(p.RSSBytes)
	rss[0].Width = -10
	if p.RSSBytes.OK() {
		rss = append(rss, Span{Text: " ", Width: noteWidth - 4}, Span{Text: g.SparkText(a.RSS.Last(n), a.RSS.Max()), Style: OK})
	}
	lines := []Line{item("resident (RSS)", rss...)}
	for _, r := range []struct {
		label string
		k     inspect.Known[uint64]
	}{
		{"anonymous", p.RSSAnonBytes},
		{"of files", p.RSSFileBytes},
		{"shared memory", p.RSSShmemBytes},
		{"swapped out", p.SwapBytes},
		{"address space", p.VSizeBytes},
		{"PSS", p.PSSBytes},
		{"private (USS)", p.USSBytes},
	} {
		l := size(r.k)
		l[0].Width = -10
		lines = append(lines, item(r.label, l...))
	}
	return lines
}

// field is a value of the field table.
func (a *Attached) field(g *Glyphs, id string) Span {
	f, ok := inspect.FieldByID(id)
	if !ok || f.Get == nil {
		return g.UnknownSpan(inspect.NotRead)
	}
	s := g.FormatValue(f, f.Get(inspect.Row{Snapshot: a.Frame.Snapshot, Process: a.Process, Delta: a.Delta}))
	s.Style = Normal
	return s
}

// Wrap breaks a sentence into lines of at most width columns, at least 16.
func Wrap(s string, width int) []string {
	width = max(width, 16)
	var lines []string
	line := ""
	for _, w := range strings.Fields(s) {
		if line != "" && len([]rune(line))+1+len([]rune(w)) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}
