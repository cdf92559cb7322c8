package model

import (
	"slices"

	"taskscope/inspect"
)

func (p *Processes) less() func(i, j int) bool {
	o := p.Order()
	f, ok := inspect.FieldByID(o.Field)
	if !ok || o.Field == "pid" && !o.Desc {
		return nil
	}
	return func(i, j int) bool { return inspect.Less(f, o.Desc, p.row(i), p.row(j)) }
}

func (p *Processes) arrangeTree() {
	o := inspect.TreeOptions{Root: p.Root, Folded: func(id inspect.ID) bool { return p.Folded[id] }, Less: p.less()}
	if p.filter != nil {
		o.Match = func(i int) bool { return p.filter.Match(p.row(i)) }
	}
	rows := p.forest.Flatten(&p.view, o)
	if less := p.lessFolded(rows); less != nil {
		o.Less = less
		rows = p.forest.Flatten(&p.view, o)
	}
	for _, t := range rows {
		p.push(t)
	}
}

// lessFolded orders folded rows by what they show, the total of their subtree.
// Which processes that are is known only once the tree is laid out. nil: there
// is no such row, or the order is by something else.
func (p *Processes) lessFolded(rows []inspect.TreeRow) func(i, j int) bool {
	o := p.Order()
	f, ok := inspect.FieldByID(o.Field)
	if !ok || len(p.Folded) == 0 {
		return nil
	}
	if _, ok := summed[f.ID]; !ok {
		return nil
	}
	totals := map[int]inspect.Value{}
	for _, r := range rows {
		if !r.Folded {
			continue
		}
		if t := p.sum(p.subtree(procRow{TreeRow: r, thread: -1}), f); t.value.OK() {
			totals[r.Index] = t.value
		}
	}
	if len(totals) == 0 {
		return nil
	}
	value := func(i int) inspect.Value {
		if v, ok := totals[i]; ok {
			return v
		}
		return f.Get(p.row(i))
	}
	return func(i, j int) bool { return inspect.LessBy(value(i), value(j), o.Desc, p.row(i), p.row(j)) }
}

func (p *Processes) arrangeList() {
	index := make([]int, 0, len(p.view.Processes))
	for i := range p.view.Processes {
		if p.filter == nil || p.filter.Match(p.row(i)) {
			index = append(index, i)
		}
	}
	if less := p.less(); less != nil {
		// The order is total (ties go by identity), so no two are equal.
		slices.SortFunc(index, func(a, b int) int {
			if less(a, b) {
				return -1
			}
			return 1
		})
	}
	for _, i := range index {
		p.push(inspect.TreeRow{Index: i})
	}
}

// push appends the row of a process and, if wanted, those of its threads.
func (p *Processes) push(t inspect.TreeRow) {
	q := p.view.Processes[t.Index]
	if p.Threads && !p.Flat && len(q.Threads) > 1 && p.Folded[q.ID] {
		t.Folded = true // it has threads to hide, if no children
	}
	p.rows = append(p.rows, procRow{TreeRow: t, thread: -1})
	if !p.Threads || t.Folded || len(q.Threads) < 2 {
		return
	}
	for n := range q.Threads {
		r := procRow{TreeRow: t, thread: n}
		r.Depth++
		if !t.Last && t.Depth > 0 && t.Depth < 64 {
			r.Guides |= 1 << t.Depth
		}
		r.Last = n == len(q.Threads)-1 && (t.Children == 0 || p.Flat)
		r.Children, r.Hidden, r.Folded = 0, 0, false
		p.rows = append(p.rows, r)
	}
}
