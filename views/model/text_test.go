package model

import (
	"math"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"taskscope/inspect"
)

func TestSanitize(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"plain text [x]":     "plain text [x]",
		"tab\tnew\nline":     "tab·new·line",
		"\x1b[31mred":        "·[31mred",
		"\xff\xfe":           `\xff\xfe`,
		"a\u202eb\u2066c":    "a·b·c",
		"zero\u200bwidth":    "zero·width",
		"c1\u009bx":          "c1·x",
		"日本語":                "日本語",
		"👩\u200d💻":           "👩\u200d💻",
		"nbsp\u00a0x":        "nbsp·x",
		"del\x7f":            "del·",
		"\ufeffbom":          "·bom",
		"tag\U000e0041":      "tag·",
		"line\u2028sep":      "line·sep",
		"\u00e9":             "é",
		string([]byte{0x80}): `\x80`,
	} {
		if got := Sanitize(in); got != want {
			t.Errorf("Sanitize(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzSanitize(f *testing.F) {
	for _, s := range []string{"", "bash", "\x1b]0;x\a", "\xff", "a\u202eb", "日本語", "\u0000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := Sanitize(in)
		if !utf8.ValidString(out) {
			t.Fatalf("%q: not UTF-8: %q", in, out)
		}
		for _, r := range out {
			if unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				t.Fatalf("%q: %U got through", in, r)
			}
		}
		if Sanitize(out) != out {
			t.Fatalf("%q: not stable", in)
		}
	})
}

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Bytes(0), "0B"},
		{Bytes(1023), "1023B"},
		{Bytes(1024), "1.00K"},
		{Bytes(10*1024 - 1), "10.0K"},
		{Bytes(1 << 20), "1.00M"},
		{Bytes(1<<20 - 1), "1.00M"},
		{Bytes(1023 * 1024), "1023K"},
		{Bytes(math.MaxUint64), "16.0E"},
		{BytesLong(5 << 20), "5.00 MiB"},
		{Count(0), "0"},
		{Count(99_999), "99999"},
		{Count(100_000), "100k"},
		{Count(1_234_567), "1.23M"},
		{Count(math.MaxUint64), "18.4E"},
		{Rate(0), "0.0"},
		{Rate(0.04), "0.0"},
		{Rate(999.94), "999.9"},
		{Rate(999.96), "1000"},
		{Rate(99_999.9), "100k"},
		{Rate(math.NaN()), "?"},
		{Rate(-3), "-3.0"},
		{Duration(0), "0ns"},
		{Duration(999), "999ns"},
		{Duration(1500), "1.50us"},
		{Duration(12_300_000), "12.3ms"},
		{Duration(1e9), "1.00s"},
		{Duration(60e9), "1m00s"},
		{Duration(3599e9), "59m59s"},
		{Duration(3600e9), "1h00m"},
		{Duration(86400e9 * 12), "12d00h"},
		{Grouped(0), "0"},
		{Grouped(999), "999"},
		{Grouped(1000), "1,000"},
		{Grouped(12345678), "12,345,678"},
		{signedBytes(-2048), "-2.00K"},
		{signedBytes(0), "0B"},
		{signedBytes(1), "+1B"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// FuzzWidths: whatever the value, it fits the fixed width of its column.
func FuzzWidths(f *testing.F) {
	for _, v := range []uint64{0, 1, 999, 1000, 1023, 1024, 99_999, 999_999, 1<<20 - 1, 1 << 40, 59_950_000_000, math.MaxUint64} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v uint64) {
		for name, s := range map[string]string{"Bytes": Bytes(v), "Count": Count(v), "Rate": Rate(float64(v) / 1e4), "Duration": Duration(v)} {
			if len(s) > 6 && !(name == "Duration" && v > 86400e9*100) {
				t.Errorf("%s(%d) = %q is too wide", name, v, s)
			}
		}
	})
}

