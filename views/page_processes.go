package views

import (
	"context"
	"fmt"
	"time"

	"github.com/gdamore/tcell/v2"

	"taskscope/inspect"
	"taskscope/views/model"
)

// processPage is the process tree or list.
type processPage struct {
	app *app
	m   *model.Processes
	g   *grid

	// The processes on screen when the last frame came, and those of folded
	// rows: what is dear to read is read of these only.
	visible, threadsOf, rollupsOf []int
}

func newProcessPage(a *app) *processPage {
	m := model.NewProcesses(a.glyphs)
	v := a.cfg.View
	m.Chosen, m.Flat = v.Columns, v.Flat
	if v.TreeSort.Field != "" {
		m.TreeSort = v.TreeSort
	}
	if v.ListSort.Field != "" {
		m.ListSort = v.ListSort
	}
	return &processPage{app: a, m: m, g: newGrid(a.theme, &a.glyphs, m)}
}

func (p *processPage) scope() scope  { return onProcesses }
func (p *processPage) crumb() string { return "taskscope" }
func (p *processPage) grid() *grid   { return p.g }
func (p *processPage) text() *text   { return nil }

// apply takes a new frame. While another page is shown, less is read of the
// processes: what was seen here last stays until one is back.
func (p *processPage) apply(f *inspect.Frame) {
	if p.app.top() == page(p) || p.m.Frame() == nil {
		p.m.Apply(f)
		p.m.Arrange()
		from, to := p.g.offset-2, p.g.offset+p.g.height+2
		visible := p.m.PIDs(from, to)
		p.visible = visible
		p.threadsOf, p.rollupsOf = p.m.ThreadsBehind(visible, from, to), p.m.RollupsBehind(visible, from, to)
	}
	p.checkFollowed(f)
	p.expire(f)
}

// checkFollowed tells when the followed process has exited.
func (p *processPage) checkFollowed(f *inspect.Frame) {
	id := p.m.Pinned.Process
	if id.PID != 0 && f.ByID(id) == nil {
		p.m.Pinned = model.Key{}
		p.app.say(model.Warn, fmt.Sprintf("the followed process %d has exited", id.PID))
	}
}

func (p *processPage) arrange(width int) {
	p.m.Width, p.m.Height = width, p.g.height
	p.m.Arrange()
}

// linger is how long processes that have exited stay on the screen at most;
// otherwise they stay until the next sample.
const linger = 3 * time.Second

// expire takes the processes that have exited off the screen when the next
// sample is far away.
func (p *processPage) expire(f *inspect.Frame) {
	if p.app.interval <= linger || f.Changes == nil || len(f.Changes.Exited) == 0 {
		return
	}
	p.app.background(func(ctx context.Context) func() {
		timer := time.NewTimer(linger)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		return func() {
			if p.m.Frame() == f && !p.app.paused {
				p.m.DropExited()
				p.app.update()
			}
		}
	})
}

func (p *processPage) request() inspect.Request {
	want, dear := p.m.Want()
	q := inspect.Request{Want: want, Visible: p.visible}
	if dear&inspect.WantThreads != 0 {
		q.ThreadsOf = p.threadsOf
	}
	if dear&inspect.WantRollup != 0 {
		q.RollupOf = p.rollupsOf
	}
	return q
}

func (p *processPage) draw(screen tcell.Screen, x, y, w, h int) {
	if p.m.Len() == 0 && p.m.FilterText != "" && p.m.Frame() != nil {
		p.app.theme.drawLine(screen, x, y+1, w, model.Plain("no process matches the filter; f changes it, Esc drops it", model.Muted))
		h = 1
	}
	p.g.SetRect(x, y, w, h)
	p.g.Draw(screen)
}

func (p *processPage) describe() model.Line {
	if i := p.g.selected(); i >= 0 {
		return p.m.Describe(i)
	}
	return nil
}

