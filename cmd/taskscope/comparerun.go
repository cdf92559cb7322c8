package main

import (
	"context"
	"fmt"
	"time"

	"taskscope/load/spawn"
	"taskscope/load/verify"
)

// compareLoads runs both columns, in turn: the order changes from round to
// round, so that whatever happens to the machine meanwhile happens to both.
func (a *app) compareLoads(ctx context.Context, f *compareFlags, c *comparison) error {
	for _, s := range c.sides {
		if s.job.skip != nil {
			return &exitError{code: exitSkipped, err: fmt.Errorf("%s: %w", s.job.plan.Scenario, s.job.skip)}
		}
		if err := spawn.Check(s.job.plan, s.job.options); err != nil {
			return loadError(s.job.plan.Scenario, err)
		}
	}
	lock, err := spawn.LockHost(ctx, func(holder string) {
		fmt.Fprintf(a.stderr, "compare: waiting for %s, which is measuring on this machine\n", a.clean(holder))
	})
	if err != nil {
		return err
	}
	defer lock.Release()
	a.notAlone("compare")
	tells := isTerminal(a.stderr)
	if tells {
		defer fmt.Fprint(a.stderr, "\r\x1b[K") // what was told of the progress
	}
	for round := range f.rounds {
		for k := range c.sides {
			s := c.sides[(k+round)%2]
			if tells {
				s.job.running = a.roundProgress(s, round, f.rounds)
				s.job.running(0)
			}
			if err := a.compareRun(ctx, f, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// roundProgress tells how far the comparison is.
func (a *app) roundProgress(s *side, round, rounds int) func(time.Duration) {
	return func(elapsed time.Duration) {
		fmt.Fprintf(a.stderr, "\r\x1b[Kround %d of %d, %s: %s of %s ", round+1, rounds, s.name, elapsed, s.job.plan.Duration)
	}
}

// compareRun adds one run to a column; one that cannot be judged is made again
// as often as the flags say.
func (a *app) compareRun(ctx context.Context, f *compareFlags, s *side) error {
	for try := 0; ; try++ {
		w, err := a.watchLoad(ctx, s.job, verify.MeasureNeeds(s.job.plan))
		if err != nil {
			if ctx.Err() != nil {
				return context.Canceled
			}
			return loadError(s.job.plan.Scenario, err)
		}
		r := w.judge()
		if r.Verdict == verify.Undecided && try < f.retries {
			fmt.Fprintf(a.stderr, "%s, %s: undecided, once more: %s\n", r.Scenario, s.name, oneLine(r.Why))
			continue
		}
		s.runs = append(s.runs, r)
		s.figures = append(s.figures, verify.FiguresOf(w.manifest, w.samples))
		return nil
	}
}
