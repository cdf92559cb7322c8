package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Doing is what a thread does during a span of its timeline.
type Doing uint8

// The kinds. Unclear is time for which nothing is known.
const (
	Unclear Doing = iota
	Running
	Waiting // ready, without a CPU
	Blocked
	OnDisk
	Stopped
)

// doings are words, letters (for running, the CPU is drawn) and styles.
var doings = [...]struct {
	word  string
	style Style
}{{"not known", Muted}, {"running", OK}, {"ready, waiting for a CPU", Warn}, {"blocked", Muted}, {"blocked on disk", Bad}, {"stopped", Strong}}

// Stretch is a time that a thread spent in one way.
type Stretch struct {
	From, To int64 // CLOCK_MONOTONIC, ns
	Doing    Doing
	CPU      int    // -1 not known, or not running
	Note     string // why: who woke it, who took its CPU away
	Open     bool   // it still goes on
}

// Track is the timeline of one thread, its stretches in order.
type Track struct {
	TID       int
	Since     int64  // with TID its identity: numbers are used again
	Name      string // raw bytes
	Stretches []Stretch
}

// ShortLived is a process that has come and gone.
type ShortLived struct {
	PID, PPID int
	Name      string // raw bytes
	BornHere  bool   // its fork was seen too
	Execs     int
	Code      int // exit code
	Signal    int // that ended it, 0 none
	LivedNS   uint64
	RunNS     uint64
	EndedNS   int64 // CLOCK_MONOTONIC
}

// Tracer supplies timelines. It may be used from one goroutine while it works
// in others of its own.
type Tracer interface {
	// Source says where the data come from: "scheduler trace", "sampled at 50 Hz".
	Source() string
	// Why says why the source is not a better one, "" when it is the best.
	Why() string
	// Lost says what is missing, "" when nothing is.
	Lost() string
	// Newest is the moment of the last news (CLOCK_MONOTONIC, ns), 0 none yet.
	Newest() int64
	// Tracks are the timelines between two moments.
	Tracks(from, to int64) []Track
	// Exits are processes that have ended, the newest last; an error says why
	// that is not known.
	Exits() ([]ShortLived, error)
	// Close ends it.
	Close()
}

// Timeline is the state of the timeline panel, and the List of its threads.
type Timeline struct {
	G     Glyphs
	Width int
	Tick  int64 // nanoseconds per column
	// Cursor is the column the cursor is in, counted from the right; 0 is now.
	Cursor int

	tracks   []Track
	from, to int64
	cells    int
}

// The limits of the zoom: from a microsecond to a minute per column.
const (
	leastTick = int64(1e3)
	mostTick  = int64(60e9)
)

// timelineColumns are TID, name and share of running before the cells.
var timelineColumns = []Column{
	{ID: "tid", Title: "TID", Width: 7},
	{ID: "comm", Title: "NAME", Width: 15, Left: true},
	{ID: "run", Title: "RUN%", Width: 5},
	{ID: "cells", Title: "TIMELINE", Width: 8, Left: true, Flex: true},
}

// lead is the width of what is before the cells.
func (t *Timeline) lead() int {
	n := 0
	for _, c := range t.Columns() {
		if !c.Flex {
			n += c.Width + 1
		}
	}
	return n
}

// Show takes what there is at a moment; a moment that stays the same is a pause.
func (t *Timeline) Show(tr Tracer, now int64) {
	if t.Tick == 0 {
		t.Tick = 50e6
	}
	t.cells = max(t.Width-t.lead(), 1)
	// Columns lie on a grid, so that what is drawn moves by whole columns.
	t.to = (now + t.Tick - 1) / t.Tick * t.Tick
	t.from = t.to - int64(t.cells)*t.Tick
	t.Cursor = min(max(t.Cursor, 0), t.cells-1)
	t.tracks = tr.Tracks(t.from, t.to)
}

// Zoom makes a column longer (factor above 1) or shorter around now.
func (t *Timeline) Zoom(in bool) {
	steps := []int64{1, 2, 5}
	for e, scale := 0, leastTick; e < 9; e, scale = e+1, scale*10 {
		for _, s := range steps {
			v := s * scale
			if in && v < t.Tick && (v*2 >= t.Tick || v*5/2 >= t.Tick) || !in && v > t.Tick {
				t.Tick = min(max(v, leastTick), mostTick)
				return
			}
		}
	}
}

