package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"taskscope/load"
	"taskscope/load/spawn"
)

// newLoadCommand is the family of commands about known loads.
func newLoadCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "load",
		Short: "Run known loads, and check what taskscope shows against them",
		Long: `A load is a job of which everything is known before it starts: how many processes
and threads, their names, how often each switches, how much CPU and memory it
uses. "load verify" runs it, observes it from a separate process that is told
nothing but a PID, and compares.`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newLoadListCommand(a), newLoadDescribeCommand(a), newLoadRunCommand(a), newLoadVerifyCommand(a), newLoadSweepCommand(a))
	exampleFor(c, "taskscope load list", "taskscope load run vol workers=4 rate=200Hz", "taskscope load verify --all")
	return c
}

func newLoadListCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the loads with their parameters",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.listLoadsJSON()
			}
			for _, s := range load.All() {
				var params []string
				for _, p := range s.Params {
					params = append(params, p.Name+"="+p.Default)
				}
				fmt.Fprintf(a.stdout, "%-8s  %s\n%10s%s\n", s.Name, s.Title, "", strings.Join(params, " "))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, promises included")
	exampleFor(c, "taskscope load list", "taskscope load list --json")
	return c
}

func (a *app) listLoadsJSON() error {
	list := struct {
		Loads []*load.Description `json:"loads"`
	}{}
	for _, s := range load.All() {
		d, err := s.Describe()
		if err != nil {
			return err
		}
		list.Loads = append(list.Loads, d)
	}
	return writeJSON(a.stdout, list)
}

func newLoadDescribeCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:               "describe NAME [key=value…]",
		ValidArgsFunction: completeOneLoad,
		Short:             "Explain a load: what it teaches, its parameters and what it promises",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := scenarioArg(cmd, args)
			if err != nil {
				return err
			}
			d, err := s.Describe(args[1:]...)
			if err != nil {
				return usage("%w", err)
			}
			if asJSON {
				return writeJSON(a.stdout, d)
			}
			a.describeText(d)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	exampleFor(c, "taskscope load describe vol", "taskscope load describe mem heap=64MiB --json")
	return c
}

func (a *app) describeText(d *load.Description) {
	fmt.Fprintf(a.stdout, "%s: %s\n\n%s\n\n", d.Name, d.Title, d.Teaches)
	if len(d.Aliases) > 0 {
		fmt.Fprintf(a.stdout, "Also as %s\n\n", strings.Join(d.Aliases, "; "))
	}
	fmt.Fprintln(a.stdout, "Parameters")
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, p := range d.Parameters {
		doc := p.Doc
		if len(p.Also) > 0 {
			doc += " (also " + strings.Join(p.Also, ", ") + "=)"
		}
		fmt.Fprintf(w, "  %s=%s\t%s\t%s\n", p.Name, p.Default, p.Range, doc)
	}
	_ = w.Flush() // a.stdout remembers errors
	fmt.Fprintln(a.stdout, "\nPromises")
	for _, p := range d.Promises {
		fmt.Fprintln(a.stdout, "  "+a.clean(p))
	}
	fmt.Fprintf(a.stdout, "\nIf a worker is killed, %s.\n", d.IfKilled)
	fmt.Fprintf(a.stdout, "Uses at most %d tasks, %s of memory and %.2g CPUs.\n",
		d.Budget.Tasks, load.FormatValue(load.ParamBytes, float64(d.Budget.MemoryBytes)), d.Budget.CPUs)
}

// scenarioArg is the load named by the first argument.
func scenarioArg(cmd *cobra.Command, args []string) (*load.Scenario, error) {
	if len(args) == 0 {
		return nil, usage("%s needs the name of a load: %s", cmd.CommandPath(), strings.Join(load.Names(), ", "))
	}
	s, err := load.ByName(args[0])
	if err != nil {
		return nil, usage("%w", err)
	}
	return s, nil
}

// sweptText says how much of each kind was removed.
func sweptText(s *spawn.Swept) string {
	var parts []string
	for _, kind := range []struct {
		n         int
		one, many string
	}{
		{len(s.Processes), "process", "processes"},
		{len(s.Cgroups), "control group", "control groups"},
		{len(s.Queues), "message queue", "message queues"},
	} {
		switch kind.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+kind.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", kind.n, kind.many))
		}
	}
	if len(parts) == 0 {
		return "nothing to remove"
	}
	return strings.Join(parts, ", ") + " removed"
}

func newLoadSweepCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "sweep [RUNID]",
		Short: "Remove what a killed run left behind",
		Long: `Remove what a run has left whose taskscope was killed: the run with this id, or
every run whose controller is dead. Processes are known by the run id they
carry, and are ended through a pidfd; a name is never enough.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("%s takes at most one run id, not %d arguments", cmd.CommandPath(), len(args))
			}
			if a.readOnly {
				return usage("--read-only: load sweep ends processes")
			}
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			removed, err := spawn.Sweep(cmd.Context(), id)
			for _, pid := range removed.Processes {
				fmt.Fprintf(a.stdout, "removed %d\n", pid)
			}
			for _, dir := range removed.Cgroups {
				fmt.Fprintf(a.stdout, "removed %s\n", a.clean(dir))
			}
			for _, name := range removed.Queues {
				fmt.Fprintf(a.stdout, "removed message queue %s\n", a.clean(name))
			}
			switch {
			case err != nil:
				return loadError("sweep", err)
			case id != "" && removed.Nothing():
				return usage("there is nothing of a run %s; without a run id, load sweep removes what any killed run has left", a.clean(id))
			}
			fmt.Fprintln(a.stderr, sweptText(&removed))
			return nil
		},
	}
	exampleFor(c, "taskscope load sweep", "taskscope load sweep 3f9a01c2d4e5")
	return c
}
