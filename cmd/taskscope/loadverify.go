package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"taskscope/load"
	"taskscope/load/spawn"
	"taskscope/load/verify"
)

// loadFlags are the flags of load run and load verify.
type loadFlags struct {
	json      bool
	maxTasks  int
	maxMemory byteFlag
	realtime  bool
	forkStorm bool
	disk      bool
	tier      string
	retries   int
	breaks    string // hidden: the field whose promises are made wrong
}

// byteFlag is a size as people write it.
type byteFlag uint64

func (f *byteFlag) String() string { return load.FormatValue(load.ParamBytes, float64(*f)) }
func (f *byteFlag) Type() string   { return "size" }

func (f *byteFlag) Set(s string) error {
	n, err := load.ParseBytes(s)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is no size: write it like 512MiB or 4GiB", s)
	}
	*f = byteFlag(n)
	return nil
}

func (f *loadFlags) add(c *cobra.Command, jsonHelp string) {
	c.Flags().BoolVar(&f.json, "json", false, jsonHelp)
	f.addLimits(c)
	c.Flags().IntVar(&f.retries, "retries", 2, "how often to run again while the verdict is undecided")
	c.Flags().StringVar(&f.breaks, "break", "", "make the promises about this field wrong (to see a verdict fail)")
	_ = c.Flags().MarkHidden("break") // the flag exists
}

func (f *loadFlags) check(a *app) error {
	switch {
	case a.readOnly:
		return usage("--read-only: no load is started")
	case f.maxTasks < 0:
		return usage("--max-tasks: %d is negative: give a positive number", f.maxTasks)
	case f.retries < 0 || f.retries > 100:
		return usage("--retries: %d is out of range: give 0 to 100", f.retries)
	}
	return nil
}

// job makes a plan ready to run.
func (f *loadFlags) job(s *load.Scenario, args []string) (loadJob, error) {
	p, err := s.Plan(args)
	if err != nil {
		return loadJob{}, usage("%w", err)
	}
	if f.breaks != "" && breakPromises(p, f.breaks) == 0 {
		return loadJob{}, usage("--break %s: %s promises nothing about it", f.breaks, s.Name)
	}
	return loadJob{plan: p, options: spawn.Options{
		Tier:   f.tier,
		Limits: spawn.Limits{MaxTasks: f.maxTasks, MaxMemory: uint64(f.maxMemory), Realtime: f.realtime, ForkStorm: f.forkStorm, Disk: f.disk},
	}}, nil
}

// quickJob makes a load ready to be verified: with these parameters, or without
// any with small defaults. Loads that want real-time policies get them by
// themselves where this user may have them: their bursts are short and leave a
// CPU to everybody else. more are parameters that do not make it less short.
func (f *loadFlags) quickJob(s *load.Scenario, params []string, more ...string) (loadJob, error) {
	args := func(realtime bool) []string { return slices.Concat(s.QuickArgs(params, realtime), more) }
	real := s.Realtime != nil || slices.Contains(s.Needs, load.NeedRealtime)
	if !real {
		return f.job(s, args(false))
	}
	err := spawn.RealtimeAllowed()
	job, fault := f.job(s, args(err == nil))
	if err != nil && slices.Contains(s.Needs, load.NeedRealtime) {
		job.skip = err
	}
	job.options.Limits.Realtime = err == nil
	return job, fault
}

// breakPromises makes every promise about a field wrong, by a little more than
// its tolerance where that is known, and says how many there were.
func breakPromises(p *load.Plan, field string) int {
	n := 0
	for i := range p.Promises {
		q := &p.Promises[i]
		if q.Field != field {
			continue
		}
		n++
		by := 1 + 2*q.TolAbs + 2*q.TolRel*math.Abs(q.Expect.Const)
		if q.Expect.NeedsReport() && (q.TolRel > 0 || q.Kind == load.Bound) {
			by = 1e15 // what it will be is not known yet
		}
		if q.Kind == load.Bound && !q.AtLeast {
			by = -by
		}
		q.Expect.Const += by
		if q.ExpectText != "" {
			q.ExpectText += "?"
		}
	}
	return n
}

