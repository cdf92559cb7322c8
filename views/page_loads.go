package views

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gdamore/tcell/v2"

	"taskscope/inspect"
	"taskscope/views/model"
)

// loadsPage is the catalogue of known loads.
type loadsPage struct {
	app   *app
	m     *model.Catalog
	g     *grid
	about *text
	width int
}

func newLoadsPage(a *app) *loadsPage {
	m := &model.Catalog{Loads: a.cfg.Loads.Catalog()}
	return &loadsPage{app: a, m: m, g: newGrid(a.theme, &a.glyphs, m), about: &text{theme: a.theme}}
}

func (p *loadsPage) scope() scope             { return onLoads }
func (p *loadsPage) crumb() string            { return "loads" }
func (p *loadsPage) grid() *grid              { return p.g }
func (p *loadsPage) text() *text              { return nil }
func (p *loadsPage) apply(*inspect.Frame)     {}
func (p *loadsPage) request() inspect.Request { return inspect.Request{Want: inspect.WantTree} }
func (p *loadsPage) arrange(width int)        { p.width = width }
func (p *loadsPage) notes() []model.Span      { return nil }

func (p *loadsPage) describe() model.Line {
	return model.Plain("every load says beforehand what will be seen, and checks it; Enter starts the selected one", model.Muted)
}

func (p *loadsPage) draw(screen tcell.Screen, x, y, w, h int) {
	left := w
	if w >= 90 {
		left = min(w/2, 64)
		p.about.set(p.m.Describe(&p.app.glyphs, p.g.selected(), w-left-2))
		p.about.draw(screen, x+left+2, y, w-left-2, h)
	} else if h >= 14 {
		n := h / 2
		p.about.set(p.m.Describe(&p.app.glyphs, p.g.selected(), w))
		p.about.draw(screen, x, y+h-n+1, w, n-1)
		h -= n
	}
	p.g.SetRect(x, y, left, h)
	p.g.Draw(screen)
}

// loadsEnabled says whether there is a catalogue.
func loadsEnabled(a *app) (bool, string) { return a.cfg.Loads != nil, "none were supplied" }

// startEnabled says whether a load may be started.
func startEnabled(a *app) (bool, string) {
	if a.cfg.ReadOnly {
		return false, "read-only"
	}
	return a.run == nil, "another load is running"
}

func (a *app) openLoads() { a.push(newLoadsPage(a)) }

// askStart asks for the parameters of the selected load and starts it.
func (a *app) askStart() {
	p, ok := a.top().(*loadsPage)
	if !ok || p.g.selected() < 0 {
		return
	}
	l := p.m.Loads[p.g.selected()]
	a.ask(&prompt{
		kind: "load " + l.Name, label: "start " + l.Name, edit: model.NewEdit(l.Defaults()),
		complete: func(string) []string { return paramNames(l) },
		accepted: func(text string) error {
			if err := paramErrors(l, text); err != nil {
				return err
			}
			a.start(l.Name, strings.Fields(text))
			return nil
		},
	})
}

func paramNames(l model.LoadInfo) []string {
	var names []string
	for _, p := range l.Params {
		names = append(names, p.Name+"=")
	}
	return names
}

// paramErrors finds what is plainly wrong before anything is started.
func paramErrors(l model.LoadInfo, text string) error {
	for _, f := range strings.Fields(text) {
		name, _, ok := strings.Cut(f, "=")
		if !ok {
			return fmt.Errorf("%q is not of the form key=value", f)
		}
		known := len(l.Params) == 0
		for _, p := range l.Params {
			known = known || p.Name == name
		}
		if !known {
			return fmt.Errorf("%s has no parameter %q", l.Name, name)
		}
	}
	return nil
}

func (a *app) start(name string, params []string) {
	a.say(model.Muted, "starting "+name)
	loads := a.cfg.Loads
	a.background(func(ctx context.Context) func() {
		run, err := loads.Start(ctx, name, params)
		if err == nil && ctx.Err() != nil {
			stopCtx, cancel := stopContext()
			defer cancel()
			_ = run.Stop(stopCtx) // the interface has ended meanwhile
			return nil
		}
		return func() { a.started(run, err) }
	})
}

func (a *app) started(run model.LoadRun, err error) {
	if err != nil {
		a.say(model.Bad, oneLine(err))
		return
	}
	a.flash = nil
	a.run = run
	a.push(newRunPage(a, run))
	a.cfg.Sampler.Refresh()
	a.update()
}

// oneLine is an error as one line.
func oneLine(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
