package views

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gdamore/tcell/v2"

	"taskscope/views/model"
)

// scope is a set of pages on which a key means something.
type scope uint8

// The pages.
const (
	onProcesses scope = 1 << iota
	onAttach
	onLoads
	onRun
	onText     // help, doctor
	everywhere = onProcesses | onAttach | onLoads | onRun | onText
	onTables   = everywhere &^ onText
	inSubpages = everywhere &^ onProcesses
)

// scopeNames name the pages in the list of keys.
var scopeNames = []struct {
	scope scope
	name  string
}{
	{onProcesses, "process tree"}, {onAttach, "attach page"}, {onLoads, "loads"}, {onRun, "run of a load"}, {onText, "help, doctor"},
}

// key is one key of the keyboard: a special key, or a character.
type key struct {
	key  tcell.Key
	char rune
}

func char(r rune) key         { return key{tcell.KeyRune, r} }
func special(k tcell.Key) key { return key{key: k} }

// chars are several characters.
func chars(s string) []key {
	var keys []key
	for _, r := range s {
		keys = append(keys, char(r))
	}
	return keys
}

// name is how the key is written.
func (k key) name() string {
	if k.key == tcell.KeyRune {
		if k.char == ' ' {
			return "Space"
		}
		return string(k.char)
	}
	switch k.key {
	case tcell.KeyUp:
		return "↑"
	case tcell.KeyDown:
		return "↓"
	case tcell.KeyLeft:
		return "←"
	case tcell.KeyRight:
		return "→"
	case tcell.KeyBackspace2:
		return "Backspace"
	case tcell.KeyBacktab:
		return "Shift-Tab"
	}
	return tcell.KeyNames[k.key]
}

// keyOf is the key of an event. Ctrl-H and Backspace are one key here.
func keyOf(ev *tcell.EventKey) key {
	if ev.Key() == tcell.KeyRune {
		return char(ev.Rune())
	}
	if ev.Key() == tcell.KeyBackspace {
		return special(tcell.KeyBackspace2)
	}
	return special(ev.Key())
}

// binding is everything there is to know about a command: its keys, where they
// work, what they do, and what they are called in hints, help and README.
type binding struct {
	keys  []key
	scope scope
	tag   string // heading in the help
	short string // in the hints
	long  string // in the help
	hint  int    // place among the hints, 0: only in the help
	// enabled says whether the command can be used now, and why not; nil: always.
	enabled func(*app) (bool, string)
	do      func(*app)
	with    func(*app, key) // like do, where the key matters
}

func (b *binding) names() string {
	var names []string
	for _, k := range b.keys {
		names = append(names, k.name())
	}
	return strings.Join(names, " ")
}

// key handles a key of the terminal.
func (a *app) key(ev *tcell.EventKey) {
	a.moved = false
	defer func() {
		if !a.moved { // a mere move of the cursor changes no row
			a.update()
		}
	}()
	switch ev.Key() {
	case tcell.KeyCtrlC:
		a.cancel()
		return
	case tcell.KeyCtrlZ:
		a.suspend()
		return
	case tcell.KeyCtrlL:
		a.screen.Sync()
		return
	}
	a.flash = nil
	switch {
	case a.menu != nil:
		a.menuKey(ev)
	case a.prompt != nil:
		a.promptKey(ev)
	default:
		a.dispatch(keyOf(ev))
	}
}

// dispatch runs the binding of a key on the page shown.
func (a *app) dispatch(k key) {
	for i := range a.bindings {
		b := &a.bindings[i]
		if b.do == nil && b.with == nil || b.scope&a.top().scope() == 0 || !slices.Contains(b.keys, k) {
			continue
		}
		if b.enabled != nil {
			if ok, why := b.enabled(a); !ok {
				a.say(model.Warn, b.short+": "+why)
				return
			}
		}
		if b.with != nil {
			b.with(a, k)
		} else {
			b.do(a)
		}
		return
	}
}

