package model

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"taskscope/load/verify"
)

// Checks lists the checks of a load's run: what was promised, what the workers
// report of themselves, and what the inspector saw.
type Checks struct {
	G      Glyphs
	Width  int
	Result *verify.Result

	cols []Column
}

var checkColumns = []struct {
	Column
	from int
}{
	{Column{ID: "verdict", Title: "VERDICT", Width: 9, Left: true}, 0},
	{Column{ID: "subject", Title: "SUBJECT", Width: 26, Left: true}, 100},
	{Column{ID: "field", Title: "WHAT", Width: 24, Left: true}, 0},
	{Column{ID: "expected", Title: "EXPECTED", Width: 11}, 0},
	{Column{ID: "tolerance", Title: "±", Width: 8}, 84},
	{Column{ID: "self", Title: "SELF", Width: 11}, 72},
	{Column{ID: "observed", Title: "OBSERVED", Width: 11}, 0},
	{Column{ID: "because", Title: "BECAUSE", Width: 8, Left: true, Flex: true}, 92},
}

// Arrange chooses the columns.
func (c *Checks) Arrange() {
	c.cols = c.cols[:0]
	for _, k := range checkColumns {
		if c.Width >= k.from {
			c.cols = append(c.cols, k.Column)
		}
	}
}

// Columns, Len, Key, Find and Row make it a List.
func (c *Checks) Columns() []Column { return c.cols }

// Len is the number of checks.
func (c *Checks) Len() int {
	if c.Result == nil {
		return 0
	}
	return len(c.Result.Checks)
}

// Key identifies a check by its place in the plan, which never changes.
func (c *Checks) Key(i int) Key { return Key{Name: strconv.Itoa(i)} }

// Find is the position of a check.
func (c *Checks) Find(k Key) int {
	i, err := strconv.Atoi(k.Name)
	if err != nil || i < 0 || i >= c.Len() {
		return -1
	}
	return i
}

// Row makes the cells of one check.
func (c *Checks) Row(i int) []Line {
	k := c.Result.Checks[i]
	cells := make([]Line, len(c.cols))
	for n, col := range c.cols {
		switch col.ID {
		case "verdict":
			cells[n] = Line{c.Verdict(k.Verdict)}
		case "subject":
			cells[n] = Plain(Sanitize(k.Subject), Normal)
		case "field":
			cells[n] = Plain(strings.ReplaceAll(Sanitize(k.Field), "_", " "), Normal)
		case "expected":
			cells[n] = c.value(k.Field, k.Expected)
		case "tolerance":
			if k.Tolerance == 0 {
				cells[n] = Plain("exact", Muted)
			} else {
				cells[n] = Plain(c.value(k.Field, k.Tolerance).Text(), Muted)
			}
		case "self":
			cells[n] = c.value(k.Field, k.SelfReported)
		case "observed":
			l := c.value(k.Field, k.Observed)
			if k.Verdict == verify.Fail && len(l) > 0 {
				l[0].Style = Bad
			}
			cells[n] = l
		case "because":
			text, s := k.Because, Muted
			if k.Why != "" {
				text, s = k.Why, Warn
			}
			cells[n] = Plain(Sanitize(text), s)
		}
	}
	return cells
}

// value formats one side of a check by the unit in its field's name.
func (c *Checks) value(field string, v any) Line {
	switch x := v.(type) {
	case nil:
		return Plain(c.G.Unknown, Muted)
	case string:
		return Plain(Sanitize(x), Normal)
	case float64:
		switch {
		case math.IsNaN(x):
			return Plain(c.G.Unknown, Muted)
		case strings.HasSuffix(field, "_bytes") && x >= 0:
			return Plain(Bytes(uint64(x)), Normal)
		case strings.HasSuffix(field, "_ns") && x >= 0:
			return Plain(Duration(uint64(x)), Normal)
		case x == math.Trunc(x) && math.Abs(x) < 1e9:
			return Plain(strconv.FormatFloat(x, 'f', -1, 64), Normal)
		case math.Abs(x) < 1e6:
			return Plain(strconv.FormatFloat(x, 'f', 2, 64), Normal)
		}
		return Plain(strconv.FormatFloat(x, 'g', 6, 64), Normal)
	}
	return Plain(Sanitize(fmt.Sprint(v)), Normal)
}

