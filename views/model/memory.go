package model

import (
	"fmt"
	"slices"
	"strings"

	"taskscope/inspect"
)

// segmentKey identifies a segment between readings: its start and what it is.
type segmentKey struct {
	start uint64
	name  string
}

func keyOf(s inspect.Segment) segmentKey { return segmentKey{s.Start, s.Name} }

// Memory lists the memory of the attached process: its groups with their
// segments folded below them or, as a map, all segments from low to high
// addresses with the gaps between them.
type Memory struct {
	G      Glyphs
	A      *Attached
	Width  int
	Map    bool
	Folded map[inspect.Group]bool // groups folded; nil: all of them

	rows []memoryRow
	cols []Column
}

type memoryRow struct {
	group   inspect.Group // of a group row
	total   bool
	gap     uint64 // size of a gap row
	at      uint64
	segment int // index, when nothing else
	count   int
	mem     inspect.SegmentMem
}

// groupWords name the groups for people.
var groupWords = map[inspect.Group]string{
	inspect.GroupCode: "code", inspect.GroupData: "data", inspect.GroupHeap: "heap",
	inspect.GroupStacks: "stacks", inspect.GroupMappedFiles: "mapped files", inspect.GroupShared: "shared memory",
	inspect.GroupAnonymous: "anonymous", inspect.GroupReserved: "reserved", inspect.GroupKernel: "kernel pages",
}

// groupMeaning is one sentence per group.
var groupMeaning = map[inspect.Group]string{
	inspect.GroupCode:        "machine code of the program and its libraries; shared by all threads, and with other processes that run the same files",
	inspect.GroupData:        "global variables and constants of the program and its libraries; shared by all threads",
	inspect.GroupHeap:        "grows upwards as the program allocates; shared by all threads",
	inspect.GroupStacks:      "one per thread, grows downwards: calls and local variables",
	inspect.GroupMappedFiles: "files mapped into memory",
	inspect.GroupShared:      "memory shared with other processes on purpose",
	inspect.GroupAnonymous:   "memory allocated outside the heap; private unless inherited over fork",
	inspect.GroupReserved:    "address space set aside, without any memory behind it",
	inspect.GroupKernel:      "pages the kernel lends every process: vdso, vvar",
}

// memoryColumns in display order.
var memoryColumns = []struct {
	Column
	from int
}{
	{Column{ID: "name", Title: "SEGMENT", Width: 27, Left: true}, 0},
	{Column{ID: "size", Title: "SIZE", Width: 6}, 0},
	{Column{ID: "rss", Title: "RSS", Width: 6}, 0},
	{Column{ID: "pss", Title: "PSS", Width: 6}, 50},
	{Column{ID: "private", Title: "PRIV", Width: 6}, 56},
	{Column{ID: "shared", Title: "SHARED", Width: 6}, 66},
	{Column{ID: "swap", Title: "SWAP", Width: 6}, 74},
	{Column{ID: "growth", Title: "GROWTH", Width: 7}, 96},
	{Column{ID: "perms", Title: "PERM", Width: 4, Left: true}, 60},
	{Column{ID: "kind", Title: "KIND", Width: 12, Left: true}, 112},
	{Column{ID: "file", Title: "FILE OR OWNER", Width: 12, Left: true, Flex: true}, 86},
}

// Arrange computes the rows.
func (m *Memory) Arrange() {
	m.cols, m.rows = m.cols[:0], m.rows[:0]
	for _, c := range memoryColumns {
		if m.Width >= c.from {
			m.cols = append(m.cols, c.Column)
		}
	}
	if n := len(m.cols); n > 0 && m.cols[n-1].Left {
		m.cols[n-1].Flex = true
	}
	d := m.A.Detail
	if d == nil {
		return
	}
	if m.Map {
		m.arrangeMap(d)
		return
	}
	for _, g := range inspect.Groups() {
		count := 0
		for _, s := range d.Segments {
			if s.Group == g {
				count++
			}
		}
		if count == 0 {
			continue
		}
		m.rows = append(m.rows, memoryRow{group: g, count: count, mem: d.Memory.Groups[g]})
		if m.Folded == nil || m.Folded[g] {
			continue
		}
		for i, s := range d.Segments {
			if s.Group == g {
				m.rows = append(m.rows, memoryRow{segment: i, mem: s.Mem})
			}
		}
	}
	if len(m.rows) > 0 {
		m.rows = append(m.rows, memoryRow{total: true, count: len(d.Segments), mem: d.Memory.Total})
	}
}

