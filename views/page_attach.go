package views

import (
	"fmt"

	"github.com/gdamore/tcell/v2"

	"taskscope/inspect"
	"taskscope/views/model"
)

// The panels of the attach page.
const (
	panelOverview = iota
	panelThreads
	panelMemory
	panelSwitches
	panelPCB
	panelResources
	panelTimeline
	panelCount
)

var panelNames = [panelCount]string{"Overview", "Threads", "Memory", "Switches", "PCB", "Limits & files", "Timeline"}

// attachPage shows one process.
type attachPage struct {
	app   *app
	pid   int
	a     *model.Attached
	panel int

	threads  *model.Threads
	memory   *model.Memory
	switches model.SwitchTable
	timeline *model.Timeline
	trace    trace
	grids    [panelCount]*grid
	texts    [panelCount]*text
	width    int
}

// newAttachPage attaches to a process. Where only the PID is known, the
// process of the first frame with that PID is the one.
func newAttachPage(app *app, id inspect.ID) *attachPage {
	p := &attachPage{app: app, pid: id.PID}
	p.bind(id)
	return p
}

func (p *attachPage) bind(id inspect.ID) {
	app := p.app
	p.a = model.Attach(id)
	p.threads = &model.Threads{G: app.glyphs, A: p.a}
	p.memory = &model.Memory{G: app.glyphs, A: p.a}
	p.switches = model.SwitchTable{Threads: p.threads}
	p.timeline = &model.Timeline{G: app.glyphs}
	p.grids[panelTimeline] = newGrid(app.theme, &app.glyphs, p.timeline)
	p.grids[panelThreads] = newGrid(app.theme, &app.glyphs, p.threads)
	p.grids[panelMemory] = newGrid(app.theme, &app.glyphs, p.memory)
	p.grids[panelSwitches] = newGrid(app.theme, &app.glyphs, p.switches)
	for i := range p.texts {
		p.texts[i] = &text{theme: app.theme}
	}
}

func (p *attachPage) scope() scope { return onAttach }

func (p *attachPage) crumb() string {
	if p.a.Process == nil {
		return fmt.Sprint(p.pid)
	}
	return fmt.Sprintf("%d %s", p.pid, model.Sanitize(p.a.Process.Comm))
}

func (p *attachPage) grid() *grid { return p.grids[p.panel] }

func (p *attachPage) text() *text { return p.texts[p.panel] }

// request reads the threads of the process and what its panel shows.
func (p *attachPage) request() inspect.Request {
	q := inspect.Request{
		Want:      inspect.WantHost | inspect.WantCmdline, // of the others, only what parents and children are called
		ThreadsOf: []int{p.pid}, Focus: p.pid, FocusWant: inspect.WantTree | inspect.WantTotals, Detail: inspect.DetailWaits,
	}
	switch p.panel {
	case panelOverview:
		q.RollupOf = []int{p.pid}
	case panelMemory:
		q.Detail |= inspect.DetailSegments
	case panelThreads:
		q.Detail |= inspect.DetailSegments
	case panelPCB:
		q.FocusWant |= inspect.WantCgroup | inspect.WantExe
		q.Detail |= inspect.DetailSegments | inspect.DetailCredentials | inspect.DetailNamespaces | inspect.DetailFiles
	case panelResources:
		q.Detail |= inspect.DetailFiles | inspect.DetailLimits
	}
	return q
}

func (p *attachPage) apply(f *inspect.Frame) {
	if p.a.ID.Start == 0 {
		q := f.ByPID(p.pid)
		if q == nil {
			p.a.Gone = true
			return
		}
		p.bind(q.ID)
	}
	p.a.Apply(f)
}

func (p *attachPage) arrange(width int) {
	p.width = width
	p.threads.Width, p.memory.Width, p.timeline.Width = width, width, width
	switch p.panel {
	case panelOverview:
		p.text().set(p.a.Overview(&p.app.glyphs, width))
	case panelThreads:
		p.threads.Arrange()
	case panelMemory:
		p.memory.Arrange()
	case panelSwitches:
		p.threads.Arrange()
		p.text().set(p.a.Switches(&p.app.glyphs, width))
	case panelPCB:
		p.text().set(p.a.PCB(&p.app.glyphs))
	case panelTimeline:
		p.arrangeTimeline()
	case panelResources:
		p.text().set(p.a.Resources(&p.app.glyphs, width))
	}
}

