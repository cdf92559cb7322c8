package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskscope/load"
	"taskscope/load/verify"
)

func newLoadRunCommand(a *app) *cobra.Command {
	var (
		f       loadFlags
		check   bool
		seconds string
		file    string
	)
	c := &cobra.Command{
		Use:               "run NAME|--file FILE [key=value…]",
		ValidArgsFunction: completeOneLoad,
		Short:             "Run a load; with --verify, judge what is observed of it",
		Long: `Run a load until it is done, or until Ctrl-C: then nothing of it is left either.
The tree of its processes and threads is printed as soon as they are there.

A load of your own is written in a file, in TOML: [[thread]] tables are threads
of the root process, [[process]] tables processes below it, each with
[[process.thread]] tables of its own. Keys: name, count, cpus, policy, priority,
nice, loops, and phases = [{run = "5ms"}, {sleep = "10ms"}, …]; a process also
parent and session. Phases: run, sleep, timer, hold, lock, unlock, send, receive
(with count), map, heap, stack, yield, fork, clone, exit, crash. What is promised of it
follows from them.

	name = "mine"
	seconds = "2s"
	[[thread]]
	name = "reader"
	count = 2
	loops = 50
	phases = [{run = "2ms"}, {lock = "table"}, {run = "1ms"}, {unlock = "table"}, {timer = "20ms"}]
	[[process]]
	name = "brittle"
	phases = [{map = "1MiB"}, {fork = 3}, {sleep = "500ms"}, {crash = true}]`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(a); err != nil {
				return err
			}
			s, params, err := loadArgs(cmd, file, args)
			if err != nil {
				return err
			}
			if seconds != "" {
				params = append(params, "seconds="+seconds)
			}
			job, err := f.job(s, params)
			if err != nil {
				return err
			}
			if !f.json {
				job.started = func(m *load.Manifest) { a.printTree(m) }
			}
			job.running = a.progress(job.plan)
			if check {
				return a.runVerified(cmd.Context(), &f, job)
			}
			return a.runPlain(cmd.Context(), &f, job)
		},
	}
	f.add(c, "print one JSON object at the end")
	c.Flags().BoolVar(&check, "verify", false, "observe it from a separate process and print the verdict")
	c.Flags().StringVar(&seconds, "seconds", "", "how long, as the parameter seconds: 5, 500ms, 2m")
	c.Flags().StringVar(&file, "file", "", "run the load that is written in this file")
	exampleFor(c, "taskscope load run vol workers=4 rate=200Hz", "taskscope load run ready --seconds 5 --verify", "taskscope load run --file mine.toml --verify")
	return c
}

// loadArgs is the load that is meant, by name or by file, with its parameters.
func loadArgs(cmd *cobra.Command, file string, args []string) (*load.Scenario, []string, error) {
	if file == "" {
		s, err := scenarioArg(cmd, args)
		if err != nil {
			return nil, nil, err
		}
		return s, args[1:], nil
	}
	s, err := loadFile(file)
	return s, args, err
}

// loadFile reads a load that a user has written.
func loadFile(name string) (*load.Scenario, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, usage("--file: %w", err)
	}
	s, err := load.ParseFile(name, text)
	if err != nil {
		return nil, usage("%w", err)
	}
	return s, nil
}

// progress tells on a terminal how far the load is.
func (a *app) progress(p *load.Plan) func(time.Duration) {
	if !isTerminal(a.stderr) {
		return nil
	}
	return func(elapsed time.Duration) {
		fmt.Fprintf(a.stderr, "\r%s: %s of %s ", p.Scenario, elapsed, p.Duration)
	}
}

func (a *app) runVerified(ctx context.Context, f *loadFlags, job loadJob) error {
	r, err := a.verdictOn(ctx, f, job)
	a.endProgress(job)
	if err != nil {
		return err
	}
	if err := a.printResult(f, r); err != nil {
		return err
	}
	return exitWith(exitCodeOf(r.Verdict))
}

func (a *app) endProgress(job loadJob) {
	if job.running != nil {
		fmt.Fprintln(a.stderr)
	}
}

// plainResult is the JSON of a run without a verdict.
type plainResult struct {
	RunID      string            `json:"run_id"`
	Scenario   string            `json:"scenario"`
	Parameters map[string]string `json:"parameters"`
	Tier       string            `json:"tier"`
	Manifest   *load.Manifest    `json:"manifest"`
	LeftBehind verify.LeftBehind `json:"left_behind"`
}

func (a *app) runPlain(ctx context.Context, f *loadFlags, job loadJob) error {
	a.besideMeasurement(job.plan.Scenario)
	m, left, err := a.runLoad(ctx, job)
	a.endProgress(job)
	if err != nil {
		return loadError(job.plan.Scenario, err)
	}
	if left != (verify.LeftBehind{}) {
		return failed("%s: left behind: %+v: try taskscope load sweep %s", job.plan.Scenario, left, m.RunID)
	}
	if !f.json {
		a.printReports(m)
		return nil
	}
	r := plainResult{
		RunID: m.RunID, Scenario: job.plan.Scenario, Parameters: job.plan.Parameters,
		Tier: m.Plan.Tier, LeftBehind: left,
	}
	m.Plan = nil
	r.Manifest = m
	return writeJSON(a.stdout, r)
}

// maxShown is how many threads of a process the text output lists.
const maxShown = 16

// printTree prints the live tasks of a run.
func (a *app) printTree(m *load.Manifest) {
	kids := make([][]int, len(m.Processes))
	for i := range m.Plan.Processes {
		if p := m.Plan.Processes[i].Parent; p >= 0 {
			kids[p] = append(kids[p], i)
		}
	}
	fmt.Fprintf(a.stdout, "run %s\n", m.RunID)
	var show func(i, depth int)
	show = func(i, depth int) {
		p := &m.Processes[i]
		indent := strings.Repeat("  ", depth)
		fmt.Fprintf(a.stdout, "%s%s (pid %d)\n", indent, a.clean(p.Threads[0].Name), p.PID)
		for k, t := range p.Threads[1:] {
			if k == maxShown {
				fmt.Fprintf(a.stdout, "%s  and %d more threads\n", indent, len(p.Threads)-1-k)
				break
			}
			fmt.Fprintf(a.stdout, "%s  thread %s (tid %d)\n", indent, a.clean(t.Name), t.TID)
		}
		for _, k := range kids[i] {
			show(k, depth+1)
		}
	}
	show(0, 0)
}

// printReports sums up what the workers report of themselves.
func (a *app) printReports(m *load.Manifest) {
	var cpu time.Duration
	var vol, inv, faults, late uint64
	tasks := 0
	for i := range m.Processes {
		for k := range m.Processes[i].Threads {
			r := &m.Processes[i].Threads[k].Report
			cpu += time.Duration(r.CPUNS)
			vol, inv, faults, late = vol+r.Voluntary, inv+r.Involuntary, faults+r.MinorFaults, late+r.Late
			tasks++
		}
	}
	for i := range m.Processes {
		p := &m.Processes[i]
		if m.Plan.Processes[i].End != nil && p.Exit != nil {
			fmt.Fprintf(a.stdout, "%s (pid %d) ended by plan: %s\n", a.clean(p.Role), p.PID, p.Exit)
		}
	}
	fmt.Fprintf(a.stdout, "%d tasks report %s of CPU time, %d voluntary and %d involuntary switches, %d minor faults, %d late periods\n",
		tasks, cpu.Round(time.Microsecond), vol, inv, faults, late)
}
