package views

import (
	"fmt"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"taskscope/views/model"
)

// The smallest screen on which anything can be shown.
const (
	minWidth  = 30
	minHeight = 8
)

// shell is the root primitive: header, page, status line, hints. On small
// screens it drops lines before it drops the page.
type shell struct {
	*tview.Box
	app   *app
	width int
}

// Draw lays out and draws everything.
func (s *shell) Draw(screen tcell.Screen) {
	a := s.app
	w, h := screen.Size()
	if w < minWidth || h < minHeight {
		s.tooSmall(screen, w, h)
		return
	}
	if w != s.width {
		s.width = w
		a.top().arrange(w)
		if g := a.top().grid(); g != nil {
			g.refresh()
		}
	}
	header := headerHeight(h)
	for i, l := range a.header().Lines(w, header) {
		a.theme.drawLine(screen, 0, i, w, l)
	}
	footer := 1
	if h >= 12 {
		footer = 2
	}
	a.top().draw(screen, 0, header, w, h-header-footer)
	screen.HideCursor()
	if footer == 2 {
		s.status(screen, h-2, w)
		a.theme.drawLine(screen, 0, h-1, w, a.hints(w))
	} else {
		s.status(screen, h-1, w)
	}
	if a.menu != nil {
		a.menu.draw(screen, a.theme, w, h)
	}
}

// headerHeight is how many lines the header may take of a screen.
func headerHeight(h int) int {
	switch {
	case h >= 22:
		return 3
	case h >= 18:
		return 2
	}
	return 1
}

func (a *app) header() *model.Header {
	hd := &model.Header{G: a.glyphs, Frame: a.frame, Interval: a.interval, Paused: a.paused, Notes: a.top().notes()}
	for _, p := range a.stack {
		hd.Crumbs = append(hd.Crumbs, p.crumb())
	}
	return hd
}

// status is the line for what is being typed, a message, or the selected row.
func (s *shell) status(screen tcell.Screen, y, w int) {
	a := s.app
	switch {
	case a.prompt != nil:
		a.prompt.draw(screen, a.theme, y, w)
	case a.flash != nil:
		a.theme.drawLine(screen, 0, y, w, a.flash)
	default:
		a.theme.drawLine(screen, 0, y, w, a.top().describe())
	}
}

func (s *shell) tooSmall(screen tcell.Screen, w, h int) {
	for i, l := range []string{"terminal too small", fmt.Sprintf("%dx%d, need %dx%d", w, h, minWidth, minHeight)} {
		if i < h {
			s.app.theme.drawLine(screen, 0, i, w, model.Plain(l, model.Normal))
		}
	}
}
