package views

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"taskscope/inspect"
	"taskscope/views/model"
)

// mostTargets bounds how many processes are acted on at once; each of them is
// held open meanwhile.
const mostTargets = 200

// subject is a process that is about to be acted on. It has been opened, so
// that whatever happens to its PID while one chooses, nobody else is hit.
type subject struct {
	target  *inspect.Target
	thread  *inspect.ThreadID // only this thread of it, nil all
	nice    inspect.Known[int]
	cpus    inspect.Known[string]
	name    string // with PID and start time
	shorter string // without the start time
}

// subjects are what one act is about.
type subjects []subject

func (s subjects) close() {
	for i := range s {
		_ = s[i].target.Close() // nothing was written through it
	}
}

// who names them in one line.
func (s subjects) who() string {
	if len(s) == 1 {
		return s[0].name
	}
	return fmt.Sprintf("%d tagged processes", len(s))
}

// lines names each of them, for a confirmation.
func (s subjects) lines() []model.Line {
	const most = 10
	var lines []model.Line
	for i := range s {
		if i == most {
			return append(lines, model.Plain(fmt.Sprintf("and %d more", len(s)-most), model.Muted))
		}
		lines = append(lines, model.Plain(s[i].name, model.Strong))
	}
	return lines
}

// actEnabled says whether processes may be acted on.
func actEnabled(a *app) (bool, string) {
	return !a.cfg.ReadOnly, "read-only"
}

// victims are the processes an act would be about: those tagged, or else the
// selected one; with a thread selected, that thread too.
func (a *app) victims() (list []*inspect.Process, thread *inspect.Thread) {
	if a.frame == nil {
		return nil, nil
	}
	one := func(g *grid) {
		if i := g.selected(); i >= 0 {
			k := g.list.Key(i)
			if q := a.frame.ByID(k.Process); q != nil {
				list = []*inspect.Process{q}
				thread = threadOf(q, k.Thread)
			}
		}
	}
	switch p := a.top().(type) {
	case *attachPage:
		if g := p.grid(); g != nil && (p.panel == panelThreads || p.panel == panelSwitches) {
			one(g)
		}
		if list == nil && p.a.Process != nil {
			list = []*inspect.Process{p.a.Process}
		}
	case *processPage:
		if list = p.m.Tagged(); list == nil {
			one(p.g)
		}
	case *runPage:
		one(p.grids[0])
	}
	return list, thread
}

func threadOf(p *inspect.Process, id inspect.ThreadID) *inspect.Thread {
	if i := slices.IndexFunc(p.Threads, func(t inspect.Thread) bool { return t.ID == id }); i >= 0 && id.TID != 0 {
		return &p.Threads[i]
	}
	return nil
}

// openSubjects opens what an act is about, or says why there is nothing.
// perThread: the act can be about a single thread.
func (a *app) openSubjects(perThread bool) subjects {
	list, thread := a.victims()
	switch {
	case len(list) == 0:
		a.say(model.Warn, "there is no such process any more")
		return nil
	case len(list) > mostTargets:
		a.say(model.Warn, fmt.Sprintf("%d processes are tagged; at most %d can be acted on at once", len(list), mostTargets))
		return nil
	}
	var s subjects
	for _, p := range list {
		t, err := inspect.OpenTarget(p.ID)
		if err != nil {
			if len(list) == 1 {
				a.say(model.Bad, actError(err))
			}
			continue // one of many has exited meanwhile: it is not named in the confirmation
		}
		who := subject{target: t, nice: p.Nice, cpus: p.CPUsAllowed, shorter: fmt.Sprintf("%d %s", p.ID.PID, model.Sanitize(p.Comm))}
		who.name = who.shorter + ", started " + startText(a.frame, p)
		if perThread && thread != nil && len(p.Threads) > 1 {
			who.thread, who.nice, who.cpus = &thread.ID, thread.Nice, thread.CPUsAllowed
			who.shorter = fmt.Sprintf("thread %d %s of %s", thread.ID.TID, model.Sanitize(thread.Comm), who.shorter)
			who.name = fmt.Sprintf("thread %d %s of %s", thread.ID.TID, model.Sanitize(thread.Comm), who.name)
		}
		s = append(s, who)
	}
	if len(s) == 0 && len(list) > 1 {
		a.say(model.Warn, "all tagged processes have exited, or may not be opened")
	}
	return s
}

// act is what is to be done, in words: "send SIGTERM" "to" somebody, after
// which we have "sent SIGTERM" "to" somebody.
type act struct {
	what, done, link string
	follows          string // what will come of it; "" speaks for itself
	do               func(subject) error
}

// confirm asks once more, with the harmless answer first, and then acts on all
// subjects.
func (a *app) confirm(s subjects, c act) {
	answer := model.Line{{Text: c.what + " " + c.link + " ", Style: model.Bad}, {Text: s.who(), Style: model.Strong}}
	m := &menu{title: c.what + "?", close: s.close, items: []menuItem{
		{text: model.Plain("no, leave it alone", model.Normal), do: func() {}},
		{text: answer, do: func() { a.perform(s, c) }},
	}}
	if len(s) > 1 {
		m.head = s.lines()
	}
	if c.follows != "" {
		for _, l := range model.Wrap(c.follows, 60) {
			m.head = append(m.head, model.Plain(l, model.Muted))
		}
	}
	a.choose(m)
}

func (a *app) perform(s subjects, c act) {
	var failed []string
	for i := range s {
		if err := c.do(s[i]); err != nil {
			failed = append(failed, s[i].shorter+": "+actError(err))
		}
	}
	switch n := len(s) - len(failed); {
	case len(failed) == 0:
		a.say(model.Muted, c.done+" "+c.link+" "+s.who())
	case len(s) == 1:
		a.say(model.Bad, c.what+": "+failed[0])
	default:
		a.say(model.Bad, fmt.Sprintf("%s %s %d of %d; %s", c.done, c.link, n, len(s), strings.Join(failed, "; ")))
	}
	a.cfg.Sampler.Refresh()
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
		return "permission denied: it belongs to another user"
	case errors.Is(err, unix.EACCES):
		return "permission denied: a lower nice value needs CAP_SYS_NICE"
	case errors.Is(err, unix.EINVAL):
		return "the kernel refuses: none of these CPUs may be used by it"
	}
	return oneLine(err)
}
