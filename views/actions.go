package views

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"taskscope/inspect"
	"taskscope/views/model"
)

// move moves the cursor, or scrolls, by rows and pages.
func (a *app) move(rows int, pages float64) {
	p := a.top()
	a.moved = true
	if g := p.grid(); g != nil {
		g.selectRow(g.index + rows + int(pages*float64(g.height)))
		return
	}
	if t := p.text(); t != nil {
		t.scroll(rows + int(pages*float64(t.height)))
	}
}

func (a *app) goTop() {
	p := a.top()
	if g := p.grid(); g != nil {
		g.top()
	} else if t := p.text(); t != nil {
		t.offset = 0
	}
}

func (a *app) goEnd() {
	p := a.top()
	if g := p.grid(); g != nil {
		g.selectRow(g.list.Len() - 1)
	} else if t := p.text(); t != nil {
		t.scroll(len(t.lines))
	}
}

func (a *app) goLeft() {
	if p, ok := a.top().(*processPage); ok && p.left() {
		return
	}
	if p, ok := a.top().(*attachPage); ok && p.panel == panelTimeline {
		p.timeline.Move(1)
		return
	}
	if g := a.top().grid(); g != nil {
		g.column = max(g.column-1, 0)
	}
}

func (a *app) goRight() {
	if p, ok := a.top().(*processPage); ok && p.right() {
		return
	}
	if p, ok := a.top().(*attachPage); ok && p.panel == panelTimeline {
		p.timeline.Move(-1)
		return
	}
	if g := a.top().grid(); g != nil {
		g.column = min(g.column+1, max(len(g.list.Columns())-2, 0))
	}
}

// back leaves a page; leaving the page of a run ends the run.
func (a *app) back() {
	if p, ok := a.top().(*runPage); ok {
		a.stopRun(p.run)
	}
	a.pop()
}

// clear drops the search, then the filter.
func (a *app) clear() {
	p, ok := a.top().(*processPage)
	if !ok {
		return
	}
	switch {
	case p.m.Search != "":
		p.m.Search = ""
	case p.m.FilterText != "":
		_ = p.m.SetFilter("") // the empty filter has no errors
	default:
		a.say(model.Muted, "q quits, ? helps")
	}
}

// openAttach attaches to the process of the selected row.
func (a *app) openAttach() {
	g := a.top().grid()
	if r, ok := a.top().(*runPage); ok {
		g = r.grids[0]
	}
	i := g.selected()
	if i < 0 {
		return
	}
	a.push(newAttachPage(a, g.list.Key(i).Process))
}

func searching(a *app) (bool, string) {
	p, ok := a.top().(*processPage)
	return ok && p.m.Search != "", "nothing is searched for; / starts"
}

func (a *app) askSearch() {
	p, ok := a.top().(*processPage)
	if !ok {
		return
	}
	before, key, anchored := p.m.Search, p.g.key, p.g.anchored
	from := p.g.selected()
	a.ask(&prompt{kind: "search", label: "/", changed: func(text string) error {
		p.m.Search = text
		if text == "" {
			return nil
		}
		if i := p.m.Next(from-1, 1); i >= 0 {
			p.g.selectRow(i)
			return nil
		}
		return fmt.Errorf("no match")
	}, accepted: func(string) error { return nil }, canceled: func() {
		p.m.Search, p.g.key, p.g.anchored = before, key, anchored
	}})
}

func (a *app) nextMatch(step int) {
	p, ok := a.top().(*processPage)
	if !ok {
		return
	}
	if i := p.m.Next(p.g.selected(), step); i >= 0 {
		p.g.selectRow(i)
		return
	}
	a.say(model.Warn, "no match for "+p.m.Search)
}

func (a *app) askFilter() {
	p, ok := a.top().(*processPage)
	if !ok {
		return
	}
	before := p.m.FilterText
	a.ask(&prompt{
		kind: "filter", label: "filter", edit: model.NewEdit(before), complete: func(string) []string { return fieldIDs() },
		changed:  p.m.SetFilter,
		accepted: p.m.SetFilter,
		canceled: func() { _ = p.m.SetFilter(before) },
	}) // it was accepted before
}

func fieldIDs() []string {
	var ids []string
	for _, f := range inspect.Fields() {
		ids = append(ids, f.ID)
	}
	return ids
}

// askPID jumps to a PID while it is typed.
func (a *app) askPID(k key) {
	p, ok := a.top().(*processPage)
	if !ok {
		return
	}
	a.ask(&prompt{label: "PID", edit: model.NewEdit(string(k.char)), changed: func(text string) error {
		if i := p.m.FindPID(text); i >= 0 {
			p.g.selectRow(i)
			return nil
		}
		return fmt.Errorf("no such row; unfold, unfilter, or :attach %s", text)
	}, accepted: func(string) error { return nil }})
}

func (a *app) askInterval() {
	a.ask(&prompt{
		kind: "interval", label: "interval in seconds", edit: model.NewEdit(strconv.FormatFloat(a.interval.Seconds(), 'g', -1, 64)),
		accepted: a.parseInterval,
	})
}

// parseInterval takes seconds ("0.5") or a duration ("500ms").
func (a *app) parseInterval(text string) error {
	text = strings.TrimSpace(text)
	d, err := time.ParseDuration(text)
	if err != nil {
		var s float64
		if s, err = strconv.ParseFloat(text, 64); err != nil {
			return fmt.Errorf("not a number of seconds: %q", text)
		}
		d = time.Duration(s * float64(time.Second))
	}
	if d < 50*time.Millisecond || d > time.Hour {
		return fmt.Errorf("from 0.05 to 3600 seconds")
	}
	a.setInterval(d)
	return nil
}

