package main

import (
	"context"
	"encoding/csv"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"taskscope/inspect"
)

// listFlags are the flags of `list`.
type listFlags struct {
	threads, json, csv   bool
	filter, sort, fields string
	sorted, output       bool // --sort, -o were given
}

func newListCommand(a *app) *cobra.Command {
	var fl listFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "Print all processes, or all threads, as a flat list",
		Long: `Print all processes, or with --threads all threads, one per line.

Fields that are rates (taskscope fields marks them) need two samples: when one is
a column or the sort order, the list takes --interval to appear.

With --json each process has the fields that can be had of all processes at once;
-o asks for any others.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fl.sorted, fl.output = cmd.Flags().Changed("sort"), cmd.Flags().Changed("output")
			return a.list(cmd.Context(), fl)
		},
	}
	f := c.Flags()
	f.BoolVar(&fl.threads, "threads", false, "threads instead of processes; with --json in each process")
	f.StringVar(&fl.filter, "filter", "", "only rows for which the expression holds, for example 'rss_bytes > 100M'")
	f.StringVar(&fl.sort, "sort", "", "order by this field, in its natural direction; -FIELD reverses it")
	f.StringVarP(&fl.fields, "output", "o", "", "columns: field ids separated by commas")
	f.BoolVar(&fl.json, "json", false, "print one JSON document")
	f.BoolVar(&fl.csv, "csv", false, "print CSV, numbers in the unit of the field's name, unknown values empty")
	exampleFor(c, "taskscope list --sort rss_bytes", "taskscope list --threads --filter 'state = R'",
		"taskscope list -o pid,comm,cpu_percent --sort cpu_percent --csv", "taskscope list --json")
	completeFields(c, "sort", "output")
	return c
}

// listPlan is what the flags mean.
type listPlan struct {
	listFlags
	chosen  []*inspect.Field // of -o, nil without
	columns []*inspect.Field
	order   *inspect.Field
	desc    bool
	match   *inspect.Filter
	// ofProcess: the filter has a field that threads lack, so that it is asked
	// about the process too.
	ofProcess bool
	rates     bool
	want      inspect.Want
}

func (fl listFlags) plan() (*listPlan, error) {
	p := &listPlan{listFlags: fl}
	if fl.json && fl.csv {
		return nil, usage("--json and --csv exclude each other: choose one")
	}
	if err := p.chooseFields(); err != nil {
		return nil, err
	}
	if fl.sorted {
		id, reverse := strings.CutPrefix(fl.sort, "-")
		f, err := fieldByID("--sort", id)
		if err != nil {
			return nil, err
		}
		p.order, p.desc = f, f.Desc != reverse
		p.want |= wantOf([]*inspect.Field{f})
		p.rates = p.rates || f.Rate
	}
	if fl.filter != "" {
		m, err := inspect.ParseFilter(fl.filter)
		if err != nil {
			return nil, usage("--filter: %w", err)
		}
		p.match = m
		p.want |= m.Want()
		p.rates = p.rates || mentions(fl.filter, func(f *inspect.Field) bool { return f.Rate })
		p.ofProcess = mentions(fl.filter, func(f *inspect.Field) bool { return !f.Thread })
	}
	if fl.threads {
		p.want |= inspect.WantThreads
	}
	if fl.json {
		p.want |= inspect.WantHost // the document tells of the host whatever the fields
	}
	return p, nil
}

func (p *listPlan) chooseFields() error {
	switch {
	case p.output:
		chosen, err := parseFields("-o", p.fields)
		if err != nil {
			return err
		}
		p.chosen, p.columns = chosen, chosen
		p.rates = anyRate(chosen)
		p.want = wantOf(chosen)
	case p.json:
		p.want = documentWant
	case p.threads:
		p.columns = mustFields("pid", "tid", "user", "state", "policy", "nice", "cpu_last", "run_ns", "ready_ns",
			"voluntary_switches", "involuntary_switches", "comm")
		p.want = wantOf(p.columns)
	default:
		p.columns = mustFields("pid", "ppid", "user", "state", "threads", "rss_bytes", "cpu_time_ns", "start_time", "cmdline")
		p.want = wantOf(p.columns)
	}
	return nil
}

func (a *app) list(ctx context.Context, fl listFlags) error {
	p, err := fl.plan()
	if err != nil {
		return err
	}
	r, err := a.openOnce()
	if err != nil {
		return err
	}
	defer r.Close()
	changes, err := a.sample(ctx, r, inspect.Request{Want: p.want}, p.rates)
	if err != nil {
		return err
	}
	rows := p.rows(changes)
	switch {
	case p.json:
		e := newDocumentJSON(changes, p.chosen, p.threads)
		return writeProcessesJSON(a.stdout, changes.Cur, e, func(put func(inspect.Row, int)) {
			for _, row := range rows {
				put(row, -1)
			}
		})
	case p.csv:
		return p.writeCSV(a, rows)
	}
	return p.writeText(a, rows)
}

// rows are the rows of the list, chosen and ordered.
func (p *listPlan) rows(c *inspect.Changes) []inspect.Row {
	var rows []inspect.Row
	add := func(r inspect.Row) {
		if p.match == nil || p.match.Match(r) || r.Thread != nil && p.ofProcess && p.match.Match(processOf(r)) {
			rows = append(rows, r)
		}
	}
	for i, proc := range c.Cur.Processes {
		r := processRow(c, i)
		if !p.threads || p.json {
			add(r)
			continue
		}
		for j := range proc.Threads {
			add(threadRow(r, j))
		}
	}
	if p.order != nil {
		slices.SortStableFunc(rows, func(x, y inspect.Row) int {
			switch {
			case inspect.Less(p.order, p.desc, x, y):
				return -1
			case inspect.Less(p.order, p.desc, y, x):
				return 1
			}
			return 0
		})
	}
	return rows
}

// processOf is the row of the process of a thread row.
func processOf(r inspect.Row) inspect.Row {
	r.Thread, r.ThreadDelta = nil, nil
	return r
}

// mentions reports whether a filter expression names such a field.
func mentions(expr string, is func(*inspect.Field) bool) bool {
	words := strings.FieldsFunc(expr, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	fields := inspect.Fields()
	for i := range fields {
		f := &fields[i]
		if is(f) && (slices.Contains(words, f.ID) || f.Unit != "" && slices.Contains(words, strings.TrimSuffix(f.ID, "_"+string(f.Unit)))) {
			return true
		}
	}
	return false
}

func (p *listPlan) writeText(a *app, rows []inspect.Row) error {
	t := table{columns: fieldColumns(p.columns)}
	for _, r := range rows {
		cells := make([]string, len(p.columns))
		for i, f := range p.columns {
			cells[i] = a.cell(f, r)
		}
		t.add(cells...)
	}
	return t.write(a.stdout, a.stdout.width())
}

func (p *listPlan) writeCSV(a *app, rows []inspect.Row) error {
	w := csv.NewWriter(a.stdout)
	cells := make([]string, len(p.columns))
	for i, f := range p.columns {
		cells[i] = f.ID
	}
	if err := w.Write(cells); err != nil {
		return err
	}
	for _, r := range rows {
		for i, f := range p.columns {
			cells[i] = csvCell(f, r)
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