func (m *Memory) arrangeMap(d *inspect.Detail) {
	for i, s := range d.Segments {
		if i > 0 && s.Start > d.Segments[i-1].End {
			m.rows = append(m.rows, memoryRow{gap: s.Start - d.Segments[i-1].End, at: d.Segments[i-1].End})
		}
		m.rows = append(m.rows, memoryRow{segment: i, mem: s.Mem})
	}
}

// Toggle folds or unfolds the group of a row.
func (m *Memory) Toggle(i int) {
	if m.Map || i < 0 || i >= len(m.rows) {
		return
	}
	g := m.rows[i].group
	if g == "" && !m.rows[i].total && m.rows[i].gap == 0 {
		g = m.A.Detail.Segments[m.rows[i].segment].Group
	}
	m.open()
	m.Folded[g] = !m.Folded[g]
}

// ToggleAll unfolds all groups, or folds them when one is unfolded.
func (m *Memory) ToggleAll() {
	m.open()
	folded := true
	for _, g := range inspect.Groups() {
		folded = folded && m.Folded[g]
	}
	for _, g := range inspect.Groups() {
		m.Folded[g] = !folded
	}
}

func (m *Memory) open() {
	if m.Folded == nil {
		m.Folded = map[inspect.Group]bool{}
		for _, g := range inspect.Groups() {
			m.Folded[g] = true
		}
	}
}

// Columns are the columns in force.
func (m *Memory) Columns() []Column { return m.cols }

// Len is the number of rows.
func (m *Memory) Len() int { return len(m.rows) }

// Key identifies a row by group or address.
func (m *Memory) Key(i int) Key {
	r := m.rows[i]
	switch {
	case r.group != "":
		return Key{Name: string(r.group)}
	case r.total:
		return Key{Name: "total"}
	case r.gap > 0:
		return Key{Name: "gap " + Address(r.at)}
	}
	return Key{Name: Address(m.A.Detail.Segments[r.segment].Start)}
}

// Find is the position of a row.
func (m *Memory) Find(k Key) int {
	for i := range m.rows {
		if m.Key(i) == k {
			return i
		}
	}
	return -1
}

// Row makes the cells of one row.
func (m *Memory) Row(i int) []Line {
	r := m.rows[i]
	cells := make([]Line, len(m.cols))
	for c, col := range m.cols {
		if r.gap > 0 {
			cells[c] = m.gapCell(col, r)
			continue
		}
		cells[c] = m.cell(col, r)
	}
	return cells
}

func (m *Memory) gapCell(col Column, r memoryRow) Line {
	switch col.ID {
	case "name":
		return Plain(strings.Repeat(" ", 13)+"gap", Muted)
	case "size":
		return Plain(Bytes(r.gap), Muted)
	}
	return Plain("", Normal)
}

func (m *Memory) cell(col Column, r memoryRow) Line {
	switch col.ID {
	case "size":
		return Line{Size(r.mem.Size)}
	case "rss":
		return m.share(r.mem.RSS)
	case "pss":
		return m.share(r.mem.PSS)
	case "private":
		return m.share(r.mem.PrivateClean + r.mem.PrivateDirty)
	case "shared":
		return m.share(r.mem.SharedClean + r.mem.SharedDirty)
	case "swap":
		return m.share(r.mem.Swap)
	}
	if r.group != "" || r.total {
		return m.groupCell(col, r)
	}
	s := m.A.Detail.Segments[r.segment]
	switch col.ID {
	case "name":
		mark := m.G.Blank
		if m.Map {
			mark = ""
		}
		line := Line{{Text: mark + Address(s.Start), Style: Muted}}
		if m.Map {
			return append(line, Span{Text: " " + groupWords[s.Group], Style: Normal})
		}
		return append(line, Span{Text: " " + strings.ReplaceAll(Sanitize(s.Kind), "_", " ")})
	case "growth":
		return m.growth(s)
	case "perms":
		return Plain(Sanitize(s.Perms), Muted)
	case "kind":
		return Plain(strings.ReplaceAll(Sanitize(s.Kind), "_", " "), Normal)
	case "file":
		return m.owner(s)
	}
	return Plain("", Normal)
}

