package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/load"
	"taskscope/load/spawn"
	"taskscope/load/verify"
)

// loadJob is one load to run: what `load run` and `load verify` share.
type loadJob struct {
	plan    *load.Plan
	options spawn.Options
	skip    error // why it cannot run on this machine; nil: it can
	// started is told about the live tasks before the gate opens; nil: nobody.
	started func(*load.Manifest)
	// running is called about once a second while the operations run; nil: nobody.
	running func(elapsed time.Duration)
}

// stopLimit bounds the end of a run, which has to happen even when everything
// else was cancelled.
const stopLimit = 20 * time.Second

// finishLimit is how long a run may take beyond its duration: on a crowded
// machine late workers stretch it.
func finishLimit(p *load.Plan) time.Duration { return 4*p.Duration + time.Minute }

// besideMeasurement says that a load that is no measurement begins while one is
// going on. Neither waits for the other.
func (a *app) besideMeasurement(name string) {
	if who := spawn.Measuring(); who != "" {
		fmt.Fprintf(a.stderr, "%s: %s is measuring on this machine: with this load beside it, its verdicts may become undecided\n", name, a.clean(who))
	}
}

// notAlone says that a measurement begins beside somebody's load.
func (a *app) notAlone(name string) {
	if who := spawn.LoadRunning(); who != "" {
		fmt.Fprintf(a.stderr, "%s: %s runs a load on this machine: with that beside it, the verdict may become undecided\n", name, a.clean(who))
	}
}

// runLoad runs a load to its end, unobserved.
func (a *app) runLoad(ctx context.Context, job loadJob) (m *load.Manifest, left verify.LeftBehind, err error) {
	r, err := spawn.Start(ctx, job.plan, job.options)
	if err != nil {
		return nil, left, err
	}
	defer func() {
		left, err = stopLoad(r, err)
	}()
	if job.started != nil {
		job.started(r.Manifest())
	}
	if err := r.Release(); err != nil {
		return r.Manifest(), left, err
	}
	err = waitLoad(ctx, r, job)
	return r.Manifest(), left, err
}

// waitLoad waits until every worker is done.
func waitLoad(ctx context.Context, r *spawn.Run, job loadJob) error {
	ctx, cancel := context.WithTimeout(ctx, finishLimit(job.plan))
	defer cancel()
	if job.running == nil {
		return waitError(r.Wait(ctx))
	}
	done := make(chan error, 1)
	go func() { done <- r.Wait(ctx) }()
	begin := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return waitError(err)
		case <-tick.C:
			job.running(time.Since(begin).Round(time.Second))
		}
	}
}

func waitError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("the workers did not finish in time")
	}
	return err
}

// stopLoad ends a run whatever happened before.
func stopLoad(r *spawn.Run, before error) (verify.LeftBehind, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	left, err := r.Stop(ctx)
	return verify.LeftBehind{Processes: left.Processes, Files: left.Files, Cgroups: left.Cgroups}, errors.Join(before, err)
}

// verifyLoad runs a load, has it observed by another process, and judges it.
// The error is about running it; a verdict is never an error.
func (a *app) verifyLoad(ctx context.Context, job loadJob) (*verify.Result, error) {
	w, err := a.watchLoad(ctx, job, verify.NeedsOf(job.plan))
	if err != nil {
		return nil, err
	}
	return w.judge(), nil
}

// watchedLoad is a run that has ended, with all that is known of it.
type watchedLoad struct {
	manifest *load.Manifest
	samples  []verify.Sample
	left     verify.LeftBehind
}

func (w *watchedLoad) judge() *verify.Result { return verify.Judge(w.manifest, w.samples, &w.left) }

// watchLoad runs a load to its end and has it observed by another process.
func (a *app) watchLoad(ctx context.Context, job loadJob, needs verify.Needs) (*watchedLoad, error) {
	r, err := spawn.Start(ctx, job.plan, job.options)
	if err != nil {
		return nil, err
	}
	m, w, err := a.observeLoad(ctx, r, job, needs)
	left, err := stopLoad(r, err)
	if w != nil {
		if err == nil {
			_, err = w.look(ctx, "full", string(load.WhenGone))
		}
		w.close()
	}
	if err != nil {
		return nil, err
	}
	m.Phase = "ended"
	return &watchedLoad{manifest: m, samples: w.samples(m), left: left}, nil
}

// observeLoad takes a started run through its phases under observation. The
// observer is still there when it returns, to see the end.
func (a *app) observeLoad(ctx context.Context, r *spawn.Run, job loadJob, needs verify.Needs) (*load.Manifest, *witness, error) {
	if job.started != nil {
		job.started(r.Manifest())
	}
	w, err := a.startWitness(r.RootPID(), needs)
	if err != nil {
		return nil, nil, err
	}
	if err := w.settle(ctx, string(load.WhenReady)); err != nil {
		return nil, w, err
	}
	if err := r.Release(); err != nil {
		return nil, w, err
	}
	if err := waitLoad(ctx, r, job); err != nil {
		return nil, w, err
	}
	if err := w.settle(ctx, string(load.WhenParked)); err != nil {
		return nil, w, err
	}
	return r.Manifest(), w, nil
}

// refused tells errors of starting a load that say something about this
// machine or the arguments from those that say something about the load.
func refused(err error) (skipped, usageFault bool) {
	switch {
	case errors.Is(err, load.ErrUsage), errors.Is(err, spawn.ErrBudget):
		return false, true
	case errors.Is(err, spawn.ErrLacks):
		return true, false
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		return true, false
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.ENETDOWN): // no loopback device
		return true, false
	}
	return false, false
}

// loadError gives an error of running a load its exit code.
func loadError(name string, err error) error {
	skipped, fault := refused(err)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case fault:
		return usage("%s: %w", name, err)
	case skipped:
		return &exitError{code: exitSkipped, err: fmt.Errorf("%s: %w", name, err)}
	}
	return failed("%s: %w", name, err)
}
