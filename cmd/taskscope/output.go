package main

import (
	"io"
	"os"
	"strconv"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// output is stdout. It remembers the first error of a write, so that a full
// disk or a closed pipe is noticed even where the writer was not asked.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	o.err = err
	return n, err
}

// width is the number of columns of the terminal stdout is connected to, and 0
// when it is a file or a pipe, whose lines are never cut.
func (o *output) width() int {
	f, ok := o.w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	if o, ok := stream.(*output); ok {
		stream = o.w
	}
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// sanitize makes text of the kernel safe for a terminal: control characters,
// invalid UTF-8 and characters that reorder others become \xNN or \uNNNN.
func sanitize(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f {
			return escape(s)
		}
	}
	return s
}

func escape(s string) string {
	b := make([]byte, 0, len(s)+8)
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1, r < 0x80 && !unicode.IsPrint(r):
			b = append(b, '\\', 'x')
			b = append(b, hexDigit(s[0]>>4), hexDigit(s[0]&15))
		case !unicode.IsPrint(r):
			b = append(b, '\\', 'u')
			b = append(b, strconv.FormatInt(int64(r)+0x10000, 16)[1:]...)
		default:
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return string(b)
}

func hexDigit(c byte) byte { return "0123456789abcdef"[c] }