func (p *attachPage) show(panel int) { p.panel = (panel + panelCount) % panelCount }

// tabs is the line of panels: with the names of all where they fit, else with
// that of the panel shown.
func (p *attachPage) tabs(width int) model.Line {
	names := 0
	for _, name := range panelNames {
		names += len("1 ") + len(name)
	}
	const gaps = panelCount - 1
	gap, all := 3, names+gaps <= width
	if all {
		gap = min(gap, (width-names)/gaps)
	}
	var line model.Line
	for i, name := range panelNames {
		number, label := model.Span{Text: fmt.Sprint(i + 1), Style: model.Muted}, model.Span{Text: " " + name, Style: model.Muted}
		if i == p.panel {
			number.Style, label.Style = model.Accent, model.Strong
		}
		line = append(line, number)
		if all || i == p.panel {
			line = append(line, label)
		}
		line = append(line, model.Span{Text: "   "[:gap]})
	}
	if p.a.Gone {
		line = append(line, model.Span{Text: "  exited: last data", Style: model.Bad})
	}
	return line
}

func (p *attachPage) draw(screen tcell.Screen, x, y, w, h int) {
	p.app.theme.drawLine(screen, x, y, w, p.tabs(w))
	y, h = y+1, h-1
	if h >= 12 {
		y, h = y+1, h-1
	}
	g := p.grid()
	if g == nil {
		p.text().draw(screen, x, y, w, h)
		return
	}
	if p.panel == panelSwitches {
		n := min(len(p.text().lines), max(h-6, 3))
		p.text().draw(screen, x, y, w, n)
		y, h = y+n+1, h-n-1
	}
	if p.panel == panelTimeline {
		lines := p.timelineHead(w)
		n := min(len(lines), max(h-4, 1))
		for i, l := range lines[len(lines)-n:] {
			p.app.theme.drawLine(screen, x, y+i, w, l)
		}
		y, h = y+n, h-n
	}
	if g.list.Len() == 0 {
		p.app.theme.drawLine(screen, x, y, w, model.Plain(p.empty(), model.Muted))
		return
	}
	g.SetRect(x, y, w, h)
	g.Draw(screen)
}

// empty says why a table has no rows.
func (p *attachPage) empty() string {
	switch {
	case p.a.Process == nil && p.a.Gone:
		return fmt.Sprintf("there is no process %d", p.pid)
	case p.a.Process == nil:
		return "waiting for the first sample of this process"
	case p.panel == panelMemory && p.a.Detail != nil:
		return p.app.glyphs.Unknown + " segments: " + p.a.Detail.SegmentsWhy.Text()
	case p.a.Process.ThreadsWhy != inspect.OK:
		return p.app.glyphs.Unknown + " " + p.a.Process.ThreadsWhy.Text()
	}
	return "waiting for the first reading"
}

func (p *attachPage) describe() model.Line {
	g := p.grid()
	if g == nil {
		return nil
	}
	i := g.selected()
	if i < 0 {
		return nil
	}
	switch p.panel {
	case panelMemory:
		return p.memory.Describe(i)
	case panelTimeline:
		return p.timeline.Describe(i)
	}
	return p.threads.Describe(i)
}

func (p *attachPage) notes() []model.Span { return nil }

func (p *attachPage) toggleGroup() {
	p.memory.Toggle(p.grids[panelMemory].selected())
	p.grids[panelMemory].anchored = true
}

func (p *attachPage) toggleGroups() { p.memory.ToggleAll() }

func (p *attachPage) toggleMap() { p.memory.Map = !p.memory.Map }

// onMemory enables what makes sense on the memory panel only.
func onMemory(a *app) (bool, string) {
	p, ok := a.top().(*attachPage)
	return ok && p.panel == panelMemory, "only on the memory panel"
}

func (a *app) showPanel(k key) {
	if p, ok := a.top().(*attachPage); ok {
		p.show(int(k.char - '1'))
	}
}
