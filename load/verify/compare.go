package verify

import (
	"fmt"
	"slices"
	"strings"
)

// Cell is the value of a measure in one column, over all rounds.
type Cell struct {
	Known bool
	// Number is the median of the rounds, Min and Max the least and the greatest.
	Number, Min, Max float64
	Text             string // instead of numbers, of a result that is none
	Rounds           int    // in which it was known
	Why              string // there is no value
	Source           string
}

// IsText says whether the value is a text.
func (c *Cell) IsText() bool { return c.Known && c.Text != "" }

// Row is one measure of both columns.
type Row struct {
	Measure
	Scope string
	Cells [2]Cell
	// Ratio is the second column divided by the first, nil with RatioWhy.
	Ratio    *float64
	RatioWhy string
}

// Apart says whether every round of one column lies on the same side of every
// round of the other: the difference is more than their spread.
func (r *Row) Apart() bool {
	a, b := &r.Cells[0], &r.Cells[1]
	return a.Known && b.Known && !a.IsText() && !b.IsText() && (a.Max < b.Min || b.Max < a.Min)
}

// Chance is how likely it is that the rounds lie apart although there is no
// difference: two orders of all those in which the rounds of both can come have
// one column before the other. With three rounds each it is one in ten, with
// five less than one in a hundred.
func (r *Row) Chance() float64 {
	n, m := r.Cells[0].Rounds, r.Cells[1].Rounds
	orders := 1.0
	for i := 1; i <= m; i++ {
		orders *= float64(n+i) / float64(i)
	}
	return min(1, 2/orders)
}

// Constant says whether every round of each column had the same value, and there
// were several.
func (r *Row) Constant() bool {
	for k := range r.Cells {
		if c := &r.Cells[k]; !c.Known || c.Rounds < 2 || c.Min != c.Max {
			return false
		}
	}
	return true
}

// Compare puts the figures of two columns side by side, a row for each measure
// that either has: columns[k][i] are the figures of column k in round i. names
// are those of the columns, for reasons. Pure.
func Compare(scope string, names [2]string, columns [2][][]Figure) []Row {
	var rows []Row
	for _, m := range append(Measures(), RateMeasures()...) {
		row := Row{Measure: m, Scope: scope}
		found := false
		for k, rounds := range columns {
			var figures []Figure
			for _, list := range rounds {
				if i := slices.IndexFunc(list, func(f Figure) bool { return f.Measure == m.ID }); i >= 0 {
					figures = append(figures, list[i])
				}
			}
			found = found || len(figures) > 0
			row.Cells[k] = cellOf(figures)
		}
		if !found {
			continue
		}
		row.Ratio, row.RatioWhy = ratio(&row.Cells[0], &row.Cells[1], names)
		rows = append(rows, row)
	}
	return rows
}

// cellOf is the median of the rounds in which there was a value.
func cellOf(figures []Figure) Cell {
	var c Cell
	var numbers []float64
	var texts []string
	for i := range figures {
		f := &figures[i]
		switch {
		case !f.Known:
			if c.Why == "" {
				c.Why = f.Why
			}
			continue
		case f.IsText():
			if !slices.Contains(texts, f.Text) {
				texts = append(texts, f.Text)
			}
		default:
			numbers = append(numbers, f.Number)
		}
		c.Rounds++
		c.Source = f.Source
	}
	switch {
	case c.Rounds == 0:
		if c.Why == "" {
			c.Why = "not measured"
		}
		return c
	case len(texts) > 0:
		c.Text = strings.Join(texts, " / ") // of some rounds one, of others another
	default:
		slices.Sort(numbers)
		c.Number = median(numbers)
		c.Min, c.Max = numbers[0], numbers[len(numbers)-1]
	}
	c.Known, c.Why = true, ""
	return c
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func ratio(a, b *Cell, names [2]string) (*float64, string) {
	switch {
	case !a.Known:
		return nil, names[0] + " is not known"
	case !b.Known:
		return nil, names[1] + " is not known"
	case a.IsText() || b.IsText():
		return nil, "not a single number"
	case a.Number == 0:
		return nil, fmt.Sprintf("%s is 0", names[0])
	}
	v := b.Number / a.Number
	return &v, ""
}
