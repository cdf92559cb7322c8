package views

import (
	"golang.org/x/sys/unix"

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

// signalMenu asks for the signal, then whether it is meant.
func (a *app) signalMenu() {
	s := a.openSubjects(false)
	if len(s) == 0 {
		return
	}
	m := &menu{title: "signal to " + s.who(), close: s.close}
	for _, sig := range signals {
		name := unix.SignalName(sig.sig)
		m.items = append(m.items, menuItem{
			text: model.Line{{Text: name, Width: 9, Style: model.Strong}, {Text: sig.what, Style: model.Muted}},
			do: func() {
				a.confirm(s, act{what: "send " + name, done: "sent " + name, link: "to", do: func(who subject) error { return who.target.Signal(sig.sig) }})
			},
		})
	}
	a.choose(m)
}
