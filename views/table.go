package views

import (
	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"taskscope/views/model"
)

// grid shows a model.List: only visible rows are computed, the selected row is
// known by its key and keeps its line on the screen when others come and go.
//
// It draws by itself: a table of tview measures and parses the text of every
// visible cell several times per drawing, which was most of what an idle screen
// cost.
type grid struct {
	*tview.Box
	theme  *theme
	glyphs *model.Glyphs
	list   model.List
	cells  map[int][]model.Line // of visible rows, since the last refresh

	key      model.Key
	index    int  // row of key
	offset   int  // first visible row
	column   int  // first visible column
	anchored bool // the user chose a row; before that the view stays at the top
	height   int  // visible rows, known from the last drawing
	cursor   bool // the selected row is marked
}

func newGrid(t *theme, g *model.Glyphs, list model.List) *grid {
	return &grid{Box: tview.NewBox(), theme: t, glyphs: g, list: list, cells: map[int][]model.Line{}, height: 20, cursor: true}
}

// refresh is called after the list changed: it finds the selected row again.
func (v *grid) refresh() {
	clear(v.cells)
	n := v.list.Len()
	if n == 0 {
		v.index, v.offset = 0, 0
		return
	}
	old := v.index
	if v.anchored {
		if i := v.list.Find(v.key); i >= 0 {
			v.index = i
		}
	} else {
		v.index = 0
	}
	v.index = min(max(v.index, 0), n-1)
	v.offset += v.index - old
	v.key = v.list.Key(v.index)
	v.place()
}

// place keeps the offset within the list and the selected row on the screen.
func (v *grid) place() {
	n := v.list.Len()
	v.offset = min(max(v.offset, 0), max(n-v.height, 0))
	if v.index < v.offset {
		v.offset = v.index
	}
	if v.index >= v.offset+v.height {
		v.offset = v.index - v.height + 1
	}
}

// selectRow moves the cursor to a row.
func (v *grid) selectRow(i int) {
	n := v.list.Len()
	if n == 0 {
		return
	}
	v.index = min(max(i, 0), n-1)
	v.key = v.list.Key(v.index)
	v.anchored = true
	v.place()
}

// top goes to the first row and stays at the top from then on.
func (v *grid) top() {
	v.selectRow(0)
	v.anchored = false
}

// selected is the selected row, or -1 in an empty list.
func (v *grid) selected() int {
	if v.list.Len() == 0 {
		return -1
	}
	return min(v.index, v.list.Len()-1)
}

// rowAt is the row on a line of the screen, -1 when there is none.
func (v *grid) rowAt(y int) int {
	_, top, _, h := v.GetInnerRect()
	i := v.offset + y - top - 1
	if y <= top || y >= top+h || i >= v.list.Len() {
		return -1
	}
	return i
}

// Draw draws the heading and the visible rows.
func (v *grid) Draw(screen tcell.Screen) {
	v.DrawForSubclass(screen, v)
	x, y, w, h := v.GetInnerRect()
	v.height = max(h-1, 1)
	v.place()
	first, widths := v.widths(w)
	for i := range h {
		row := v.offset + i - 1
		if i == 0 {
			row = heading
		}
		if row >= v.list.Len() {
			break
		}
		v.drawRow(screen, x, y+i, w, row, first, widths)
	}
}

// heading is the number of the row above all others.
const heading = -1

// widths chooses the first column to be shown, which is the one scrolled to
// unless more would fit beside the last one, and the widths of all from there on
// that fit in w. The flexible one takes what is left.
func (v *grid) widths(w int) (first int, widths []int) {
	columns := v.list.Columns()
	flex := -1
	need := func(i int) int {
		if columns[i].Flex {
			return v.widest(i)
		}
		return columns[i].Width
	}
	first = min(v.column, max(len(columns)-1, 0))
	if first > 0 {
		rest := w
		for i := len(columns) - 1; i >= 0 && rest > 0; i-- {
			if rest -= need(i) + 1; rest >= -1 || i == len(columns)-1 {
				first = min(first, i)
			}
		}
	}
	left := w
	for i := first; i < len(columns) && left > 0; i++ {
		if columns[i].Flex {
			flex = i - first
		}
		n := min(need(i), left)
		widths = append(widths, n)
		left -= n + 1
	}
	if flex >= 0 && left > -1 {
		widths[flex] += left + 1
	}
	return first, widths
}

// widest is the widest visible cell of a column.
func (v *grid) widest(column int) int {
	n := lineWidth(v.cell(heading, column))
	for i := v.offset; i < v.offset+v.height && i < v.list.Len(); i++ {
		n = max(n, lineWidth(v.cell(i, column)))
	}
	return n
}

// drawRow draws one line; the selected one in one style throughout. A value that
// was cut ends in a mark.
func (v *grid) drawRow(screen tcell.Screen, x, y, w, row, first int, widths []int) {
	var look *tcell.Style
	if v.cursor && row == v.index && row != heading {
		look = &v.theme.selected
	}
	at := 0
	for i, n := range widths {
		if look != nil {
			put(screen, x+at, y, min(n+1, w-at), pad("", n+1), *look)
		}
		line := v.cell(row, first+i)
		if v.theme.drawSpans(screen, x+at, y, n, line, look) > 0 && lineWidth(line) > n {
			_, cut, _ := screen.Get(x+at+n-1, y)
			screen.SetContent(x+at+n-1, y, tview.SemigraphicsHorizontalEllipsis, nil, cut)
		}
		at += n + 1
	}
}

// cell is one cell, padded to the width of its column; it is made once per row
// and refresh.
func (v *grid) cell(row, column int) model.Line {
	cells, ok := v.cells[row]
	if !ok {
		cells = v.makeRow(row)
		v.cells[row] = cells
	}
	if column >= len(cells) {
		return nil
	}
	return cells[column]
}

func (v *grid) makeRow(row int) []model.Line {
	columns := v.list.Columns()
	cells := make([]model.Line, len(columns))
	var lines []model.Line
	if row != heading {
		lines = v.list.Row(row)
	}
	for c, col := range columns {
		switch {
		case row == heading:
			cells[c] = fit(v.title(col), col)
		case c < len(lines):
			cells[c] = fit(lines[c], col)
		default:
			cells[c] = fit(nil, col)
		}
	}
	return cells
}

// title is the heading of a column, with the direction if it is the sort column.
func (v *grid) title(col model.Column) model.Line {
	if col.Sort == 0 {
		return model.Plain(col.Title, model.Head)
	}
	arrow := v.glyphs.Up
	if col.Sort < 0 {
		arrow = v.glyphs.Down
	}
	if width(col.Title)+width(arrow) > col.Width && !col.Flex {
		return model.Plain(col.Title, model.Accent)
	}
	if col.Left {
		return model.Plain(col.Title+arrow, model.Accent)
	}
	return model.Plain(arrow+col.Title, model.Accent)
}

// fit pads a cell to the fixed width of its column, so that columns do not
// move when values change.
func fit(l model.Line, col model.Column) model.Line {
	n := lineWidth(l)
	if n >= col.Width {
		return l
	}
	gap := model.Span{Text: pad("", col.Width-n)}
	if col.Left {
		return append(l[:len(l):len(l)], gap)
	}
	return append(model.Line{gap}, l...)
}
