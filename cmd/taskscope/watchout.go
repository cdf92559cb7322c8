package main

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"taskscope/inspect"
)

// watchJSON prints one object per line and interval.
type watchJSON struct {
	a           *app
	descendants bool
	buf         []byte
}

func (out *watchJSON) write(w *watched) error {
	e := newProcessJSON(w.changes, nil, false)
	e.children = nil // known for the subtree only
	var o jsonObject
	o.begin(out.buf[:0])
	o.time("taken", w.changes.Cur.Taken)
	out.process(&o, e, w.rows[0])
	if out.descendants {
		o.list("descendants", len(w.rows)-1, func(i int, o *jsonObject) { out.process(o, e, w.rows[i+1]) })
		o.ints("born_processes", w.born)
		o.ints("exited_processes", w.exited)
		if w.endsWhy != "" {
			o.null("ended", w.endsWhy)
		} else {
			o.list("ended", len(w.ends), func(i int, o *jsonObject) { exitJSON(o, &w.ends[i]) })
		}
	}
	out.buf = append(o.end(), '\n')
	_, err := out.a.stdout.Write(out.buf)
	return err
}

// process writes the members about one process.
func (out *watchJSON) process(o *jsonObject, e *processJSON, r inspect.Row) {
	var born, exited []inspect.ThreadID
	reset := false
	if d := r.Delta; d != nil {
		o.float("interval_seconds", d.Interval.Seconds())
		born, exited, reset = d.BornThreads, d.ExitedThreads, d.Reset
	} else {
		o.null("interval_seconds", inspect.NeedsTwoSamples.Text())
	}
	o.key("process")
	o.b = e.append(o.b, r, -1, nil)
	e.threads(o, "threads", r, nil)
	o.ints("born", tids(born))
	o.ints("exited", tids(exited))
	o.bool("reset", reset)
	if r.Delta != nil {
		o.bool("executed_another_program", r.Delta.Execed)
	}
}

// watchFields are the columns of the text and the CSV of `watch`.
func watchFields() []*inspect.Field {
	return mustFields("pid", "tid", "comm", "state", "cpu_percent", "running_percent", "ready_percent", "blocked_percent",
		"parallelism", "voluntary_switches_per_second", "involuntary_switches_per_second",
		"voluntary_switches", "involuntary_switches", "migrations", "cpu_last")
}

// watchText prints a row per process and thread and interval.
type watchText struct {
	a      *app
	fields []*inspect.Field
	lines  int // since the last heading
}

func newWatchText(a *app) *watchText { return &watchText{a: a, fields: watchFields(), lines: -1} }

func (out *watchText) write(w *watched) error {
	var b strings.Builder
	// The heading comes again once a screen is full; a file needs it once.
	if out.lines < 0 || out.a.stdout.width() > 0 && out.lines >= 20 {
		out.lines = 0
		out.line(&b, "TIME", func(f *inspect.Field) string { return f.Title }, "")
	}
	stamp := w.changes.Cur.Taken.Local().Format("15:04:05.000")
	for _, r := range w.rows {
		out.line(&b, stamp, func(f *inspect.Field) string {
			if f.ID == "tid" {
				return "all"
			}
			return out.a.cell(f, r)
		}, note(r))
		for i := range r.Process.Threads {
			row := threadRow(r, i)
			out.line(&b, stamp, func(f *inspect.Field) string {
				if f.ID == "parallelism" { // of a process only
					return ""
				}
				return out.a.cell(f, row)
			}, threadNote(row))
		}
		out.lines += 1 + len(r.Process.Threads)
	}
	for i := range w.ends {
		e := &w.ends[i]
		fmt.Fprintf(&b, "%-12s  %7d  ended: %s: %s\n", stamp, e.ID.PID, out.a.clean(e.Comm), exitNote(e))
		out.lines++
	}
	return out.a.writeLines([]byte(b.String()))
}

