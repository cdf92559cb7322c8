package inspect

import (
	"strconv"
	"strings"

	"taskscope/inspect/internal/proc"
)

// text reads a small file that never blocks.
func (f *focusRead) text(file proc.File) (string, Why) {
	b, err := f.r.direct.File(f.p.ID.PID, file)
	return strings.TrimSuffix(string(b), "\n"), f.why(file, err)
}

func (f *focusRead) line(file proc.File) Known[string] {
	text, why := f.text(file)
	return Known[string]{V: text, Why: why}
}

func (f *focusRead) lines(file proc.File) Known[[]string] {
	text, why := f.text(file)
	if why != OK {
		return Unknown[[]string](why)
	}
	return Know(strings.Split(text, "\n"))
}

func (f *focusRead) number(file proc.File) Known[int] {
	text, why := f.text(file)
	if why != OK {
		return Unknown[int](why)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return Unknown[int](Malformed)
	}
	return Know(n)
}

// linkNumber is the number in a link text such as "pid:[4026531836]".
func linkNumber(text string) (uint64, bool) {
	_, rest, ok := strings.Cut(text, ":[")
	digits, end, closed := strings.Cut(rest, "]")
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && closed && end == "" && err == nil
}
