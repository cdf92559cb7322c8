package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"taskscope/inspect"
)

// watchFlags are the flags of `watch`.
type watchFlags struct {
	count                  int
	descendants, json, csv bool
}

func newWatchCommand(a *app) *cobra.Command {
	var fl watchFlags
	c := &cobra.Command{
		Use:   "watch PID",
		Short: "Print a row per thread and one for the process, every interval",
		Long: `Print a row per thread and one for the whole process, every --interval. The first
rows come after one interval. It ends after --count intervals, with exit code 1
when the process ends before, and with 130 when interrupted.

With --descendants also the ends of all processes of the tree are told, with exit
code and lifetime, where the scheduler can be traced (CAP_BPF and CAP_PERFMON):
also of those that live too briefly to be seen in any reading.`,
		Args: onePID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.watch(cmd.Context(), args[0], fl)
		},
		ValidArgsFunction: a.completePID,
	}
	f := c.Flags()
	f.IntVar(&fl.count, "count", 0, "end after this many intervals; 0: never")
	f.BoolVar(&fl.descendants, "descendants", false, "also the children of the process, their children, and so on")
	f.BoolVar(&fl.json, "json", false, "print JSON Lines, one object per interval")
	f.BoolVar(&fl.csv, "csv", false, "print CSV, numbers in the unit of the field's name, unknown values empty")
	exampleFor(c, "taskscope watch 1234", "taskscope watch 1234 --interval 500ms --count 10 --json", "taskscope watch 1234 --descendants --csv")
	return c
}

// watchWant is what `watch` reads.
const watchWant = inspect.WantAll | inspect.WantIO

// watched is one interval: the process and its descendants.
type watched struct {
	changes *inspect.Changes
	rows    []inspect.Row // the process first, then its descendants by PID
	born    []int         // descendants that appeared
	exited  []int         // descendants that ended
	// ends are processes of the tree that ended, short-lived ones too; endsWhy
	// says why that is not known, "" when it is.
	ends    []inspect.ProcessExit
	endsWhy string
}

// watchWriter prints intervals.
type watchWriter interface {
	write(w *watched) error
}

func (a *app) watch(ctx context.Context, arg string, fl watchFlags) error {
	if fl.count < 0 {
		return usage("--count %d: give the number of intervals, or 0 for no end", fl.count)
	}
	out, err := a.watchWriter(fl)
	if err != nil {
		return err
	}
	r, err := a.openReaderWith(inspect.Options{Deadline: patience, Background: true})
	if err != nil {
		return err
	}
	defer r.Close()
	id, err := a.resolve(r, arg)
	if err != nil {
		return err
	}
	w := &watcher{a: a, id: id, reader: r, descendants: fl.descendants}
	if fl.descendants {
		if w.structure, err = a.openReader(); err != nil {
			return err
		}
		defer w.structure.Close()
		if w.lives, err = a.followLives(ctx, id); err != nil {
			w.livesWhy = oneLine(err.Error())
		}
		defer w.lives.close()
	}
	prev, err := w.read(ctx)
	if err != nil {
		return err
	}
	next := time.Now()
	for n := 0; fl.count == 0 || n < fl.count; n++ {
		next = next.Add(a.interval)
		if late := time.Since(next); late > 0 { // an interval took longer than it should: skip, do not catch up
			next = next.Add(late.Truncate(a.interval))
		}
		if err := wait(ctx, time.Until(next)); err != nil {
			return err
		}
		cur, err := w.read(ctx)
		if err != nil {
			return err
		}
		if err := out.write(w.compare(prev, cur)); err != nil {
			return err
		}
		prev = cur
	}
	return nil
}

func (a *app) watchWriter(fl watchFlags) (watchWriter, error) {
	switch {
	case fl.json && fl.csv:
		return nil, usage("--json and --csv exclude each other: choose one")
	case fl.json:
		return &watchJSON{a: a, descendants: fl.descendants}, nil
	case fl.csv:
		return newWatchCSV(a), nil
	}
	return newWatchText(a), nil
}

// watcher reads one process, or one and its descendants.
type watcher struct {
	a           *app
	id          inspect.ID
	reader      *inspect.Reader
	descendants bool
	// structure reads who is whose child; it is another reader, so that what
	// reader remembers of the watched processes is not disturbed.
	structure *inspect.Reader
	lives     *lives // nil where the kernel does not tell, with the reason
	livesWhy  string
}

func (w *watcher) read(ctx context.Context) (*inspect.Snapshot, error) {
	q := inspect.Request{Want: watchWant, Only: []int{w.id.PID}}
	if w.descendants {
		all, err := w.a.read(ctx, w.structure, inspect.Request{})
		if err != nil {
			return nil, err
		}
		q.Only = append(q.Only, subtree(all, w.id.PID)...)
	}
	return w.a.readOne(ctx, w.reader, w.id, q)
}

// subtree are the PIDs of the descendants of root.
func subtree(s *inspect.Snapshot, root int) []int {
	children := childrenOf(s)
	seen := map[int]bool{root: true}
	var out []int
	for todo := []int{root}; len(todo) > 0; {
		pid := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, child := range children[pid] {
			if !seen[child] {
				seen[child] = true
				out = append(out, child)
				todo = append(todo, child)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (w *watcher) compare(prev, cur *inspect.Snapshot) *watched {
	c := inspect.Diff(prev, cur)
	out := &watched{changes: c, ends: w.lives.news(), endsWhy: w.livesWhy, rows: []inspect.Row{processRow(c, cur.Index(w.id.PID))}}
	for i, p := range cur.Processes {
		if p.ID == w.id {
			continue
		}
		out.rows = append(out.rows, processRow(c, i))
		if prev.ByID(p.ID) == nil {
			out.born = append(out.born, p.ID.PID)
		}
	}
	for _, p := range prev.Processes {
		if cur.ByID(p.ID) == nil {
			out.exited = append(out.exited, p.ID.PID)
		}
	}
	return out
}

// tids are the TIDs of a list of threads, never nil.
func tids(ids []inspect.ThreadID) []int {
	out := make([]int, len(ids))
	for i, id := range ids {
		out[i] = id.TID
	}
	return out
}
