package views

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"taskscope/views/model"
)

// The ends of the scale of nice values: the lowest gets most of the CPU.
const (
	lowestNice  = -20
	highestNice = 19
)

// niceMenu offers nice values in one direction: the next one first.
func (a *app) niceMenu(direction int) {
	s := a.openSubjects(true)
	if len(s) == 0 {
		return
	}
	title := "nicer, so less of the CPU: "
	if direction < 0 {
		title = "less nice, so more of the CPU: "
	}
	m := &menu{title: title + s.who(), close: s.close}
	for _, step := range []int{1, 2, 5, 10, highestNice - lowestNice} {
		by := step * direction
		text, ok := niceText(s, by)
		if !ok {
			continue
		}
		m.items = append(m.items, menuItem{text: text, do: func() {
			a.confirm(s, act{what: "change nice " + text.Text(), done: "changed nice " + text.Text(), link: "of", do: func(who subject) error {
				old, ok := who.nice.Get()
				if !ok {
					return errors.New("its nice value is not known")
				}
				return who.setNice(min(max(old+by, lowestNice), highestNice))
			}})
		}})
	}
	if len(m.items) == 0 {
		s.close()
		a.say(model.Warn, "the nice value is at its end, or not known")
		return
	}
	a.choose(m)
}

// niceText says what a step does; false when it does nothing.
func niceText(s subjects, by int) (model.Line, bool) {
	if len(s) > 1 {
		return model.Plain(fmt.Sprintf("by %+d each", by), model.Strong), true
	}
	old, ok := s[0].nice.Get()
	now := min(max(old+by, lowestNice), highestNice)
	if !ok || now == old || now != old+by && by > lowestNice && by < highestNice {
		return nil, false
	}
	return model.Plain(fmt.Sprintf("from %d to %d", old, now), model.Strong), true
}

func (s subject) setNice(nice int) error {
	if s.thread != nil {
		return s.target.SetThreadNice(*s.thread, nice)
	}
	return s.target.SetNice(nice)
}

// askAffinity asks on which CPUs the subjects may run.
func (a *app) askAffinity() {
	s := a.openSubjects(true)
	if len(s) == 0 {
		return
	}
	before := ""
	if len(s) == 1 {
		before = s[0].cpus.Or("")
	}
	most := a.frame.Host.CPUs
	a.ask(&prompt{
		kind: "affinity", label: "CPUs for " + s.who(), edit: model.NewEdit(before),
		changed:  func(text string) error { _, err := parseCPUs(text, most); return err },
		canceled: s.close,
		accepted: func(text string) error {
			cpus, err := parseCPUs(text, most)
			if err != nil {
				return err
			}
			list := strings.TrimSpace(text)
			a.prompt = nil
			a.confirm(s, act{what: "allow only CPUs " + list, done: "allowed only CPUs " + list, link: "to", do: func(who subject) error {
				if who.thread != nil {
					return who.target.SetThreadAffinity(*who.thread, cpus)
				}
				return who.target.SetAffinity(cpus)
			}})
			return nil
		},
	})
}

// parseCPUs reads a list like the kernel writes it: "0-2,5". n is the number
// of CPUs there are, 0 not known.
func parseCPUs(text string, n int) ([]int, error) {
	var cpus []int
	for _, part := range strings.Split(strings.TrimSpace(text), ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.Atoi(from)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(to)
		}
		if err != nil || a < 0 || b < a || b >= maxCPUs {
			return nil, errors.New("a list of CPUs, for example 0-2,5")
		}
		for c := a; c <= b; c++ {
			cpus = append(cpus, c)
		}
	}
	slices.Sort(cpus)
	cpus = slices.Compact(cpus)
	if n > 0 && cpus[0] >= n {
		return nil, fmt.Errorf("there are only %d CPUs, 0 to %d", n, n-1)
	}
	return cpus, nil
}

// maxCPUs is how many CPUs a set of the kernel's interface library holds.
const maxCPUs = 16 * 64
