package views

import (
	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"taskscope/views/model"
)

// theme maps meanings to looks. Colours are those of the user's palette, on
// the terminal's own background; without colour, attributes and words carry
// the meaning.
type theme struct {
	tags     [model.StyleCount]string
	selected tcell.Style
	border   tcell.Style
}

// looks are foreground and attributes by meaning: colour tag, mono tag.
var looks = [model.StyleCount][2]string{
	model.Normal: {"[-:-:-]", "[-:-:-]"},
	model.Muted:  {"[-:-:d]", "[-:-:d]"},
	model.Strong: {"[-:-:b]", "[-:-:b]"},
	model.Head:   {"[-:-:b]", "[-:-:b]"},
	model.Accent: {"[teal:-:-]", "[-:-:-]"},
	model.OK:     {"[green:-:-]", "[-:-:-]"},
	model.Warn:   {"[olive:-:-]", "[-:-:b]"},
	model.Bad:    {"[maroon:-:b]", "[-:-:br]"},
	model.New:    {"[green:-:-]", "[-:-:b]"},
	model.Gone:   {"[maroon:-:d]", "[-:-:d]"},
	model.Found:  {"[-:-:bu]", "[-:-:bu]"},
	model.Tagged: {"[olive:-:b]", "[-:-:bu]"},
}

// newTheme makes the theme and sets tview's own defaults, which are global to
// the process and have to be set before any primitive is made.
func newTheme(mono bool) *theme {
	t := &theme{selected: tcell.StyleDefault.Reverse(true), border: tcell.StyleDefault.Dim(true)}
	for s := range looks {
		t.tags[s] = looks[s][0]
		if mono {
			t.tags[s] = looks[s][1]
		}
	}
	tview.Styles = tview.Theme{
		PrimitiveBackgroundColor: tcell.ColorDefault, ContrastBackgroundColor: tcell.ColorDefault,
		MoreContrastBackgroundColor: tcell.ColorDefault, BorderColor: tcell.ColorDefault, TitleColor: tcell.ColorDefault,
		GraphicsColor: tcell.ColorDefault, PrimaryTextColor: tcell.ColorDefault, SecondaryTextColor: tcell.ColorDefault,
		TertiaryTextColor: tcell.ColorDefault, InverseTextColor: tcell.ColorDefault, ContrastSecondaryTextColor: tcell.ColorDefault,
	}
	return t
}
