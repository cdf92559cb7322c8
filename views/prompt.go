package views

import (
	"strings"

	"github.com/gdamore/tcell/v2"

	"taskscope/views/model"
)

// prompt is a line being typed at the bottom of the screen.
type prompt struct {
	kind     string // of its history
	label    string
	edit     *model.Edit
	err      string // what is wrong with the text so far
	hint     string
	past     int // position in the history, counted from its end
	changed  func(text string) error
	accepted func(text string) error // an error keeps the prompt open
	canceled func()
	complete func(before string) []string
}

// ask opens a prompt.
func (a *app) ask(p *prompt) {
	if p.edit == nil {
		p.edit = model.NewEdit("")
	}
	a.prompt = p
	p.check()
}

func (p *prompt) check() {
	p.err, p.hint = "", ""
	if p.changed != nil {
		if err := p.changed(p.edit.Text()); err != nil {
			p.err = err.Error()
		}
	}
}

// promptKey types into the prompt.
func (a *app) promptKey(ev *tcell.EventKey) {
	p := a.prompt
	switch ev.Key() {
	case tcell.KeyEnter:
		a.acceptPrompt()
		return
	case tcell.KeyEsc:
		a.prompt = nil
		if p.canceled != nil {
			p.canceled()
		}
		return
	case tcell.KeyRune:
		p.edit.Insert(ev.Rune())
	case tcell.KeyBackspace, tcell.KeyBackspace2:
		if !p.edit.Backspace() && p.edit.Text() == "" {
			a.prompt = nil
			if p.canceled != nil {
				p.canceled()
			}
			return
		}
	case tcell.KeyDelete, tcell.KeyCtrlD:
		p.edit.Delete()
	case tcell.KeyLeft, tcell.KeyCtrlB:
		p.edit.Move(-1)
	case tcell.KeyRight, tcell.KeyCtrlF:
		p.edit.Move(1)
	case tcell.KeyHome, tcell.KeyCtrlA:
		p.edit.Home()
	case tcell.KeyEnd, tcell.KeyCtrlE:
		p.edit.End()
	case tcell.KeyCtrlU:
		p.edit.Clear()
	case tcell.KeyCtrlW:
		p.edit.Word()
	case tcell.KeyUp:
		a.recall(1)
	case tcell.KeyDown:
		a.recall(-1)
	case tcell.KeyTab:
		p.tab()
		return
	default:
		return
	}
	p.check()
}

func (a *app) acceptPrompt() {
	p := a.prompt
	text := p.edit.Text()
	if err := p.accepted(text); err != nil {
		p.err = err.Error()
		return
	}
	if p.kind != "" && strings.TrimSpace(text) != "" {
		a.remember(p.kind, text)
	}
	if a.prompt == p { // it may have opened another one
		a.prompt = nil
	}
}

// recall walks through the history of this kind of prompt.
func (a *app) recall(step int) {
	p, h := a.prompt, a.history[a.prompt.kind]
	if p.past+step < 0 || p.past+step > len(h) {
		return
	}
	p.past += step
	if p.past == 0 {
		p.edit.Set("")
		return
	}
	p.edit.Set(h[len(h)-p.past])
}

func (p *prompt) tab() {
	if p.complete == nil {
		return
	}
	before, _ := p.edit.Parts()
	fits := p.edit.Complete(p.complete(before))
	p.check()
	if len(fits) > 1 {
		p.hint = strings.Join(fits, " ")
	}
}

func (p *prompt) draw(screen tcell.Screen, t *theme, y, w int) {
	before, after := p.edit.Parts()
	note := model.Span{Text: "  " + model.Sanitize(p.hint), Style: model.Muted}
	if p.err != "" {
		note = model.Span{Text: "  " + model.Sanitize(p.err), Style: model.Bad}
	}
	// A long text is shown from where the cursor is still on the screen.
	label := p.label + " "
	room := w - width(label) - 1
	shown := []rune(before)
	for len(shown) > 0 && width(string(shown)) > room {
		shown = shown[1:]
	}
	t.drawLine(screen, 0, y, w, model.Line{{Text: label, Style: model.Accent}, {Text: string(shown)}, {Text: after}, note})
	screen.ShowCursor(min(width(label)+width(string(shown)), w-1), y)
}
