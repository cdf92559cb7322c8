package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"taskscope/inspect"
)

func newShowCommand(a *app) *cobra.Command {
	interval := time.Second
	var asJSON bool
	c := &cobra.Command{
		Use:   "show PID",
		Short: "Print everything about one process",
		Long: `Print everything about one process: its control block, threads with the share of
time each was running, ready and blocked over the interval, memory segments,
limits, open files and namespaces. Where the scheduler can be traced, moves
between CPUs, wake-ups and the waits after them are those that happened; else a
move is seen when a thread is on another CPU at the end. Values the kernel refuses are shown as unknown.`,
		Args: onePID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.show(cmd.Context(), args[0], interval, asJSON)
		},
		ValidArgsFunction: a.completePID,
	}
	c.Flags().Var(&durationFlag{&interval, 10 * time.Millisecond, 24 * time.Hour}, "for", "how long to watch it for the rates")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	exampleFor(c, "taskscope show 1234", "taskscope show 1234 --for 5s --json")
	return c
}

// showWant is what `show` reads about its process.
const showWant = inspect.WantAll | inspect.WantExe | inspect.WantIO | inspect.WantRollup | inspect.WantFDs

func (a *app) show(ctx context.Context, arg string, interval time.Duration, asJSON bool) error {
	r, err := a.openReader()
	if err != nil {
		return err
	}
	defer r.Close()
	id, err := a.resolve(r, arg)
	if err != nil {
		return err
	}
	s, err := a.readShown(ctx, r, id, interval)
	if err != nil {
		return err
	}
	if asJSON {
		_, err = a.stdout.Write(s.appendJSON(nil))
		return err
	}
	return a.writeShown(s)
}

// readShown reads the process twice, and once its parent and children.
func (a *app) readShown(ctx context.Context, r *inspect.Reader, id inspect.ID, interval time.Duration) (*shown, error) {
	q := inspect.Request{Want: showWant &^ (inspect.WantRollup | inspect.WantFDs | inspect.WantExe), Only: []int{id.PID}}
	tracer := a.openShowTracer(ctx, id, interval)
	defer tracer.close()
	prev, err := a.readOne(ctx, r, id, q)
	if err != nil {
		return nil, err
	}
	tracer.start()
	if err := wait(ctx, interval); err != nil {
		return nil, err
	}
	tracer.stop()
	q.Want, q.Focus, q.Detail = showWant, id.PID, inspect.DetailAll
	cur, err := a.readOne(ctx, r, id, q)
	if err != nil {
		return nil, err
	}
	all, err := a.read(ctx, r, inspect.Request{})
	if err != nil {
		return nil, err
	}
	changes := inspect.Diff(prev, cur)
	s := &shown{
		changes:  changes,
		row:      processRow(changes, cur.Index(id.PID)),
		detail:   cur.Detail,
		trace:    tracer,
		parent:   inspect.Unknown[string](inspect.Gone),
		children: append([]int{}, childrenOf(all)[id.PID]...),
	}
	tracer.improve(s.row.Delta)
	if s.detail == nil {
		s.detail = &inspect.Detail{ID: id}
	}
	for i := range s.row.Process.Threads {
		if t := &s.row.Process.Threads[i]; t.ID.TID == id.PID {
			s.leader = t
		}
	}
	if ppid, ok := s.row.Process.PPID.Get(); ok {
		if parent := all.ByPID(ppid); parent != nil {
			s.parent = inspect.Know(parent.Comm)
		}
	}
	return s, nil
}

// readOne reads one process; that it has ended is a failure.
func (a *app) readOne(ctx context.Context, r *inspect.Reader, id inspect.ID, q inspect.Request) (*inspect.Snapshot, error) {
	s, err := a.read(ctx, r, q)
	if err != nil {
		return nil, err
	}
	if s.ByID(id) == nil {
		return nil, vanished(id)
	}
	return s, nil
}
