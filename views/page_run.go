package views

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"
	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/views/model"
)

// runPage shows a running load: its tasks as observed, and its checks.
type runPage struct {
	app    *app
	run    model.LoadRun
	status model.LoadStatus
	tasks  *model.Processes
	checks *model.Checks
	grids  [2]*grid // tasks, checks
	active int
	width  int

	teaches string // what the load is there to show
}

func newRunPage(a *app, run model.LoadRun) *runPage {
	p := &runPage{app: a, run: run, tasks: model.NewProcesses(a.glyphs), checks: &model.Checks{G: a.glyphs}}
	p.tasks.Threads = true
	p.tasks.Roles = map[int]string{}
	p.grids = [2]*grid{newGrid(a.theme, &a.glyphs, p.tasks), newGrid(a.theme, &a.glyphs, p.checks)}
	p.setActive(1)
	if a.cfg.Loads != nil {
		for _, l := range a.cfg.Loads.Catalog() {
			if l.Name == run.Name() {
				p.teaches = l.Teaches
			}
		}
	}
	return p
}

func (p *runPage) setActive(i int) {
	p.active = i
	for k, g := range p.grids {
		g.cursor = k == i
	}
}

func (p *runPage) scope() scope  { return onRun }
func (p *runPage) crumb() string { return "run " + model.Sanitize(p.run.Name()) }
func (p *runPage) grid() *grid   { return p.grids[p.active] }
func (p *runPage) text() *text   { return nil }
func (p *runPage) notes() []model.Span {
	if p.status.Paused {
		return []model.Span{{Text: "load frozen", Style: model.Warn}}
	}
	return nil
}

// request reads all threads: those of the load's processes are not known
// before they are there.
func (p *runPage) request() inspect.Request {
	return inspect.Request{Want: inspect.WantTree | inspect.WantTotals, ThreadsOf: p.pids()}
}

// pids are the processes of the run, as far as they have reported.
func (p *runPage) pids() []int {
	pids := []int{}
	if r := p.status.Result; r != nil && r.Manifest != nil {
		for _, q := range r.Manifest.Processes {
			pids = append(pids, q.PID)
		}
		return pids
	}
	if root := p.run.RootPID(); root != 0 {
		pids = append(pids, root)
	}
	return pids
}

func (p *runPage) apply(f *inspect.Frame) { p.tasks.Apply(f) }

func (p *runPage) arrange(width int) {
	p.width = width
	p.status = p.run.Status()
	p.checks.Result, p.checks.Width = p.status.Result, width
	p.checks.Arrange()
	p.tasks.Width = width
	p.tasks.Root = p.run.RootPID()
	clear(p.tasks.Roles)
	if r := p.status.Result; r != nil && r.Manifest != nil {
		for _, q := range r.Manifest.Processes {
			p.tasks.Roles[q.PID] = fmt.Sprintf("%s, %d thr", q.Role, len(q.Threads))
		}
	}
	p.tasks.Arrange()
	p.grids[1-p.active].refresh()
}

func (p *runPage) draw(screen tcell.Screen, x, y, w, h int) {
	teaches := p.teaches
	if h < 20 {
		teaches = ""
	}
	lines := model.RunLines(p.checks, p.run.Name(), p.run.RunID(), teaches, p.status, w)
	for i, l := range lines {
		p.app.theme.drawLine(screen, x, y+i, w, l)
	}
	y, h = y+len(lines), h-len(lines)
	if detail := p.detail(); len(detail) > 1 && h >= 8 { // the second line is the one below the page
		p.app.theme.drawLine(screen, x, y+h-1, w, detail[0])
		h--
	}
	if h < 12 { // one table at a time
		p.drawPart(screen, p.active, x, y, w, h)
		return
	}
	n := min(max(h/3, 4), p.tasks.Len()+2)
	p.drawPart(screen, 0, x, y+1, w, n)
	p.drawPart(screen, 1, x, y+n+1, w, h-n-1)
}

func (p *runPage) drawPart(screen tcell.Screen, i, x, y, w, h int) {
	title := [2]string{"Tasks: promised role and threads, and what is observed", "Checks: expected, reported by the workers themselves, observed"}[i]
	if i == 1 && p.checks.Open {
		title = fmt.Sprintf("Checks that have not passed: %d", p.checks.Len())
	}
	style := model.Muted
	if i == p.active {
		style = model.Strong
	}
	p.app.theme.drawLine(screen, x, y, w, model.Plain(title, style))
	p.grids[i].SetRect(x, y+1, w, h-1)
	p.grids[i].Draw(screen)
}

