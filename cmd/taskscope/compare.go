package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"taskscope/inspect"
	"taskscope/load"
	"taskscope/load/verify"
)

// compareFlags are the flags of compare.
type compareFlags struct {
	loadFlags
	rounds  int
	watched time.Duration // --for
}

// defaultRounds is so many that they lie apart by chance in less than one
// comparison of a hundred.
const defaultRounds = 5

// comparison is what is compared: two columns of figures.
type comparison struct {
	title string
	scope string // of the figures: subtree for runs, process for living processes
	sides [2]*side
	rows  []verify.Row
	taken time.Time
	// interval is how long living processes were watched, 0 for runs.
	interval time.Duration
}

// side is one column: a load, or a living process.
type side struct {
	key     string // the member of a row in JSON
	heading string
	name    string // in full
	as      string // threads, processes: where the shape is what differs

	job  loadJob
	runs []*verify.Result // of a load, one per round

	id   inspect.ID // of a process; zero for a load
	comm string

	figures [][]verify.Figure // one per round
}

func newCompareCommand(a *app) *cobra.Command {
	var f compareFlags
	c := &cobra.Command{
		Use:   "compare NAME [key=value…] | A -- B",
		Short: "Compare a job done by threads with the same job done by processes",
		Long: `Do the same job with threads and with processes, in turn, and print what was
measured of both side by side: time, memory, switches, faults, files, result.
Each run is observed from a separate process, and its promises are checked as in
"load verify"; a figure is the median of the rounds, with half their range.
What a run leaves open is as in "load verify": small, and short.

With -- any two loads are compared, each with its parameters, or two living
processes by their PIDs: these over an interval, and nothing is started.

Exit codes: 0 all verdicts pass, 1 one failed, or a process ended meanwhile, 3
one is undecided because the machine was too busy to judge, 4 a capability is
lacking.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			left, right, err := a.splitSides(cmd, args)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("help") { // behind --, where nobody has seen it
				return cmd.Help()
			}
			return a.compare(cmd, &f, left, right)
		},
		ValidArgsFunction: completeCompare,
	}
	f.rounds = defaultRounds
	f.watched = time.Second
	f.add(c, "print one JSON document")
	c.Flags().IntVar(&f.rounds, "rounds", f.rounds, "how often each column is run")
	c.Flags().Var(&durationFlag{&f.watched, 10 * time.Millisecond, 24 * time.Hour}, "for", "how long two processes are watched")
	exampleFor(c, "taskscope compare idle workers=100", "taskscope compare sum workers=2 --json",
		"taskscope compare pingpong over=pipe -- pingpong over=futex", "taskscope compare 1234 -- 5678 --for 5s")
	return c
}

// completeCompare offers loads and their parameters. The shape is not to be
// chosen while both are compared; of the load behind "--" it is.
func completeCompare(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if dash := cmd.ArgsLenAtDash(); dash >= 0 && dash < len(args) {
		return completeLoad(args[dash:]), directive
	}
	if len(args) == 0 {
		return shapedNames(), directive
	}
	return slices.DeleteFunc(completeLoad(args), func(word string) bool { return strings.HasPrefix(word, "as=") }), directive
}

// splitSides cuts the arguments at "--". Flags may stand behind it too; there
// the flag parser has left them alone.
func (a *app) splitSides(cmd *cobra.Command, args []string) (left, right []string, err error) {
	dash := cmd.ArgsLenAtDash()
	if dash < 0 {
		return args, nil, nil
	}
	left = args[:dash]
	tail := slices.Clone(args[dash:])
	if slices.Contains(tail, "--") {
		return nil, nil, usage("%s compares two: one -- between them", cmd.CommandPath())
	}
	if err := cmd.Flags().Parse(tail); err != nil {
		return nil, nil, flagError(cmd, err)
	}
	right = cmd.Flags().Args()
	if cmd.Flags().Changed("help") {
		return left, right, nil
	}
	if len(left) == 0 || len(right) == 0 {
		return nil, nil, usage("%s A -- B needs a load or a PID on both sides of --, for example %s 1234 -- 5678", cmd.CommandPath(), cmd.CommandPath())
	}
	return left, right, a.check() // of the global flags behind it
}

func (a *app) compare(cmd *cobra.Command, f *compareFlags, left, right []string) error {
	if f.rounds < 1 || f.rounds > 100 {
		return usage("--rounds: %d is out of range: give 1 to 100", f.rounds)
	}
	c, err := a.comparisonOf(cmd, f, left, right)
	if err != nil {
		return err
	}
	c.taken = time.Now()
	if c.sides[0].id != (inspect.ID{}) {
		err = a.compareProcesses(cmd.Context(), c, f.watched)
	} else {
		err = a.compareLoads(cmd.Context(), f, c)
	}
	if err != nil {
		return err
	}
	c.fill()
	if f.json {
		if _, err := a.stdout.Write(c.appendJSON(nil)); err != nil {
			return err
		}
		return exitWith(c.exitCode())
	}
	if err := a.writeComparison(c); err != nil {
		return err
	}
	return exitWith(c.exitCode())
}

// fill makes the rows of the figures.
func (c *comparison) fill() {
	a, b := c.sides[0], c.sides[1]
	c.rows = verify.Compare(c.scope, [2]string{a.heading, b.heading}, [2][][]verify.Figure{a.figures, b.figures})
}

// comparisonOf says what is to be compared, and complains before anything is
// started.
func (a *app) comparisonOf(cmd *cobra.Command, f *compareFlags, left, right []string) (*comparison, error) {
	const either = "a load and a process cannot be compared: name two loads, or two PIDs"
	if right == nil || !isNumber(left[0]) {
		if err := f.check(a); err != nil {
			return nil, err
		}
		if cmd.Flags().Changed("for") {
			return nil, usage("--for is for two living processes: how long a load takes says its parameter seconds")
		}
	}
	switch {
	case len(left) == 0:
		return nil, usage("%s needs the name of a load (%s), or two PIDs with -- between", cmd.CommandPath(), strings.Join(shapedNames(), ", "))
	case right == nil && isNumber(left[0]):
		return nil, usage("%s compares two processes: put -- between their PIDs, for example %s %s -- 5678", cmd.CommandPath(), cmd.CommandPath(), left[0])
	case right == nil:
		return f.shapes(left)
	case isNumber(left[0]) != isNumber(right[0]):
		return nil, usage(either)
	case !isNumber(left[0]):
		return f.twoLoads(left, right)
	case len(left) > 1 || len(right) > 1:
		return nil, usage("a process is named by its PID alone: %s %s -- %s", cmd.CommandPath(), left[0], right[0])
	}
	if err := onlyFor(cmd, "loads", "json", "for"); err != nil {
		return nil, err
	}
	return a.twoProcesses(cmd.Context(), left[0], right[0])
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// hasShapes says whether a job can be done by threads and by processes.
func hasShapes(s *load.Scenario) bool {
	return slices.ContainsFunc(s.Params, func(p load.Param) bool {
		return p.Name == "as" && slices.Contains(p.Enum, "threads") && slices.Contains(p.Enum, "processes")
	})
}

// shapedNames are the loads that have both shapes.
func shapedNames() []string {
	var names []string
	for _, s := range load.All() {
		if hasShapes(&s) {
			names = append(names, s.Name)
		}
	}
	return names
}

// shapes compares the two shapes of one job.
func (f *compareFlags) shapes(args []string) (*comparison, error) {
	s, err := load.ByName(args[0])
	if err != nil {
		return nil, usage("%w", err)
	}
	if !hasShapes(s) {
		return nil, usage("%s has one shape only. Both have: %s. Two loads are compared with -- between: taskscope compare %s -- idle",
			s.Name, strings.Join(shapedNames(), ", "), s.Name)
	}
	params := args[1:]
	for _, p := range params {
		if strings.HasPrefix(p, "as=") {
			return nil, usage("compare %s runs it as threads and as processes: leave %s away, or name two loads with -- between", s.Name, p)
		}
	}
	c := &comparison{title: strings.Join(args, " "), scope: string(inspect.ScopeSubtree)}
	for i, as := range []string{"threads", "processes"} {
		job, err := f.quickJob(s, params, "as="+as)
		if err != nil {
			return nil, err
		}
		c.sides[i] = &side{key: as, heading: as, name: as, as: as, job: job}
	}
	return c, nil
}

// twoLoads compares two loads of any kind.
func (f *compareFlags) twoLoads(left, right []string) (*comparison, error) {
	c := &comparison{title: strings.Join(left, " ") + " -- " + strings.Join(right, " "), scope: string(inspect.ScopeSubtree)}
	for i, args := range [][]string{left, right} {
		s, err := load.ByName(args[0])
		if err != nil {
			return nil, usage("%w", err)
		}
		job, err := f.quickJob(s, args[1:])
		if err != nil {
			return nil, err
		}
		key := []string{"a", "b"}[i]
		c.sides[i] = &side{key: key, heading: strings.ToUpper(key), name: strings.Join(args, " "), as: job.plan.Parameters["as"], job: job}
	}
	return c, nil
}

// worst is the verdict of a column: that of its worst run.
func (s *side) worst() (verify.Verdict, string) { return worstOf(s.runs) }

func worstOf(runs []*verify.Result) (verdict verify.Verdict, why string) {
	verdict = verify.Pass
	for _, v := range []verify.Verdict{verify.Skipped, verify.Undecided, verify.Fail} {
		for _, r := range runs {
			if r.Verdict == v && verdict != v {
				verdict, why = v, r.Why
			}
		}
	}
	return verdict, why
}

// exitCode is that of the worst verdict of both columns.
func (c *comparison) exitCode() int {
	count := tally{}
	for _, s := range c.sides {
		for _, r := range s.runs {
			count[r.Verdict]++
		}
	}
	return count.exitCode()
}

// compareProcesses watches two living processes over the same interval.
func (a *app) compareProcesses(ctx context.Context, c *comparison, interval time.Duration) error {
	r, err := a.openReader()
	if err != nil {
		return err
	}
	defer r.Close()
	pids := []int{c.sides[0].id.PID, c.sides[1].id.PID}
	const counters = inspect.WantAll
	read := func(want inspect.Want) (*inspect.Snapshot, error) {
		s, err := a.read(ctx, r, inspect.Request{Want: want, Only: pids})
		if err != nil {
			return nil, err
		}
		for _, side := range c.sides {
			if s.ByID(side.id) == nil {
				return nil, vanished(side.id)
			}
		}
		return s, nil
	}
	before, err := read(counters)
	if err != nil {
		return err
	}
	if err := wait(ctx, interval); err != nil {
		return err
	}
	after, err := read(counters)
	if err != nil {
		return err
	}
	// What is dear to read comes last, so that it takes no part of the interval.
	sizes, err := read(counters | inspect.WantRollup | inspect.WantFDs)
	if err != nil {
		return err
	}
	changes := inspect.Diff(before, after)
	c.interval = changes.Deltas[after.Index(pids[0])].Interval // the second one's is that of a read more or less
	for _, s := range c.sides {
		s.figures = [][]verify.Figure{verify.FiguresOfProcess(changes, sizes, s.id)}
	}
	return nil
}

func (a *app) twoProcesses(ctx context.Context, left, right string) (*comparison, error) {
	c := &comparison{scope: string(inspect.ScopeProcess)}
	for i, arg := range []string{left, right} {
		id, comm, err := a.tracee(ctx, arg)
		if err != nil {
			return nil, err
		}
		name := strconv.Itoa(id.PID) + " " + a.clean(comm)
		c.sides[i] = &side{key: []string{"a", "b"}[i], heading: name, name: "process " + name, id: id, comm: comm}
	}
	c.title = c.sides[0].heading + " -- " + c.sides[1].heading
	return c, nil
}

// onlyFor complains about flags of this command that mean nothing here: all but
// those named.
func onlyFor(cmd *cobra.Command, what string, but ...string) error {
	var given string
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && !slices.Contains(but, f.Name) {
			given = f.Name
		}
	})
	if given == "" {
		return nil
	}
	return usage("--%s is for %s: leave it away", given, what)
}
