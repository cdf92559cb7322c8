package inspect

import "slices"

// TreeRow is one row of the flattened process tree.
type TreeRow struct {
	Index    int    // into Snapshot.Processes
	Depth    int    // 0 for roots
	Last     bool   // last child of its parent
	Guides   uint64 // bit d set: the ancestor at depth d has further siblings below
	Children int    // direct children that pass the filter
	Folded   bool   // has children that are hidden
	Dimmed   bool   // shown only because a descendant matches the filter
	Hidden   int    // descendants hidden below a folded row
}

// TreeOptions steer Flatten.
type TreeOptions struct {
	Root   int                 // PID of the subtree, 0 for all
	Folded func(ID) bool       // nil: nothing folded
	Match  func(i int) bool    // nil: everything; ancestors (dimmed) and descendants of matches are kept
	Less   func(i, j int) bool // order among siblings, nil: by PID
}

// Forest is reusable scratch for Flatten: no allocation in steady state. The
// zero Forest is ready. It belongs to one goroutine.
//
// Processes are numbered by their index in the snapshot. Children hang on
// their parent as first-child and next-sibling indices; none is -1.
type Forest struct {
	pids    []int32
	parent  []int32
	first   []int32
	next    []int32
	sorted  []int32 // all indices in sibling order, kept for the next call
	order   []node  // the tree in preorder
	place   []int32 // index → place in order, -1 while not placed
	stack   []int32
	lastKid []int32 // place → place of its last kept child, -1 none
	rows    []TreeRow
}

// node is one process at its place in preorder.
type node struct {
	index, parent int32 // parent: its place in order, -1 for roots
	depth         int32
	size          int32 // nodes in its subtree, itself included
	kept          int32 // nodes of its subtree that pass the filter
	kids          int32 // direct children that pass the filter
	match         bool  // it or an ancestor matches
	below         bool  // a descendant matches
}

func (n *node) keep() bool { return n.match || n.below }

const none = int32(-1)

// Subtree appends to into the process at index i and all below it that passed
// the filter of the last Flatten, folded away or not.
func (f *Forest) Subtree(into []int, i int) []int {
	if i < 0 || i >= len(f.place) || f.place[i] == none {
		return into
	}
	at := f.place[i]
	for _, n := range f.order[at : at+f.order[at].size] {
		if n.keep() {
			into = append(into, int(n.index))
		}
	}
	return into
}

// Flatten puts the processes of s in tree order. Tolerates missing parents,
// cycles, and parents younger than their children (all three come from a PID
// that was reused between two reads): such a process becomes a root. The
// result is valid until the next call on the same Forest.
func (f *Forest) Flatten(s *Snapshot, o TreeOptions) []TreeRow {
	f.rows = f.rows[:0]
	if s == nil {
		return f.rows
	}
	f.link(s)
	f.sort(o.Less)
	f.hang()
	f.walk(s, o.Root)
	f.filter(o.Match)
	f.emit(s, o)
	return f.rows
}

// link finds each process's parent.
func (f *Forest) link(s *Snapshot) {
	n := len(s.Processes)
	f.pids, f.parent = resize(f.pids, n), resize(f.parent, n)
	for i, p := range s.Processes {
		f.pids[i] = int32(p.ID.PID)
	}
	cachedPID, cached := int32(-1), none
	for i, p := range s.Processes {
		f.parent[i] = none
		ppid, ok := p.PPID.Get()
		if !ok || ppid <= 0 {
			continue
		}
		if int32(ppid) != cachedPID {
			at, found := slices.BinarySearch(f.pids, int32(ppid))
			cachedPID, cached = int32(ppid), none
			if found {
				cached = int32(at)
			}
		}
		if cached == none || int(cached) == i || s.Processes[cached].ID.Start > p.ID.Start {
			continue
		}
		f.parent[i] = cached
	}
}

// sort brings f.sorted into sibling order. The order of the last call is the
// starting point, which is nearly sorted already.
func (f *Forest) sort(less func(i, j int) bool) {
	n := len(f.parent)
	if less == nil || len(f.sorted) != n {
		f.sorted = resize(f.sorted, n)
		for i := range f.sorted {
			f.sorted[i] = int32(i)
		}
	}
	if less == nil {
		return
	}
	slices.SortFunc(f.sorted, func(a, b int32) int {
		// Only the sign matters to the sort, and it only asks for "less": so
		// the second call is saved where it cannot make a difference.
		if less(int(a), int(b)) || a < b && !less(int(b), int(a)) {
			return -1
		}
		return 1
	})
}

