package model

import (
	"fmt"
	"slices"
	"strings"

	"taskscope/inspect"
)

// Threads lists the threads of the attached process.
type Threads struct {
	G     Glyphs
	A     *Attached
	Width int
	Sort  Order // a column ID; empty: by TID

	order []int
	cols  []Column
}

// threadColumns in display order, with the width from which they are shown.
var threadColumns = []struct {
	Column
	from int
}{
	{Column{ID: "tid", Title: "TID", Width: 7}, 0},
	{Column{ID: "comm", Title: "NAME", Width: 16, Left: true}, 0},
	{Column{ID: "state", Title: "STATE", Width: 8, Left: true}, 0},
	{Column{ID: "shares", Title: "RUN/READY/BLOCK", Width: 15, Left: true}, 136},
	{Column{ID: "running_percent", Title: "RUN%", Width: 5}, 0},
	{Column{ID: "ready_percent", Title: "READY%", Width: 6}, 50},
	{Column{ID: "blocked_percent", Title: "BLOCK%", Width: 6}, 70},
	{Column{ID: "voluntary_switches_per_second", Title: "VOL/s", Width: 6}, 58},
	{Column{ID: "involuntary_switches_per_second", Title: "INV/s", Width: 6}, 64},
	{Column{ID: "cpu_last", Title: "CPU", Width: 3}, 76},
	{Column{ID: "migrations", Title: "MIGR", Width: 4}, 96},
	{Column{ID: "nice", Title: "NI", Width: 3}, 160},
	{Column{ID: "policy", Title: "POLICY", Width: 6, Left: true}, 168},
	{Column{ID: "stack", Title: "STACK AT", Width: 12}, 180},
	{Column{ID: "wait", Title: "WAITS IN", Width: 22, Left: true}, 116},
	{Column{ID: "timeline", Title: "TIMELINE", Width: 8, Left: true, Flex: true}, 84},
}

// Arrange sorts the threads and chooses the columns.
func (t *Threads) Arrange() {
	t.cols = t.cols[:0]
	for _, c := range threadColumns {
		if t.Width < c.from {
			continue
		}
		if c.ID == t.Sort.Field {
			c.Sort = 1
			if t.Sort.Desc {
				c.Sort = -1
			}
		}
		t.cols = append(t.cols, c.Column)
	}
	t.order = t.order[:0]
	if t.A.Process == nil {
		return
	}
	for i := range t.A.Process.Threads {
		t.order = append(t.order, i)
	}
	f, ok := inspect.FieldByID(t.Sort.Field)
	if !ok {
		return // by TID, the order of the snapshot: the main thread comes first
	}
	slices.SortStableFunc(t.order, func(a, b int) int {
		ra, rb := t.row(a), t.row(b)
		switch {
		case inspect.Less(f, t.Sort.Desc, ra, rb):
			return -1
		case inspect.Less(f, t.Sort.Desc, rb, ra):
			return 1
		}
		return 0
	})
}

// SortBy sorts by a column; once more reverses it.
func (t *Threads) SortBy(id string) {
	if t.Sort.Field == id {
		t.Sort.Desc = !t.Sort.Desc
		return
	}
	f, ok := inspect.FieldByID(id)
	t.Sort = Order{Field: id, Desc: ok && f.Desc}
}

func (t *Threads) row(i int) inspect.Row {
	return inspect.Row{
		Snapshot: t.A.Frame.Snapshot, Process: t.A.Process, Delta: t.A.Delta,
		Thread: &t.A.Process.Threads[i], ThreadDelta: t.A.threadDelta(i),
	}
}

// Columns are the columns in force.
func (t *Threads) Columns() []Column { return t.cols }

// Len is the number of threads.
func (t *Threads) Len() int { return len(t.order) }

// Key identifies a thread.
func (t *Threads) Key(i int) Key {
	return Key{Process: t.A.ID, Thread: t.A.Process.Threads[t.order[i]].ID}
}

// Find is the position of a thread.
func (t *Threads) Find(k Key) int {
	return slices.IndexFunc(t.order, func(i int) bool { return t.A.Process.Threads[i].ID == k.Thread })
}

// Row makes the cells of one thread.
func (t *Threads) Row(i int) []Line {
	at := t.order[i]
	th := &t.A.Process.Threads[at]
	d := t.A.threadDelta(at)
	if d == nil {
		d = &inspect.ThreadDelta{}
	}
	cells := make([]Line, len(t.cols))
	for c, col := range t.cols {
		cells[c] = t.cell(col, at, th, d)
		if d.Born {
			cells[c] = restyle(cells[c], New)
		}
	}
	return cells
}

