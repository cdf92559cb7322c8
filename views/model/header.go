package model

import (
	"fmt"
	"math"
	"time"

	"taskscope/inspect"
)

// Header is the top of every page.
type Header struct {
	G        Glyphs
	Frame    *inspect.Frame // nil before the first sample
	Crumbs   []string       // where one is, outermost first
	Notes    []Span         // choices in force: filter, paused, …
	Interval time.Duration
	Paused   bool
}

// Lines makes at most height lines of a width: three, two or one.
func (h *Header) Lines(width, height int) []Line {
	lines := []Line{h.title(width)}
	if height < 2 {
		return lines
	}
	if h.Frame == nil {
		lines = append(lines, Plain("reading the first sample", Muted))
		if height >= 3 {
			lines = append(lines, nil)
		}
		return lines
	}
	lines = append(lines, h.machine(width))
	if height >= 3 {
		lines = append(lines, h.tasks(width))
	}
	return lines
}

// title is the crumbs and choices on the left, the price of watching on the right.
func (h *Header) title(width int) Line {
	var left Line
	for i, c := range h.Crumbs {
		if i > 0 {
			left = append(left, Span{Text: " " + h.G.Arrow + " ", Style: Muted})
		}
		s := Normal
		if i == len(h.Crumbs)-1 {
			s = Strong
		}
		left = append(left, Span{Text: c, Style: s})
	}
	if h.Paused {
		left = append(left, Span{Text: "  PAUSED", Style: Warn})
	}
	for _, n := range h.Notes {
		left = append(left, Span{Text: "  "}, n)
	}
	right := h.cost(width)
	if room := width - columns(left) - columns(right); room >= 2 {
		left = append(left, Span{Text: "", Width: room})
		return append(left, right...)
	}
	return left
}

// columns is about how many columns a line takes: exact but for wide characters.
func columns(l Line) int {
	n := 0
	for _, s := range l {
		if s.Width != 0 {
			n += max(s.Width, -s.Width)
		} else {
			n += len([]rune(s.Text))
		}
	}
	return n
}

// cost is what watching costs: time per refresh, share of one CPU, source.
func (h *Header) cost(width int) Line {
	if h.Frame == nil {
		return nil
	}
	c := h.Frame.Cost
	every := shortDuration(h.Interval)
	line := Line{{Text: "every "}, {Text: every}}
	if width >= 56 {
		line = append(Line{{Text: h.Frame.Source + "  ", Style: Muted}}, line...)
	}
	line[len(line)-2].Style = Muted
	if width >= 90 {
		line = append(line, Span{Text: "  costs ", Style: Muted}, Span{Text: Duration(uint64(max(c.Wall, 0))), Width: -6})
		if h.Interval > 0 {
			line = append(line, Span{Text: " ", Style: Muted},
				Span{Text: fmt.Sprintf("%.1f%% CPU", 100*float64(c.CPU)/float64(h.Interval)), Width: -9, Style: Muted})
		}
	} else if width >= 72 {
		line = append(line, Span{Text: "  costs ", Style: Muted}, Span{Text: Duration(uint64(max(c.Wall, 0))), Width: -6})
	}
	if h.Frame.Skipped > 0 {
		line = append(line, Span{Text: fmt.Sprintf("  %d late", h.Frame.Skipped), Style: Warn})
	}
	if h.Frame.Stuck > 0 {
		line = append(line, Span{Text: fmt.Sprintf("  %d stuck", h.Frame.Stuck), Style: Bad})
	}
	return line
}

