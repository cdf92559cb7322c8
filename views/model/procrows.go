package model

import (
	"fmt"
	"slices"
	"strings"

	"taskscope/inspect"
)

// column is a default column: from which screen width on it is shown, and how
// it is headed in this table.
type column struct {
	id    string
	from  int
	title string
	width int
}

// defaults in display order.
var defaults = []column{
	{"pid", 0, "PID", 5},
	{"ppid", 150, "PPID", 6},
	{"user", 70, "USER", 8},
	{"state_derived", 0, "STATE", 8},
	{"threads", 64, "THR", 4},
	{"cpu_percent", 0, "CPU%", 5},
	{"ready_percent", 110, "READY%", 6},
	{"cpu_time_ns", 100, "TIME", 6},
	{"rss_bytes", 0, "RSS", 6},
	{"pss_bytes", 130, "PSS", 6},
	{"swap_bytes", 170, "SWAP", 6},
	{"voluntary_switches_per_second", 56, "VOL/s", 6},
	{"involuntary_switches_per_second", 72, "INV/s", 6},
	{"migrations", 160, "MIGR", 5},
	{"nice", 140, "NI", 3},
	{"cpu_last", 140, "CPU", 3},
	{"major_faults_per_second", 180, "MAJF/s", 6},
	{"cmdline", 0, "COMMAND", 12},
}

// layout chooses the columns for the width.
func (p *Processes) layout() {
	p.cols, p.fields = p.cols[:0], p.fields[:0]
	width := p.Width
	if p.Roles != nil {
		p.cols = append(p.cols, Column{ID: "role", Title: "ROLE", Width: 14, Left: true})
		p.fields = append(p.fields, &inspect.Field{ID: "role"})
		width -= 15
	}
	if p.Chosen != nil {
		for _, id := range p.Chosen {
			p.addColumn(id, "", 0)
		}
	} else {
		for _, d := range defaults {
			if width >= d.from {
				p.addColumn(d.id, d.title, d.width)
			}
		}
	}
	if i := len(p.cols) - 1; i >= 0 && p.cols[i].Left {
		p.cols[i].Flex = true
	}
}

func (p *Processes) addColumn(id, title string, width int) {
	f, ok := inspect.FieldByID(id)
	if !ok {
		return
	}
	if title == "" {
		title, width = f.Title, f.Width
		if i := slices.IndexFunc(defaults, func(d column) bool { return d.id == id }); i >= 0 {
			title, width = defaults[i].title, defaults[i].width
		}
	}
	if id == "pid" {
		width = max(width, p.widest)
		if p.Threads {
			width = max(width, 7)
		}
	}
	c := Column{ID: id, Title: title, Width: max(width, len(title)), Left: f.Left}
	if o := p.Order(); o.Field == id {
		c.Sort = 1
		if o.Desc {
			c.Sort = -1
		}
	}
	p.cols, p.fields = append(p.cols, c), append(p.fields, f)
}

// Columns are the columns in force.
func (p *Processes) Columns() []Column { return p.cols }

// Row makes the cells of one row.
func (p *Processes) Row(i int) []Line {
	r := p.rows[i]
	row := p.row(r.Index)
	if r.thread >= 0 {
		row.Thread = &row.Process.Threads[r.thread]
		if row.Delta != nil && r.thread < len(row.Delta.Threads) {
			row.ThreadDelta = &row.Delta.Threads[r.thread]
		}
	}
	cells := make([]Line, len(p.fields))
	for c := range p.fields {
		cells[c] = p.cell(i, c, r, row)
	}
	mark := p.mark(r, row)
	if mark != Normal {
		for c := range cells {
			cells[c] = restyle(cells[c], mark)
		}
	}
	return cells
}

func (p *Processes) cell(i, c int, r procRow, row inspect.Row) Line {
	f := p.fields[c]
	switch f.ID {
	case "role":
		if r.thread >= 0 {
			return Plain("", Normal)
		}
		return Plain(Sanitize(p.Roles[row.Process.ID.PID]), Accent)
	case "cmdline", "comm":
		return p.command(i, r, row)
	case "pid":
		if row.Thread != nil {
			return Plain(fmt.Sprint(row.Thread.ID.TID), Muted)
		}
	case "state", "state_derived":
		return p.state(r, row)
	}
	if _, ok := summed[f.ID]; ok && r.Folded && r.thread < 0 {
		return p.totalCell(r, f, p.cols[c].Width)
	}
	if row.Thread != nil && !f.Thread {
		return Plain("", Normal)
	}
	return Line{p.G.FormatValue(f, f.Get(row))}
}

func (p *Processes) state(r procRow, row inspect.Row) Line {
	s := row.Process.State
	switch {
	case p.gone[r.Index]:
		return Plain("exited", Gone)
	case row.Thread != nil:
		s = row.Thread.State
		if row.ThreadDelta != nil && row.ThreadDelta.PendingReady {
			return Plain("ready", Warn)
		}
	case len(row.Process.StuckFiles) > 0:
		return Plain("stuck", Bad)
	case s == 0:
		s = row.Process.LeaderState
	}
	return Plain(StateWord(s), StateStyle(s))
}