// hints is the last line: the commands of the page shown, as many as fit.
func (a *app) hints(width int) model.Line {
	s := a.top().scope()
	var list []*binding
	for i := range a.bindings {
		b := &a.bindings[i]
		if b.hint == 0 || b.scope&s == 0 {
			continue
		}
		if b.enabled != nil {
			if ok, _ := b.enabled(a); !ok {
				continue
			}
		}
		list = append(list, b)
	}
	slices.SortStableFunc(list, func(x, y *binding) int { return x.hint - y.hint })
	var line model.Line
	for _, b := range list {
		style := model.Muted
		name := b.keys[0].name()
		if lineWidth(line)+len([]rune(name))+len(b.short)+3 > width {
			continue
		}
		line = append(line, model.Span{Text: name, Style: model.Accent}, model.Span{Text: " " + b.short + "  ", Style: style})
	}
	return line
}

// disabled says, by the place of a binding in the table, why those of the page
// shown are off.
func (a *app) disabled() map[int]string {
	off := map[int]string{}
	s := a.top().scope()
	for i := range a.bindings {
		if b := &a.bindings[i]; b.scope&s != 0 && b.enabled != nil {
			if ok, why := b.enabled(a); !ok {
				off[i] = why
			}
		}
	}
	return off
}

// helpLines is the help page: the keys of the page one comes from first, and
// why they were off there.
func (a *app) helpLines(from scope, off map[int]string, width int) []model.Line {
	lines := []model.Line{{{Text: "Keys of this page", Style: model.Head}}}
	lines = append(lines, a.helpOf(width, off, func(b *binding) bool { return b.scope&from != 0 })...)
	lines = append(lines, nil, model.Plain("Keys of other pages", model.Head))
	lines = append(lines, a.helpOf(width, nil, func(b *binding) bool { return b.scope&from == 0 })...)
	lines = append(lines, nil, model.Plain("How to read the screens", model.Head))
	return append(lines, legend(&a.glyphs)...)
}

// helpKeys is the width of the keys in the help.
const helpKeys = 22

func (a *app) helpOf(width int, off map[int]string, want func(*binding) bool) []model.Line {
	var lines []model.Line
	for _, tag := range tags(a.bindings) {
		first := true
		for i := range a.bindings {
			b := &a.bindings[i]
			if b.tag != tag || !want(b) {
				continue
			}
			if first {
				lines = append(lines, nil, model.Plain(tag, model.Strong))
				first = false
			}
			lines = append(lines, helpEntry(b, off[i], width)...)
		}
	}
	return lines
}

// helpEntry is one command: its keys, what it does, and why it is off, if it is.
func helpEntry(b *binding, off string, width int) []model.Line {
	var lines []model.Line
	for i, text := range model.Wrap(b.long, width-helpKeys-1) {
		names := ""
		if i == 0 {
			names = "  " + b.names()
		}
		lines = append(lines, model.Line{{Text: names, Style: model.Accent, Width: helpKeys}, {Text: " " + text}})
	}
	if off != "" {
		last := &lines[len(lines)-1]
		*last = append(*last, model.Span{Text: "  (" + off + ")", Style: model.Warn})
	}
	return lines
}

// tags are the headings in order of first use.
func tags(bindings []binding) []string {
	var list []string
	for i := range bindings {
		if !slices.Contains(list, bindings[i].tag) {
			list = append(list, bindings[i].tag)
		}
	}
	return list
}

// KeysMarkdown is the list of keys for the README.
func KeysMarkdown() string {
	var b strings.Builder
	bindings := allBindings()
	for _, tag := range tags(bindings) {
		fmt.Fprintf(&b, "**%s**\n\n| keys | where | what |\n|---|---|---|\n", tag)
		for i := range bindings {
			if k := &bindings[i]; k.tag == tag {
				names := strings.ReplaceAll(strings.ReplaceAll(k.names(), "|", `\|`), "`", "\\`")
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(names, " ", "` `"), where(k.scope), k.long)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func where(s scope) string {
	switch s {
	case everywhere:
		return "everywhere"
	case onTables:
		return "tables"
	case inSubpages:
		return "every page but the first"
	}
	var names []string
	for _, n := range scopeNames {
		if s&n.scope != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ", ")
}
