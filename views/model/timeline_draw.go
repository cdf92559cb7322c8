package model

import (
	"fmt"
	"strconv"
	"strings"
)

// share is how much of the known time on screen a thread did something.
func (t *Timeline) share(x *Track, d Doing) Line {
	var sum, known int64
	for _, s := range x.Stretches {
		n := min(s.To, t.to) - max(s.From, t.from)
		if n <= 0 || s.Doing == Unclear {
			continue
		}
		known += n
		if s.Doing == d {
			sum += n
		}
	}
	if known == 0 {
		return Plain(t.G.Pending, Muted)
	}
	return Plain(Percent(100*float64(sum)/float64(known)), Normal)
}

// draw shows in each column what took most of it. What ran, or waited for a CPU,
// for a moment of a column that is otherwise blocked has a sign of its own: a
// short run is what one looks for, but it must not look like a long one.
func (t *Timeline) draw(x *Track) Line {
	var line Line
	add := func(text string, s Style) {
		if k := len(line) - 1; k >= 0 && line[k].Style == s {
			line[k].Text += text
			return
		}
		line = append(line, Span{Text: text, Style: s})
	}
	at := 0
	for c := range t.cells {
		from := t.from + int64(c)*t.Tick
		for at < len(x.Stretches) && x.Stretches[at].To <= from {
			at++
		}
		add(t.cell(x.Stretches[at:], from, from+t.Tick))
	}
	return line
}

func (t *Timeline) cell(list []Stretch, from, to int64) (string, Style) {
	var total [len(doings)]int64
	cpu, longest := -1, int64(0)
	for _, s := range list {
		if s.From >= to {
			break
		}
		n := min(s.To, to) - max(s.From, from)
		if n <= 0 {
			continue
		}
		total[s.Doing] += n
		if s.Doing == Running && n > longest {
			cpu, longest = s.CPU, n
		}
	}
	most, all := Unclear, total[Unclear]
	for d := Running; d <= Stopped; d++ {
		all += total[d]
		if total[d] > total[most] {
			most = d
		}
	}
	switch {
	case all == 0:
		return t.G.None, Muted
	case most == Blocked && total[Running] > 0:
		return t.part(cpu), OK
	case most == Blocked && total[Waiting] > 0:
		return t.G.PartReady, Warn
	}
	return t.glyph(most, cpu), doings[most].style
}

// part is the sign for having run for a moment.
func (t *Timeline) part(cpu int) string {
	if cpu >= 0 && cpu < len(t.G.PartCPU) {
		return t.G.PartCPU[cpu]
	}
	return t.G.PartRun
}

// glyph is a letter for each kind, so that it can be read without colour.
func (t *Timeline) glyph(d Doing, cpu int) string {
	switch d {
	case Running:
		if cpu >= 0 && cpu < 36 {
			return strconv.FormatInt(int64(cpu), 36)
		}
		return t.G.Run
	case Waiting:
		return t.G.Ready
	case Blocked:
		return t.G.Block
	case OnDisk:
		return "D"
	case Stopped:
		return "T"
	}
	return "?"
}

// Head is what is above the threads: source, scale, legend, and the ruler with
// the cursor.
func (t *Timeline) Head(tr Tracer, width int, paused bool) []Line {
	first := Line{{Text: "source: ", Style: Muted}, {Text: tr.Source(), Style: Strong}}
	if why := tr.Why(); why != "" {
		first = append(first, Span{Text: "  no trace: " + Sanitize(why), Style: Muted})
	}
	scale := Line{{Text: "column " + Duration(uint64(t.Tick)), Style: Strong}, {Text: fmt.Sprintf(", screen %s", Duration(uint64(t.Tick*int64(t.cells)))), Style: Muted}}
	if paused {
		scale = append(scale, Span{Text: "  PAUSED", Style: Warn})
	}
	if l := tr.Lost(); l != "" {
		scale = append(scale, Span{Text: "  lost: " + Sanitize(l), Style: Bad})
	} else {
		scale = append(scale, Span{Text: "  nothing lost", Style: Muted})
	}
	if h := tr.Hidden(); h != "" {
		scale = append(scale, Span{Text: "  " + Sanitize(h), Style: Muted})
	}
	at := t.lead() + t.cells - 1 - t.Cursor
	label := "now"
	if back := t.behind + t.Tick*int64(t.Cursor); back > 0 {
		label = "-" + Duration(uint64(back))
	}
	ruler := strings.Repeat(" ", max(at, 0)) + t.G.Down
	if at+2+len(label) > width {
		ruler = strings.Repeat(" ", max(at-len(label)-1, 0)) + label + " " + t.G.Down
	} else {
		ruler += " " + label
	}
	return []Line{first, scale, t.legend(width), Plain(ruler, Accent)}
}

// legend explains the signs, in a few words where there is room for them.
func (t *Timeline) legend(width int) Line {
	part, cpus := t.G.PartRun, "0-9"
	if n := len(t.G.PartCPU); n > 1 {
		part = t.G.PartCPU[0] + "-" + t.G.PartCPU[n-1]
	}
	words := []string{" running on that CPU", " for a part", " ready", " for a part", " blocked", " disk", " stopped", " not known"}
	if width < 110 {
		words = []string{" run", " part", " ready", " part", " blocked", " disk", " stopped", " unknown"}
		if n := len(t.G.PartCPU); n > 0 {
			part = t.G.PartCPU[0]
		}
		cpus = "0"
	}
	var line Line
	for i, sign := range []Span{
		{Text: cpus, Style: OK},
		{Text: part, Style: OK},
		{Text: t.G.Ready, Style: Warn},
		{Text: t.G.PartReady, Style: Warn},
		{Text: t.G.Block},
		{Text: "D", Style: Bad},
		{Text: "T", Style: Strong},
		{Text: "?", Style: Muted},
	} {
		if i > 0 {
			line = append(line, Span{Text: "  "[:1+min(max(width-70, 0), 1)]})
		}
		if line = append(line, sign, Span{Text: words[i], Style: Muted}); columns(line) > width {
			return line[:len(line)-3] // the rest has no room
		}
	}
	return line
}
