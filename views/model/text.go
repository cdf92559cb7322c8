package model

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"taskscope/inspect"
)

// Sanitize makes text of the kernel safe to show: names of programs and files
// are arbitrary bytes chosen by whoever made them. Control characters, escape
// sequences, direction overrides and invisible characters become a visible
// dot; bytes that are not UTF-8 become \xNN. Printable text is returned as is.
func Sanitize(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == ' ' || visible(r):
			b.WriteRune(r)
		default:
			b.WriteRune('·')
		}
		i += n
	}
	return b.String()
}

// plain reports whether s is printable ASCII throughout: the usual case, which
// needs no copy.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// visible reports whether a rune may be shown as it is. The joiner inside
// emoji and the scripts that need it is the one format character let through.
func visible(r rune) bool {
	return r == '\u200d' || r == '\u200c' || unicode.IsGraphic(r) && !unicode.Is(unicode.Zs, r) && r != '\u2800'
}

// three writes a number below 1024 with three digits: 1.23, 12.3, 123.
func three(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	default:
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
}

// scaled divides by base until the number has at most four digits.
func scaled(f, base float64, units string) (string, byte) {
	i := -1
	for i < len(units)-1 && (i < 0 || f >= base-0.5) {
		f /= base
		i++
	}
	return three(f), units[i]
}

// Bytes writes a size in at most six columns: "0B", "512B", "1.50K", "12.3M".
// The letters are powers of 1024.
func Bytes(v uint64) string {
	if v < 1024 {
		return strconv.FormatUint(v, 10) + "B"
	}
	s, u := scaled(float64(v), 1024, "KMGTPE")
	return s + string(u)
}

// BytesLong is Bytes with the unit spelled out, for texts: "12.3 MiB".
func BytesLong(v uint64) string {
	if v < 1024 {
		return strconv.FormatUint(v, 10) + " B"
	}
	s, u := scaled(float64(v), 1024, "KMGTPE")
	return s + " " + string(u) + "iB"
}

// Count writes a number in at most six columns: exact below 100000, then
// "123k", "1.23M" (powers of 1000).
func Count(v uint64) string {
	if v < 100_000 {
		return strconv.FormatUint(v, 10)
	}
	s, u := scaled(float64(v), 1000, "kMGTPE")
	return s + string(u)
}

// Rate writes events per second in at most six columns: "0.0", "12.3",
// "1234", "123k".
func Rate(f float64) string {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "?"
	case f < 0:
		return "-" + Rate(-f)
	case f < 999.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case f < 99_999.5:
		return strconv.FormatFloat(f, 'f', 0, 64)
	default:
		return Count(uint64(math.Round(math.Min(f, math.MaxUint64/2))))
	}
}

// Percent writes a percentage without its sign in at most five columns.
func Percent(f float64) string { return Rate(f) }

// Duration writes nanoseconds in at most six columns: "850ns", "12.3ms",
// "1.23s", "12m34s", "3h05m", "12d03h".
func Duration(ns uint64) string {
	f := float64(ns)
	switch {
	case ns < 1000:
		return strconv.FormatUint(ns, 10) + "ns"
	case f < 999.5e3:
		return three(f/1e3) + "us"
	case f < 999.5e6:
		return three(f/1e6) + "ms"
	case f < 59.95e9:
		return three(f/1e9) + "s"
	}
	s := uint64(math.Round(f / 1e9))
	switch {
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
	}
}

// Address writes an address with a fixed number of digits.
func Address(v uint64) string { return fmt.Sprintf("%012x", v) }

// Grouped writes an exact number with thin groups: "1,234,567".
func Grouped(v uint64) string {
	s := strconv.FormatUint(v, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// StateWord is the word for a task state.
func StateWord(s inspect.State) string {
	switch s {
	case 'R':
		return "running"
	case 'S':
		return "sleeping"
	case 'D':
		return "disk"
	case 'T':
		return "stopped"
	case 't':
		return "traced"
	case 'Z':
		return "zombie"
	case 'X', 'x':
		return "dead"
	case 'I':
		return "idle"
	case 'P':
		return "parked"
	case 0:
		return "unknown"
	default:
		return "state " + Sanitize(string(rune(s)))
	}
}

// StateMeaning is one sentence about a state, for details and help.
func StateMeaning(s inspect.State) string {
	switch s {
	case 'R':
		return "on a CPU, or ready and waiting for one"
	case 'S':
		return "blocked until an event or a signal wakes it"
	case 'D':
		return "blocked in the kernel, usually on storage; signals do not wake it"
	case 'T':
		return "stopped by a signal; SIGCONT continues it"
	case 't':
		return "held by a debugger"
	case 'Z':
		return "has exited; its parent has not yet read the result"
	case 'I':
		return "kernel thread with nothing to do"
	default:
		return ""
	}
}

// StateStyle is the style of a state word.
func StateStyle(s inspect.State) Style {
	switch s {
	case 'R':
		return OK
	case 'D', 'Z', 'X', 'x':
		return Bad
	case 'T', 't':
		return Warn
	case 'I', 'P', 'S':
		return Muted
	default:
		return Normal
	}
}

// PolicyWord names a scheduling policy.
func PolicyWord(p int) string {
	words := [...]string{"other", "fifo", "rr", "batch", "4", "idle", "deadline", "ext"}
	if p >= 0 && p < len(words) {
		return words[p]
	}
	return strconv.Itoa(p)
}
