package views

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/views/model"
)

// signals that can be chosen, the gentle ones first.
var signals = []struct {
	sig  unix.Signal
	what string
}{
	{unix.SIGTERM, "ask it to end"},
	{unix.SIGINT, "interrupt it, like Ctrl-C in its terminal"},
	{unix.SIGHUP, "hang up; daemons read their configuration again"},
	{unix.SIGSTOP, "stop it until SIGCONT"},
	{unix.SIGCONT, "continue it"},
	{unix.SIGUSR1, "what it makes of it"},
	{unix.SIGUSR2, "what it makes of it"},
	{unix.SIGQUIT, "end it with a core dump"},
	{unix.SIGKILL, "end it at once, without a chance to clean up"},
}

// signalEnabled says whether signals may be sent.
func signalEnabled(a *app) (bool, string) {
	return !a.cfg.ReadOnly, "read-only"
}

// victim is the process a signal would go to.
func (a *app) victim() *inspect.Process {
	if a.frame == nil {
		return nil
	}
	switch p := a.top().(type) {
	case *attachPage:
		return p.a.Process
	case *processPage, *runPage:
		g := p.grid()
		if r, ok := p.(*runPage); ok {
			g = r.grids[0]
		}
		if i := g.selected(); i >= 0 {
			return a.frame.ByID(g.list.Key(i).Process)
		}
	}
	return nil
}

// signalMenu opens the process first, so that whatever happens to its PID
// while one chooses, nobody else is hit.
func (a *app) signalMenu() {
	p := a.victim()
	if p == nil {
		a.say(model.Warn, "there is no such process any more")
		return
	}
	t, err := inspect.OpenTarget(p.ID)
	if err != nil {
		a.say(model.Bad, actError(err))
		return
	}
	closeTarget := func() { _ = t.Close() } // nothing was written through it
	who := fmt.Sprintf("%d %s, started %s", p.ID.PID, model.Sanitize(p.Comm), startText(a.frame, p))
	m := &menu{title: "signal to " + who, close: closeTarget}
	for _, s := range signals {
		m.items = append(m.items, menuItem{
			text: model.Line{{Text: unix.SignalName(s.sig), Width: 9, Style: model.Strong}, {Text: s.what, Style: model.Muted}},
			do:   func() { a.confirmSignal(t, s.sig, who, closeTarget) },
		})
	}
	a.choose(m)
}

// confirmSignal asks once more, with the harmless answer first.
func (a *app) confirmSignal(t *inspect.Target, sig unix.Signal, who string, closeTarget func()) {
	name := unix.SignalName(sig)
	a.choose(&menu{title: "send " + name + "?", close: closeTarget, items: []menuItem{
		{text: model.Plain("no, leave it alone", model.Normal), do: func() {}},
		{text: model.Line{{Text: "send " + name + " to ", Style: model.Bad}, {Text: who, Style: model.Strong}}, do: func() {
			if err := t.Signal(sig); err != nil {
				a.say(model.Bad, name+": "+actError(err))
				return
			}
			a.say(model.Muted, "sent "+name+" to "+who)
			a.cfg.Sampler.Refresh()
		}},
	}})
}

// startText is when a process started.
func startText(f *inspect.Frame, p *inspect.Process) string {
	field, ok := inspect.FieldByID("start_time")
	if ok {
		if v := field.Get(inspect.Row{Snapshot: f.Snapshot, Process: p}); v.OK() {
			return v.T.Format("2006-01-02 15:04:05")
		}
	}
	return fmt.Sprintf("%d ticks after boot", p.ID.Start)
}

// actError says in words why acting on a process failed.
func actError(err error) string {
	switch {
	case errors.Is(err, inspect.ErrNoProcess):
		return "the process has exited"
	case errors.Is(err, inspect.ErrChanged):
		return "the PID belongs to another process now"
	case errors.Is(err, unix.EPERM):
		return "permission denied: needs CAP_KILL, or to be its owner"
	}
	return oneLine(err)
}