// Verdict shows a verdict as a word, with a sign and a colour to find it by.
func (c *Checks) Verdict(v verify.Verdict) Span {
	switch v {
	case verify.Pass:
		return Span{Text: "pass", Style: OK}
	case verify.Fail:
		return Span{Text: "FAIL", Style: Bad}
	case verify.Undecided:
		return Span{Text: "undecided", Style: Warn}
	case verify.Skipped:
		return Span{Text: "skipped", Style: Muted}
	}
	return Span{Text: c.G.Pending + " pending", Style: Muted}
}

// Describe explains one check in a sentence.
func (c *Checks) Describe(i int) Line {
	k := c.Result.Checks[i]
	line := Line{{Text: Sanitize(k.Subject) + " ", Style: Strong}, {Text: strings.ReplaceAll(Sanitize(k.Field), "_", " ") + ": "}, {Text: Sanitize(k.Because), Style: Muted}}
	if k.Why != "" {
		line = append(line, Span{Text: "  " + Sanitize(k.Why), Style: Warn})
	}
	if k.Source != "" {
		line = append(line, Span{Text: "  (" + Sanitize(k.Scope) + ", " + Sanitize(k.Kind) + ", from " + Sanitize(k.Source) + ")", Style: Muted})
	}
	return line
}

// Summary counts the verdicts in one line.
func (c *Checks) Summary() Line {
	if c.Result == nil {
		return Plain("no verdicts yet", Muted)
	}
	count := map[verify.Verdict]int{}
	for _, k := range c.Result.Checks {
		count[k.Verdict]++
	}
	var line Line
	for _, v := range []struct {
		v    verify.Verdict
		word string
		s    Style
	}{{verify.Pass, "passed", OK}, {verify.Fail, "failed", Bad}, {verify.Undecided, "undecided", Warn}, {verify.Skipped, "skipped", Muted}, {verify.Pending, "pending", Muted}} {
		s := v.s
		if count[v.v] == 0 {
			s = Muted
		}
		line = append(line, Span{Text: fmt.Sprintf("%3d %s", count[v.v], v.word), Style: s}, Span{Text: "  "})
	}
	if o := c.Result.Noise.OtherCPUPercent; o != nil {
		line = append(line, Span{Text: fmt.Sprintf("noise %s %% CPU by others", Percent(*o)), Style: Muted})
	}
	return line
}

// RunLines is the top of a run's page.
func RunLines(c *Checks, name, id string, st LoadStatus, width int) []Line {
	phase := Span{Text: st.Phase, Style: Normal}
	switch st.Phase {
	case "running":
		phase.Style = OK
	case "failed":
		phase.Style = Bad
	}
	first := Line{{Text: Sanitize(name), Style: Strong}, {Text: "  "}, phase}
	if st.Total > 0 {
		first = append(first, Span{Text: fmt.Sprintf("  %.1f of %.1f s ", st.Elapsed, st.Total), Style: Muted},
			Span{Text: c.G.BarText(st.Elapsed/st.Total, 12), Style: OK})
	} else {
		first = append(first, Span{Text: fmt.Sprintf("  %.1f s", st.Elapsed), Style: Muted})
	}
	first = append(first, Span{Text: "  run " + Sanitize(id), Style: Muted})
	lines := []Line{first, {{Text: Sanitize(strings.Join(st.Params, " ")), Style: Muted}}}
	if st.Err != "" {
		lines[1] = Plain(Sanitize(st.Err), Bad)
	}
	sum := c.Summary()
	if c.Result != nil && c.Result.Verdict != "" && c.Result.Verdict != verify.Pending {
		sum = append(Line{c.Verdict(c.Result.Verdict), {Text: "  "}}, sum...)
	}
	return append(lines, sum)
}
