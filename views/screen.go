package views

import (
	"github.com/gdamore/tcell/v2"
)

// buffer stands between tview and the screen. tview clears and redraws
// everything every time, and tcell then takes every cell that was cleared in
// between for changed and sends it to the terminal again; this passes on only
// what differs from what was shown before. It also makes Init a no-op: the
// screen has been initialised already, and tview would drop the error.
//
// It belongs to the goroutine of the tview application.
type buffer struct {
	tcell.Screen
	next  []nextCell
	shown []shownCell
	one   tcell.CellBuffer // cuts the first grapheme off a text
	w, h  int
	ascii bool // draw what tview itself draws in ASCII, too
}

// nextCell is a cell that is to be shown. Those covered by a wide character to
// the left of them are skipped.
type nextCell struct {
	shownCell
	width int
}

// blank is an empty cell.
var blank = nextCell{shownCell{" ", tcell.StyleDefault}, 1}

// told is a screen that says when it takes the terminal and has given it back.
type told struct {
	tcell.Screen
	taken func(bool)
}

// Init takes the terminal.
func (s *told) Init() error {
	s.taken(true)
	err := s.Screen.Init()
	if err != nil {
		s.taken(false)
	}
	return err
}

// Fini gives the terminal back for good.
func (s *told) Fini() {
	s.Screen.Fini()
	s.taken(false)
}

// Suspend gives the terminal back for a while.
func (s *told) Suspend() error {
	err := s.Screen.Suspend()
	s.taken(false)
	return err
}

// Resume takes the terminal again.
func (s *told) Resume() error {
	s.taken(true)
	return s.Screen.Resume()
}

// plainDrawing are the ASCII stand-ins of what tview draws by itself: frames,
// and the mark of a text that was cut.
var plainDrawing = map[string]string{
	"…": "~", "─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "±": "+", "—": "-",
}

type shownCell struct {
	text  string
	style tcell.Style
}

// Init does nothing.
func (b *buffer) Init() error { return nil }

// Resume takes the terminal again. The screen forgets its cells when it is
// suspended, so nothing counts as shown any more.
func (b *buffer) Resume() error {
	clear(b.shown)
	return b.Screen.Resume()
}

// Size is the size of the screen; the buffer follows it.
func (b *buffer) Size() (int, int) {
	w, h := b.Screen.Size()
	if w != b.w || h != b.h {
		b.w, b.h = w, h
		b.next, b.shown = make([]nextCell, w*h), make([]shownCell, w*h)
		b.Fill(' ', tcell.StyleDefault)
	}
	return w, h
}

// Clear empties the buffer.
func (b *buffer) Clear() {
	b.Size()
	b.Fill(' ', tcell.StyleDefault)
}

// Fill fills the buffer.
func (b *buffer) Fill(r rune, style tcell.Style) {
	cell := nextCell{shownCell{string(r), style}, 1}
	for i := range b.next {
		b.next[i] = cell
	}
}

// at is a cell, nil beyond the screen.
func (b *buffer) at(x, y int) *nextCell {
	if x < 0 || y < 0 || x >= b.w || y >= b.h {
		return nil
	}
	return &b.next[y*b.w+x]
}

// SetContent sets one cell.
func (b *buffer) SetContent(x, y int, r rune, combining []rune, style tcell.Style) {
	if single(r) && len(combining) == 0 {
		if c := b.at(x, y); c != nil {
			*c = nextCell{shownCell{oneRune(r), style}, 1}
		}
		return
	}
	b.Put(x, y, string(append([]rune{r}, combining...)), style)
}

// printable are the characters of ASCII that can be seen.
const printable = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

// oneRune is string(r), for most runes without an allocation.
func oneRune(r rune) string {
	if i := int(r - ' '); i >= 0 && i < len(printable) {
		return printable[i : i+1]
	}
	return string(r)
}

// Put sets one grapheme, the first of a text, and returns the rest of the text and
// the columns used.
func (b *buffer) Put(x, y int, s string, style tcell.Style) (string, int) {
	b.one.Resize(1, 1)
	rest, width := b.one.Put(0, 0, s, style)
	if c := b.at(x, y); c != nil {
		*c = blank
		if c.text, c.style, _ = b.one.Get(0, 0); width > 0 {
			c.width = width
		}
	}
	return rest, width
}

// Get is what will be shown in a cell.
func (b *buffer) Get(x, y int) (string, tcell.Style, int) {
	c := b.at(x, y)
	if c == nil {
		c = &blank
	}
	return c.text, c.style, c.width
}

// GetContent is Get as tview asks for it.
func (b *buffer) GetContent(x, y int) (rune, []rune, tcell.Style, int) {
	text, style, width := b.Get(x, y)
	runes := []rune(text)
	return runes[0], runes[1:], style, width
}

// Show passes on what has changed.
func (b *buffer) Show() {
	b.Size()
	for y := range b.h {
		for x := 0; x < b.w; {
			text, style, width := b.Get(x, y)
			if plain, ok := plainDrawing[text]; ok && b.ascii {
				text = plain
			}
			now := shownCell{text, style}
			if at := y*b.w + x; b.shown[at] != now {
				b.shown[at] = now
				b.Screen.Put(x, y, text, style)
				for i := 1; i < width && x+i < b.w; i++ {
					b.shown[at+i] = shownCell{} // covered: to be drawn when the wide character goes
				}
			}
			x += max(width, 1)
		}
	}
	b.Screen.Show()
}
