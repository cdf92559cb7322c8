package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"taskscope/inspect"
	"taskscope/inspect/export"
	"taskscope/load"
	"taskscope/load/spawn"
)

// traceFlags are the flags of `trace`.
type traceFlags struct {
	loadFlags
	duration    time.Duration
	limited     bool // --for was given
	descendants bool
	file, load  string
}

func newTraceCommand(a *app) *cobra.Command {
	fl := traceFlags{duration: 2 * time.Second}
	c := &cobra.Command{
		Use:   "trace PID | --load NAME [key=value…]",
		Short: "Trace what the threads of a process do: running, ready, blocked, woken, preempted",
		Long: `Follow every switch and wake-up of a process, with --descendants of the whole
tree below it, and print a summary: the time each thread was running, ready and
blocked, its switches, where it ran, how long it waited for a CPU, who took a
CPU away from whom, and which processes ended. With -o the trace itself is
written for Perfetto (ui.perfetto.dev) or chrome://tracing.

With --load a known load is started and traced from the moment its gate opens
until its workers are done.

It needs CAP_BPF and CAP_PERFMON. Without them a process is sampled instead: the
times are the kernel's own, but nothing is known about single switches. Such a
summary says so, and the exit code is 4, because a trace it is not. Nothing is
written to FILE then, and trees and loads are not followed. With --source proc
sampling is what was asked for, and no failure.

Ctrl-C ends the trace early and prints what was seen.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			fl.limited = cmd.Flags().Changed("for")
			return a.trace(cmd, &fl, args)
		},
		ValidArgsFunction: a.completePID,
	}
	f := c.Flags()
	f.Var(&durationFlag{&fl.duration, 10 * time.Millisecond, 24 * time.Hour}, "for", "how long")
	f.BoolVar(&fl.descendants, "descendants", false, "also the children of the process, their children, and so on")
	f.StringVarP(&fl.file, "output", "o", "", "write the trace to this file, for Perfetto and chrome://tracing; - is stdout")
	f.StringVar(&fl.load, "load", "", "start this load and trace it")
	f.BoolVar(&fl.json, "json", false, "print the summary as one JSON document")
	fl.addLimits(c)
	exampleFor(c, "taskscope trace 1234 --for 5s", "taskscope trace 1234 --descendants -o trace.json", "taskscope trace --load vol workers=4 rate=200Hz -o vol.json")
	return c
}

func (a *app) trace(cmd *cobra.Command, fl *traceFlags, args []string) error {
	if fl.file == "-" && fl.json {
		return usage("-o - and --json both want stdout: choose one")
	}
	if fl.file != "" && a.source == "proc" {
		return usage("-o: --source proc only samples, which is no trace to be written: leave --source away")
	}
	if fl.load != "" {
		return a.traceLoad(cmd.Context(), fl, args)
	}
	if err := onePID(cmd, args); err != nil {
		return err
	}
	id, comm, err := a.tracee(cmd.Context(), args[0])
	if err != nil {
		return err
	}
	t := &tracing{a: a, fl: fl, title: fmt.Sprintf("process %d %s", id.PID, comm)}
	return t.process(cmd.Context(), id)
}

// tracee finds the process. Whatever the source of the trace, /proc is enough
// for that.
func (a *app) tracee(ctx context.Context, arg string) (id inspect.ID, comm string, err error) {
	plain := *a
	plain.source = "proc"
	r, err := plain.openReader()
	if err != nil {
		return id, "", err
	}
	defer r.Close()
	if id, err = a.resolve(r, arg); err != nil {
		return id, "", err
	}
	s, err := a.readOne(ctx, r, id, inspect.Request{Only: []int{id.PID}})
	if err != nil {
		return id, "", err
	}
	return id, s.ByID(id).Comm, nil
}

// tracing is one trace from its start to its summary.
type tracing struct {
	a     *app
	fl    *traceFlags
	title string

	tracer *inspect.Tracer
	out    io.Closer           // the file, nil for stdout and none
	writer *export.TraceWriter // nil without -o
	begun  time.Time
	failed error // of the writer
}

// process traces a process that runs already.
func (t *tracing) process(ctx context.Context, id inspect.ID) error {
	source := map[string]string{"auto": "auto", "bpf": inspect.TraceExact, "proc": inspect.TraceSampled}[t.a.source]
	if err := t.open(ctx, inspect.TraceOptions{ID: id, Descendants: t.fl.descendants, Source: source}); err != nil {
		return err
	}
	defer t.tracer.Close()
	if err := t.start(id); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.fl.duration)
	defer cancel()
	return t.finish(t.tracer.Run(ctx, t.take), id)
}

// fileRing is how much the kernel may hold back while the file is written,
// which takes longer than looking at events: about a second at a million of them
// per second.
const fileRing = 32 << 20

// open gets the tracer ready.
func (t *tracing) open(ctx context.Context, o inspect.TraceOptions) error {
	o.Events, o.Pairs, o.ProcRoot = true, true, t.a.procRoot
	if t.fl.file != "" {
		o.RingBytes = fileRing
	}
	var err error
	if t.tracer, err = inspect.OpenTracer(ctx, o); err != nil {
		return noTrace(err)
	}
	return nil
}

// create opens the file, once there is something to write.
func (t *tracing) create(sums *inspect.TraceSums) error {
	if t.fl.file == "" || t.tracer.Source() == inspect.TraceSampled {
		return nil
	}
	w := io.Writer(t.a.stdout)
	if t.fl.file != "-" {
		f, err := os.Create(t.fl.file)
		if err != nil {
			return usage("cannot write %s: %s: give another file", t.fl.file, plainError(err))
		}
		w, t.out = f, f
	}
	t.writer = export.NewTraceWriter(w, export.TraceInfo{Title: t.title, Version: version()})
	t.writer.Begin(t.begun, sums)
	return nil
}

// noTrace is the error of a tracer that cannot be had.
func noTrace(err error) error {
	var why *inspect.TraceError
	switch {
	case errors.As(err, &why) && why.Remedy != "":
		err = fmt.Errorf("the scheduler cannot be traced: %w: %s", err, why.Remedy)
	case errors.As(err, &why):
		err = fmt.Errorf("the scheduler cannot be traced: %w", err)
	case errors.Is(err, inspect.ErrSource):
		return usage("%w", err)
	default:
		return err
	}
	return &exitError{code: exitSkipped, err: err}
}

// start attaches and begins the file.
func (t *tracing) start(id inspect.ID) error {
	t.begun = time.Now()
	err := t.tracer.Start()
	var sums *inspect.TraceSums
	if err == nil {
		sums, err = t.tracer.Sums()
	}
	switch {
	case errors.Is(err, inspect.ErrNoProcess):
		err = vanished(id)
	case err != nil:
		err = noTrace(err)
	}
	if err != nil {
		return err
	}
	return t.create(sums)
}

func (t *tracing) take(b *inspect.TraceBatch) {
	if t.writer != nil && t.failed == nil {
		t.failed = t.writer.Add(b)
	}
}

// closeFile closes the file, and returns why it is not what it should be.
func (t *tracing) closeFile() error {
	err := t.failed
	if t.out != nil {
		if cerr := t.out.Close(); err == nil {
			err = cerr
		}
		t.out = nil
	}
	return err
}

// finish prints the summary of what was traced, whatever ended it.
func (t *tracing) finish(ended error, id inspect.ID) error {
	gone := errors.Is(ended, inspect.ErrTraceEnded)
	if ended != nil && !gone {
		t.closeFile()
		return failed("trace: %w", ended)
	}
	sums, err := t.tracer.Sums()
	if err != nil {
		t.closeFile()
		return failed("trace: %w", err)
	}
	if t.writer != nil && t.failed == nil {
		t.failed = t.writer.Close(sums)
	}
	if err := t.closeFile(); err != nil {
		return failed("cannot write %s: %s", t.fl.file, plainError(err))
	}
	if err := t.print(sums); err != nil {
		return err
	}
	if why := t.tracer.Why(); why != nil {
		did := "only sampled"
		if t.fl.file != "" {
			did += ", nothing written to " + t.fl.file
		}
		return noTrace(fmt.Errorf("%s: %w", did, why))
	}
	if gone && id.PID != 0 {
		return vanished(id)
	}
	return nil
}

func (t *tracing) print(sums *inspect.TraceSums) error {
	if t.fl.json {
		_, err := t.a.stdout.Write(t.appendJSON(nil, sums))
		return err
	}
	text := t.text(sums)
	if t.fl.file == "-" {
		_, err := t.a.stderr.Write(text)
		return err
	}
	return t.a.writeLines(text)
}

// traceLoad starts a load and traces it from its gate to its end.
func (a *app) traceLoad(ctx context.Context, fl *traceFlags, params []string) error {
	if err := fl.check(a); err != nil {
		return err
	}
	s, err := load.ByName(fl.load)
	if err != nil {
		return usage("%w", err)
	}
	job, err := fl.job(s, params)
	if err != nil {
		return err
	}
	if a.source == "proc" {
		return noTrace(&inspect.TraceError{Reason: "sampling does not follow the processes of a load", Remedy: "use --source auto"})
	}
	a.besideMeasurement(s.Name)
	run, err := spawn.Start(ctx, job.plan, job.options)
	if err != nil {
		return loadError(s.Name, err)
	}
	t := &tracing{a: a, fl: fl, title: "load " + s.Name + " run " + run.ID()}
	err = t.gate(ctx, run, job)
	if _, stopErr := stopLoad(run, nil); err == nil && stopErr != nil {
		err = failed("%s: %w: try taskscope load sweep %s", s.Name, stopErr, run.ID())
	}
	return err
}

// gate traces a load that waits at its gate until its workers are done.
func (t *tracing) gate(ctx context.Context, run *spawn.Run, job loadJob) error {
	root := inspect.ID{PID: run.RootPID()}
	err := t.open(ctx, inspect.TraceOptions{ID: root, Descendants: true, Source: inspect.TraceExact})
	if err != nil {
		return err
	}
	defer t.tracer.Close()
	if err := t.start(root); err != nil {
		return err
	}
	if err := run.Release(); err != nil {
		t.closeFile()
		return loadError(job.plan.Scenario, err)
	}
	tracing, cancel := context.WithCancel(ctx)
	if t.fl.limited {
		tracing, cancel = context.WithTimeout(ctx, t.fl.duration)
	}
	defer cancel()
	worked := make(chan error, 1)
	go func() {
		worked <- waitLoad(tracing, run, job)
		cancel()
	}()
	ended := t.tracer.Run(tracing, t.take)
	cancel()
	err = <-worked
	if err := t.finish(ended, inspect.ID{}); err != nil {
		return err
	}
	if err != nil && !errors.Is(err, context.Canceled) && !t.fl.limited {
		return loadError(job.plan.Scenario, err)
	}
	return nil
}
