package model

import (
	"fmt"
	"slices"
	"strings"

	"taskscope/inspect"
)

// Explain says in sentences what a process is doing, each tied to numbers that
// the panels show.
func (a *Attached) Explain() []string {
	p := a.Process
	if p == nil {
		return []string{"No sample of this process yet."}
	}
	if a.Gone {
		return []string{"The process has exited. What is shown are its last data."}
	}
	if p.Kernel.Or(false) {
		return []string{"A kernel thread: it runs kernel code only and has no memory of its own."}
	}
	if p.LeaderState == 'Z' {
		return []string{"A zombie: it has exited, and its parent has not yet read the result."}
	}
	var out []string
	if s := a.explainThreads(); s != "" {
		out = append(out, s)
	}
	if s := a.explainCPU(); s != "" {
		out = append(out, s)
	}
	if s := a.explainSwitches(); s != "" {
		out = append(out, s)
	}
	return out
}

// explainThreads says where the main thread is and what the others do.
func (a *Attached) explainThreads() string {
	p := a.Process
	if len(p.Threads) == 0 {
		return fmt.Sprintf("Its main thread is %s (%s).", StateWord(p.LeaderState), StateMeaning(p.LeaderState))
	}
	var running, ready, blocked int
	waits := map[string]int{}
	main := ""
	for i := range p.Threads {
		t := &p.Threads[i]
		where := waitWord(t)
		d := a.threadDelta(i)
		switch {
		case d != nil && d.PendingReady:
			ready++
		case t.State == 'R':
			running++
		default:
			blocked++
			if where != "" {
				waits[where]++
			}
		}
		if t.ID.TID == a.ID.PID {
			main = "The main thread is " + StateWord(t.State)
			if t.State != 'R' && where != "" {
				main = "The main thread waits in " + where
			}
		}
	}
	if len(p.Threads) == 1 {
		return main + "; it is the only thread."
	}
	parts := []string{}
	for _, c := range []struct {
		n    int
		word string
	}{{running, "running or ready"}, {ready, "ready, waiting for a CPU"}, {blocked, "blocked"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	text := fmt.Sprintf("%s; of %d threads %s", main, len(p.Threads), strings.Join(parts, ", "))
	if where, n := most(waits); n > 1 {
		text += fmt.Sprintf(" (%d in %s)", n, where)
	}
	return text + "."
}

func waitWord(t *inspect.Thread) string {
	if s := t.Wait.Syscall.Or(""); s != "" {
		return Sanitize(s)
	}
	if s := t.Wait.WChan.Or(""); s != "0" {
		return Sanitize(s)
	}
	return ""
}

func most(counts map[string]int) (string, int) {
	best, n := "", 0
	for w, c := range counts {
		if c > n || c == n && w < best {
			best, n = w, c
		}
	}
	return best, n
}

// explainCPU says how much CPU it gets and how long it waits for it.
func (a *Attached) explainCPU() string {
	d := a.Delta
	if d == nil || !d.CPUPercent.OK() {
		return ""
	}
	text := fmt.Sprintf("It used %s %% of one CPU", Percent(d.CPUPercent.V))
	if par, ok := d.Parallelism.Get(); ok && par >= 0.05 {
		text += fmt.Sprintf("; on average %.1f of its threads ran at once", par)
	}
	if d.ReadyPercent.OK() && d.RunningPercent.OK() {
		switch run, ready := d.RunningPercent.V, d.ReadyPercent.V; {
		case ready >= 5 && ready >= run/4:
			text += fmt.Sprintf(", and its threads waited %s %% for a CPU: CPUs are contested", Percent(ready))
		case run >= 50 && ready < 5:
			text += ", and hardly ever had to wait for one"
		}
	}
	return text + "."
}

// explainSwitches reads the kind of work off the context switches.
func (a *Attached) explainSwitches() string {
	d := a.Delta
	if d == nil || !d.VoluntaryRate.OK() || !d.InvoluntaryRate.OK() {
		return ""
	}
	vol, inv := d.VoluntaryRate.V, d.InvoluntaryRate.V
	busy := d.CPUPercent.Or(0)
	switch {
	case vol+inv < 1 && busy < 1:
		return "It hardly switches and hardly runs: idle."
	case vol+inv < 1:
		return "It runs without being interrupted or waiting: CPU-bound on a CPU of its own."
	case inv > vol && busy >= 20:
		return fmt.Sprintf("Mostly involuntary switches (%s of %s per second): CPU-bound, the scheduler takes the CPU away.", Rate(inv), Rate(vol+inv))
	case vol > 4*inv && busy < 20:
		return fmt.Sprintf("Mostly voluntary switches (%s of %s per second): it waits for events, not for a CPU.", Rate(vol), Rate(vol+inv))
	case vol > inv:
		return fmt.Sprintf("Mostly voluntary switches (%s of %s per second): it works in short bursts and blocks in between.", Rate(vol), Rate(vol+inv))
	}
	return fmt.Sprintf("%s voluntary and %s involuntary switches per second.", Rate(vol), Rate(inv))
}

// cpusOf are the CPUs its threads ran on last, with the number of threads.
func (a *Attached) cpusOf() string {
	count := map[int]int{}
	for i := range a.Process.Threads {
		if c, ok := a.Process.Threads[i].CPULast.Get(); ok {
			count[c]++
		}
	}
	var cpus []int
	for c := range count {
		cpus = append(cpus, c)
	}
	slices.Sort(cpus)
	var parts []string
	for _, c := range cpus {
		parts = append(parts, fmt.Sprintf("CPU %d (%d)", c, count[c]))
	}
	return strings.Join(cut(parts, 80), ", ")
}
