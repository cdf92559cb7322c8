// Package viewtest drives the interface in tests: on a simulated screen, where
// every drawing is recorded, and on a pseudo-terminal. Tests wait for what is
// to be seen; they never sleep. Only _test.go files import it.
package viewtest

import (
	"strings"
	"sync"

	"github.com/gdamore/tcell/v2"
)

// Screen is a simulated screen that keeps a copy of what was shown last.
type Screen struct {
	tcell.SimulationScreen
	w, h  int
	ready chan struct{} // closed when keys can be pressed

	mu      sync.Mutex
	text    []string
	styles  []string
	shown   int
	changed chan struct{} // closed and replaced at every drawing
}

func newScreen(w, h int) *Screen {
	return &Screen{SimulationScreen: tcell.NewSimulationScreen("UTF-8"), w: w, h: h, ready: make(chan struct{}), changed: make(chan struct{})}
}

// Init sets the size the test asked for.
func (s *Screen) Init() error {
	if err := s.SimulationScreen.Init(); err != nil {
		return err
	}
	s.SetSize(s.w, s.h)
	close(s.ready)
	return nil
}

// Show records what is shown.
func (s *Screen) Show() {
	s.SimulationScreen.Show()
	s.record()
}

// Sync records what is shown.
func (s *Screen) Sync() {
	s.SimulationScreen.Sync()
	s.record()
}

func (s *Screen) record() {
	w, h := s.Size()
	text, styles := make([]string, h), make([]string, h)
	for y := range h {
		var t, st strings.Builder
		for x := 0; x < w; {
			str, style, n := s.Get(x, y)
			if str == "" {
				str = " "
			}
			t.WriteString(str)
			st.WriteByte(letter(style))
			for range max(n, 1) - 1 {
				st.WriteByte(letter(style))
			}
			x += max(n, 1)
		}
		text[y], styles[y] = strings.TrimRight(t.String(), " "), strings.TrimRight(st.String(), ".")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.styles = text, styles
	s.shown++
	close(s.changed)
	s.changed = make(chan struct{})
}

// letter is one letter per look: a reviewer sees changes of colour in a golden.
func letter(style tcell.Style) byte {
	fg, _, attr := style.Decompose()
	if attr&tcell.AttrReverse != 0 {
		return 'S' // selected
	}
	switch fg {
	case tcell.ColorGreen:
		return 'g'
	case tcell.ColorOlive:
		return 'y'
	case tcell.ColorMaroon:
		return 'r'
	case tcell.ColorTeal:
		return 't'
	case tcell.ColorDefault:
	default:
		return '?'
	}
	switch {
	case attr&tcell.AttrUnderline != 0:
		return 'u'
	case attr&tcell.AttrBold != 0:
		return 'b'
	case attr&tcell.AttrDim != 0:
		return 'm' // muted
	}
	return '.'
}
