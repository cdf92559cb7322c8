package views

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"taskscope/inspect"
	"taskscope/views/model"
)

// page is one screenful with its own keys.
type page interface {
	// scope selects the keys of the page.
	scope() scope
	// crumb names the page in the header.
	crumb() string
	// request is what has to be read for what the page shows.
	request() inspect.Request
	// apply takes a new frame.
	apply(*inspect.Frame)
	// arrange recomputes what is shown, after a frame, a key or a resize.
	arrange(width int)
	// draw draws the page.
	draw(screen tcell.Screen, x, y, w, h int)
	// grid is the table with the cursor, nil when there is none.
	grid() *grid
	// text is the scrolling text that has the keys when there is no grid.
	text() *text
	// describe is the line about what is selected.
	describe() model.Line
	// notes are the choices in force, shown in the header.
	notes() []model.Span
}

// app is the interface as a whole. All its members belong to the goroutine of
// the tview application.
type app struct {
	cfg    Config
	tv     *tview.Application
	screen tcell.Screen
	theme  *theme
	glyphs model.Glyphs

	bindings []binding
	stack    []page
	prompt   *prompt
	menu     *menu
	flash    model.Line // shown until the next key
	frame    *inspect.Frame
	paused   bool
	mouse    bool
	moved    bool // the key being handled only moved the cursor
	interval time.Duration
	sent     inspect.Request
	run      model.LoadRun // a load this interface has to stop
	history  map[string][]string

	tstp, cont chan os.Signal
	suspended  atomic.Bool // stopped by itself, and not yet told that it goes on

	ctx    context.Context
	cancel context.CancelFunc
	inbox  chan func()    // results of background jobs, for the pump
	jobs   sync.WaitGroup // background jobs
}

func newApp(c Config, screen tcell.Screen) *app {
	if c.Interval <= 0 {
		c.Interval = time.Second
	}
	a := &app{
		cfg: c, screen: screen, theme: newTheme(c.Mono), glyphs: model.UnicodeGlyphs(),
		bindings: allBindings(), interval: c.Interval, inbox: make(chan func()), history: map[string][]string{},
		tstp: make(chan os.Signal, 1), cont: make(chan os.Signal, 1),
	}
	if c.ASCII {
		a.glyphs = model.ASCIIGlyphs()
	}
	a.tv = tview.NewApplication()
	a.tv.SetScreen(&buffer{Screen: screen, ascii: c.ASCII})
	a.tv.SetRoot(&shell{Box: tview.NewBox(), app: a}, true)
	a.tv.SetInputCapture(func(ev *tcell.EventKey) *tcell.EventKey {
		a.key(ev)
		return nil
	})
	a.tv.SetMouseCapture(a.mouseEvent)
	a.push(newProcessPage(a))
	switch {
	case c.Start.Run != nil:
		a.run = c.Start.Run
		a.push(newRunPage(a, c.Start.Run))
	case c.Start.Attach != 0:
		a.push(newAttachPage(a, inspect.ID{PID: c.Start.Attach}))
	}
	return a
}

// runUI runs until the user quits or ctx ends.
func (a *app) runUI(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	defer stop()
	a.ctx, a.cancel = context.WithCancel(ctx)
	defer a.cancel()
	signal.Notify(a.tstp, syscall.SIGTSTP)
	defer signal.Stop(a.tstp)
	signal.Notify(a.cont, syscall.SIGCONT)
	defer signal.Stop(a.cont)
	a.update()

	sampling := make(chan error, 1)
	go func() {
		defer a.restoreOnPanic()
		sampling <- a.cfg.Sampler.Run(a.ctx)
		a.cancel()
	}()
	// Stopping the application before it runs would make Run open a terminal
	// of its own, so the pump starts with the first drawing.
	pumped := make(chan struct{})
	var once sync.Once
	a.tv.SetAfterDrawFunc(func(tcell.Screen) {
		once.Do(func() {
			go func() {
				defer close(pumped)
				defer a.restoreOnPanic()
				a.pump()
			}()
		})
	})
	err := a.tv.Run()
	a.cancel()
	if err == nil {
		<-pumped
	}
	a.jobs.Wait()
	a.closeMenu()
	for _, p := range a.stack {
		closePage(p)
	}
	a.endRun()
	serr := <-sampling
	if err == nil && serr != nil && !isCancel(serr) {
		return serr // sampling ended by itself, and the interface with it
	}
	return err
}

