package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"taskscope/load/verify"
	"taskscope/views/model"
)

// textColumns is the width that text is wrapped at where the terminal does not
// say.
const textColumns = 80

// writeComparison prints a comparison for people.
func (a *app) writeComparison(c *comparison) error {
	var b bytes.Buffer
	width := a.stdout.width()
	if width == 0 || width > textColumns {
		width = textColumns
	}
	a.comparisonTitle(&b, c, width)
	notes := a.comparisonTable(&b, c)
	b.WriteByte('\n')
	for _, f := range c.findings() {
		b.WriteString(wrapped(a.clean(f), width, ""))
	}
	b.WriteByte('\n')
	for i, n := range notes {
		mark := fmt.Sprintf("[%d] ", i+1)
		b.WriteString(wrapped(mark+a.clean(n), width, strings.Repeat(" ", len(mark))))
	}
	for i := range c.rows {
		if r := &c.rows[i]; !hasValue(r) {
			b.WriteString(wrapped(r.Label+" unknown: "+a.clean(unknownWhy(c, r)), width, "    "))
		}
	}
	if c.interval == 0 {
		b.WriteByte('\n')
		a.comparisonVerdicts(&b, c, width)
	}
	return a.writeLines(b.Bytes())
}

func (a *app) comparisonTitle(b *bytes.Buffer, c *comparison, width int) {
	switch s := c.sides[0]; {
	case c.interval > 0:
		fmt.Fprintf(b, "%s, over %.3f s\n\n", a.clean(c.title), c.interval.Seconds())
	case s.key == "a":
		for _, s := range c.sides {
			b.WriteString(wrapped(s.heading+": "+a.clean(s.name), width, "   "))
		}
		fmt.Fprintf(b, "%s\n\n", plural(len(s.runs), "round", "rounds"))
	default:
		b.WriteString(wrapped(fmt.Sprintf("%s, %s", a.clean(c.title), plural(len(s.runs), "round", "rounds")), width, "  "))
		b.WriteByte('\n')
	}
}

// comparisonTable prints the rows and returns the notes that they refer to.
func (a *app) comparisonTable(b *bytes.Buffer, c *comparison) (notes []string) {
	t := table{columns: []column{{left: true}, {}, {left: true}, {}, {left: true}, {title: "ratio"}}}
	for i, s := range c.sides {
		t.columns[1+2*i].title = cutText(s.heading, 16)
	}
	note := func(text string) string {
		for i, n := range notes {
			if n == text {
				return fmt.Sprintf(" [%d]", i+1)
			}
		}
		notes = append(notes, text)
		return fmt.Sprintf(" [%d]", len(notes))
	}
	for i := range c.rows {
		r := &c.rows[i]
		if !hasValue(r) {
			continue
		}
		label := r.Label
		if r.Caution != "" {
			label += note(r.Caution)
		}
		for k := range r.Cells {
			if why := r.Cells[k].Why; why != "" {
				if mark := note(why); !strings.HasSuffix(label, mark) {
					label += mark
				}
			}
		}
		ratio := ""
		if r.Ratio != nil {
			ratio = factorText(*r.Ratio)
		}
		t.add(label, a.cellText(r, 0), a.spreadText(r, 0), a.cellText(r, 1), a.spreadText(r, 1), ratio)
	}
	var text bytes.Buffer
	_ = t.write(&text, 0) // a Buffer takes everything
	for line := range bytes.Lines(text.Bytes()) {
		b.Write(append(bytes.TrimRight(line, " \n"), '\n'))
	}
	return notes
}

// hasValue says whether a row has anything to show besides reasons.
func hasValue(r *verify.Row) bool { return r.Cells[0].Known || r.Cells[1].Known }

// unknownWhy is why neither column has a value.
func unknownWhy(c *comparison, r *verify.Row) string {
	if r.Cells[0].Why == r.Cells[1].Why {
		return r.Cells[0].Why
	}
	return c.sides[0].heading + ": " + r.Cells[0].Why + "; " + c.sides[1].heading + ": " + r.Cells[1].Why
}

// cellText is the value of a cell as people write it.
func (a *app) cellText(r *verify.Row, k int) string {
	c := &r.Cells[k]
	switch {
	case !c.Known:
		return a.unknown()
	case c.IsText():
		return a.clean(cutText(c.Text, 18)) // in full in the sentences and in JSON
	}
	return measureText(r.Unit, c.Number)
}

// measureText writes a number with its unit.
func measureText(unit string, v float64) string {
	switch unit {
	case "ns":
		return model.Duration(uint64(math.Round(v)))
	case "bytes":
		return model.BytesLong(uint64(math.Round(v)))
	case "percent":
		return model.Percent(v) + " %"
	case "per_second":
		return model.Rate(v)
	}
	switch {
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case math.Abs(v) < 0.1:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// spreadText is half the range of the rounds, of times and sizes in percent of the
// median.
func (a *app) spreadText(r *verify.Row, k int) string {
	c := &r.Cells[k]
	if !c.Known || c.IsText() || c.Rounds < 2 || c.Number == 0 {
		return ""
	}
	sign := "±"
	if a.ascii {
		sign = "+-"
	}
	if r.Unit == "count" {
		if c.Max == c.Min {
			return ""
		}
		return fmt.Sprintf("%s%.0f", sign, math.Ceil((c.Max-c.Min)/2))
	}
	half := 50 * (c.Max - c.Min) / c.Number
	if half >= 1 {
		return fmt.Sprintf("%s%.0f%%", sign, half)
	}
	if half == 0 {
		return ""
	}
	return sign + "<1%"
}

// factorText writes a ratio with three digits.
func factorText(f float64) string {
	switch {
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// comparisonVerdicts says how each column was judged.
func (a *app) comparisonVerdicts(b *bytes.Buffer, c *comparison, width int) {
	for _, s := range c.sides {
		verdict, why := s.worst()
		checks := 0
		for _, r := range s.runs {
			checks += len(r.Checks)
		}
		text := fmt.Sprintf("%s: %s (%s checked)", s.heading, verdict, plural(checks, "promise", "promises"))
		if why != "" {
			text += ": " + oneLine(why)
		}
		b.WriteString(wrapped(a.clean(text), width, "  "))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// wrapped breaks a text between words into lines of at most width columns; all
// but the first begin with indent.
func wrapped(text string, width int, indent string) string {
	var b strings.Builder
	n := 0
	for _, word := range strings.Fields(text) {
		w := textWidth(word)
		switch {
		case b.Len() == 0:
		case n+1+w > width:
			b.WriteString("\n" + indent)
			n = textWidth(indent)
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += w
	}
	b.WriteByte('\n')
	return b.String()
}
