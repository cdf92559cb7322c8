package main

import (
	"encoding/json"
	"math"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"taskscope/inspect"
)

func TestJSONObject(t *testing.T) {
	var o jsonObject
	o.begin([]byte("x"))
	o.name("comm", "a\xffb")
	o.names("cmdline", []string{"ok", "\xfe"})
	o.name("plain", "日本\x1b[31m\"\\\u2028\x7f")
	o.names("none", nil)
	o.float("nan", math.NaN())
	o.float("big", 1e300)
	o.float("cpu", 12.5)
	o.hex("pc", math.MaxUint64)
	knownUint(&o, "pss_bytes", inspect.Unknown[uint64](inspect.NeedsPtrace))
	knownInt(&o, "fds", inspect.Know(0))
	o.object("inner", func(o *jsonObject) { o.null("deep", "no reason") })
	o.list("list", 2, func(i int, o *jsonObject) { o.int("i", int64(i)) })
	b := o.end()

	var got map[string]any
	if err := json.Unmarshal(b[1:], &got); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, b)
	}
	want := map[string]any{
		"comm": `a\xffb`, "comm_raw": "Yf9i",
		"cmdline": []any{"ok", `\xfe`}, "cmdline_raw": []any{"b2s=", "/g=="},
		"plain": "日本\x1b[31m\"\\\u2028\x7f",
		"none":  []any{},
		"nan":   nil, "big": 1e300, "cpu": 12.5, "pc": "0xffffffffffffffff",
		"pss_bytes": nil, "fds": 0.0,
		"inner": map[string]any{"deep": nil, "why": map[string]any{"deep": "no reason"}},
		"list":  []any{map[string]any{"i": 0.0, "why": map[string]any{}}, map[string]any{"i": 1.0, "why": map[string]any{}}},
		"why":   map[string]any{"nan": "not a number", "pss_bytes": "permission denied: needs CAP_SYS_PTRACE"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func FuzzJSONString(f *testing.F) {
	for _, s := range []string{"", "a", "\x00\x1f\x7f", "\xff\xfe", "\u2028", "a\"b\\c", "\xe2\x80", "😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendJSONString(nil, s)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %v: %s", s, err, b)
		}
		if utf8.ValidString(s) && got != s {
			t.Errorf("%q came back as %q", s, got)
		}
		if !utf8.Valid(b) {
			t.Errorf("%q: not UTF-8: %q", s, b)
		}
	})
}
