package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskscope/inspect"
)

// sample reads the processes once, or twice an interval apart when rates are
// wanted.
func (a *app) sample(ctx context.Context, r *inspect.Reader, q inspect.Request, rates bool) (*inspect.Changes, error) {
	prev, err := a.read(ctx, r, q)
	if err != nil {
		return nil, err
	}
	if !rates {
		return inspect.Diff(nil, prev), nil
	}
	if err := wait(ctx, a.interval); err != nil {
		return nil, err
	}
	cur, err := a.read(ctx, r, q)
	if err != nil {
		return nil, err
	}
	return inspect.Diff(prev, cur), nil
}

func (a *app) read(ctx context.Context, r *inspect.Reader, q inspect.Request) (*inspect.Snapshot, error) {
	s, err := r.Read(ctx, q)
	if err == nil && s.Notice != "" {
		fmt.Fprintln(a.stderr, "taskscope:", s.Notice)
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, usage("cannot read the processes below %s: %w: see taskscope doctor", a.procRoot, err)
	case len(s.Processes) == 0 && q.Only == nil:
		return nil, usage("no process is to be seen below %s: give the mount point of a proc file system", a.procRoot)
	}
	return s, nil
}

// wait sleeps, or returns the error of the context.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// resolve checks that the argument is the PID of a process that lives.
func (a *app) resolve(r *inspect.Reader, arg string) (inspect.ID, error) {
	pid, err := parsePID(arg)
	if err != nil {
		return inspect.ID{}, err
	}
	id, err := r.Resolve(pid)
	switch {
	case errors.Is(err, inspect.ErrIsThread):
		return id, usage("%w: give the PID of its process", err)
	case errors.Is(err, inspect.ErrNoProcess):
		return id, usage("no process has the PID %d: taskscope list shows those that live", pid)
	case err != nil:
		return id, usage("cannot read process %d: %w", pid, err)
	}
	return id, nil
}

// vanished says that the process ended while it was being looked at.
func vanished(id inspect.ID) error {
	return failed("process %d has ended meanwhile", id.PID)
}
