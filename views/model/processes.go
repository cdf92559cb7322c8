package model

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"taskscope/inspect"
)

// Processes is the state of a process table, as a tree or as a flat list, and
// the List it shows. Apply and the choices below change it; after either,
// Arrange has to be called. It belongs to one goroutine.
type Processes struct {
	G Glyphs

	Flat     bool                // list instead of tree
	Threads  bool                // threads as rows below their process
	Kernel   bool                // show kernel threads
	Root     int                 // PID of the subtree shown, 0 for all
	TreeSort Order               // among siblings
	ListSort Order               // of the list
	Chosen   []string            // columns the user chose, nil: what fits the width
	Width    int                 // columns of the screen
	Height   int                 // rows on the screen; at most a quarter shows processes that have exited
	Folded   map[inspect.ID]bool // folded branches
	Search   string              // marks rows; never hides any
	Pinned   Key                 // followed row, zero none
	// Unshown is how many processes that have just exited have no row.
	Unshown int
	// FilterText is the filter in force; see SetFilter.
	FilterText string
	// Roles adds a first column with the role of processes in a load.
	Roles map[int]string

	tags    map[inspect.ID]bool
	filter  *inspect.Filter
	source  *inspect.Frame
	dropped *inspect.Frame   // the frame whose exited processes are not shown any more
	view    inspect.Snapshot // what is shown: without hidden rows, with the just exited
	deltas  []*inspect.Delta
	gone    []bool
	rows    []procRow
	members []int // scratch of subtree
	forest  inspect.Forest
	cols    []Column
	fields  []*inspect.Field
	widest  int // digits of the longest PID seen: the column never shrinks
	limit   int // the first PID with more digits
}

// Order is a sort field with its direction.
type Order struct {
	Field string
	Desc  bool
}

type procRow struct {
	inspect.TreeRow
	thread int // index into the process's threads, -1 for the process itself
}

// NewProcesses starts with the whole tree, kernel threads hidden.
func NewProcesses(g Glyphs) *Processes {
	return &Processes{
		G: g, Width: 80, Folded: map[inspect.ID]bool{}, tags: map[inspect.ID]bool{},
		TreeSort: Order{Field: "pid"}, ListSort: Order{Field: "cpu_percent", Desc: true},
	}
}

// Order is the sort order in force.
func (p *Processes) Order() *Order {
	if p.Flat {
		return &p.ListSort
	}
	return &p.TreeSort
}

// SortBy sorts by a field in its natural direction; once more reverses it.
func (p *Processes) SortBy(id string) {
	o := p.Order()
	if o.Field == id {
		o.Desc = !o.Desc
		return
	}
	f, ok := inspect.FieldByID(id)
	*o = Order{Field: id, Desc: ok && f.Desc}
}

// SetFilter puts a filter in force; the empty text shows everything. On an
// error the previous filter stays.
func (p *Processes) SetFilter(text string) error {
	if strings.TrimSpace(text) == "" {
		p.filter, p.FilterText = nil, ""
		return nil
	}
	f, err := inspect.ParseFilter(text)
	if err != nil {
		return err
	}
	p.filter, p.FilterText = f, text
	return nil
}

// Want is what has to be read for the columns, order and filter in force.
// Thread and PSS readings are left out when only visible cells need them.
func (p *Processes) Want() (want inspect.Want, visible inspect.Want) {
	want = inspect.WantTree
	for _, f := range p.fields {
		visible |= f.Want
	}
	if f, ok := inspect.FieldByID(p.Order().Field); ok {
		want |= f.Want
	}
	if p.filter != nil {
		want |= p.filter.Want()
	}
	if p.Threads {
		want |= inspect.WantThreads | inspect.WantSchedstat
	}
	const dear = inspect.WantThreads | inspect.WantRollup
	return want | visible&^dear, visible & dear &^ want
}

// Apply takes a new frame.
func (p *Processes) Apply(f *inspect.Frame) {
	p.source = f
	p.pruneTags()
}

