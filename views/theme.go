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
	styles   [model.StyleCount]tcell.Style
	selected tcell.Style
	border   tcell.Style
}

// plain is what the others are made from.
var plain = tcell.StyleDefault

// looks are the looks by meaning: in colour, and without.
var looks = [model.StyleCount][2]tcell.Style{
	model.Normal: {plain, plain},
	model.Muted:  {plain.Dim(true), plain.Dim(true)},
	model.Strong: {plain.Bold(true), plain.Bold(true)},
	model.Head:   {plain.Bold(true), plain.Bold(true)},
	model.Accent: {plain.Foreground(tcell.ColorTeal), plain},
	model.OK:     {plain.Foreground(tcell.ColorGreen), plain},
	model.Warn:   {plain.Foreground(tcell.ColorOlive), plain.Bold(true)},
	model.Bad:    {plain.Foreground(tcell.ColorMaroon).Bold(true), plain.Bold(true).Reverse(true)},
	model.New:    {plain.Foreground(tcell.ColorGreen), plain.Bold(true)},
	model.Gone:   {plain.Foreground(tcell.ColorMaroon).Dim(true), plain.Dim(true)},
	model.Found:  {plain.Bold(true).Underline(true), plain.Bold(true).Underline(true)},
	model.Tagged: {plain.Foreground(tcell.ColorOlive).Bold(true), plain.Bold(true).Underline(true)},
}

// newTheme makes the theme and sets tview's own defaults, which are global to
// the process and have to be set before any primitive is made.
func newTheme(mono bool) *theme {
	t := &theme{selected: tcell.StyleDefault.Reverse(true), border: tcell.StyleDefault.Dim(true)}
	for s := range looks {
		t.styles[s] = looks[s][0]
		if mono {
			t.styles[s] = looks[s][1]
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
