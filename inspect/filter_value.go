package inspect

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// operand is the value on the right of a comparison, in the field's kind.
type operand struct {
	exact bool // i is the number, no fraction and no unit
	i     int64
	f     float64
	s     string
	b     bool
	t     time.Time
}

// compare orders a known value against the operand; equalOnly when the kind
// has no order.
func (o operand) compare(v Value) (c int, equalOnly bool) {
	switch v.Kind {
	case KindInt:
		if o.exact {
			return cmp.Compare(v.I, o.i), false
		}
		return cmp.Compare(float64(v.I), o.f), false
	case KindUint:
		if o.exact {
			if o.i < 0 {
				return 1, false
			}
			return cmp.Compare(v.U, uint64(o.i)), false
		}
		return cmp.Compare(float64(v.U), o.f), false
	case KindFloat:
		return cmp.Compare(v.F, o.f), false
	case KindBool:
		return cmp.Compare(boolInt(v.B), boolInt(o.b)), true
	case KindTime:
		return v.T.Compare(o.t), false
	}
	return strings.Compare(v.text(), o.s), false
}

// parseOperand reads text as a value of the field; msg says what is wrong.
func parseOperand(f *Field, text string) (o operand, msg string) {
	switch f.Kind {
	case KindString, KindStrings:
		return operand{s: text}, ""
	case KindBool:
		switch strings.ToLower(text) {
		case "true", "yes", "1":
			return operand{b: true}, ""
		case "false", "no", "0":
			return operand{}, ""
		}
		return o, "expected true or false"
	case KindTime:
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return o, "expected a time such as 2006-01-02T15:04:05Z"
		}
		return operand{t: t}, ""
	}
	return parseNumber(f.Unit, text)
}

func parseNumber(unit Unit, text string) (operand, string) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return operand{exact: true, i: i, f: float64(i)}, ""
	}
	num, suffix := splitNumber(text)
	f, err := strconv.ParseFloat(num, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return operand{}, "not a number: " + strconv.Quote(text)
	}
	scale, ok := unitScale(unit, suffix)
	if !ok {
		return operand{}, "unknown unit " + strconv.Quote(suffix)
	}
	return operand{f: f * scale}, ""
}

// splitNumber cuts "64MiB" into "64" and "MiB".
func splitNumber(s string) (num, suffix string) {
	i := len(s)
	for i > 0 && (s[i-1] < '0' || s[i-1] > '9') && s[i-1] != '.' {
		i--
	}
	return s[:i], strings.TrimSpace(s[i:])
}

// unitScale is the factor of a suffix for a field of that unit.
func unitScale(unit Unit, suffix string) (float64, bool) {
	if suffix == "" {
		return 1, true
	}
	switch unit {
	case UnitPercent:
		return 1, suffix == "%"
	case UnitNS:
		scale, ok := map[string]float64{
			"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "min": 60e9, "h": 3600e9, "d": 86400e9,
		}[suffix]
		return scale, ok
	case UnitBytes, UnitBytesPS:
		s := strings.TrimSuffix(strings.ToLower(suffix), "/s")
		scale, ok := map[string]float64{
			"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
			"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
			"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
		}[s]
		return scale, ok
	}
	scale, ok := map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9, "/s": 1, "Hz": 1}[suffix]
	return scale, ok
}
