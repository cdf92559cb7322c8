package views

import (
	"github.com/gdamore/tcell/v2"

	"taskscope/views/model"
)

// text is a scrolling text.
type text struct {
	theme  *theme
	lines  []model.Line
	offset int
	height int
}

func (t *text) set(lines []model.Line) { t.lines = lines }

func (t *text) scroll(n int) {
	t.offset = min(max(t.offset+n, 0), max(len(t.lines)-t.height, 0))
}

func (t *text) draw(screen tcell.Screen, x, y, w, h int) {
	t.height = h
	t.scroll(0)
	for i := 0; i < h && t.offset+i < len(t.lines); i++ {
		t.theme.drawLine(screen, x, y+i, w, t.lines[t.offset+i])
	}
}
