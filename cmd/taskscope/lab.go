package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"taskscope/load"
	"taskscope/load/spawn"
	"taskscope/views"
	"taskscope/views/model"
)

func newLabCommand(a *app) *cobra.Command {
	var f loadFlags
	c := &cobra.Command{
		Use:   "lab SCENARIO [key=value…]",
		Short: "Start a known load and open the interactive view on it",
		Long: `Start a known load and open the interactive view on it: its tasks, and what was
promised, what its workers report of themselves, and what is observed, side by
side. Leaving the view ends the load.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.lab(cmd, &f, args)
		},
		ValidArgsFunction: completeOneLoad,
	}
	f.addLimits(c)
	exampleFor(c, "taskscope lab vol workers=4 rate=200Hz", "taskscope lab ready seconds=1m")
	return c
}

// addLimits adds the flags that say what a load may use.
func (f *loadFlags) addLimits(c *cobra.Command) {
	c.Flags().IntVar(&f.maxTasks, "max-tasks", 0, "raise the limit of tasks of a run (default: from this machine)")
	c.Flags().Var(&f.maxMemory, "max-memory", "raise the limit of memory of a run (default: from this machine)")
	c.Flags().BoolVar(&f.realtime, "realtime", false, "permit real-time policies: in short bursts, and on one CPU only")
	c.Flags().BoolVar(&f.forkStorm, "fork-storm", false, "permit more than 200 short-lived processes per second")
	c.Flags().BoolVar(&f.disk, "disk", false, "permit loads that write to files on a disk")
	c.Flags().Var(&choiceFlag{&f.tier, []string{spawn.TierNative, spawn.TierGo}}, "tier", "worker: native (exact) or go (a runtime of its own comes on top)")
}

// completeOneLoad is for commands that take one load with its parameters.
func completeOneLoad(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return completeLoad(args), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeLoads is for commands that take several loads, each with parameters
// behind its name: it offers those of the last one, and all names.
func completeLoads(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	last := len(args) - 1
	for last >= 0 && strings.Contains(args[last], "=") {
		last--
	}
	words := completeLoad(nil)
	if last >= 0 {
		words = append(words, completeLoad(args[last:])...)
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeLoad offers the loads, then the parameters of the chosen one.
func completeLoad(args []string) []string {
	if len(args) == 0 {
		return load.Names()
	}
	s, err := load.ByName(args[0])
	if err != nil {
		return nil
	}
	var out []string
	for i := range s.Params {
		out = append(out, s.Params[i].Name+"=\t"+s.Params[i].Doc)
	}
	return out
}

func (a *app) lab(cmd *cobra.Command, f *loadFlags, args []string) error {
	if err := f.check(a); err != nil {
		return err
	}
	s, err := scenarioArg(cmd, args)
	if err != nil {
		return err
	}
	job, err := f.job(s, args[1:])
	if err != nil {
		return err
	}
	if err := a.needTerminal(); err != nil {
		return err
	}
	if _, _, err := a.effective(); err != nil {
		return err // before anything is started
	}
	ctx := cmd.Context()
	a.besideMeasurement(s.Name)
	run, err := a.startLab(ctx, f, s, job, args[1:])
	if err != nil {
		return loadError(s.Name, err)
	}
	err = a.runTUI(ctx, views.Start{Run: run})
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	if stopErr := run.Stop(stopCtx); err == nil && stopErr != nil {
		return failed("%s: %w: try taskscope load sweep %s", s.Name, stopErr, run.RunID())
	}
	return err
}

// labLoads is the catalogue for the interactive view.
type labLoads struct{ a *app }

// Catalog lists all loads with the promises of their defaults.
func (l labLoads) Catalog() []model.LoadInfo {
	var out []model.LoadInfo
	for _, s := range load.All() {
		info := model.LoadInfo{Name: s.Name, Title: s.Title, Teaches: s.Teaches, Needs: s.Needs}
		if d, err := s.Describe(); err == nil {
			info.Promises = d.Promises
			for _, p := range d.Parameters {
				info.Params = append(info.Params, model.LoadParam{Name: p.Name, Default: p.Default, Range: p.Range, Doc: p.Doc})
			}
		}
		out = append(out, info)
	}
	return out
}

// Start starts a load; it returns once the load is parked at its gate.
func (l labLoads) Start(ctx context.Context, name string, params []string) (model.LoadRun, error) {
	s, err := load.ByName(name)
	if err != nil {
		return nil, err
	}
	f := &loadFlags{}
	if err := f.check(l.a); err != nil {
		return nil, err
	}
	job, err := f.job(s, params)
	if err != nil {
		return nil, err
	}
	return l.a.startLab(ctx, f, s, job, params)
}
