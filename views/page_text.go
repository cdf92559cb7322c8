package views

import (
	"context"

	"github.com/gdamore/tcell/v2"

	"taskscope/inspect"
	"taskscope/views/model"
)

// textPage is a page of text: help, doctor.
type textPage struct {
	app   *app
	name  string
	t     *text
	lines func(width int) []model.Line
}

func (p *textPage) scope() scope         { return onText }
func (p *textPage) crumb() string        { return p.name }
func (p *textPage) grid() *grid          { return nil }
func (p *textPage) text() *text          { return p.t }
func (p *textPage) apply(*inspect.Frame) {}

// request keeps the sampling of the page below going: one comes back to it.
func (p *textPage) request() inspect.Request { return p.app.sent }
func (p *textPage) arrange(width int)        { p.t.set(p.lines(width)) }
func (p *textPage) describe() model.Line     { return nil }
func (p *textPage) notes() []model.Span      { return nil }
func (p *textPage) draw(screen tcell.Screen, x, y, w, h int) {
	p.t.draw(screen, x, y, w, h)
}

func (a *app) openHelp() {
	from := a.top().scope()
	if from == onText {
		return
	}
	off := a.disabled()
	a.push(&textPage{app: a, name: "help", t: &text{theme: a.theme}, lines: func(w int) []model.Line { return a.helpLines(from, off, w) }})
}

// openDoctor shows what can be read; probing may take a moment, so it happens
// in the background.
func (a *app) openDoctor() {
	lines := func(int) []model.Line { return []model.Line{model.Plain("probing", model.Muted)} }
	p := &textPage{app: a, name: "doctor", t: &text{theme: a.theme}, lines: lines}
	a.push(p)
	if a.cfg.Capabilities == nil {
		p.lines = func(int) []model.Line { return []model.Line{model.Plain("no probes were supplied", model.Muted)} }
		return
	}
	probe := a.cfg.Capabilities
	a.background(func(context.Context) func() {
		rep := probe()
		return func() {
			p.lines = func(w int) []model.Line { return model.Doctor(rep, w) }
			a.update()
		}
	})
}

// legend explains what the screens use without words.
func legend(g *model.Glyphs) []model.Line {
	entry := func(sign string, s model.Style, what string) model.Line {
		return model.Line{{Text: "  "}, {Text: sign, Style: s, Width: 24}, {Text: " " + what}}
	}
	return []model.Line{
		entry(g.Unknown, model.Muted, "not known; the line at the bottom says why"),
		entry(g.Pending, model.Muted, "not known yet: the next sample brings it"),
		entry("running "+g.Run, model.OK, "on a CPU (state R also counts those that are ready)"),
		entry("ready "+g.Ready, model.Warn, "could run, waits for a CPU"),
		entry("blocked "+g.Block, model.Muted, "waits for an event, a lock, data, time"),
		entry("CPU%", model.Normal, "of one CPU: four busy threads are 400"),
		entry("VOL/s", model.Normal, "voluntary context switches per second, over all threads: it blocked"),
		entry("INV/s", model.Normal, "involuntary ones: the scheduler took the CPU away"),
		entry("K M G T", model.Normal, "bytes in powers of 1024"),
		entry(g.Sum+" in a folded row", model.Accent, "the numbers are totals of the process and all below it"),
		entry(g.AtMost+" "+g.AtLeast, model.Normal, "at most: shared pages are counted once per process; at least: not all may be read"),
		entry("new", model.New, "rows that appeared since the last sample"),
		entry("exited", model.Gone, "rows that disappeared; they stay for one sample, at most 3 s and a quarter of the screen"),
	}
}
