package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskscope/load"
	"taskscope/load/spawn"
	"taskscope/load/verify"
	"taskscope/views/model"
)

// judgePause is how often a running load is judged.
const judgePause = 500 * time.Millisecond

// labRun is a load under the eyes of the interactive view. One goroutine, that
// of conduct, takes it through its phases and owns the observer; the methods
// may be called from anywhere.
type labRun struct {
	a        *app
	flags    *loadFlags
	scenario *load.Scenario

	turn sync.Mutex // held by Again and Stop, one at a time

	mu     sync.Mutex // guards what follows
	run    *spawn.Run
	params []string
	status model.LoadStatus
	opened time.Time // of the gate
	parked time.Time
	stop   context.CancelFunc // asks conduct to end
	ended  chan struct{}      // closed when it has
	err    error              // of the end
}

var (
	_ model.LoadRun    = (*labRun)(nil)
	_ model.LoadPauser = (*labRun)(nil)
)

// startLab starts a load and the goroutine that conducts it.
func (a *app) startLab(ctx context.Context, f *loadFlags, s *load.Scenario, job loadJob, params []string) (*labRun, error) {
	l := &labRun{a: a, flags: f, scenario: s}
	if err := l.start(ctx, job, params); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *labRun) start(ctx context.Context, job loadJob, params []string) error {
	run, err := spawn.Start(ctx, job.plan, job.options)
	if err != nil {
		return err
	}
	// The run outlives the call that started it.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	l.mu.Lock()
	l.run, l.params, l.stop, l.ended, l.err = run, params, stop, ended, nil
	l.opened, l.parked = time.Time{}, time.Time{}
	l.status = model.LoadStatus{
		Phase: "ready", Total: job.plan.Duration.Seconds(), Params: params,
		Result: verify.Judge(run.Manifest(), nil, nil),
	}
	l.mu.Unlock()
	go func() {
		defer close(ended)
		defer stop()
		l.conduct(life, run, job)
	}()
	return nil
}

// conduct takes the run through its phases, waits at the end until it is told
// to stop, and cleans up.
func (l *labRun) conduct(ctx context.Context, run *spawn.Run, job loadJob) {
	w, err := l.a.startWitness(run.RootPID(), verify.NeedsOf(job.plan))
	if err == nil {
		err = l.phases(ctx, run, w, job)
	}
	if err != nil && ctx.Err() == nil {
		l.setPhase("failed", err)
	}
	<-ctx.Done()
	left, err := stopLoad(run, nil)
	if w != nil {
		end, cancel := context.WithTimeout(context.Background(), stopLimit)
		_, _ = w.look(end, "full", string(load.WhenGone)) // without it the checks of the end stay undecided
		cancel()
		w.close()
	}
	if err == nil && left != (verify.LeftBehind{}) {
		err = fmt.Errorf("left behind: %+v", left)
	}
	m := run.Manifest()
	m.Phase = "ended"
	l.judge(m, w, &left)
	l.setPhase("ended", err)
	l.mu.Lock()
	l.err = err
	l.mu.Unlock()
}

// phases observes the tree at the gate, opens it, and judges until all workers
// are parked.
func (l *labRun) phases(ctx context.Context, run *spawn.Run, w *witness, job loadJob) error {
	if err := w.settle(ctx, string(load.WhenReady)); err != nil {
		return err
	}
	l.judge(run.Manifest(), w, nil)
	if err := run.Release(); err != nil {
		return err
	}
	l.mu.Lock()
	l.opened = time.Now()
	l.status.Phase = "running"
	l.mu.Unlock()
	if err := l.watch(ctx, run, w, job); err != nil {
		return err
	}
	l.mu.Lock()
	l.parked = time.Now()
	l.status.Phase = "parked"
	l.mu.Unlock()
	if err := w.settle(ctx, string(load.WhenParked)); err != nil {
		return err
	}
	l.judge(run.Manifest(), w, nil)
	return nil
}

// watch judges the run from time to time until its operations are done.
func (l *labRun) watch(ctx context.Context, run *spawn.Run, w *witness, job loadJob) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- waitLoad(ctx, run, job) }()
	tick := time.NewTicker(judgePause)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			l.judge(run.Manifest(), w, nil)
		}
	}
}

// judge replaces the result by what can be said now.
func (l *labRun) judge(m *load.Manifest, w *witness, left *verify.LeftBehind) {
	var samples []verify.Sample
	if w != nil {
		samples = w.samples(m)
	}
	r := verify.Judge(m, samples, left)
	l.mu.Lock()
	l.status.Result = r
	l.mu.Unlock()
}

func (l *labRun) setPhase(phase string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Phase = phase
	if err != nil {
		l.status.Err = oneLine(err.Error())
	}
}

// Name is the scenario.
func (l *labRun) Name() string { return l.scenario.Name }

// RunID is the id of the present run.
func (l *labRun) RunID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.run.ID()
}

// RootPID is the root of the present run.
func (l *labRun) RootPID() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.run.RootPID()
}

// Status is the newest moment of the run.
func (l *labRun) Status() model.LoadStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	switch {
	case l.opened.IsZero():
	case l.parked.IsZero():
		s.Elapsed = time.Since(l.opened).Seconds()
	default:
		s.Elapsed = l.parked.Sub(l.opened).Seconds()
	}
	return s
}

// Again ends the run and starts it with other parameters. Wrong parameters
// leave it as it is.
func (l *labRun) Again(ctx context.Context, params []string) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	job, err := l.flags.job(l.scenario, params)
	if err != nil {
		return err
	}
	if err := l.end(ctx); err != nil {
		return err
	}
	return l.start(ctx, job, params)
}

// Pause stops the processes of the run, Resume lets them go on.
func (l *labRun) Pause() error { return l.pause(true, (*spawn.Run).Pause) }

// Resume ends a pause.
func (l *labRun) Resume() error { return l.pause(false, (*spawn.Run).Resume) }

func (l *labRun) pause(paused bool, act func(*spawn.Run) error) error {
	l.mu.Lock()
	run := l.run
	l.mu.Unlock()
	if err := act(run); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.run == run {
		l.status.Paused = paused
	}
	return nil
}

// Stop ends the run and waits until nothing is left. It may be called again.
func (l *labRun) Stop(ctx context.Context) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	return l.end(ctx)
}

func (l *labRun) end(ctx context.Context) error {
	l.mu.Lock()
	stop, ended := l.stop, l.ended
	l.mu.Unlock()
	stop()
	select {
	case <-ended:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.err
	case <-ctx.Done():
		return errors.New("the load has not ended in time")
	}
}
