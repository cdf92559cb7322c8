package views

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"taskscope/inspect"
	"taskscope/views/model"
)

// command is one word of the command line.
type command struct {
	name, arg string
	do        func(a *app, arg string) error
}

func commands() []command {
	plain := func(f func(*app)) func(*app, string) error {
		return func(a *app, _ string) error { f(a); return nil }
	}
	return []command{
		{"attach", "PID", (*app).commandAttach},
		{"columns", "FIELD,…", (*app).commandColumns},
		{"doctor", "", plain((*app).openDoctor)},
		{"filter", "EXPRESSION", func(a *app, arg string) error { return a.processes().m.SetFilter(arg) }},
		{"help", "", plain((*app).openHelp)},
		{"interval", "SECONDS", (*app).parseInterval},
		{"list", "", func(a *app, _ string) error { a.processes().m.Flat = true; return nil }},
		{"loads", "", (*app).commandLoads},
		{"mouse", "", plain((*app).toggleMouse)},
		{"pause", "", plain((*app).togglePause)},
		{"pid", "PID", (*app).commandPID},
		{"quit", "", plain(func(a *app) { a.cancel() })},
		{"sort", "FIELD", (*app).commandSort},
		{"tree", "", func(a *app, _ string) error { a.processes().m.Flat = false; return nil }},
	}
}

func (a *app) askCommand() {
	a.ask(&prompt{kind: "command", label: ":", complete: completeCommand, accepted: a.runCommand})
}

func completeCommand(before string) []string {
	word, _, hasArg := strings.Cut(before, " ")
	if hasArg {
		if word == "sort" || word == "columns" || word == "filter" {
			return fieldIDs()
		}
		return nil
	}
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// runCommand runs a command given by its name or an unambiguous beginning.
func (a *app) runCommand(text string) error {
	name, arg, _ := strings.Cut(strings.TrimSpace(text), " ")
	if name == "" {
		return nil
	}
	if name == "q" {
		name = "quit"
	}
	if _, err := strconv.Atoi(name); err == nil {
		return a.commandPID(name)
	}
	var fit []command
	for _, c := range commands() {
		if c.name == name {
			fit = []command{c}
			break
		}
		if strings.HasPrefix(c.name, name) {
			fit = append(fit, c)
		}
	}
	switch len(fit) {
	case 0:
		return fmt.Errorf("no command %q; Tab lists them", name)
	case 1:
		a.prompt = nil
		err := fit[0].do(a, strings.TrimSpace(arg))
		if err != nil {
			a.say(model.Bad, oneLine(err))
		}
		return nil
	}
	return fmt.Errorf("%q may be %s or %s", name, fit[0].name, fit[1].name)
}

// processes is the first page.
func (a *app) processes() *processPage {
	p, _ := a.stack[0].(*processPage)
	return p
}

func (a *app) commandPID(arg string) error {
	p := a.processes()
	if i := p.m.FindPID(arg); i >= 0 {
		p.g.selectRow(i)
		return nil
	}
	return fmt.Errorf("no row with PID %s", arg)
}

func (a *app) commandAttach(arg string) error {
	pid, err := strconv.Atoi(arg)
	if err != nil || a.frame == nil {
		return fmt.Errorf("attach needs a PID")
	}
	q := a.frame.ByPID(pid)
	if q == nil {
		return fmt.Errorf("there is no process %d", pid)
	}
	a.push(newAttachPage(a, q.ID))
	return nil
}

func (a *app) commandSort(arg string) error {
	if _, ok := inspect.FieldByID(arg); !ok {
		return fmt.Errorf("no field %q", arg)
	}
	a.processes().m.SortBy(arg)
	return nil
}

func (a *app) commandColumns(arg string) error {
	ids := strings.FieldsFunc(arg, func(r rune) bool { return r == ',' || r == ' ' })
	for _, id := range ids {
		if _, ok := inspect.FieldByID(id); !ok {
			return fmt.Errorf("no field %q", id)
		}
	}
	a.processes().m.Chosen = slices.Clip(ids)
	if len(ids) == 0 {
		a.processes().m.Chosen = nil
	}
	return nil
}

func (a *app) commandLoads(string) error {
	if ok, why := loadsEnabled(a); !ok {
		return fmt.Errorf("%s", why)
	}
	a.openLoads()
	return nil
}