func shortDuration(d time.Duration) string {
	if d%time.Second == 0 && d < time.Minute {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return d.String()
}

// machine is CPU, memory, swap and load.
func (h *Header) machine(width int) Line {
	host := h.Frame.Host
	line := h.cpus(width)
	if host.MemTotal.OK() && host.MemAvailable.OK() {
		used := host.MemTotal.V - min(host.MemAvailable.V, host.MemTotal.V)
		line = append(line, Span{Text: "  Mem ", Style: Muted})
		if width >= 96 {
			line = append(line, Span{Text: h.G.BarText(ratio(used, host.MemTotal.V), 8), Style: OK}, Span{Text: " "})
		}
		line = append(line, Span{Text: Bytes(used), Width: -5}, Span{Text: " of ", Style: Muted}, Span{Text: Bytes(host.MemTotal.V)})
	}
	if host.SwapTotal.OK() && width >= 78 {
		line = append(line, Span{Text: "  Swap ", Style: Muted})
		if host.SwapTotal.V == 0 {
			line = append(line, Span{Text: "none", Style: Muted})
		} else {
			line = append(line, Span{Text: Bytes(host.SwapTotal.V - min(host.SwapFree.Or(0), host.SwapTotal.V)), Width: -5},
				Span{Text: " of ", Style: Muted}, Span{Text: Bytes(host.SwapTotal.V)})
		}
	}
	if host.Load1.OK() && width >= 60 {
		line = append(line, Span{Text: "  Load ", Style: Muted}, Span{Text: fmt.Sprintf("%.2f", host.Load1.V)})
		if width >= 104 {
			line = append(line, Span{Text: fmt.Sprintf(" %.2f %.2f", host.Load5.Or(0), host.Load15.Or(0)), Style: Muted})
		}
	}
	return line
}

// cpus draws a bar per CPU while they fit, else one column per CPU.
func (h *Header) cpus(width int) Line {
	c := h.Frame.Changes
	total := inspect.Known[float64]{Why: inspect.NeedsTwoSamples}
	var per []inspect.Known[float64]
	if c != nil {
		total, per = c.Host.CPUPercent, c.Host.PerCPU
	}
	line := Line{{Text: "CPU ", Style: Muted}}
	n := max(len(per), h.Frame.Host.CPUs)
	const one = 15 // columns of one CPU with its bar
	if n > 0 && n*one <= width/2-6 {
		for i := range n {
			k := inspect.Unknown[float64](inspect.NeedsTwoSamples)
			if i < len(per) {
				k = per[i]
			}
			line = append(line, Span{Text: fmt.Sprintf("%d ", i), Style: Muted}, Span{Text: h.G.BarText(k.Or(0)/100, 6), Style: busy(k)},
				percentSpan(&h.G, k), Span{Text: "  "})
		}
		return line[:len(line)-1]
	}
	line = append(line, percentSpan(&h.G, total))
	if most := max(width/4, 8); n <= most {
		values := make([]float64, len(per))
		for i, k := range per {
			values[i] = math.NaN()
			if k.OK() {
				values[i] = k.V
			}
		}
		line = append(line, Span{Text: " "}, Span{Text: h.G.SparkText(values, 100), Style: OK, Width: n})
	}
	return line
}

func percentSpan(g *Glyphs, k inspect.Known[float64]) Span {
	if !k.OK() {
		return Span{Text: g.Pending, Style: Muted, Width: -5}
	}
	return Span{Text: fmt.Sprintf("%.0f%%", k.V), Width: -5, Style: busy(k)}
}

// busy marks a CPU that has nothing left to give.
func busy(k inspect.Known[float64]) Style {
	if k.Or(0) >= 95 {
		return Warn
	}
	return OK
}

// tasks counts processes, threads and what the scheduler does.
func (h *Header) tasks(width int) Line {
	f := h.Frame
	threads, complete := 0, true
	for _, p := range f.Processes {
		if n, ok := p.ThreadCount.Get(); ok {
			threads += n
		} else {
			complete = false
		}
	}
	line := Line{{Text: "Tasks ", Style: Muted}, {Text: fmt.Sprint(len(f.Processes)), Width: -5}, {Text: " processes ", Style: Muted}}
	if complete {
		line = append(line, Span{Text: fmt.Sprint(threads), Width: -5}, Span{Text: " threads", Style: Muted})
	}
	if k := f.Host.RunningTasks; k.OK() {
		line = append(line, Span{Text: fmt.Sprint(k.V), Width: -4}, Span{Text: " running or ready", Style: Muted})
	}
	if k := f.Host.BlockedTasks; k.OK() && width >= 100 {
		s := Normal
		if k.V > 0 {
			s = Warn
		}
		line = append(line, Span{Text: fmt.Sprint(k.V), Width: -4, Style: s}, Span{Text: " blocked on disk", Style: Muted})
	}
	if c := f.Changes; c != nil && width >= 80 {
		line = append(line, Span{Text: "  "}, h.rate(c.Host.SwitchRate), Span{Text: " switches/s", Style: Muted})
		if width >= 120 {
			line = append(line, Span{Text: "  "}, h.rate(c.Host.ForkRate), Span{Text: " new tasks/s", Style: Muted})
		}
	}
	return line
}

func (h *Header) rate(k inspect.Known[float64]) Span {
	s := h.G.Number(k)
	if k.OK() {
		s.Text = Count(uint64(math.Max(k.V, 0)))
	}
	s.Width = -6
	return s
}

func ratio(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func orNaN(k inspect.Known[float64]) float64 {
	if k.OK() {
		return k.V
	}
	return math.NaN()
}
