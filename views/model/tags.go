package model

import (
	"fmt"

	"taskscope/inspect"
)

// Tag marks the process of a row, or takes the mark away. A thread stands for
// its process.
func (p *Processes) Tag(i int) {
	id := p.view.Processes[p.rows[i].Index].ID
	if p.tags[id] {
		delete(p.tags, id)
		return
	}
	if !p.gone[p.rows[i].Index] {
		p.tags[id] = true
	}
}

// TagTree marks the process of a row with all processes below it, also those
// that are folded away or filtered out.
func (p *Processes) TagTree(i int) {
	top := p.view.Processes[p.rows[i].Index]
	inside := map[int]bool{top.ID.PID: true}
	p.tags[top.ID] = true
	if p.source == nil {
		return
	}
	// A child can come before its parent: PIDs start over at their limit.
	for again := true; again; {
		again = false
		for _, q := range p.source.Processes {
			if parent, ok := q.PPID.Get(); ok && inside[parent] && !inside[q.ID.PID] {
				inside[q.ID.PID], p.tags[q.ID], again = true, true, true
			}
		}
	}
}

// Untag takes all marks away.
func (p *Processes) Untag() { clear(p.tags) }

// Tagged are the marked processes that still live, by PID.
func (p *Processes) Tagged() []*inspect.Process {
	if p.source == nil || len(p.tags) == 0 {
		return nil
	}
	var list []*inspect.Process
	for _, q := range p.source.Processes {
		if p.tags[q.ID] {
			list = append(list, q)
		}
	}
	return list
}

// TagNote says how many processes are marked, "" when none is.
func (p *Processes) TagNote() string {
	if n := len(p.Tagged()); n > 0 {
		return fmt.Sprintf("%d tagged", n)
	}
	return ""
}

// pruneTags forgets the marks of processes that have exited.
func (p *Processes) pruneTags() {
	for id := range p.tags {
		if p.source.ByID(id) == nil {
			delete(p.tags, id)
		}
	}
}
