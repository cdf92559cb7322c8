package views

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"taskscope/views/model"
)

// single reports whether a rune takes one column and joins with no rune beside it
// that does so too: most of what is ever shown, which needs not be cut into
// graphemes.
func single(r rune) bool {
	return r >= ' ' && r < 0x7f || r >= '─' && r <= '╿' || r == '—' || r == '…' || r == '·'
}

// width is the number of columns a text takes on screen.
func width(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			break
		}
		n++
	}
	for _, r := range s[n:] {
		if !single(r) {
			return tview.TaggedStringWidth(tview.Escape(s))
		}
		n++
	}
	return n
}

// pad fills a text up to a width; negative widths align to the right. Longer
// texts are left to be cut where they are drawn.
func pad(s string, w int) string {
	n := width(s)
	switch {
	case w > n:
		return s + strings.Repeat(" ", w-n)
	case -w > n:
		return strings.Repeat(" ", -w-n) + s
	}
	return s
}

// put draws text on at most w columns, without the control characters that may be
// in it, and returns the columns used.
func put(screen tcell.Screen, x, y, w int, text string, style tcell.Style) int {
	used := 0
	for len(text) > 0 && used < w {
		r, size := utf8.DecodeRuneInString(text)
		if unicode.IsControl(r) {
			text = text[size:]
			continue
		}
		if single(r) && alone(text[size:]) {
			text = text[size:]
			screen.SetContent(x+used, y, r, nil, style)
			used++
			continue
		}
		var n int
		if text, n = screen.Put(x+used, y, text, style); used+n > w {
			screen.SetContent(x+used, y, ' ', nil, style) // half of a wide character
			n = w - used
		}
		used += n
	}
	return used
}

// alone reports whether a rune before this text joins with nothing in it.
func alone(text string) bool {
	if text == "" || text[0] < utf8.RuneSelf {
		return true
	}
	r, _ := utf8.DecodeRuneInString(text)
	return single(r)
}

// drawLine draws a line and returns the columns used. Spans with a width are
// cut to it; a line that is cut ends in the mark of it.
func (t *theme) drawLine(screen tcell.Screen, x, y, w int, l model.Line) int {
	return t.drawSpans(screen, x, y, w, l, nil)
}

// drawSpans draws a line, in one style throughout if there is one given.
func (t *theme) drawSpans(screen tcell.Screen, x, y, w int, l model.Line, style *tcell.Style) int {
	used := 0
	for _, s := range l {
		room := w - used
		if room <= 0 {
			break
		}
		if s.Width != 0 {
			room = min(room, max(s.Width, -s.Width))
		}
		look := t.styles[s.Style]
		if style != nil {
			look = *style
		}
		n := put(screen, x+used, y, room, pad(s.Text, s.Width), look)
		if s.Width != 0 {
			n = room
		}
		used += n
	}
	if used >= w && w > 1 && textWidth(l) > w {
		_, style, _ := screen.Get(x+w-1, y)
		screen.Put(x+w-1, y, "…", style)
	}
	return used
}

// textWidth is the number of columns of a line up to its last letter.
func textWidth(l model.Line) int {
	for len(l) > 0 && strings.TrimSpace(l[len(l)-1].Text) == "" {
		l = l[:len(l)-1]
	}
	n := lineWidth(l)
	if len(l) > 0 {
		last := l[len(l)-1]
		n -= width(pad(last.Text, last.Width)) - width(strings.TrimRight(pad(last.Text, last.Width), " "))
	}
	return n
}

// lineWidth is the number of columns of a line.
func lineWidth(l model.Line) int {
	n := 0
	for _, s := range l {
		if s.Width != 0 {
			n += max(s.Width, -s.Width)
			continue
		}
		n += width(s.Text)
	}
	return n
}
