package main

import (
	"bytes"
	"io"
	"strings"
)

// column is one column of a table of text.
type column struct {
	title string
	left  bool
}

// table is aligned text. Cells must be safe to print.
type table struct {
	columns []column
	rows    [][]string
	sep     string // between columns, two spaces when empty
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table; lines are cut at width columns, or not at all when
// width is 0. The last column is never padded.
func (t *table) write(w io.Writer, width int) error {
	sep := t.sep
	if sep == "" {
		sep = "  "
	}
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = textWidth(c.title)
	}
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], textWidth(cell))
		}
	}
	var b []byte
	line := func(cells []string) {
		start := len(b)
		for i, cell := range cells {
			if i > 0 {
				b = append(b, sep...)
			}
			pad := widths[i] - textWidth(cell)
			if !t.columns[i].left {
				b = appendSpaces(b, pad)
			}
			b = append(b, cell...)
			if t.columns[i].left && i < len(cells)-1 {
				b = appendSpaces(b, pad)
			}
		}
		if width > 0 {
			b = append(b[:start], cutText(string(b[start:]), width)...)
		}
		b = append(b, '\n')
	}
	head := make([]string, len(t.columns))
	for i, c := range t.columns {
		head[i] = c.title
	}
	if strings.Join(head, "") != "" {
		line(head)
	}
	for _, row := range t.rows {
		line(row)
		if len(b) >= 64<<10 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// appendTo writes the table, indented, to b.
func (t *table) appendTo(b *bytes.Buffer) {
	var text bytes.Buffer
	_ = t.write(&text, 0) // a Buffer takes everything
	for line := range bytes.Lines(text.Bytes()) {
		b.WriteString("  ")
		b.Write(line)
	}
}

func appendSpaces(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}