func (p *processPage) notes() []model.Span {
	var notes []model.Span
	if p.m.Flat {
		notes = append(notes, model.Span{Text: "list", Style: model.Muted})
	}
	if p.m.FilterText != "" {
		notes = append(notes, model.Span{Text: "filter " + model.Sanitize(p.m.FilterText), Style: model.Warn})
	}
	if p.m.Search != "" {
		notes = append(notes, model.Span{Text: "search " + model.Sanitize(p.m.Search), Style: model.Muted})
	}
	if p.m.Unshown > 0 {
		notes = append(notes, model.Span{Text: fmt.Sprintf("%d more exited", p.m.Unshown), Style: model.Gone})
	}
	if n := p.m.TagNote(); n != "" {
		notes = append(notes, model.Span{Text: n, Style: model.Warn})
	}
	if p.m.Pinned.Process.PID != 0 {
		notes = append(notes, model.Span{Text: fmt.Sprintf("following %d", p.m.Pinned.Process.PID), Style: model.Accent})
	}
	return notes
}

func (a *app) toggleTree(p *processPage) { p.m.Flat = !p.m.Flat }

func (a *app) toggleFold(p *processPage) {
	i := p.g.selected()
	if i < 0 || p.m.Flat {
		return
	}
	children, folded := p.m.CanFold(i)
	if !children {
		return
	}
	q, _ := p.m.Process(i)
	p.setFold(q.ID, !folded)
}

func (p *processPage) setFold(id inspect.ID, fold bool) {
	p.g.anchored = true
	if fold {
		p.m.Folded[id] = true
		p.g.key = model.Key{Process: id}
	} else {
		delete(p.m.Folded, id)
	}
}

func (a *app) foldAll(p *processPage) {
	p.m.FoldAll()
}

func (a *app) goParent(p *processPage) {
	if i := p.g.selected(); i >= 0 {
		if j := p.m.Parent(i); j >= 0 {
			p.g.selectRow(j)
		}
	}
}

func (a *app) toggleFollow(p *processPage) {
	i := p.g.selected()
	if i < 0 {
		return
	}
	if p.m.Pinned.Process.PID != 0 {
		p.m.Pinned = model.Key{}
		return
	}
	p.m.Pinned = model.Key{Process: p.m.Key(i).Process}
	p.g.anchored = true
}

// saveEnabled says whether there is a place to keep a view in.
func saveEnabled(a *app) (bool, string) { return a.cfg.Save != nil, "there is no place to save it in" }

// saveView keeps columns, order, layout and interval for the next start.
func (a *app) saveView() {
	m := a.processes().m
	path, err := a.cfg.Save(View{Columns: m.Chosen, Flat: m.Flat, TreeSort: m.TreeSort, ListSort: m.ListSort, Interval: a.interval})
	if err != nil {
		a.say(model.Bad, "not saved: "+oneLine(err))
		return
	}
	a.say(model.Muted, "saved columns, order, layout and interval in "+path)
}

// tag marks the selected process and goes on to the next row.
func (a *app) tag(p *processPage) {
	if i := p.g.selected(); i >= 0 {
		p.m.Tag(i)
		p.g.selectRow(i + 1)
	}
}

func (a *app) tagTree(p *processPage) {
	if i := p.g.selected(); i >= 0 {
		p.m.TagTree(i)
	}
}

// left folds the branch, or goes to the parent.
func (p *processPage) left() bool {
	i := p.g.selected()
	if i < 0 || p.m.Flat {
		return false
	}
	if children, folded := p.m.CanFold(i); children && !folded {
		q, _ := p.m.Process(i)
		p.setFold(q.ID, true)
		return true
	}
	p.app.goParent(p)
	return true
}

// right unfolds the branch, or goes to the first child.
func (p *processPage) right() bool {
	i := p.g.selected()
	if i < 0 || p.m.Flat {
		return false
	}
	children, folded := p.m.CanFold(i)
	if folded {
		q, _ := p.m.Process(i)
		p.setFold(q.ID, false)
	} else if children {
		p.g.selectRow(i + 1)
	}
	return true
}