func (a *app) togglePause() {
	a.paused = !a.paused
	if !a.paused {
		a.take(a.cfg.Sampler.Latest())
	}
}

func (a *app) toggleMouse() {
	a.mouse = !a.mouse
	a.tv.EnableMouse(a.mouse)
	if a.mouse {
		a.say(model.Muted, "mouse on; Shift selects text")
	} else {
		a.say(model.Muted, "mouse off")
	}
}

// mouseEvent scrolls and selects; nothing else needs a mouse.
func (a *app) mouseEvent(ev *tcell.EventMouse, action tview.MouseAction) (*tcell.EventMouse, tview.MouseAction) {
	if a.menu != nil || a.prompt != nil {
		return nil, action
	}
	switch action {
	case tview.MouseScrollUp:
		a.move(-3, 0)
	case tview.MouseScrollDown:
		a.move(3, 0)
	case tview.MouseLeftClick:
		g := a.top().grid()
		x, y := ev.Position()
		if g != nil && g.InRect(x, y) {
			if row := g.rowAt(y); row >= 0 {
				g.selectRow(row)
			}
		}
	default:
		return nil, action
	}
	a.update()
	return nil, action
}

// copyKey copies the PID or TID of the selected row.
func (a *app) copyKey() {
	g := a.top().grid()
	if g == nil || g.selected() < 0 {
		return
	}
	k := g.list.Key(g.selected())
	text := k.Name
	switch {
	case k.Thread.TID != 0:
		text = strconv.Itoa(k.Thread.TID)
	case k.Process.PID != 0:
		text = strconv.Itoa(k.Process.PID)
	}
	a.screen.SetClipboard([]byte(text))
	a.say(model.Muted, "copied "+text)
}

// order is the sort order of the page shown, with its sortable columns.
func (a *app) order() (o *model.Order, columns []model.Column, by func(string)) {
	switch p := a.top().(type) {
	case *processPage:
		return p.m.Order(), p.m.Columns(), p.m.SortBy
	case *attachPage:
		if p.panel == panelThreads || p.panel == panelSwitches {
			return &p.threads.Sort, p.threads.Columns(), p.threads.SortBy
		}
	}
	return nil, nil, nil
}

// hasOrder says whether what is shown can be sorted.
func hasOrder(a *app) (bool, string) {
	o, _, _ := a.order()
	return o != nil, "this panel has no order to choose"
}

// sortable keeps the columns that have an order.
func sortable(columns []model.Column) []model.Column {
	return slices.DeleteFunc(slices.Clone(columns), func(c model.Column) bool {
		_, ok := inspect.FieldByID(c.ID)
		return !ok
	})
}

func (a *app) sortBy(id string) {
	if _, _, by := a.order(); by != nil {
		by(id)
	}
}

func (a *app) invertSort() {
	if o, _, _ := a.order(); o != nil {
		o.Desc = !o.Desc
	}
}

func (a *app) sortNext(step int) {
	o, columns, by := a.order()
	if o == nil {
		return
	}
	columns = sortable(columns)
	if len(columns) == 0 {
		return
	}
	i := slices.IndexFunc(columns, func(c model.Column) bool { return c.ID == o.Field })
	by(columns[((i+step)%len(columns)+len(columns))%len(columns)].ID)
}

func (a *app) sortMenu() {
	o, columns, _ := a.order()
	m := &menu{title: "sort by"}
	add := func(id, title string) {
		f, ok := inspect.FieldByID(id)
		if !ok {
			return
		}
		if id == o.Field {
			m.index = len(m.items)
		}
		m.items = append(m.items, menuItem{
			text: model.Line{{Text: title, Width: 10, Style: model.Strong}, {Text: f.Doc, Style: model.Muted}},
			do:   func() { a.sortBy(id) },
		})
	}
	for _, c := range sortable(columns) {
		add(c.ID, c.Title)
	}
	if _, ok := a.top().(*processPage); ok {
		for _, f := range inspect.Fields() {
			if !slices.ContainsFunc(columns, func(c model.Column) bool { return c.ID == f.ID }) {
				add(f.ID, f.Title)
			}
		}
	}
	a.choose(m)
}

func (a *app) columnsMenu(p *processPage) {
	m := &menu{title: "columns: Space shows or hides", stay: true}
	if p.m.Chosen == nil {
		for _, c := range p.m.Columns() {
			p.m.Chosen = append(p.m.Chosen, c.ID)
		}
	}
	fields := inspect.Fields()
	var fill func()
	fill = func() {
		m.items = m.items[:0]
		for _, f := range fields {
			mark := "[ ] "
			if slices.Contains(p.m.Chosen, f.ID) {
				mark = "[x] "
			}
			m.items = append(m.items, menuItem{
				text: model.Line{{Text: mark}, {Text: f.Title, Width: 10, Style: model.Strong}, {Text: f.Doc, Style: model.Muted}},
				do:   func() { p.toggleColumn(f.ID); fill() },
			})
		}
		m.items = append(m.items, menuItem{text: model.Plain("back to what fits the width", model.Accent), do: func() { p.m.Chosen = nil; a.menu = nil }})
	}
	fill()
	a.choose(m)
}

// toggleColumn hides a column, or shows it before the command.
func (p *processPage) toggleColumn(id string) {
	c := &p.m.Chosen
	if i := slices.Index(*c, id); i >= 0 {
		*c = slices.Delete(slices.Clone(*c), i, i+1)
		return
	}
	at := len(*c)
	if at > 0 && slices.Contains([]string{"cmdline", "comm"}, (*c)[at-1]) {
		at--
	}
	*c = slices.Insert(slices.Clone(*c), at, id)
}