// share is a resident size; all of them are unknown where only maps could be read.
func (m *Memory) share(v uint64) Line {
	if why := m.A.Detail.Memory.Why; why != inspect.OK {
		return Line{m.G.UnknownSpan(why)}
	}
	return Line{Size(v)}
}

func (m *Memory) groupCell(col Column, r memoryRow) Line {
	switch col.ID {
	case "name":
		if r.total {
			return Plain("total", Strong)
		}
		mark := m.G.Fold
		if m.Folded != nil && !m.Folded[r.group] {
			mark = m.G.Down
		}
		return Line{{Text: lastRune(mark) + " ", Style: Muted}, {Text: groupWords[r.group], Style: Strong}, {Text: fmt.Sprintf(" %d", r.count), Style: Muted}}
	case "file":
		if r.total {
			return Plain(fmt.Sprintf("%d segments", r.count), Muted)
		}
		return Plain(groupMeaning[r.group], Muted)
	}
	return Plain("", Normal)
}

// growth is the change of RSS since the process was attached.
func (m *Memory) growth(s inspect.Segment) Line {
	if m.A.Detail.Memory.Why != inspect.OK {
		return Line{m.G.UnknownSpan(m.A.Detail.Memory.Why)}
	}
	first, ok := m.A.firstSizes[keyOf(s)]
	switch {
	case !ok:
		return Plain("new", New)
	case first == s.Mem.RSS:
		return Plain("0B", Muted)
	}
	return Plain(signedBytes(int64(s.Mem.RSS)-int64(first)), New)
}

func (m *Memory) owner(s inspect.Segment) Line {
	if s.OwnerTID != 0 {
		name := ""
		if i := slices.IndexFunc(m.A.Process.Threads, func(t inspect.Thread) bool { return t.ID.TID == s.OwnerTID }); i >= 0 {
			name = " " + Sanitize(m.A.Process.Threads[i].Comm)
		}
		return Line{{Text: fmt.Sprintf("stack of %d%s", s.OwnerTID, name), Style: Accent}}
	}
	if s.Deleted {
		return Line{{Text: Sanitize(s.Name)}, {Text: " deleted", Style: Warn}}
	}
	return Plain(Sanitize(s.Name), Normal)
}

// Describe says what the selected row is, or why there is no reading.
func (m *Memory) Describe(i int) Line {
	r := m.rows[i]
	if why := m.A.Detail.Memory.Why; why != inspect.OK && r.gap == 0 {
		return Line{{Text: "RSS, PSS, private, shared, swap " + m.G.Unknown + ": " + why.Text(), Style: Muted}}
	}
	switch {
	case r.gap > 0:
		return Plain("a gap: addresses without any segment; an access to them is a fault", Muted)
	case r.total:
		return Plain("PSS divides shared pages by the number of processes that share them; it may be added up, RSS may not", Muted)
	case r.group != "":
		return Line{{Text: groupWords[r.group] + ": ", Style: Strong}, {Text: groupMeaning[r.group], Style: Muted}}
	}
	s := m.A.Detail.Segments[r.segment]
	return Line{
		{Text: Address(s.Start) + "-" + Address(s.End) + " ", Style: Strong},
		{Text: Sanitize(s.Perms + " " + s.Name)},
		{Text: fmt.Sprintf("  private %s clean, %s dirty; shared %s clean, %s dirty", Bytes(s.Mem.PrivateClean), Bytes(s.Mem.PrivateDirty),
			Bytes(s.Mem.SharedClean), Bytes(s.Mem.SharedDirty)), Style: Muted},
	}
}
