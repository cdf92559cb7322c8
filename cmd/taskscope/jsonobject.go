package main

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"taskscope/inspect"
)

// jsonObject appends one JSON object to a buffer. What is unknown becomes null,
// and its reason is gathered for the object's "why" map.
//
// It is written by hand, because a tree of ten thousand processes is written in
// one go and encoding/json would need several times as long for it.
type jsonObject struct {
	b    []byte
	open bool // a member has been written
	why  []jsonWhy
	// reasons are entries of the why map that are written out already; each
	// ends with a comma.
	reasons []byte
}

type jsonWhy struct{ key, reason string }

// begin starts an object at the end of b.
func (o *jsonObject) begin(b []byte) {
	o.b, o.open, o.why, o.reasons = append(b, '{'), false, o.why[:0], nil
}

// key starts a member; the value must follow.
func (o *jsonObject) key(key string) {
	if o.open {
		o.b = append(o.b, ',')
	}
	o.open = true
	o.b = append(o.b, '"')
	o.b = append(o.b, key...)
	o.b = append(o.b, '"', ':')
}

func (o *jsonObject) null(key, reason string) {
	o.key(key)
	o.b = append(o.b, "null"...)
	o.why = append(o.why, jsonWhy{key, reason})
}

func (o *jsonObject) str(key, s string) {
	o.key(key)
	o.b = appendJSONString(o.b, s)
}

// name writes text of the kernel, with key_raw when it is not UTF-8.
func (o *jsonObject) name(key, s string) {
	o.str(key, s)
	if !utf8.ValidString(s) {
		o.key(key + "_raw")
		o.b = appendBase64(o.b, s)
	}
}

// names writes a list of texts of the kernel, with key_raw when one of them is
// not UTF-8.
func (o *jsonObject) names(key string, list []string) {
	o.key(key)
	valid := true
	o.b = append(o.b, '[')
	for i, s := range list {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = appendJSONString(o.b, s)
		valid = valid && utf8.ValidString(s)
	}
	o.b = append(o.b, ']')
	if valid {
		return
	}
	o.key(key + "_raw")
	o.b = append(o.b, '[')
	for i, s := range list {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = appendBase64(o.b, s)
	}
	o.b = append(o.b, ']')
}

func (o *jsonObject) int(key string, n int64) {
	o.key(key)
	o.b = strconv.AppendInt(o.b, n, 10)
}

func (o *jsonObject) uint(key string, n uint64) {
	o.key(key)
	o.b = strconv.AppendUint(o.b, n, 10)
}

func (o *jsonObject) float(key string, f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		o.null(key, "not a number")
		return
	}
	o.key(key)
	o.b = appendJSONFloat(o.b, f)
}

func (o *jsonObject) bool(key string, v bool) {
	o.key(key)
	o.b = strconv.AppendBool(o.b, v)
}

// hex writes an address or a mask, which do not fit the 53 bits of other
// people's JSON numbers.
func (o *jsonObject) hex(key string, n uint64) {
	o.key(key)
	o.b = append(o.b, `"0x`...)
	o.b = strconv.AppendUint(o.b, n, 16)
	o.b = append(o.b, '"')
}

func (o *jsonObject) time(key string, t time.Time) {
	o.key(key)
	o.b = append(o.b, '"')
	o.b = t.UTC().AppendFormat(o.b, time.RFC3339Nano)
	o.b = append(o.b, '"')
}

// ints writes a list of numbers, [] for none.
func (o *jsonObject) ints(key string, list []int) {
	o.key(key)
	o.b = append(o.b, '[')
	for i, n := range list {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = strconv.AppendInt(o.b, int64(n), 10)
	}
	o.b = append(o.b, ']')
}

// object writes a member that is an object with its own why map.
func (o *jsonObject) object(key string, fill func(*jsonObject)) {
	o.key(key)
	o.element(fill)
}

// list writes a member that is a list of n objects.
func (o *jsonObject) list(key string, n int, fill func(i int, o *jsonObject)) {
	o.key(key)
	o.b = append(o.b, '[')
	for i := range n {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.element(func(o *jsonObject) { fill(i, o) })
	}
	o.b = append(o.b, ']')
}

