package views

import (
	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"taskscope/views/model"
)

// menu is a small list to choose from, drawn over the page.
type menu struct {
	title string
	head  []model.Line // above what can be chosen
	items []menuItem
	index int
	first int
	stay  bool   // keep the menu open after a choice
	close func() // runs when the menu is closed, unless a choice opened another one
}

type menuItem struct {
	text model.Line
	do   func()
}

// choose opens a menu.
func (a *app) choose(m *menu) { a.menu = m }

// closeMenu closes the menu, if one is open.
func (a *app) closeMenu() {
	if m := a.menu; m != nil {
		a.menu = nil
		if m.close != nil {
			m.close()
		}
	}
}

// menuKey moves in the menu and chooses.
func (a *app) menuKey(ev *tcell.EventKey) {
	m := a.menu
	switch {
	case ev.Key() == tcell.KeyEsc, ev.Rune() == 'q':
		a.closeMenu()
	case ev.Key() == tcell.KeyEnter, ev.Rune() == ' ':
		if len(m.items) > 0 {
			m.items[m.index].do()
		}
		if a.menu == m && !m.stay {
			a.closeMenu()
		}
	case ev.Key() == tcell.KeyUp, ev.Rune() == 'k':
		m.move(-1)
	case ev.Key() == tcell.KeyDown, ev.Rune() == 'j':
		m.move(1)
	case ev.Key() == tcell.KeyPgUp:
		m.move(-10)
	case ev.Key() == tcell.KeyPgDn:
		m.move(10)
	case ev.Key() == tcell.KeyHome, ev.Rune() == 'g':
		m.move(-len(m.items))
	case ev.Key() == tcell.KeyEnd, ev.Rune() == 'G':
		m.move(len(m.items))
	}
}

func (m *menu) move(n int) { m.index = min(max(m.index+n, 0), max(len(m.items)-1, 0)) }

func (m *menu) draw(screen tcell.Screen, t *theme, w, h int) {
	inner := width(m.title) + 2
	for _, it := range m.items {
		inner = max(inner, lineWidth(it.text)+2)
	}
	for _, l := range m.head {
		inner = max(inner, lineWidth(l)+2)
	}
	inner = min(inner, w-4)
	head := m.head[:min(len(m.head), max(h-4-len(m.items), 0))]
	n := min(len(m.items), h-4-len(head))
	if m.index < m.first {
		m.first = m.index
	}
	if m.index >= m.first+n {
		m.first = m.index - n + 1
	}
	x, y := (w-inner-2)/2, max((h-n-len(head)-2)/2, 0)
	box := tview.NewBox().SetBorder(true).SetBorderStyle(t.border).SetTitle(" " + tview.Escape(m.title) + " ")
	box.SetRect(x, y, inner+2, len(head)+n+2)
	box.Draw(screen)
	screen.HideCursor()
	for i, l := range head {
		t.drawLine(screen, x+2, y+1+i, inner-2, l)
	}
	y += len(head)
	for i := range n {
		k := m.first + i
		t.drawLine(screen, x+2, y+1+i, inner-2, m.items[k].text)
		if k != m.index {
			continue
		}
		for c := range inner {
			text, style, _ := screen.Get(x+1+c, y+1+i)
			screen.Put(x+1+c, y+1+i, text, style.Reverse(true))
		}
	}
}
