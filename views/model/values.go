package model

import (
	"math"
	"strconv"
	"strings"

	"taskscope/inspect"
)

// pending reports whether a value is only not there yet: the next refresh
// brings it.
func pending(w inspect.Why) bool { return w == inspect.NotRead || w == inspect.NeedsTwoSamples }

// UnknownSpan shows that a value is not known: a dash, or a dot while it is
// still to come.
func (g *Glyphs) UnknownSpan(w inspect.Why) Span {
	if pending(w) {
		return Span{Text: g.Pending, Style: Muted}
	}
	if w == inspect.Stuck {
		return Span{Text: g.Unknown, Style: Bad}
	}
	return Span{Text: g.Unknown, Style: Muted}
}

// FormatValue writes a field's value in the fixed width of its column. Zeros
// are muted so that what happens stands out.
func (g *Glyphs) FormatValue(f *inspect.Field, v inspect.Value) Span {
	if !v.OK() {
		return g.UnknownSpan(v.Why)
	}
	text, zero := formatKnown(f, v)
	if zero {
		return Span{Text: text, Style: Muted}
	}
	return Span{Text: text}
}

func formatKnown(f *inspect.Field, v inspect.Value) (text string, zero bool) {
	switch v.Kind {
	case inspect.KindInt:
		if f.Unit == inspect.UnitBytes {
			return signedBytes(v.I), v.I == 0
		}
		return strconv.FormatInt(v.I, 10), f.Unit == inspect.UnitCount && v.I == 0
	case inspect.KindUint:
		switch f.Unit {
		case inspect.UnitBytes:
			return Bytes(v.U), v.U == 0
		case inspect.UnitNS:
			return Duration(v.U), v.U == 0
		case inspect.UnitCount:
			return Count(v.U), v.U == 0
		}
		return strconv.FormatUint(v.U, 10), false
	case inspect.KindFloat:
		if f.Unit == inspect.UnitBytesPS {
			return Bytes(uint64(math.Max(v.F, 0))), v.F < 0.5
		}
		return Rate(v.F), v.F < 0.05
	case inspect.KindBool:
		if v.B {
			return "yes", false
		}
		return "no", true
	case inspect.KindStrings:
		return Sanitize(strings.Join(cut(v.L, 400), " ")), false
	case inspect.KindTime:
		return v.T.Format("15:04:05"), false
	default:
		return Sanitize(v.S), false
	}
}

func signedBytes(v int64) string {
	if v < 0 {
		return "-" + Bytes(uint64(-v))
	}
	if v == 0 {
		return "0B"
	}
	return "+" + Bytes(uint64(v))
}

// cut keeps the first words up to about n bytes: more than any screen shows.
func cut(words []string, n int) []string {
	for i, w := range words {
		if n -= len(w) + 1; n < 0 {
			return words[:i+1]
		}
	}
	return words
}

// KnownText formats a known value, or shows why it is unknown.
func KnownText[T any](g *Glyphs, k inspect.Known[T], format func(T) string) Span {
	if !k.OK() {
		return g.UnknownSpan(k.Why)
	}
	return Span{Text: format(k.V)}
}

// WithReason is KnownText with the reason spelled out behind the dash.
func WithReason[T any](g *Glyphs, k inspect.Known[T], format func(T) string) Line {
	s := KnownText(g, k, format)
	if k.OK() {
		return Line{s}
	}
	return Line{s, {Text: "  " + k.Why.Text(), Style: Muted}}
}

// Number formats a float value of a known rate or percentage; zeros are muted.
func (g *Glyphs) Number(k inspect.Known[float64]) Span {
	if !k.OK() {
		return g.UnknownSpan(k.Why)
	}
	if k.V < 0.05 {
		return Span{Text: Rate(k.V), Style: Muted}
	}
	return Span{Text: Rate(k.V)}
}

// Tally formats a known counter; zeros are muted.
func (g *Glyphs) Tally(k inspect.Known[uint64]) Span {
	if !k.OK() {
		return g.UnknownSpan(k.Why)
	}
	if k.V == 0 {
		return Span{Text: "0", Style: Muted}
	}
	return Span{Text: Count(k.V)}
}

// Size formats a number of bytes; zeros are muted.
func Size(v uint64) Span {
	if v == 0 {
		return Span{Text: "0B", Style: Muted}
	}
	return Span{Text: Bytes(v)}
}

// Command is the line that shows what a process runs: the program's name, its
// arguments muted, and in braces the name it gave itself when that differs.
func Command(p *inspect.Process) Line {
	comm := Sanitize(p.Comm)
	if p.Kernel.OK() && p.Kernel.V {
		return Line{{Text: "[" + comm + "]", Style: Muted}}
	}
	args, ok := p.Cmdline.Get()
	if !ok || len(args) == 0 || strings.TrimSpace(strings.Join(cut(args, 64), "")) == "" {
		return Line{{Text: comm}}
	}
	name := Sanitize(base(args[0]))
	line := Line{{Text: name}}
	if !strings.Contains(name, comm) {
		line = append(line, Span{Text: " {" + comm + "}", Style: Accent})
	}
	if len(args) > 1 {
		line = append(line, Span{Text: " " + Sanitize(strings.Join(cut(args[1:], 400), " ")), Style: Muted})
	}
	return line
}

// base is the file name of a program path. Programs that rewrite their command
// line ("sshd: user [priv]") keep the whole first argument.
func base(arg string) string {
	if !strings.HasPrefix(arg, "/") && !strings.HasPrefix(arg, "./") {
		return arg
	}
	path, rest, _ := strings.Cut(arg, " ")
	if i := strings.LastIndexByte(path, '/'); i >= 0 && i < len(path)-1 {
		path = path[i+1:]
	}
	if rest != "" {
		return path + " " + rest
	}
	return path
}