// Columns, Len, Key, Find and Row make it a List.
func (t *Timeline) Columns() []Column {
	if t.Width < 70 {
		return slices.Concat(timelineColumns[:2], timelineColumns[3:])
	}
	return timelineColumns
}

func (x *Track) key() string { return fmt.Sprintf("%d@%d", x.TID, x.Since) }

// Len is the number of threads.
func (t *Timeline) Len() int { return len(t.tracks) }

// Key identifies a thread.
func (t *Timeline) Key(i int) Key { return Key{Name: t.tracks[i].key()} }

// Find is the position of a thread.
func (t *Timeline) Find(k Key) int {
	return slices.IndexFunc(t.tracks, func(x Track) bool { return x.key() == k.Name })
}

// Row makes the cells of one thread.
func (t *Timeline) Row(i int) []Line {
	x := &t.tracks[i]
	out := make([]Line, 0, 4)
	for _, c := range t.Columns() {
		switch c.ID {
		case "tid":
			out = append(out, Plain(strconv.Itoa(x.TID), Normal))
		case "comm":
			out = append(out, Plain(Sanitize(x.Name), Normal))
		case "run":
			out = append(out, t.share(x))
		default:
			out = append(out, t.draw(x))
		}
	}
	return out
}

// share is how much of the known time on screen a thread ran.
func (t *Timeline) share(x *Track) Line {
	var run, known int64
	for _, s := range x.Stretches {
		n := min(s.To, t.to) - max(s.From, t.from)
		if n <= 0 || s.Doing == Unclear {
			continue
		}
		known += n
		if s.Doing == Running {
			run += n
		}
	}
	if known == 0 {
		return Plain(t.G.Pending, Muted)
	}
	return Plain(Percent(100*float64(run)/float64(known)), Normal)
}

// draw shows in each column what took most of it. What ran at all in a column
// that is otherwise blocked is shown too: a short run is what one looks for.
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
	most := Unclear
	for d := Running; d <= Stopped; d++ {
		if total[d] > total[most] {
			most = d
		}
	}
	if most == Blocked && (total[Running] > 0 || total[Waiting] > 0) {
		most = Waiting
		if total[Running] >= total[Waiting] {
			most = Running
		}
	}
	return t.glyph(most, cpu), doings[most].style
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
	return t.G.None
}

// Head is what is above the threads: source, scale, legend, and the ruler with
// the cursor.
func (t *Timeline) Head(tr Tracer, width int, paused bool) []Line {
	first := Line{{Text: "source: ", Style: Muted}, {Text: tr.Source(), Style: Strong}}
	if why := tr.Why(); why != "" {
		first = append(first, Span{Text: "  no trace: " + Sanitize(why), Style: Muted})
	}
	lost := Span{Text: "  nothing lost", Style: Muted}
	if l := tr.Lost(); l != "" {
		lost = Span{Text: "  lost: " + Sanitize(l), Style: Bad}
	}
	scale := Line{{Text: "column " + Duration(uint64(t.Tick)), Style: Strong}, {Text: fmt.Sprintf(", screen %s", Duration(uint64(t.Tick*int64(t.cells)))), Style: Muted}, lost}
	if paused {
		scale = append(scale, Span{Text: "  PAUSED", Style: Warn})
	}
	legend := Line{
		{Text: "0-9", Style: OK},
		{Text: " running on that CPU  ", Style: Muted},
		{Text: t.G.Ready, Style: Warn},
		{Text: " ready  ", Style: Muted},
		{Text: t.G.Block},
		{Text: " blocked  ", Style: Muted},
		{Text: "D", Style: Bad},
		{Text: " disk  ", Style: Muted},
		{Text: "T", Style: Strong},
		{Text: " stopped", Style: Muted},
	}
	at := t.lead() + t.cells - 1 - t.Cursor
	label := "now"
	if t.Cursor > 0 {
		label = "-" + Duration(uint64(t.Tick*int64(t.Cursor)))
	}
	ruler := strings.Repeat(" ", max(at, 0)) + t.G.Down
	if at+2+len(label) > width {
		ruler = strings.Repeat(" ", max(at-len(label)-1, 0)) + label + " " + t.G.Down
	} else {
		ruler += " " + label
	}
	return []Line{first, scale, legend, Plain(ruler, Accent)}
}