func (o *jsonObject) element(fill func(*jsonObject)) {
	var inner jsonObject
	inner.begin(o.b)
	fill(&inner)
	o.b = inner.end()
}

// end closes the object with its why map and returns the buffer.
func (o *jsonObject) end() []byte {
	o.key("why")
	o.b = append(o.b, '{')
	o.b = append(o.b, o.reasons...)
	if len(o.reasons) > 0 && len(o.why) == 0 {
		o.b = o.b[:len(o.b)-1]
	}
	for i, w := range o.why {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = append(o.b, '"')
		o.b = append(o.b, w.key...)
		o.b = append(o.b, '"', ':')
		o.b = appendJSONString(o.b, w.reason)
	}
	o.b = append(o.b, '}')
	return o.endPlain()
}

// endPlain closes an object that has no why map.
func (o *jsonObject) endPlain() []byte {
	o.b = append(o.b, '}')
	return o.b
}

// value writes one value of the field table.
func (o *jsonObject) value(key string, v inspect.Value) {
	if !v.OK() {
		o.null(key, v.Why.Text())
		return
	}
	switch v.Kind {
	case inspect.KindInt:
		o.int(key, v.I)
	case inspect.KindUint:
		o.uint(key, v.U)
	case inspect.KindFloat:
		o.float(key, v.F)
	case inspect.KindBool:
		o.bool(key, v.B)
	case inspect.KindString:
		o.name(key, v.S)
	case inspect.KindStrings:
		o.names(key, v.L)
	case inspect.KindTime:
		o.time(key, v.T)
	}
}

// The writers of Known values: the value, or null and the reason.

func knownUint[T ~uint | ~uint32 | ~uint64](o *jsonObject, key string, k inspect.Known[T]) {
	if v, ok := k.Get(); ok {
		o.uint(key, uint64(v))
		return
	}
	o.null(key, k.Why.Text())
}

func knownInt[T ~int | ~int64](o *jsonObject, key string, k inspect.Known[T]) {
	if v, ok := k.Get(); ok {
		o.int(key, int64(v))
		return
	}
	o.null(key, k.Why.Text())
}

func knownHex(o *jsonObject, key string, k inspect.Known[uint64]) {
	if v, ok := k.Get(); ok {
		o.hex(key, v)
		return
	}
	o.null(key, k.Why.Text())
}

func knownFloat(o *jsonObject, key string, k inspect.Known[float64]) {
	if v, ok := k.Get(); ok {
		o.float(key, v)
		return
	}
	o.null(key, k.Why.Text())
}

func knownBool(o *jsonObject, key string, k inspect.Known[bool]) {
	if v, ok := k.Get(); ok {
		o.bool(key, v)
		return
	}
	o.null(key, k.Why.Text())
}

func knownName(o *jsonObject, key string, k inspect.Known[string]) {
	if v, ok := k.Get(); ok {
		o.name(key, v)
		return
	}
	o.null(key, k.Why.Text())
}

func knownNames(o *jsonObject, key string, k inspect.Known[[]string]) {
	if v, ok := k.Get(); ok {
		o.names(key, v)
		return
	}
	o.null(key, k.Why.Text())
}

// appendJSONFloat writes the shortest text that gives the same number, without
// an exponent for the sizes that occur.
func appendJSONFloat(b []byte, f float64) []byte {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

func appendBase64(b []byte, s string) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, []byte(s))
	return append(b, '"')
}

// appendJSONString quotes s. A byte that is not part of valid UTF-8 becomes the
// four characters \xNN.
func appendJSONString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
			if !(r == utf8.RuneError && n == 1) && r != '\u2028' && r != '\u2029' {
				i += n
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case r == utf8.RuneError:
			b = append(b, '\\', '\\', 'x', hex[c>>4], hex[c&15])
		case r >= utf8.RuneSelf:
			b = append(b, '\\', 'u', '2', '0', '2', hex[r&15])
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i += n
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
