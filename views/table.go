package views

import (
	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"taskscope/views/model"
)

// grid shows a model.List in a tview table: only visible rows are computed,
// the selected row is known by its key and keeps its line on the screen when
// others come and go.
type grid struct {
	*tview.Table
	theme  *theme
	glyphs *model.Glyphs
	list   model.List
	cells  map[int][]*tview.TableCell // of visible rows, since the last refresh

	key      model.Key
	index    int  // row of key
	offset   int  // first visible row
	column   int  // first visible column
	anchored bool // the user chose a row; before that the view stays at the top
	height   int  // visible rows, known from the last drawing
	follow   bool // a cursor is shown
}

func newGrid(t *theme, g *model.Glyphs, list model.List) *grid {
	v := &grid{Table: tview.NewTable(), theme: t, glyphs: g, list: list, cells: map[int][]*tview.TableCell{}, height: 20, follow: true}
	v.SetContent(&rows{grid: v})
	v.SetFixed(1, 0)
	v.SetSelectable(true, false)
	v.SetSelectedStyle(t.selected)
	v.SetSeparator(' ')
	return v
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
	v.SetOffset(v.offset, v.column)
	v.Select(v.index+1, 0)
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

// Draw draws the table.
func (v *grid) Draw(screen tcell.Screen) {
	_, _, _, h := v.GetInnerRect()
	v.height = max(h-1, 1)
	v.place()
	v.Table.Draw(screen)
}

// rows adapts the list to tview. Row 0 is the heading.
type rows struct {
	tview.TableContentReadOnly
	grid *grid
}

// GetRowCount is the number of rows with the heading.
func (r *rows) GetRowCount() int { return r.grid.list.Len() + 1 }

// GetColumnCount is the number of columns.
func (r *rows) GetColumnCount() int { return len(r.grid.list.Columns()) }

// GetCell gives the same cell for the same place until the next refresh:
// tview asks several times per drawing and writes positions into it.
func (r *rows) GetCell(row, column int) *tview.TableCell {
	cells, ok := r.grid.cells[row]
	if !ok {
		cells = r.grid.makeRow(row)
		r.grid.cells[row] = cells
	}
	if column >= len(cells) {
		return nil
	}
	return cells[column]
}

func (v *grid) makeRow(row int) []*tview.TableCell {
	columns := v.list.Columns()
	cells := make([]*tview.TableCell, len(columns))
	var lines []model.Line
	if row > 0 && row <= v.list.Len() {
		lines = v.list.Row(row - 1)
	}
	for c, col := range columns {
		line := v.heading(col)
		if row > 0 {
			line = nil
			if c < len(lines) {
				line = lines[c]
			}
		}
		cell := tview.NewTableCell(v.theme.markup(fit(line, col)))
		if col.Flex {
			cell.SetExpansion(1)
		} else {
			cell.SetMaxWidth(col.Width)
		}
		cells[c] = cell.SetSelectable(row > 0)
	}
	return cells
}

// heading is the title of a column, with the direction if it is the sort column.
func (v *grid) heading(col model.Column) model.Line {
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