// hang builds the child lists, from the last sibling to the first.
func (f *Forest) hang() {
	n := len(f.parent)
	f.first, f.next = resize(f.first, n), resize(f.next, n)
	for i := range f.first {
		f.first[i] = none
	}
	for k := n - 1; k >= 0; k-- {
		i := f.sorted[k]
		if p := f.parent[i]; p != none {
			f.next[i] = f.first[p]
			f.first[p] = i
		}
	}
}

// walk lays the tree out in preorder. What no root leads to hangs in a cycle,
// which is cut open at its first process.
func (f *Forest) walk(s *Snapshot, root int) {
	n := len(f.parent)
	f.order = f.order[:0]
	f.place = resize(f.place, n)
	for i := range f.place {
		f.place[i] = none
	}
	if root != 0 {
		if i := s.Index(root); i >= 0 {
			f.descend(int32(i))
		}
		return
	}
	for _, i := range f.sorted {
		if f.parent[i] == none {
			f.descend(i)
		}
	}
	if len(f.order) == n {
		return
	}
	for _, i := range f.sorted {
		if f.place[i] == none {
			f.descend(i)
		}
	}
}

// descend appends the subtree of i. The stack holds the next node to visit on
// each level.
func (f *Forest) descend(top int32) {
	f.put(top, none, 0)
	at := none // place of the parent of the level above the one on the stack
	f.stack = append(f.stack[:0], f.first[top])
	at = f.place[top]
	for len(f.stack) > 0 {
		level := len(f.stack) - 1
		i := f.stack[level]
		for i != none && f.place[i] != none { // already placed: the tree bends back on itself
			i = f.next[i]
		}
		if i == none {
			f.stack = f.stack[:level]
			at = f.order[at].parent
			continue
		}
		f.stack[level] = f.next[i]
		f.put(i, at, int32(level)+1)
		at = f.place[i]
		f.stack = append(f.stack, f.first[i])
	}
}

func (f *Forest) put(i, parent, depth int32) {
	f.place[i] = int32(len(f.order))
	f.order = append(f.order, node{index: i, parent: parent, depth: depth})
}

// filter marks matches, their descendants and their ancestors, and counts.
func (f *Forest) filter(match func(int) bool) {
	for k := range f.order {
		n := &f.order[k]
		n.match = match == nil || n.parent != none && f.order[n.parent].match || match(int(n.index))
	}
	for k := len(f.order) - 1; k >= 0; k-- {
		n := &f.order[k]
		n.size++
		if n.keep() {
			n.kept++
		}
		if n.parent == none {
			continue
		}
		p := &f.order[n.parent]
		p.size += n.size
		p.kept += n.kept
		if n.keep() {
			p.kids++
			p.below = true
		}
	}
}

// emit writes the rows that pass the filter and are not below a folded row.
func (f *Forest) emit(s *Snapshot, o TreeOptions) {
	f.lastKid = resize(f.lastKid, len(f.order))
	for k := range f.lastKid {
		f.lastKid[k] = none
	}
	lastRoot := none
	for k := range f.order {
		n := &f.order[k]
		switch {
		case !n.keep():
		case n.parent == none:
			lastRoot = int32(k)
		default:
			f.lastKid[n.parent] = int32(k)
		}
	}
	guides := uint64(0)
	for k := 0; k < len(f.order); {
		n := &f.order[k]
		if !n.keep() {
			k += int(n.size)
			continue
		}
		last := lastRoot
		if n.parent != none {
			last = f.lastKid[n.parent]
		}
		row := TreeRow{
			Index: int(n.index), Depth: int(n.depth), Children: int(n.kids),
			Last: last == int32(k), Dimmed: !n.match,
		}
		guides = row.guide(guides)
		k++
		if n.kids > 0 && o.Folded != nil && o.Folded(s.Processes[n.index].ID) {
			row.Folded = true
			row.Hidden = int(n.kept) - 1
			k += int(n.size) - 1
		}
		f.rows = append(f.rows, row)
	}
}

// guide sets the row's guides from those of the row above it and returns what
// the next row starts from. Levels beyond 63 have none.
func (r *TreeRow) guide(above uint64) uint64 {
	if r.Depth > 63 {
		r.Guides = above
		return above
	}
	r.Guides = above & (1<<r.Depth - 1)
	if r.Last {
		return r.Guides
	}
	return r.Guides | 1<<r.Depth
}

// resize gives a slice of length n, with the old memory where it suffices. The
// contents are not cleared.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/8)
	}
	return s[:n]
}
