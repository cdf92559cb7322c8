package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"taskscope/inspect"
)

// maxGuides is how many levels of the tree are drawn; deeper ones are told by
// their number, so that a chain of ten thousand does not fill the disk.
const maxGuides = 40

func newTreeCommand(a *app) *cobra.Command {
	var threads, asJSON bool
	c := &cobra.Command{
		Use:   "tree [PID]",
		Short: "Print the process tree, or the subtree of one process",
		Long: `Print the process tree, or the subtree of one process.

With --json each process has the fields that can be had of all processes at once;
taskscope list -o asks for others, and taskscope show gives all there is of one.`,
		Args: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return nil
			case 1:
				_, err := parsePID(args[0])
				return err
			}
			return usage("tree takes at most one PID, not %d arguments: for example taskscope tree 1234", len(args))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.tree(cmd.Context(), args, threads, asJSON)
		},
		ValidArgsFunction: a.completePID,
	}
	c.Flags().BoolVar(&threads, "threads", false, "show the threads of each process too")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	exampleFor(c, "taskscope tree", "taskscope tree 1234 --threads", "taskscope tree --json")
	return c
}

func (a *app) tree(ctx context.Context, args []string, threads, asJSON bool) error {
	r, err := a.openOnce()
	if err != nil {
		return err
	}
	defer r.Close()
	var root inspect.ID
	if len(args) == 1 {
		if root, err = a.resolve(r, args[0]); err != nil {
			return err
		}
	}
	columns := mustFields("pid", "user", "state", "threads", "rss_bytes", "cpu_time_ns")
	q := inspect.Request{Want: wantOf(columns) | inspect.WantCmdline}
	if threads {
		q.Want |= inspect.WantThreads
	}
	if asJSON {
		q.Want = documentWant
	}
	changes, err := a.sample(ctx, r, q, false)
	if err != nil {
		return err
	}
	if root.PID != 0 && changes.Cur.ByID(root) == nil {
		return vanished(root)
	}
	var forest inspect.Forest
	rows := forest.Flatten(changes.Cur, inspect.TreeOptions{Root: root.PID})
	if asJSON {
		e := newDocumentJSON(changes, nil, threads)
		return writeProcessesJSON(a.stdout, changes.Cur, e, func(put func(inspect.Row, int)) {
			for _, t := range rows {
				put(processRow(changes, t.Index), t.Depth)
			}
		})
	}
	return a.writeTree(changes, rows, columns, threads)
}

// writeTree prints the tree as a table whose last column is the drawn tree.
func (a *app) writeTree(c *inspect.Changes, rows []inspect.TreeRow, columns []*inspect.Field, threads bool) error {
	t := table{columns: append(fieldColumns(columns), column{"COMMAND", true})}
	command := mustFields("cmdline")[0]
	cells := make([]string, 0, len(t.columns))
	for _, tr := range rows {
		r := processRow(c, tr.Index)
		cells = cells[:0]
		for _, f := range columns {
			cells = append(cells, a.cell(f, r))
		}
		text := a.cell(command, r)
		if text == a.unknown() {
			text = a.clean(r.Process.Comm)
		}
		t.add(append(append([]string(nil), cells...), a.guides(tr.Guides, tr.Depth, tr.Last)+text)...)
		if threads {
			a.addThreads(&t, columns, r, tr)
		}
	}
	return t.write(a.stdout, a.stdout.width())
}

// addThreads adds a line per thread of a process that has several: they come
// before its children, one level deeper.
func (a *app) addThreads(t *table, columns []*inspect.Field, r inspect.Row, tr inspect.TreeRow) {
	if len(r.Process.Threads) < 2 {
		return
	}
	guides := tr.Guides
	if !tr.Last && tr.Depth < 64 {
		guides |= 1 << tr.Depth
	}
	tid := mustFields("tid")[0]
	for i := range r.Process.Threads {
		row := threadRow(r, i)
		cells := make([]string, 0, len(t.columns))
		for _, f := range columns {
			switch {
			case f.ID == "pid":
				cells = append(cells, a.cell(tid, row))
			case f.Thread:
				cells = append(cells, a.cell(f, row))
			default:
				cells = append(cells, "")
			}
		}
		last := i == len(r.Process.Threads)-1 && tr.Children == 0
		t.add(append(cells, a.guides(guides, tr.Depth+1, last)+"{"+a.clean(row.Thread.Comm)+"}")...)
	}
}

// guides draws the lines in front of a node: bit d of set says that the
// ancestor at depth d has siblings below.
func (a *app) guides(set uint64, depth int, last bool) string {
	if depth == 0 {
		return ""
	}
	glyphs := [4]string{"│  ", "   ", "├─ ", "└─ "}
	if a.ascii {
		glyphs = [4]string{"|  ", "   ", "|- ", "`- "}
	}
	var b strings.Builder
	for d := 1; d < depth && d < maxGuides; d++ {
		if set>>d&1 == 1 {
			b.WriteString(glyphs[0])
		} else {
			b.WriteString(glyphs[1])
		}
	}
	if depth > maxGuides {
		b.WriteString("(level " + strconv.Itoa(depth) + ") ")
	}
	if last {
		b.WriteString(glyphs[3])
	} else {
		b.WriteString(glyphs[2])
	}
	return b.String()
}