func isCancel(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// pump is the only goroutine that queues updates and stops the application.
func (a *app) pump() {
	defer a.tv.Stop()
	for {
		var update func()
		select {
		case <-a.ctx.Done():
			return
		case <-a.cfg.Sampler.Wake():
			update = func() { a.take(a.cfg.Sampler.Latest()) }
		case update = <-a.inbox:
		case <-a.tstp:
			update = a.suspend
		case <-a.cont:
			if a.suspended.Swap(false) {
				continue // Suspend has taken the terminal again
			}
			update = a.retake
		}
		a.tv.QueueUpdateDraw(update)
	}
}

// restoreOnPanic gives the terminal back before a panic of one of our own
// goroutines ends the program.
func (a *app) restoreOnPanic() {
	if p := recover(); p != nil {
		a.screen.Fini()
		panic(p)
	}
}

// background runs a job beside the interface; the function it returns is then
// run on the goroutine of the interface, unless that has ended.
func (a *app) background(job func(context.Context) func()) {
	a.jobs.Add(1)
	go func() {
		defer a.jobs.Done()
		defer a.restoreOnPanic()
		done := job(a.ctx)
		if done == nil {
			return
		}
		select {
		case a.inbox <- done:
		case <-a.ctx.Done():
		}
	}()
}

// endRun stops the load that is still running.
func (a *app) endRun() {
	if a.run == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = a.run.Stop(ctx) // the terminal is gone; what is left is found by `load sweep`
	a.run = nil
}

// take shows a new frame, unless paused.
func (a *app) take(f *inspect.Frame) {
	if f == nil || a.paused {
		return
	}
	a.frame = f
	for _, p := range a.stack {
		p.apply(f)
	}
	if f.Notice != "" {
		a.say(model.Warn, f.Notice)
	}
	a.update()
}

// top is the page shown.
func (a *app) top() page { return a.stack[len(a.stack)-1] }

// push opens a page.
func (a *app) push(p page) {
	a.stack = append(a.stack, p)
	if a.frame != nil {
		p.apply(a.frame)
	}
}

// pop goes back one page; the first one stays.
func (a *app) pop() {
	if len(a.stack) > 1 {
		closePage(a.top())
		a.stack = a.stack[:len(a.stack)-1]
	}
}

// closePage gives back what a page holds.
func closePage(p page) {
	if c, ok := p.(interface{ close() }); ok {
		c.close()
	}
}

// update recomputes the page shown and asks for what it needs.
func (a *app) update() {
	p := a.top()
	w, _ := a.screen.Size()
	p.arrange(w)
	if g := p.grid(); g != nil {
		g.refresh()
	}
	q := p.request()
	if a.paused {
		return
	}
	if !reflect.DeepEqual(q, a.sent) {
		a.sent = q
		a.cfg.Sampler.SetRequest(q)
	}
}

// say shows a message until the next key.
func (a *app) say(s model.Style, text string) { a.flash = model.Plain(model.Sanitize(text), s) }

// suspend is Ctrl-Z: give the terminal back, stop, and take it again.
func (a *app) suspend() {
	if _, ok := a.screen.(tcell.SimulationScreen); ok {
		return
	}
	a.suspended.Store(true)
	a.tv.Suspend(stopSelf)
	a.screen.Sync()
}

// retake takes the terminal again after a stop that nobody could foresee
// (SIGSTOP): whoever had it meanwhile has changed its settings.
func (a *app) retake() {
	if _, ok := a.screen.(tcell.SimulationScreen); ok || !inForeground() {
		return // in the background the next SIGCONT comes with the terminal
	}
	a.tv.Suspend(func() {})
	a.screen.Sync()
}

// setInterval changes how often samples are taken.
func (a *app) setInterval(d time.Duration) {
	a.interval = d
	a.cfg.Sampler.SetInterval(d)
}

// remember adds to the history of a prompt.
func (a *app) remember(kind, text string) {
	h := slices.DeleteFunc(a.history[kind], func(s string) bool { return s == text })
	a.history[kind] = append(h, text)
}