// command is the last column: guides, fold mark, name and arguments.
func (p *Processes) command(i int, r procRow, row inspect.Row) Line {
	var line Line
	if !p.Flat || r.thread >= 0 {
		if g := p.guides(r); g != "" {
			line = append(line, Span{Text: g, Style: Muted})
		}
	}
	if row.Thread != nil {
		name := Sanitize(row.Thread.Comm)
		if row.Thread.ID.TID == row.Process.ID.PID {
			name += " (main thread)"
		}
		return append(line, Span{Text: name, Style: Accent})
	}
	if p.tags[row.Process.ID] {
		line = append(line, Span{Text: p.G.Tag + " ", Style: Tagged})
	}
	rest := Command(row.Process)
	if p.Matches(i) {
		rest[0].Style = Found
	}
	line = append(line, rest[0])
	if r.Folded {
		if r.Hidden > 0 {
			line = append(line, Span{Text: fmt.Sprintf(" (+%d, %s)", r.Hidden, p.G.Sum), Style: Accent})
		} else {
			line = append(line, Span{Text: fmt.Sprintf(" (%d threads)", len(row.Process.Threads)), Style: Accent})
		}
	}
	return append(line, rest[1:]...)
}

// guides are the lines that lead from a parent to its children. Trees deeper
// than the screen can show say how deep they are instead.
func (p *Processes) guides(r procRow) string {
	if r.Depth == 0 {
		if r.Folded {
			return p.G.Fold[len(p.G.Fold)-len(lastRune(p.G.Fold)):]
		}
		return ""
	}
	var b strings.Builder
	first := 1
	if most := max(4, p.Width/8); r.Depth > most {
		first = r.Depth - most + 3
		fmt.Fprintf(&b, "%s%-4d ", p.G.Ellipse, r.Depth)
	}
	for d := first; d < r.Depth; d++ {
		if d < 64 && r.Guides&(1<<d) != 0 {
			b.WriteString(p.G.Pipe)
		} else {
			b.WriteString(p.G.Blank)
		}
	}
	switch {
	case r.Folded && r.Last:
		b.WriteString(p.G.LastFold)
	case r.Folded:
		b.WriteString(p.G.Fold)
	case r.Last:
		b.WriteString(p.G.LastBranch)
	default:
		b.WriteString(p.G.Branch)
	}
	return b.String() + " "
}

func lastRune(s string) string {
	r := []rune(s)
	return string(r[len(r)-1:])
}

// mark is the style of a whole row, Normal for none.
func (p *Processes) mark(r procRow, row inspect.Row) Style {
	switch {
	case p.gone[r.Index]:
		return Gone
	case p.tags[row.Process.ID]:
		return Tagged
	case r.Dimmed:
		return Muted
	case r.thread >= 0:
		if row.ThreadDelta != nil && row.ThreadDelta.Born {
			return New
		}
	case row.Delta != nil && row.Delta.Born:
		return New
	}
	return Normal
}

// restyle gives normal and muted text the style of the row; what carries a
// meaning of its own keeps it.
func restyle(l Line, s Style) Line {
	for i := range l {
		if l[i].Style == Normal || s == Tagged && l[i].Style == Muted || s == Gone || s == Muted && l[i].Style == Accent {
			l[i].Style = s
		}
	}
	return l
}

// Describe says in one line what the selected row is and why some of its
// values are missing.
func (p *Processes) Describe(i int) Line {
	r := p.rows[i]
	row := p.row(r.Index)
	q := row.Process
	line := Line{{Text: fmt.Sprintf("%d ", q.ID.PID), Style: Strong}}
	if r.thread >= 0 {
		t := q.Threads[r.thread]
		return Line{
			{Text: fmt.Sprintf("thread %d ", t.ID.TID), Style: Strong},
			{Text: Sanitize(t.Comm) + " of " + Sanitize(q.Comm)},
			{Text: "  " + StateMeaning(t.State), Style: Muted},
		}
	}
	if p.gone[r.Index] {
		return append(line, Span{Text: Sanitize(q.Comm)}, Span{Text: "  exited", Style: Gone})
	}
	if len(q.StuckFiles) > 0 {
		return append(line, Span{Text: "stuck: the kernel blocks reading " + Sanitize(strings.Join(q.StuckFiles, ", ")) +
			"; earlier values are shown", Style: Bad})
	}
	if r.Folded && r.Hidden > 0 {
		return p.describeSubtree(r, q)
	}
	if why := p.missing(row); why != "" {
		return append(line, Span{Text: why, Style: Muted})
	}
	args := q.Cmdline.Or(nil)
	if len(args) == 0 {
		return append(line, Span{Text: Sanitize(q.Comm)}, Span{Text: "  " + StateMeaning(q.State), Style: Muted})
	}
	return append(line, Span{Text: Sanitize(strings.Join(cut(args, 400), " "))})
}

// missing names the columns without a value, with the reason.
func (p *Processes) missing(row inspect.Row) string {
	var reasons []string
	byWhy := map[inspect.Why]int{}
	for c, f := range p.fields {
		if f.Get == nil || f.ID == "cmdline" {
			continue
		}
		v := f.Get(row)
		if v.OK() || pending(v.Why) || v.Why == inspect.KernelThread {
			continue
		}
		if at, ok := byWhy[v.Why]; ok {
			reasons[at] = p.cols[c].Title + ", " + reasons[at]
			continue
		}
		byWhy[v.Why] = len(reasons)
		reasons = append(reasons, p.cols[c].Title+" "+p.G.Unknown+": "+v.Why.Text())
	}
	return strings.Join(reasons, "; ")
}