// Describe reads the exact times of what the cursor is on.
func (t *Timeline) Describe(i int) Line {
	if i < 0 || i >= len(t.tracks) {
		return nil
	}
	x := &t.tracks[i]
	to := t.to - int64(t.Cursor)*t.Tick
	from := to - t.Tick
	var best *Stretch
	var longest int64
	n := 0
	for k := range x.Stretches {
		s := &x.Stretches[k]
		if d := min(s.To, to) - max(s.From, from); d > 0 {
			n++
			if d > longest {
				best, longest = s, d
			}
		}
	}
	line := Line{{Text: fmt.Sprintf("%d ", x.TID), Style: Strong}, {Text: Sanitize(x.Name) + "  "}}
	if best == nil {
		return append(line, Span{Text: "nothing is known of this moment", Style: Muted})
	}
	text := doings[best.Doing].word
	if best.Doing == Running && best.CPU >= 0 {
		text += fmt.Sprintf(" on CPU %d", best.CPU)
	}
	until := seconds(best.To)
	if best.Open {
		until = "now"
	}
	line = append(line, Span{Text: text, Style: doings[best.Doing].style},
		Span{Text: fmt.Sprintf(" for %s, from %s to %s", micros(best.To-best.From), seconds(best.From), until)})
	if best.Note != "" {
		line = append(line, Span{Text: "  " + Sanitize(best.Note), Style: Muted})
	}
	if n > 1 {
		line = append(line, Span{Text: fmt.Sprintf("  and %d more in this column; + zooms in", n-1), Style: Muted})
	}
	return line
}

// seconds is a moment of the monotonic clock, to the microsecond.
func seconds(ns int64) string { return fmt.Sprintf("%d.%06d", ns/1e9, ns%1e9/1e3) }

// micros is an exact duration.
func micros(ns int64) string { return Grouped(uint64(max(ns, 0)/1e3)) + " us" }

// Exits lists processes that have come and gone, the newest first.
func Exits(tr Tracer, g *Glyphs, width int) []Line {
	list, err := tr.Exits()
	if err != nil {
		lines := []Line{Plain("Short-lived processes are seen by the scheduler trace only.", Normal)}
		for _, w := range Wrap(Sanitize(err.Error()), width) {
			lines = append(lines, Plain(w, Warn))
		}
		return lines
	}
	lines := []Line{{
		{Text: "PID", Width: -8, Style: Head},
		{Text: " PARENT", Width: -9, Style: Head},
		{Text: " LIVED", Width: -8, Style: Head},
		{Text: " CPU", Width: -8, Style: Head},
		{Text: "  EXIT", Width: 14, Style: Head},
		{Text: " BEGAN", Width: 14, Style: Head},
		{Text: " NAME", Style: Head},
	}}
	if len(list) == 0 {
		return append(lines, nil, Plain("no process below this one has ended yet", Muted))
	}
	for _, e := range slices.Backward(list) {
		end, style := fmt.Sprintf("  code %d", e.Code), Normal
		if e.Signal != 0 {
			end, style = fmt.Sprintf("  signal %d", e.Signal), Bad
		} else if e.Code != 0 {
			style = Warn
		}
		began := " before"
		if e.BornHere {
			began = " fork"
		}
		if e.Execs > 0 {
			began += fmt.Sprintf(", %d exec", e.Execs)
		}
		lines = append(lines, Line{
			{Text: strconv.Itoa(e.PID), Width: -8},
			{Text: strconv.Itoa(e.PPID), Width: -9},
			{Text: Duration(e.LivedNS), Width: -8},
			{Text: Duration(e.RunNS), Width: -8},
			{Text: end, Width: 14, Style: style},
			{Text: began, Width: 14, Style: Muted},
			{Text: " " + Sanitize(e.Name)},
		})
	}
	return lines
}