func newLoadVerifyCommand(a *app) *cobra.Command {
	var f loadFlags
	var all bool
	var files []string
	c := &cobra.Command{
		Use:               "verify [NAME [key=value…]…|--all]",
		ValidArgsFunction: completeLoads,
		Short:             "Run loads with small defaults and judge what is observed of them",
		Long: `Run each load with small defaults, observe it from a separate process that is
told nothing but the PID of its root, and compare three accounts: what was
promised before the run, what the workers report of themselves, and what was
observed. Parameters after a name are those of that load; what they leave open
is as in "load run", but for the length of the run, which stays short.

Loads with real-time policies run by themselves where this user may have such
policies: their bursts are short, on one CPU, and never on the only one.
Elsewhere they run with normal policies, or are skipped.

Exit codes: 0 all pass, 1 one failed, 3 one is undecided because the machine was
too busy to judge, 4 one was skipped for lack of a capability.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(a); err != nil {
				return err
			}
			switch {
			case all && len(args) > 0:
				return usage("%s takes names or --all, not both", cmd.CommandPath())
			case !all && len(args) == 0 && len(files) == 0:
				return usage("%s needs the names of loads (%s), --file, or --all", cmd.CommandPath(), strings.Join(load.Names(), ", "))
			case all:
				args = load.Names()
			}
			return a.verifyLoads(cmd.Context(), &f, args, files)
		},
	}
	f.add(c, "print JSON Lines: one object per run as it ends")
	c.Flags().BoolVar(&all, "all", false, "all loads")
	c.Flags().StringArrayVar(&files, "file", nil, "a load that is written in a file (may be given several times)")
	exampleFor(c, "taskscope load verify --all", "taskscope load verify vol ready --json", "taskscope load verify pool as=processes work=sleep:5s gil work=io")
	return c
}

// tally counts verdicts.
type tally map[verify.Verdict]int

func (t tally) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d undecided, %d skipped",
		t[verify.Pass], t[verify.Fail], t[verify.Undecided], t[verify.Skipped])
}

// exitCode is that of the worst verdict.
func (t tally) exitCode() int {
	for _, v := range []verify.Verdict{verify.Fail, verify.Undecided, verify.Skipped} {
		if t[v] > 0 {
			return exitCodeOf(v)
		}
	}
	return exitDone
}

func exitCodeOf(v verify.Verdict) int {
	switch v {
	case verify.Pass:
		return exitDone
	case verify.Undecided:
		return exitUndecided
	case verify.Skipped:
		return exitSkipped
	}
	return exitFailed
}

// quickJobs reads names of loads, each with its parameters after it.
func (f *loadFlags) quickJobs(args []string) ([]loadJob, error) {
	var jobs []loadJob
	names := 0
	for i := 0; i < len(args); {
		s, err := load.ByName(args[i])
		if err != nil {
			return nil, usage("%w", err)
		}
		names++
		first := i + 1
		for i++; i < len(args) && strings.Contains(args[i], "="); i++ {
		}
		job, err := f.quickJob(s, args[first:i])
		if err != nil {
			if f.breaks != "" && (names > 1 || i < len(args)) {
				continue // loads that promise nothing about the field
			}
			return nil, err
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

func (a *app) verifyLoads(ctx context.Context, f *loadFlags, names, files []string) error {
	jobs, err := f.quickJobs(names) // complain before anything is started
	if err != nil {
		return err
	}
	for _, name := range files {
		s, err := loadFile(name)
		if err != nil {
			return err
		}
		job, err := f.job(s, nil)
		if err != nil {
			return err
		}
		jobs = append(jobs, job)
	}
	count := tally{}
	for _, job := range jobs {
		r, err := a.verdictOn(ctx, f, job)
		if err != nil {
			return err
		}
		count[r.Verdict]++
		if err := a.printResult(f, r); err != nil {
			return err
		}
	}
	summary := a.stderr
	if !f.json {
		summary = a.stdout
	}
	fmt.Fprintln(summary, count)
	return exitWith(count.exitCode())
}

// verdictOn runs a load until its verdict is clear or the retries are used up.
// A load that cannot be started has a verdict too; the error is about usage or
// interruption.
func (a *app) verdictOn(ctx context.Context, f *loadFlags, job loadJob) (*verify.Result, error) {
	if job.skip != nil {
		return unstarted(job, verify.Skipped, job.skip), nil
	}
	if err := spawn.Check(job.plan, job.options); err != nil { // no reason to wait for the lock
		return notRun(ctx, job, err)
	}
	lock, err := spawn.LockHost(ctx, func(holder string) {
		fmt.Fprintf(a.stderr, "%s: waiting for %s, which is measuring on this machine\n", job.plan.Scenario, a.clean(holder))
	})
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	a.notAlone(job.plan.Scenario)
	for try := 0; ; try++ {
		r, err := a.verifyLoad(ctx, job)
		if err != nil {
			if r, err = notRun(ctx, job, err); err != nil {
				return nil, err
			}
		}
		if r.Verdict != verify.Undecided || try >= f.retries {
			return r, nil
		}
		fmt.Fprintf(a.stderr, "%s: undecided, once more: %s\n", r.Scenario, oneLine(r.Why))
	}
}

// notRun is the verdict on a load that could not be run.
func notRun(ctx context.Context, job loadJob, err error) (*verify.Result, error) {
	if ctx.Err() != nil {
		return nil, context.Canceled
	}
	skipped, fault := refused(err)
	if fault {
		return nil, loadError(job.plan.Scenario, err)
	}
	if skipped {
		return unstarted(job, verify.Skipped, err), nil
	}
	return unstarted(job, verify.Fail, err), nil
}

// unstarted is the verdict on a load of which nothing was seen.
func unstarted(job loadJob, v verify.Verdict, why error) *verify.Result {
	return &verify.Result{
		Scenario: job.plan.Scenario, Parameters: job.plan.Parameters, Tier: job.plan.Tier,
		Verdict: v, Why: why.Error(), Checks: []verify.Check{},
	}
}

// printResult prints one verdict: a JSON line, or a line with the checks that
// do not pass below it.
func (a *app) printResult(f *loadFlags, r *verify.Result) error {
	if f.json {
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		return e.Encode(forJSON(r))
	}
	noise := "noise unknown"
	if n := r.Noise.OtherCPUPercent; n != nil {
		noise = fmt.Sprintf("others used %.0f %% of a CPU", *n)
	}
	fmt.Fprintf(a.stdout, "%-9s  %-8s  %4d checks, %s\n", r.Verdict, r.Scenario, len(r.Checks), noise)
	const most = 20
	shown, more := 0, 0
	for i := range r.Checks {
		c := &r.Checks[i]
		switch {
		case c.Verdict == verify.Pass:
		case shown < most:
			shown++
			fmt.Fprintf(a.stdout, "  %-9s  %s: %s: %s\n", c.Verdict, a.clean(c.Subject), c.Field, a.clean(c.Why))
		default:
			more++
		}
	}
	if shown == 0 && r.Why != "" {
		fmt.Fprintf(a.stdout, "  %s\n", oneLine(r.Why))
	}
	if more > 0 {
		fmt.Fprintf(a.stdout, "  and %d more\n", more)
	}
	return nil
}

// forJSON is the result without the plan: the checks say all that it promised.
func forJSON(r *verify.Result) *verify.Result {
	out := *r
	if r.Manifest != nil {
		m := *r.Manifest
		m.Plan = nil
		out.Manifest = &m
	}
	return &out
}
