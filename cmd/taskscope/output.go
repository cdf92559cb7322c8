package main

import (
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"taskscope/views/model"
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

// clean makes text of the kernel safe to print.
func (a *app) clean(s string) string {
	s = model.Sanitize(s)
	if !a.ascii {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, s)
}

// escapeText makes text safe for a line without losing any of it: control
// characters, invalid UTF-8 and invisible characters become \xNN.
func escapeText(s string) string {
	const hex = "0123456789abcdef"
	b := make([]byte, 0, len(s))
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			for _, c := range []byte(s[:n]) {
				b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
			}
		} else {
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return string(b)
}
