package views

import (
	"slices"
	"strings"
	"testing"

	"github.com/gdamore/tcell/v2"
)

func TestNoKeyMeansTwoThings(t *testing.T) {
	for _, page := range scopeNames {
		taken := map[key]string{}
		for _, b := range allBindings() {
			if b.scope&page.scope == 0 {
				continue
			}
			for _, k := range b.keys {
				if other, ok := taken[k]; ok {
					t.Errorf("on the %s, %s is both %q and %q", page.name, k.name(), other, b.short)
				}
				taken[k] = b.short
			}
		}
	}
}

func TestEveryBindingIsDocumented(t *testing.T) {
	markdown := KeysMarkdown()
	for _, b := range allBindings() {
		if len(b.keys) == 0 || b.short == "" || b.long == "" || b.tag == "" || b.scope == 0 {
			t.Errorf("incomplete: %+v", b)
		}
		if !strings.Contains(markdown, b.long) {
			t.Errorf("%q is not in the list of keys", b.long)
		}
		for _, k := range b.keys {
			if k.name() == "" {
				t.Errorf("%q has a key without a name", b.short)
			}
		}
	}
}

func TestEveryBindingDoesSomething(t *testing.T) {
	// Handled before the table, because they work while something is typed.
	before := []tcell.Key{tcell.KeyCtrlC, tcell.KeyCtrlZ, tcell.KeyCtrlL}
	for _, b := range allBindings() {
		if b.do != nil || b.with != nil {
			continue
		}
		found := false
		for _, k := range before {
			found = found || b.keys[0] == special(k)
		}
		if !found {
			t.Errorf("%q does nothing", b.short)
		}
	}
}

func TestNoPlainKeyIsDestructive(t *testing.T) {
	for _, b := range allBindings() {
		if b.short != "Signal" {
			continue
		}
		for _, k := range b.keys {
			if k.key == tcell.KeyRune || k.key == tcell.KeyCtrlD || k.key == tcell.KeyCtrlK {
				t.Errorf("%s is too easily hit for signals", k.name())
			}
		}
	}
}

func TestEveryPageHintsAtHelp(t *testing.T) {
	for _, page := range scopeNames {
		found := false
		for _, b := range allBindings() {
			found = found || b.scope&page.scope != 0 && b.short == "Help" && b.hint == 1
		}
		if !found {
			t.Errorf("the %s does not hint at the help", page.name)
		}
	}
}

func TestParseCPUs(t *testing.T) {
	for _, tt := range []struct {
		text string
		n    int
		want []int
	}{
		{"0", 2, []int{0}},
		{" 0-2,5 ", 8, []int{0, 1, 2, 5}},
		{"3,1,1-2", 0, []int{1, 2, 3}},
		{"0-7", 2, []int{0, 1, 2, 3, 4, 5, 6, 7}}, // the kernel leaves out what there is not
		{"2", 2, nil},
		{"", 2, nil},
		{"1-", 2, nil},
		{"2-1", 4, nil},
		{"-1", 4, nil},
		{"99999", 0, nil},
		{"a", 2, nil},
	} {
		got, err := parseCPUs(tt.text, tt.n)
		if (err != nil) != (tt.want == nil) || !slices.Equal(got, tt.want) {
			t.Errorf("%q of %d: %v, %v", tt.text, tt.n, got, err)
		}
	}
}