func (p *runPage) describe() model.Line {
	i := p.grid().selected()
	if i < 0 {
		return nil
	}
	if p.active == 1 {
		lines := p.detail()
		return lines[len(lines)-1]
	}
	return p.tasks.Describe(i)
}

// detail explains the selected check.
func (p *runPage) detail() []model.Line {
	if i := p.grids[1].selected(); p.active == 1 && i >= 0 {
		return p.checks.Describe(i, p.width)
	}
	return nil
}

// freezeEnabled says whether the load of the page can be stopped for a while.
func freezeEnabled(a *app) (bool, string) {
	p, ok := a.top().(*runPage)
	if !ok {
		return false, "only where a load runs"
	}
	if _, ok := p.run.(model.LoadPauser); !ok {
		return false, "this load cannot be frozen"
	}
	return p.status.Phase == "running" || p.status.Paused, "only while it runs"
}

// freeze stops the load, or lets it go on.
func (a *app) freeze() {
	p, ok := a.top().(*runPage)
	if !ok {
		return
	}
	load, ok := p.run.(model.LoadPauser)
	if !ok {
		return
	}
	act, said := load.Pause, "frozen; what is promised about time fails over a pause"
	if p.status.Paused {
		act, said = load.Resume, "goes on"
	}
	a.background(func(context.Context) func() {
		err := act()
		return func() {
			a.say(model.Muted, said)
			if err != nil {
				a.say(model.Bad, oneLine(err))
			}
			a.cfg.Sampler.Refresh()
			a.update()
		}
	})
}

// killWorker kills the selected process of the load, after a confirmation.
func (a *app) killWorker() {
	p, ok := a.top().(*runPage)
	if !ok {
		return
	}
	if s := a.openSubjects(false); len(s) > 0 {
		a.confirm(s, act{
			what: "kill worker", done: "killed worker", link: "with SIGKILL:", follows: p.ifKilled(s),
			do: func(who subject) error { return who.target.Signal(unix.SIGKILL) },
		})
	}
}

// ifKilled says what becomes of the run without a process, as the load itself
// says it; "" for several at once, or one that the plan does not name.
func (p *runPage) ifKilled(s subjects) string {
	r := p.status.Result
	if len(s) != 1 || r == nil || r.Manifest == nil || r.Manifest.Plan == nil {
		return ""
	}
	for i := range r.Manifest.Processes {
		if r.Manifest.Processes[i].PID == s[0].target.ID().PID {
			return "If it is killed, " + r.Manifest.Plan.IfKilled(i) + "."
		}
	}
	return ""
}

func (a *app) toggleOpenChecks() {
	if p, ok := a.top().(*runPage); ok {
		p.checks.Open = !p.checks.Open
	}
}

func (a *app) runSwitch() {
	if p, ok := a.top().(*runPage); ok {
		p.setActive(1 - p.active)
	}
}

// askAgain runs the load again with other parameters.
func (a *app) askAgain() {
	p, ok := a.top().(*runPage)
	if !ok {
		return
	}
	a.ask(&prompt{
		kind: "load " + p.run.Name(), label: "run " + p.run.Name() + " again with", edit: model.NewEdit(strings.Join(p.status.Params, " ")),
		accepted: func(text string) error {
			a.say(model.Muted, "ending the run, starting the next")
			run := p.run
			a.background(func(ctx context.Context) func() {
				err := run.Again(ctx, strings.Fields(text))
				return func() {
					a.flash = nil
					if err != nil {
						a.say(model.Bad, oneLine(err))
					}
					a.cfg.Sampler.Refresh()
					a.update()
				}
			})
			return nil
		},
	})
}

// stopContext bounds the end of a run.
func stopContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

// stopRun ends the load of a page that is being left.
func (a *app) stopRun(run model.LoadRun) {
	if a.run == run {
		a.run = nil
	}
	a.say(model.Muted, "ending "+run.Name())
	a.background(func(context.Context) func() {
		ctx, cancel := stopContext()
		defer cancel()
		err := run.Stop(ctx)
		return func() {
			a.flash = nil
			if err != nil {
				a.say(model.Bad, oneLine(err))
			}
			a.update()
		}
	})
}