// Frame is the frame shown.
func (p *Processes) Frame() *inspect.Frame { return p.source }

// Arrange computes the rows from the frame and the choices.
func (p *Processes) Arrange() {
	p.rows = p.rows[:0]
	if p.source == nil {
		p.layout()
		return
	}
	p.collect()
	p.layout()
	if p.Flat {
		p.arrangeList()
	} else {
		p.arrangeTree()
	}
}

// collect chooses the processes: without kernel threads unless wanted, and
// with those that exited since the sample before, for one refresh.
func (p *Processes) collect() {
	s := p.source.Snapshot
	processes, readAt := p.view.Processes[:0], p.view.ReadAt[:0] // ours, not the snapshot's
	p.view = *s
	p.view.Processes, p.view.ReadAt = processes, readAt
	p.deltas, p.gone = p.deltas[:0], p.gone[:0]
	c := p.source.Changes
	exited := p.exited()
	add := func(q *inspect.Process, d *inspect.Delta, gone bool, at int64) {
		if !p.Kernel && q.Kernel.OK() && q.Kernel.V {
			return
		}
		p.view.Processes = append(p.view.Processes, q)
		p.view.ReadAt = append(p.view.ReadAt, at)
		p.deltas, p.gone = append(p.deltas, d), append(p.gone, gone)
		for p.widest == 0 || q.ID.PID >= p.limit {
			p.widest++
			p.limit = max(p.limit, 1) * 10
		}
	}
	for i, q := range s.Processes {
		for len(exited) > 0 && exited[0].ID.PID <= q.ID.PID {
			if exited[0].ID.PID < q.ID.PID {
				add(exited[0], nil, true, 0)
			}
			exited = exited[1:]
		}
		var d *inspect.Delta
		if c != nil && c.Prev != nil && i < len(c.Deltas) {
			d = c.Deltas[i]
		}
		at := int64(0)
		if i < len(s.ReadAt) {
			at = s.ReadAt[i]
		}
		add(q, d, false, at)
	}
	for _, q := range exited {
		add(q, nil, true, 0)
	}
	// What lies beyond the end would keep whole frames of the past alive.
	clear(p.deltas[len(p.deltas):cap(p.deltas)])
	clear(p.view.Processes[len(p.view.Processes):cap(p.view.Processes)])
}

// exited are the processes that have exited since the sample before, by PID:
// the youngest, when they would take more than a quarter of the screen.
func (p *Processes) exited() []*inspect.Process {
	p.Unshown = 0
	if p.source.Changes == nil || p.dropped == p.source {
		return nil
	}
	list := slices.Clone(p.source.Changes.Exited)
	if !p.Kernel {
		list = slices.DeleteFunc(list, func(q *inspect.Process) bool { return q.Kernel.Or(false) })
	}
	if most := max(p.Height/4, 1); p.Height > 0 && len(list) > most {
		slices.SortFunc(list, func(a, b *inspect.Process) int {
			return cmp.Or(cmp.Compare(b.ID.Start, a.ID.Start), cmp.Compare(a.ID.PID, b.ID.PID))
		})
		p.Unshown = len(list) - most
		list = list[:most]
		slices.SortFunc(list, func(a, b *inspect.Process) int { return cmp.Compare(a.ID.PID, b.ID.PID) })
	}
	return list
}

// DropExited takes the exited processes of the present frame off the screen.
func (p *Processes) DropExited() { p.dropped = p.source }

func (p *Processes) row(i int) inspect.Row {
	return inspect.Row{Snapshot: &p.view, Process: p.view.Processes[i], Delta: p.deltas[i]}
}

// Len, Key, Find, Columns and Row make it a List.
func (p *Processes) Len() int { return len(p.rows) }

// Key identifies a row by process and, for threads, thread.
func (p *Processes) Key(i int) Key {
	r := p.rows[i]
	q := p.view.Processes[r.Index]
	k := Key{Process: q.ID}
	if r.thread >= 0 {
		k.Thread = q.Threads[r.thread].ID
	}
	return k
}

