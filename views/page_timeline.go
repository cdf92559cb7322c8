package views

import (
	"context"
	"time"

	"taskscope/views/model"
)

// How often the timeline moves on: twice per column, within these limits. Beyond
// the longer one every sample draws it anyway.
const (
	scrollPause = 200 * time.Millisecond
	scrollRest  = time.Second
)

// trace is the tracer of an attach page. It is opened when its data are looked
// at for the first time, and closed with the page.
type trace struct {
	asked  bool
	tracer model.Tracer // nil: not there yet, or not to be had
	err    string       // why not
	stop   context.CancelFunc
	shown  int64 // the moment shown while paused
	moved  time.Time
}

// source is the tracer, or the samples of the screen.
func (p *attachPage) source() model.Tracer {
	if p.trace.tracer != nil {
		return p.trace.tracer
	}
	return p.a.Samples()
}

// openTrace opens the tracer in the background and keeps the page moving.
func (p *attachPage) openTrace() {
	if p.trace.asked || p.a.ID.Start == 0 {
		return
	}
	p.trace.asked = true
	a, id := p.app, p.a.ID
	if a.cfg.Trace == nil {
		p.trace.err = "no tracer was supplied"
		return
	}
	ctx, stop := context.WithCancel(a.ctx)
	p.trace.stop = stop
	a.background(func(context.Context) func() {
		t, err := a.cfg.Trace(ctx, id)
		if err != nil {
			return func() { p.trace.err = oneLine(err); a.update() }
		}
		if ctx.Err() != nil {
			t.Close()
			return nil
		}
		return func() {
			if ctx.Err() != nil { // the page was left meanwhile
				t.Close()
				return
			}
			p.trace.tracer = t
			p.scroll(ctx)
			a.update()
		}
	})
}

// scroll redraws the timeline between the samples.
func (p *attachPage) scroll(ctx context.Context) {
	a := p.app
	a.jobs.Add(1)
	go func() {
		defer a.jobs.Done()
		defer a.restoreOnPanic()
		tick := time.NewTicker(scrollPause)
		defer tick.Stop()
		move := func() {
			pause := min(time.Duration(p.timeline.Tick)/2, scrollRest)
			if a.top() == page(p) && p.panel == panelTimeline && !a.paused && time.Since(p.trace.moved) >= pause {
				p.trace.moved = time.Now()
				a.update()
			}
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case a.inbox <- move:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// close ends the tracer.
func (p *attachPage) close() {
	if p.trace.stop != nil {
		p.trace.stop()
	}
	if p.trace.tracer != nil {
		p.trace.tracer.Close()
		p.trace.tracer = nil
	}
}

// arrangeTimeline shows what there is now; while paused, what there was then.
func (p *attachPage) arrangeTimeline() {
	p.openTrace()
	if now := p.source().Newest(); !p.app.paused || p.trace.shown == 0 {
		p.trace.shown = now
	}
	p.timeline.Show(p.source(), p.trace.shown)
}

func (p *attachPage) timelineHead(width int) []model.Line {
	lines := p.timeline.Head(p.source(), width, p.app.paused)
	if p.trace.tracer == nil && p.trace.err != "" {
		lines[0] = append(lines[0], model.Span{Text: "  no trace: " + model.Sanitize(p.trace.err), Style: model.Warn})
	}
	return lines
}

// onTimeline enables what makes sense on the timeline only.
func onTimeline(a *app) (bool, string) {
	p, ok := a.top().(*attachPage)
	return ok && p.panel == panelTimeline, "only on the timeline"
}

// openExits shows the processes below the attached one that have come and gone.
func (a *app) openExits() {
	p, ok := a.top().(*attachPage)
	if !ok {
		return
	}
	p.openTrace()
	a.push(&textPage{app: a, name: "short-lived", t: &text{theme: a.theme}, lines: func(width int) []model.Line {
		lines := model.Exits(p.source(), &a.glyphs, width)
		if p.trace.tracer == nil && p.trace.err != "" {
			for _, w := range model.Wrap("no trace: "+model.Sanitize(p.trace.err), width) {
				lines = append(lines, model.Plain(w, model.Warn))
			}
		}
		return lines
	}})
}
