package model

import (
	"math"
	"strings"
)

// BarText fills width columns in proportion to f in 0…1.
func (g *Glyphs) BarText(f float64, width int) string {
	if math.IsNaN(f) || f < 0 {
		f = 0
	}
	f = math.Min(f, 1)
	steps := len(g.Bar) - 1
	n := int(math.Round(f * float64(width*steps)))
	full, part := n/steps, n%steps
	var b strings.Builder
	b.WriteString(strings.Repeat(g.Bar[steps], full))
	if full < width {
		b.WriteString(g.Bar[part])
		b.WriteString(strings.Repeat(g.Bar[0], width-full-1))
	}
	return b.String()
}

// SparkText draws values as heights against max; unknown values (NaN) are blank.
func (g *Glyphs) SparkText(values []float64, max float64) string {
	var b strings.Builder
	top := len(g.Spark) - 1
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			b.WriteString(" ")
		case max <= 0 || v <= 0:
			b.WriteString(g.Spark[0])
		default:
			b.WriteString(g.Spark[min(top, int(math.Ceil(v/max*float64(top))))])
		}
	}
	return b.String()
}

// Shares draws running, ready and blocked percentages as one bar.
func (g *Glyphs) Shares(run, ready, total float64, width int) Line {
	if total <= 0 {
		return Line{{Text: strings.Repeat(g.None, width)}}
	}
	a := int(math.Round(run / total * float64(width)))
	b := int(math.Round((run + ready) / total * float64(width)))
	// A share that exists is never drawn as nothing.
	if a == 0 && run >= 0.05 {
		a = 1
	}
	if b <= a && ready >= 0.05 {
		b = a + 1
	}
	a = min(max(a, 0), width)
	b = min(max(b, a), width)
	if b == a && ready >= 0.05 && a > 0 {
		a--
	}
	return Line{
		{Text: strings.Repeat(g.Run, a), Style: OK},
		{Text: strings.Repeat(g.Ready, b-a), Style: Warn},
		{Text: strings.Repeat(g.Block, width-b), Style: Muted},
	}
}

// Ring keeps the newest values of a series.
type Ring struct {
	values []float64
	limit  int
}

// NewRing makes a ring of at most limit values.
func NewRing(limit int) *Ring { return &Ring{limit: limit} }

// Push appends a value; NaN is a sample without a value.
func (r *Ring) Push(v float64) {
	if len(r.values) == r.limit {
		copy(r.values, r.values[1:])
		r.values = r.values[:r.limit-1]
	}
	r.values = append(r.values, v)
}

// Last returns the newest n values, padded in front with NaN.
func (r *Ring) Last(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
		if j := len(r.values) - n + i; j >= 0 {
			out[i] = r.values[j]
		}
	}
	return out
}

// Max is the largest known value, 0 when there is none.
func (r *Ring) Max() float64 {
	top := 0.0
	for _, v := range r.values {
		if v > top {
			top = v
		}
	}
	return top
}