// Find is the position of a row; a hidden thread is found at its process.
func (p *Processes) Find(k Key) int {
	at := -1
	for i := range p.rows {
		q := p.view.Processes[p.rows[i].Index]
		if q.ID != k.Process {
			continue
		}
		if p.rows[i].thread < 0 {
			at = i
			if k.Thread.TID == 0 {
				return i
			}
		} else if q.Threads[p.rows[i].thread].ID == k.Thread {
			return i
		}
	}
	return at
}

// FindPID is the position of the first process whose PID starts with these
// digits, the exact one if there is one; -1 when there is none.
func (p *Processes) FindPID(digits string) int {
	at := -1
	for i, r := range p.rows {
		if r.thread >= 0 {
			continue
		}
		pid := strconv.Itoa(p.view.Processes[r.Index].ID.PID)
		if pid == digits {
			return i
		}
		if at < 0 && strings.HasPrefix(pid, digits) {
			at = i
		}
	}
	return at
}

// Process is the process of a row, and its delta (nil before two samples).
func (p *Processes) Process(i int) (*inspect.Process, *inspect.Delta) {
	r := p.rows[i]
	return p.view.Processes[r.Index], p.deltas[r.Index]
}

// Exited reports whether the process of a row is already gone.
func (p *Processes) Exited(i int) bool { return p.gone[p.rows[i].Index] }

// Parent is the row of the process above this one, or -1.
func (p *Processes) Parent(i int) int {
	r := p.rows[i]
	if r.thread >= 0 {
		for i >= 0 && p.rows[i].thread >= 0 {
			i--
		}
		return i
	}
	for j := i - 1; j >= 0; j-- {
		if p.rows[j].thread < 0 && p.rows[j].Depth < r.Depth {
			return j
		}
	}
	return -1
}

// CanFold reports whether a row has children, and whether they are hidden.
func (p *Processes) CanFold(i int) (children, folded bool) {
	r := p.rows[i]
	return r.thread < 0 && (r.Children > 0 || p.Threads && len(p.view.Processes[r.Index].Threads) > 1), r.Folded
}

// FoldAll folds every branch below the roots, or unfolds all when any is folded.
func (p *Processes) FoldAll() {
	if len(p.Folded) > 0 {
		clear(p.Folded)
		return
	}
	for _, r := range p.rows {
		if r.thread < 0 && r.Children > 0 && r.Depth > 0 {
			p.Folded[p.view.Processes[r.Index].ID] = true
		}
	}
}

// PIDs are the processes of the rows from a to b, for readings that only what
// is on screen needs.
func (p *Processes) PIDs(a, b int) []int {
	var pids []int
	for i := max(a, 0); i < b && i < len(p.rows); i++ {
		if p.rows[i].thread < 0 && !p.Exited(i) {
			pids = append(pids, p.view.Processes[p.rows[i].Index].ID.PID)
		}
	}
	slices.Sort(pids)
	return pids
}

// Matches reports whether a row matches the search.
func (p *Processes) Matches(i int) bool {
	if p.Search == "" {
		return false
	}
	r := p.rows[i]
	q := p.view.Processes[r.Index]
	if r.thread >= 0 {
		return contains(q.Threads[r.thread].Comm, p.Search)
	}
	if strconv.Itoa(q.ID.PID) == p.Search || contains(q.Comm, p.Search) {
		return true
	}
	for _, a := range q.Cmdline.V {
		if contains(a, p.Search) {
			return true
		}
	}
	return false
}

// Next is the next matching row from i in a direction, wrapping around; -1 none.
func (p *Processes) Next(i, step int) int {
	n := len(p.rows)
	for k := 1; k <= n; k++ {
		if j := ((i+k*step)%n + n) % n; p.Matches(j) {
			return j
		}
	}
	return -1
}

func contains(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
