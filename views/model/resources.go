package model

import (
	"fmt"
	"math"
	"strings"

	"taskscope/inspect"
)

// Resources is the panel of limits and open files.
func (a *Attached) Resources(g *Glyphs, width int) []Line {
	if a.Process == nil || a.Detail == nil {
		return []Line{Plain("waiting for the first reading", Muted)}
	}
	lines := []Line{{
		{Text: "Limits", Style: Head, Width: 24},
		{Text: "used", Style: Head, Width: -12},
		{Text: "soft", Style: Head, Width: -12},
		{Text: "hard", Style: Head, Width: -12},
	}}
	lines = append(lines, limitLines(g, a.Detail.Limits)...)
	lines = append(lines, nil)
	return append(lines, fileLines(g, a.Detail.Files)...)
}

func limitLines(g *Glyphs, k inspect.Known[[]inspect.Limit]) []Line {
	if !k.OK() {
		return []Line{item(g.Unknown, Span{Text: k.Why.Text(), Style: Muted})}
	}
	var lines []Line
	for _, l := range k.V {
		format := func(v uint64) string {
			switch {
			case v == math.MaxUint64:
				return "unlimited"
			case l.Unit == "bytes":
				return Bytes(v)
			}
			return Grouped(v)
		}
		used := KnownText(g, l.Used, format)
		if l.Used.OK() && l.Soft > 0 && float64(l.Used.V) >= 0.8*float64(l.Soft) {
			used.Style = Warn
		}
		used.Width = -12
		name := strings.ReplaceAll(strings.TrimPrefix(Sanitize(l.Name), "max_"), "_", " ")
		lines = append(lines, Line{
			{Text: "  " + name, Width: 24},
			used,
			{Text: format(l.Soft), Width: -12},
			{Text: format(l.Hard), Width: -12, Style: Muted},
			{Text: " " + Sanitize(l.Unit), Style: Muted},
		})
	}
	return lines
}

func fileLines(g *Glyphs, k inspect.Known[[]inspect.File]) []Line {
	if !k.OK() {
		return []Line{section("Open files"), item(g.Unknown, Span{Text: k.Why.Text(), Style: Muted})}
	}
	lines := []Line{{
		{Text: fmt.Sprintf("Open files (%d)", len(k.V)), Style: Head, Width: 24},
		{Text: "kind", Style: Head, Width: 11},
		{Text: "offset", Style: Head, Width: -12},
		{Text: "  target", Style: Head},
	}}
	for _, f := range k.V {
		offset := KnownText(g, f.Offset, func(v int64) string { return fmt.Sprint(v) })
		offset.Width = -12
		lines = append(lines, Line{
			{Text: fmt.Sprintf("%5d", f.FD), Width: 24},
			{Text: Sanitize(f.Kind), Width: 11, Style: Muted},
			offset,
			{Text: "  " + Sanitize(f.Target)},
		})
	}
	return lines
}
