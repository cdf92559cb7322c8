package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskscope/inspect"
	"taskscope/views"
)

// app is what every command shares: the streams and the global flags.
type app struct {
	stdin  io.Reader
	stdout *output
	stderr io.Writer
	getenv func(string) string

	interval time.Duration // --interval
	source   string        // --source auto|bpf|proc
	readOnly bool          // --read-only
	ascii    bool          // --ascii
	noColor  bool          // --no-color, or NO_COLOR
	procRoot string        // --proc-root

	flagSet func(name string) bool // whether a flag was given
}

const rootLong = `taskscope shows what the processes and threads of this machine really do:
the process tree, threads, memory segments, context switches, and the share of
time each thread runs, waits for a CPU, or is blocked.

Without a command it opens the interactive view. It needs no set-up and no root;
what the kernel refuses to tell is shown as unknown, with the reason.

Exit codes: 0 done, 1 the job failed, 2 wrong arguments or environment,
3 undecided, 4 skipped for lack of a capability, 130 interrupted.`

// newRootCommand builds the tree of commands.
func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "taskscope",
		Short: "Show what processes and threads really do",
		Long:  rootLong,
		Args:  knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runTUI(cmd.Context(), views.Start{})
		},
		Version:           version(),
		SilenceErrors:     true, // run prints them, once
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.flagSet = cmd.Flags().Changed
			return a.check()
		},
	}
	exampleFor(root, "taskscope", "taskscope attach 1234", "taskscope tree", "taskscope show 1234 --json")
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetVersionTemplate("taskscope {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelpCommand())
	a.globalFlags(root)
	root.AddCommand(commands(a)...)
	return root
}

// commands are all commands, in the order of the help.
func commands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newTreeCommand(a),
		newListCommand(a),
		newShowCommand(a),
		newWatchCommand(a),
		newTraceCommand(a),
		newAttachCommand(a),
		newLabCommand(a),
		newLoadCommand(a),
		newCompareCommand(a),
		newDoctorCommand(a),
		newFieldsCommand(a),
		newConfigCommand(a),
		newCompletionCommand(),
		newObserveCommand(a),
	}
}

func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	a.interval = time.Second
	f.Var(intervalFlag(&a.interval), "interval", "time between two samples, for example 500ms or 2s")
	a.source = "auto"
	f.Var(&choiceFlag{&a.source, []string{"auto", "bpf", "proc"}}, "source", "where the numbers come from: auto, bpf or proc")
	f.BoolVar(&a.readOnly, "read-only", false, "never act on a process and start no load")
	f.BoolVar(&a.ascii, "ascii", false, "plain ASCII: no lines, no dashes beyond ASCII")
	f.BoolVar(&a.noColor, "no-color", a.getenv("NO_COLOR") != "", "no colours (also by the environment variable NO_COLOR)")
	f.StringVar(&a.procRoot, "proc-root", "/proc", "mount point of the proc file system to read")
}

// intervalFlag is how an interval is given, on the command line and in the
// configuration file.
func intervalFlag(d *time.Duration) *durationFlag {
	return &durationFlag{d, 10 * time.Millisecond, time.Hour}
}

// check looks at the global flags once the command is known.
func (a *app) check() error {
	info, err := os.Stat(a.procRoot)
	switch {
	case err != nil:
		return usage("--proc-root %s: %s: give the mount point of a proc file system", a.procRoot, plainError(err))
	case !info.IsDir():
		return usage("--proc-root %s is no directory: give the mount point of a proc file system", a.procRoot)
	}
	return nil
}

// patience is how long a batch command waits for a file whose read stands
// still. Nobody looks at a frozen screen meanwhile, and on a machine that is
// short of CPU time a value that comes late is worth more than none.
const patience = 2 * time.Second

// openReader opens the source the flags ask for, for a batch command. That it
// cannot be had is the fault of the environment.
func (a *app) openReader() (*inspect.Reader, error) {
	return a.openReaderWith(inspect.Options{Deadline: patience})
}

// openOnce is openReader for a command that reads all processes once or twice.
func (a *app) openOnce() (*inspect.Reader, error) {
	// What such a command allocates it needs to the end: of ten thousand processes
	// some 40 MB, which are not worth going through again and again.
	debug.SetGCPercent(400)
	return a.openReaderWith(inspect.Options{Deadline: patience, OneShot: true})
}

// openReaderWith adds what the flags say to the options.
func (a *app) openReaderWith(o inspect.Options) (*inspect.Reader, error) {
	o.ProcRoot, o.Source = a.procRoot, a.source
	r, err := inspect.NewReader(o)
	if err != nil {
		hint := "see taskscope doctor"
		if a.source == inspect.SourceBPF {
			hint = "use --source proc, or see taskscope doctor"
		}
		return nil, usage("cannot read the processes: %w: %s", err, hint)
	}
	return r, nil
}

// needTerminal complains when the interactive view cannot be shown.
func (a *app) needTerminal() error {
	const instead = "use a batch command instead: taskscope tree, list, show PID or watch PID"
	switch {
	case !isTerminal(a.stdin) || !isTerminal(a.stdout):
		return usage("no terminal: %s", instead)
	case a.getenv("TERM") == "" || a.getenv("TERM") == "dumb":
		return usage("the terminal (TERM=%q) cannot show the interactive view: %s", a.getenv("TERM"), instead)
	}
	return nil
}

// startUp is how long the interface takes until it knows everybody.
const startUp = 2 * time.Second

// thriftAfterStart sets how memory is collected while the interface runs, and
// returns what ends that. Until the first frame is there, nobody waits for memory
// to be collected; then what the first passes needed is given back at once. Later
// the interface keeps what it knows of every process and allocates little beside
// it: a third of that to spare lets it collect every few seconds, and when thousands
// of processes are born no more stays behind of what that needs.
func thriftAfterStart() (end func()) {
	before := debug.SetGCPercent(200)
	timer := time.AfterFunc(startUp, func() {
		debug.SetGCPercent(33)
		debug.FreeOSMemory()
	})
	return func() {
		timer.Stop()
		debug.SetGCPercent(before)
	}
}

// runTUI opens the interactive view.
func (a *app) runTUI(ctx context.Context, start views.Start) error {
	if err := a.needTerminal(); err != nil {
		return err
	}
	conf, _, err := a.effective()
	if err != nil {
		return err
	}
	r, err := a.openReaderWith(inspect.Options{})
	if err != nil {
		return err
	}
	guard := startTerminalGuard()
	defer guard.close()
	defer thriftAfterStart()()
	view := conf.view()
	err = views.Run(ctx, views.Config{
		Taken:        guard.taken,
		Sampler:      inspect.NewSampler(r, view.Interval),
		Interval:     view.Interval,
		View:         view,
		Save:         a.saveView,
		Trace:        a.openTrace,
		Capabilities: func() *inspect.Report { return inspect.Probe(ctx, a.procRoot) },
		Loads:        labLoads{a},
		Start:        start,
		ASCII:        conf.ASCII,
		Mono:         !conf.Color,
		ReadOnly:     a.readOnly,
	})
	if errors.Is(err, views.ErrNoTerminal) {
		return usage("%w: use a batch command instead: taskscope tree, list, show PID or watch PID", err)
	}
	return err
}

// plainError is the reason of an error without the path the caller names anyway.
func plainError(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return strings.TrimSpace(err.Error())
}
