package views

import (
	"strings"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"taskscope/views/model"
)

// width is the number of columns a text takes on screen.
func width(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return tview.TaggedStringWidth(tview.Escape(s))
		}
	}
	return len(s)
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

// markup turns a line into text for tview: every text is escaped here and
// nowhere else, and here only.
func (t *theme) markup(l model.Line) string {
	if len(l) == 1 && l[0].Style == model.Normal && l[0].Width == 0 {
		return tview.Escape(l[0].Text)
	}
	var b strings.Builder
	for _, s := range l {
		if s.Text == "" && s.Width == 0 {
			continue
		}
		b.WriteString(t.tags[s.Style])
		b.WriteString(tview.Escape(pad(s.Text, s.Width)))
	}
	if b.Len() > 0 {
		b.WriteString("[-:-:-]")
	}
	return b.String()
}

// drawLine draws a line and returns the columns used. Spans with a width are
// cut to it; a line that is cut ends in the mark of it.
func (t *theme) drawLine(screen tcell.Screen, x, y, w int, l model.Line) int {
	used := 0
	for _, s := range l {
		room := w - used
		if room <= 0 {
			break
		}
		text := pad(s.Text, s.Width)
		if s.Width != 0 {
			room = min(room, max(s.Width, -s.Width))
		}
		_, n := tview.Print(screen, t.tags[s.Style]+tview.Escape(text), x+used, y, room, tview.AlignLeft, tcell.ColorDefault)
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
