package proc

import (
	"bytes"
	"math"
)

// The kernel's numbers are plain digits; the parsers below work on bytes,
// because strconv wants strings.

// parseUint parses all of b as a decimal number.
func parseUint(b []byte) (uint64, bool) {
	v, n, ok := leadingUint(b)
	return v, ok && n == len(b)
}

// leadingUint parses the digits at the start of b and returns how many they are.
func leadingUint(b []byte) (v uint64, n int, ok bool) {
	for n < len(b) {
		d := b[n] - '0'
		if d > 9 {
			break
		}
		if v > math.MaxUint64/10 || (v == math.MaxUint64/10 && d > math.MaxUint64%10) {
			return 0, n, false
		}
		v = v*10 + uint64(d)
		n++
	}
	return v, n, n > 0
}

// parseInt parses all of b as a decimal number with an optional minus sign.
func parseInt(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	v, ok := parseUint(b)
	return signed(v, neg, ok)
}

func signed(v uint64, neg, ok bool) (int64, bool) {
	switch {
	case !ok:
		return 0, false
	case neg && v <= 1<<63:
		return -int64(v), true
	case !neg && v <= math.MaxInt64:
		return int64(v), true
	}
	return 0, false
}

// parseHex parses all of b as hexadecimal digits without a prefix.
func parseHex(b []byte) (v uint64, ok bool) {
	if len(b) == 0 || len(b) > 16 {
		return 0, false
	}
	for _, c := range b {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		v = v<<4 | uint64(d)
	}
	return v, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// nextField skips blanks (spaces and tabs) and cuts the next word off.
func nextField(b []byte) (word, rest []byte) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	j := i
	for j < len(b) && b[j] != ' ' && b[j] != '\t' && b[j] != '\n' {
		j++
	}
	return b[i:j], b[j:]
}

// nextLine cuts the next line off, without its newline.
func nextLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}