func (t *Threads) cell(col Column, at int, th *inspect.Thread, d *inspect.ThreadDelta) Line {
	switch col.ID {
	case "tid":
		return Plain(fmt.Sprint(th.ID.TID), Normal)
	case "comm":
		if th.ID.TID == t.A.ID.PID {
			return Line{{Text: Sanitize(th.Comm), Style: Strong}, {Text: " main", Style: Accent}}
		}
		if th.IOWorker {
			return Line{{Text: Sanitize(th.Comm)}, {Text: " io_uring", Style: Muted}}
		}
		return Plain(Sanitize(th.Comm), Normal)
	case "state":
		if d.PendingReady {
			return Plain("ready", Warn)
		}
		return Plain(StateWord(th.State), StateStyle(th.State))
	case "shares":
		if !d.RunningPercent.OK() {
			return Line{t.G.UnknownSpan(d.RunningPercent.Why)}
		}
		return t.G.Shares(d.RunningPercent.V, d.ReadyPercent.Or(0), 100, col.Width)
	case "running_percent":
		return Line{t.G.Number(d.RunningPercent)}
	case "ready_percent":
		return Line{warnAbove(t.G.Number(d.ReadyPercent), d.ReadyPercent, 5)}
	case "blocked_percent":
		return Line{t.G.Number(d.BlockedPercent)}
	case "voluntary_switches_per_second":
		return Line{t.G.Number(d.VoluntaryRate)}
	case "involuntary_switches_per_second":
		return Line{t.G.Number(d.InvoluntaryRate)}
	case "cpu_last":
		return Line{KnownText(&t.G, th.CPULast, itoa)}
	case "migrations":
		return Line{t.G.Tally(d.Migrations)}
	case "nice":
		return Line{KnownText(&t.G, th.Nice, itoa)}
	case "policy":
		return Line{KnownText(&t.G, th.Policy, PolicyWord)}
	case "stack":
		return Line{KnownText(&t.G, th.StackStart, Address)}
	case "wait":
		return Line{WaitSpan(&t.G, th)}
	case "timeline":
		if l := t.A.lines[th.ID]; l != nil {
			return l.line(&t.G, t.flex())
		}
	}
	return Plain("", Normal)
}

// flex is the width of the last column.
func (t *Threads) flex() int {
	left := t.Width
	for _, c := range t.cols {
		if !c.Flex {
			left -= c.Width + 1
		}
	}
	return max(left, 0)
}

func warnAbove(s Span, k inspect.Known[float64], limit float64) Span {
	if k.OK() && k.V >= limit {
		s.Style = Warn
	}
	return s
}

func itoa(n int) string { return fmt.Sprint(n) }

// WaitSpan says in what a thread waits: the system call and the kernel
// function, whichever is known.
func WaitSpan(g *Glyphs, th *inspect.Thread) Span {
	call, callOK := th.Wait.Syscall.Get()
	wchan, wchanOK := th.Wait.WChan.Get()
	if wchan == "0" {
		wchan = ""
	}
	switch {
	case th.State == 'R' && !callOK:
		return Span{Text: "runs", Style: OK}
	case callOK && wchanOK && wchan != "" && !strings.Contains(wchan, call):
		return Span{Text: Sanitize(call) + " " + g.Arrow + " " + Sanitize(wchan)}
	case callOK && call != "":
		return Span{Text: Sanitize(call)}
	case wchanOK && wchan != "":
		return Span{Text: Sanitize(wchan)}
	}
	return g.UnknownSpan(th.Wait.WChan.Why)
}

// Describe says more about one thread.
func (t *Threads) Describe(i int) Line {
	th := &t.A.Process.Threads[t.order[i]]
	line := Line{{Text: fmt.Sprintf("%d ", th.ID.TID), Style: Strong}, {Text: Sanitize(th.Comm)}}
	if th.ID.TID == t.A.ID.PID {
		line = append(line, Span{Text: " main thread: its TID is the PID", Style: Accent})
	}
	if !th.Wait.Syscall.OK() && !pending(th.Wait.Syscall.Why) && th.Wait.Syscall.Why != inspect.OnCPU {
		line = append(line, Span{Text: "  waits in " + t.G.Unknown + ": " + th.Wait.Syscall.Why.Text(), Style: Muted})
	} else {
		line = append(line, Span{Text: "  " + StateMeaning(th.State), Style: Muted})
	}
	if stack := th.Wait.Stack.Or(nil); len(stack) > 0 {
		line = append(line, Span{Text: "  " + Sanitize(strings.Join(stack[:min(len(stack), 4)], " < ")), Style: Muted})
	}
	return line
}
