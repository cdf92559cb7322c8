package model

import (
	"fmt"
	"slices"
	"strconv"
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
	CPU      int  // -1 not known, or not running
	Open     bool // it still goes on
	// Cause and By are why, in the numbers of the Tracer, which has the words.
	Cause uint8
	By    int
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
	// Hidden says what was not seen without anything being missing for that: the
	// switches of tasks that are none of these. "" when there is no such thing.
	Hidden() string
	// Newest is the moment of the last news (CLOCK_MONOTONIC, ns), 0 none yet.
	Newest() int64
	// Tracks are the timelines between two moments.
	Tracks(from, to int64) []Track
	// Note is why a stretch began: who woke the thread, who took its CPU away;
	// "" when that is not known.
	Note(s *Stretch) string
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
	// Cursor is the column the cursor is in, counted from the right.
	Cursor int

	tracer   Tracer
	tracks   []Track
	from, to int64
	now      int64
	behind   int64 // how far the last column is behind now; 0 follows now
	held     int64 // how far behind now is what zooming keeps below the cursor; 0 nothing
	cells    int
}

// The limits of the zoom: from a microsecond to a minute per column.
const (
	leastTick = int64(1e3)
	mostTick  = int64(60e9)
)

// timelineColumns are TID, name and shares before the cells.
var timelineColumns = []Column{
	{ID: "tid", Title: "TID", Width: 7},
	{ID: "comm", Title: "NAME", Width: 15, Left: true},
	{ID: "run", Title: "RUN%", Width: 5},
	{ID: "ready", Title: "RDY%", Width: 5},
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
	if now != t.now {
		t.held = 0
	}
	t.tracer, t.now = tr, now
	t.cells = max(t.Width-t.lead(), 1)
	t.Cursor = min(max(t.Cursor, 0), t.cells-1)
	t.behind = min(max(t.behind, 0), max(now, 0))
	// Columns lie on a grid, so that what is drawn moves by whole columns.
	t.to = (now - t.behind + t.Tick - 1) / t.Tick * t.Tick
	t.from = t.to - int64(t.cells)*t.Tick
	if t.held > 0 {
		t.Cursor = min(max(int((t.to-1-(now-t.held))/t.Tick), 0), t.cells-1)
	}
	t.tracks = tr.Tracks(t.from, t.to)
}

// Move moves the cursor by so many columns into the past; at the edge of the
// screen the time moves on below it.
func (t *Timeline) Move(columns int) {
	t.held = 0
	t.Cursor += columns
	if beyond := t.Cursor - max(t.cells-1, 0); beyond > 0 {
		t.Slide(beyond)
		t.Cursor -= beyond
	} else if t.Cursor < 0 {
		t.Slide(t.Cursor)
		t.Cursor = 0
	}
}

// Slide moves what is shown by so many columns into the past.
func (t *Timeline) Slide(columns int) {
	t.held = 0
	t.behind = min(max(t.behind+int64(columns)*t.Tick, 0), max(t.now, 0))
}

// SlideHalf moves what is shown by half a screen: 1 into the past, -1 back.
func (t *Timeline) SlideHalf(n int) { t.Slide(n * max(t.cells/2, 1)) }

// Follow goes back to now, and stays there.
func (t *Timeline) Follow() { t.Cursor, t.behind, t.held = 0, 0, 0 }

// Zoom makes a column longer or shorter. The moment below the cursor stays where
// it is.
func (t *Timeline) Zoom(in bool) {
	old := t.Tick
	t.Tick = zoomed(old, in)
	if t.Cursor == 0 && t.behind == 0 {
		return
	}
	if t.held == 0 {
		t.held = t.now - t.to + int64(t.Cursor)*old + old/2
	}
	t.behind = max(t.held-int64(t.Cursor)*t.Tick-t.Tick/2, 0)
}

// zoomed is the next step of the scale.
func zoomed(tick int64, in bool) int64 {
	next := mostTick
	if in {
		next = leastTick
	}
	for scale := leastTick; scale <= mostTick; scale *= 10 {
		for _, v := range []int64{scale, 2 * scale, 5 * scale} {
			if in && v < tick {
				next = max(next, v)
			} else if !in && v > tick {
				next = min(next, v)
			}
		}
	}
	return next
}

// Columns, Len, Key, Find and Row make it a List.
func (t *Timeline) Columns() []Column {
	switch {
	case t.Width < 70:
		return slices.Concat(timelineColumns[:2], timelineColumns[4:])
	case t.Width < 100:
		return slices.Concat(timelineColumns[:3], timelineColumns[4:])
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
			out = append(out, t.share(x, Running))
		case "ready":
			out = append(out, t.share(x, Waiting))
		default:
			out = append(out, t.draw(x))
		}
	}
	return out
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
	if note := t.tracer.Note(best); note != "" {
		line = append(line, Span{Text: "  " + Sanitize(note), Style: Muted})
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