func TestUnknownIsNeverZero(t *testing.T) {
	for _, g := range []Glyphs{UnicodeGlyphs(), ASCIIGlyphs()} {
		for why := inspect.NotRead; why.Text() != "" || why == inspect.OK; why++ {
			if why == inspect.OK {
				continue
			}
			if why > 60 {
				break
			}
			s := g.Number(inspect.Unknown[float64](why))
			if s.Text != g.Unknown && s.Text != g.Pending || strings.Contains(s.Text, "0") {
				t.Errorf("%s: shown as %q", why.Text(), s.Text)
			}
			if (why == inspect.NeedsTwoSamples) != (s.Text == g.Pending) && why != inspect.NotRead {
				t.Errorf("%s: pending shown wrongly as %q", why.Text(), s.Text)
			}
		}
	}
}

func TestEdit(t *testing.T) {
	e := NewEdit("cpu")
	for _, r := range ">5\x1b" {
		e.Insert(r)
	}
	e.Home()
	e.Insert('x')
	e.Move(1)
	e.Delete()
	if e.Text() != "xcu>5" {
		t.Errorf("text %q", e.Text())
	}
	if b, a := e.Parts(); b != "xc" || a != "u>5" {
		t.Errorf("parts %q %q", b, a)
	}
	e.End()
	e.Backspace()
	e.Word()
	if e.Text() != "" || e.Backspace() {
		t.Errorf("text %q", e.Text())
	}
	e.Set("sort thr")
	if fits := e.Complete([]string{"threads", "thread_states", "pid"}); len(fits) != 2 || e.Text() != "sort thread" {
		t.Errorf("completed to %q with %v", e.Text(), fits)
	}
	e.Insert('s')
	if fits := e.Complete([]string{"threads", "thread_states"}); len(fits) != 1 || e.Text() != "sort threads " {
		t.Errorf("completed to %q with %v", e.Text(), fits)
	}
	e.Move(-100)
	e.Clear()
	if e.Text() != "sort threads " || e.Complete([]string{"zzz"}) == nil {
		t.Errorf("text %q", e.Text())
	}
}

func TestBars(t *testing.T) {
	for _, g := range []Glyphs{UnicodeGlyphs(), ASCIIGlyphs()} {
		for _, f := range []float64{-1, 0, 0.01, 0.5, 0.99, 1, 2, math.NaN(), math.Inf(1)} {
			if n := utf8.RuneCountInString(g.BarText(f, 7)); n != 7 {
				t.Errorf("a bar of %v is %d wide", f, n)
			}
		}
		for _, c := range [][3]float64{{0, 0, 100}, {100, 0, 100}, {0, 100, 100}, {0.06, 0.06, 100}, {99.99, 0.06, 100}, {50, 50, 100}, {300, 90, 400}, {120, 10, 100}, {0, 0, 0}} {
			l := g.Shares(c[0], c[1], c[2], 10)
			if n := utf8.RuneCountInString(l.Text()); n != 10 {
				t.Errorf("shares %v are %d wide: %q", c, n, l.Text())
			}
			if c[2] > 0 && c[1] >= 0.05 && !strings.Contains(l.Text(), g.Ready) {
				t.Errorf("shares %v hide the wait: %q", c, l.Text())
			}
		}
		if s := g.SparkText([]float64{math.NaN(), 0, 1, 2}, 2); utf8.RuneCountInString(s) != 4 || s[0] != ' ' {
			t.Errorf("spark %q", s)
		}
	}
}

func TestRing(t *testing.T) {
	r := NewRing(3)
	for i := range 5 {
		r.Push(float64(i))
	}
	if got := r.Last(5); !math.IsNaN(got[0]) || !math.IsNaN(got[1]) || got[2] != 2 || got[4] != 4 || r.Max() != 4 {
		t.Errorf("ring %v, max %v", got, r.Max())
	}
}

func TestWrap(t *testing.T) {
	for _, l := range Wrap("one two three four five six seven eight nine ten", 16) {
		if len(l) > 16 {
			t.Errorf("%q is too long", l)
		}
	}
	if got := Wrap("", 40); len(got) != 1 {
		t.Errorf("%q", got)
	}
}
