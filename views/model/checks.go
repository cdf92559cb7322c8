package model

import (
	"fmt"
	"math"
	"slices"
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
	// Open hides the checks that have passed.
	Open bool

	cols  []Column
	order []int // places in the plan, in the order shown
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

// urgency sorts checks: what needs a look first comes first, all else stays in
// the order of the plan, so that rows move only when that changes.
func urgency(v verify.Verdict) int {
	switch v {
	case verify.Fail:
		return 0
	case verify.Undecided:
		return 1
	}
	return 2
}

// Arrange chooses columns and rows.
func (c *Checks) Arrange() {
	c.order = c.order[:0]
	if c.Result != nil {
		for i := range c.Result.Checks {
			if !c.Open || c.Result.Checks[i].Verdict != verify.Pass {
				c.order = append(c.order, i)
			}
		}
		slices.SortStableFunc(c.order, func(a, b int) int {
			return urgency(c.Result.Checks[a].Verdict) - urgency(c.Result.Checks[b].Verdict)
		})
	}
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
func (c *Checks) Len() int { return len(c.order) }

// Key identifies a check by its place in the plan, which never changes.
func (c *Checks) Key(i int) Key { return Key{Name: strconv.Itoa(c.order[i])} }

// Find is the position of a check.
func (c *Checks) Find(k Key) int {
	i, err := strconv.Atoi(k.Name)
	if err != nil {
		return -1
	}
	return slices.Index(c.order, i)
}

// Row makes the cells of one check.
func (c *Checks) Row(i int) []Line {
	k := c.Result.Checks[c.order[i]]
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
			cells[n] = c.expected(&k)
		case "tolerance":
			switch {
			case k.Tolerance == 0 && k.Relation != "" && k.Relation != verify.RelationEqual:
			case k.Tolerance == 0:
				cells[n] = Plain("exact", Muted)
			default:
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

// expected is the promised value, with its sign where it is a bound.
func (c *Checks) expected(k *verify.Check) Line {
	l := c.value(k.Field, k.Expected)
	sign := ""
	switch k.Relation {
	case verify.RelationAtLeast:
		sign = c.G.AtLeast
	case verify.RelationAtMost:
		sign = c.G.AtMost
	}
	if k.Expected != nil && sign != "" {
		l[0].Text = sign + " " + l[0].Text
	}
	return l
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

// Describe explains one check in up to two lines.
func (c *Checks) Describe(i, width int) []Line {
	k := c.Result.Checks[c.order[i]]
	head := Sanitize(k.Subject) + " " + strings.ReplaceAll(Sanitize(k.Field), "_", " ") + ":"
	text, style := head+" "+Sanitize(k.Because), Muted
	if k.Why != "" {
		text, style = text+" — "+Sanitize(k.Why), Warn
	}
	if k.Source != "" {
		text += " (" + Sanitize(k.Scope) + ", " + Sanitize(k.Kind) + ", from " + Sanitize(k.Source) + ")"
	}
	if c.G.Unknown != "—" {
		text = strings.ReplaceAll(text, "—", c.G.Unknown)
	}
	var lines []Line
	for n, l := range Wrap(text, width) {
		if n == 2 {
			lines[1][0].Text = strings.TrimRight(string([]rune(lines[1][0].Text)[:max(0, min(len([]rune(lines[1][0].Text)), width-1))]), " ") + c.G.Ellipse
			break
		}
		line := Plain(l, style)
		if rest, ok := strings.CutPrefix(l, head); n == 0 && ok {
			line = Line{{Text: head, Style: Strong}, {Text: rest, Style: style}}
		}
		lines = append(lines, line)
	}
	return lines
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

// RunLines is the top of a run's page: what it is, what it teaches, its
// parameters, and the verdicts so far.
func RunLines(c *Checks, name, id, teaches string, st LoadStatus, width int) []Line {
	phase := Span{Text: st.Phase, Style: Normal}
	switch st.Phase {
	case "running":
		phase.Style = OK
	case "failed":
		phase.Style = Bad
	}
	if st.Paused {
		phase = Span{Text: st.Phase + ", FROZEN", Style: Warn}
	}
	first := Line{{Text: Sanitize(name), Style: Strong}, {Text: "  "}, phase}
	if st.Total > 0 {
		first = append(first, Span{Text: fmt.Sprintf("  %.1f of %.1f s ", st.Elapsed, st.Total), Style: Muted},
			Span{Text: c.G.BarText(st.Elapsed/st.Total, 12), Style: OK})
	} else {
		first = append(first, Span{Text: fmt.Sprintf("  %.1f s", st.Elapsed), Style: Muted})
	}
	first = append(first, Span{Text: "  run " + Sanitize(id), Style: Muted})
	lines := []Line{first}
	if teaches != "" {
		for _, l := range Wrap(Sanitize(teaches), width) {
			lines = append(lines, Plain(l, Normal))
		}
	}
	if st.Err != "" {
		lines = append(lines, Plain(Sanitize(st.Err), Bad))
	} else {
		lines = append(lines, Plain(Sanitize(strings.Join(st.Params, " ")), Muted))
	}
	sum := c.Summary()
	if c.Result != nil && c.Result.Verdict != "" && c.Result.Verdict != verify.Pending {
		sum = append(Line{c.Verdict(c.Result.Verdict), {Text: "  "}}, sum...)
	}
	return append(lines, sum)
}
