package export

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// One event is built in buf: begin, further members, end. In args the first
// member has no comma before it.

func (t *TraceWriter) begin(phase byte, name, category string, pid, tid int, at int64) {
	b := t.buf[:0]
	if t.some {
		b = append(b, ',')
	}
	t.some = true
	b = append(b, "\n{\"ph\":\""...)
	b = append(b, phase, '"')
	b = append(b, `,"name":`...)
	b = appendString(b, name)
	if category != "" {
		b = append(b, `,"cat":"`...)
		b = append(b, category...)
		b = append(b, '"')
	}
	b = append(b, `,"pid":`...)
	b = strconv.AppendInt(b, int64(pid), 10)
	b = append(b, `,"tid":`...)
	b = strconv.AppendInt(b, int64(tid), 10)
	if phase != 'M' {
		b = append(b, `,"ts":`...)
		b = appendMicros(b, at-t.zero)
	}
	t.buf = b
}

// dur is one nanosecond short: readers compute with floating-point numbers of
// microseconds, in which the end of a slice often comes to lie a hair behind the
// beginning of the next one. They would then draw the next one inside it, or
// leave it out.
func (t *TraceWriter) dur(ns int64) {
	t.buf = append(t.buf, `,"dur":`...)
	t.buf = appendMicros(t.buf, max(ns-1, 0))
}

func (t *TraceWriter) str(key, value string) {
	t.comma()
	t.buf = appendString(t.buf, key)
	t.buf = append(t.buf, ':')
	t.buf = appendString(t.buf, value)
}

func (t *TraceWriter) num(key string, n int) {
	t.comma()
	t.buf = appendString(t.buf, key)
	t.buf = append(t.buf, ':')
	t.buf = strconv.AppendInt(t.buf, int64(n), 10)
}

func (t *TraceWriter) comma() {
	if t.buf[len(t.buf)-1] != '{' {
		t.buf = append(t.buf, ',')
	}
}

func (t *TraceWriter) openArgs()  { t.buf = append(t.buf, `,"args":{`...) }
func (t *TraceWriter) closeArgs() { t.buf = append(t.buf, '}') }

func (t *TraceWriter) end() {
	t.buf = append(t.buf, '}')
	t.write(t.buf)
}

func (t *TraceWriter) meta(name string, pid, tid int, key, value string) {
	t.begin('M', name, "", pid, tid, 0)
	t.openArgs()
	t.str(key, value)
	t.closeArgs()
	t.end()
}

func (t *TraceWriter) metaNumber(name string, pid, tid, value int) {
	t.begin('M', name, "", pid, tid, 0)
	t.openArgs()
	t.num("sort_index", value)
	t.closeArgs()
	t.end()
}

func (t *TraceWriter) raw(s string) { t.write([]byte(s)) }

func (t *TraceWriter) write(b []byte) {
	if t.err == nil {
		_, t.err = t.w.Write(b)
	}
}

// appendMicros writes nanoseconds as microseconds, exactly.
func appendMicros(b []byte, ns int64) []byte {
	if ns < 0 {
		b, ns = append(b, '-'), -ns
	}
	b = strconv.AppendInt(b, ns/1000, 10)
	if frac := ns % 1000; frac != 0 {
		b = append(b, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	}
	return b
}

// appendString quotes text of the kernel. Bytes that are no UTF-8 and what
// cannot be seen become \xNN, so that no name can pass for another.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		if c := s[i]; ' ' <= c && c <= '~' && c != '"' && c != '\\' {
			b = append(b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1 || !unicode.IsPrint(r):
			for _, c := range []byte(s[i : i+n]) {
				b = append(b, '\\', '\\', 'x', hex[c>>4], hex[c&15])
			}
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return append(b, '"')
}