// line writes a row in the widths of the field table, which do not change from
// interval to interval.
func (out *watchText) line(b *strings.Builder, stamp string, cell func(*inspect.Field) string, note string) {
	text := stamp + strings.Repeat(" ", max(0, len("15:04:05.000")-len(stamp)))
	for _, f := range out.fields {
		s := cell(f)
		pad := strings.Repeat(" ", max(0, f.Width-textWidth(s)))
		if f.Left {
			text += "  " + s + pad
		} else {
			text += "  " + pad + s
		}
	}
	if note != "" {
		text += "  " + note
	}
	b.WriteString(strings.TrimRight(text, " "))
	b.WriteByte('\n')
}

// note says what happened to a process.
func note(r inspect.Row) string {
	d := r.Delta
	if d == nil {
		return ""
	}
	var parts []string
	add := func(word string, ids []inspect.ThreadID) {
		if len(ids) > 0 {
			parts = append(parts, word+" "+strings.Join(texts(tids(ids)), ","))
		}
	}
	if d.Born {
		parts = append(parts, "new process")
	}
	add("born", d.BornThreads)
	add("exited", d.ExitedThreads)
	if d.Execed {
		parts = append(parts, "executed another program")
	}
	if d.Reset {
		parts = append(parts, "counters went back")
	}
	return strings.Join(parts, "; ")
}

func threadNote(r inspect.Row) string {
	switch d := r.ThreadDelta; {
	case d == nil:
		return ""
	case d.Reset:
		return "counters went back"
	case d.Born:
		return "born"
	case d.PendingReady:
		return "waiting for a CPU now"
	}
	return ""
}

func texts(numbers []int) []string {
	out := make([]string, len(numbers))
	for i, n := range numbers {
		out[i] = strconv.Itoa(n)
	}
	return out
}

// watchCSV prints the rows of watchText as CSV.
type watchCSV struct {
	w      *csv.Writer
	fields []*inspect.Field
	header bool
}

func newWatchCSV(a *app) *watchCSV {
	return &watchCSV{w: csv.NewWriter(a.stdout), fields: watchFields()}
}

func (out *watchCSV) write(w *watched) error {
	if !out.header {
		out.header = true
		head := []string{"taken", "interval_seconds", "scope"}
		for _, f := range out.fields {
			head = append(head, f.ID)
		}
		if err := out.w.Write(append(head, "note")); err != nil {
			return err
		}
	}
	taken := w.changes.Cur.Taken.UTC().Format("2006-01-02T15:04:05.999999999Z07:00")
	for _, r := range w.rows {
		interval := ""
		if r.Delta != nil {
			interval = strconv.FormatFloat(r.Delta.Interval.Seconds(), 'f', -1, 64)
		}
		put := func(scope string, row inspect.Row, note string) error {
			cells := []string{taken, interval, scope}
			for _, f := range out.fields {
				if f.ID == "tid" && row.Thread == nil {
					cells = append(cells, "")
					continue
				}
				cells = append(cells, csvCell(f, row))
			}
			return out.w.Write(append(cells, note))
		}
		if err := put("process", r, note(r)); err != nil {
			return err
		}
		for i := range r.Process.Threads {
			row := threadRow(r, i)
			if err := put("thread", row, threadNote(row)); err != nil {
				return err
			}
		}
	}
	for i := range w.ends {
		if err := out.w.Write(out.end(taken, &w.ends[i])); err != nil {
			return err
		}
	}
	out.w.Flush()
	return out.w.Error()
}

// end is the row of a process that has ended, whose only fields are the PID
// and the name.
func (out *watchCSV) end(taken string, e *inspect.ProcessExit) []string {
	cells := []string{taken, "", "ended"}
	for _, f := range out.fields {
		switch f.ID {
		case "pid":
			cells = append(cells, strconv.Itoa(e.ID.PID))
		case "comm":
			cells = append(cells, escapeText(e.Comm))
		default:
			cells = append(cells, "")
		}
	}
	return append(cells, exitNote(e))
}
