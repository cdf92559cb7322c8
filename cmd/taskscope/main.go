// Command taskscope shows what processes and threads really do, and starts
// known loads against which its own numbers can be checked.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"taskscope/load/spawn"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == spawn.WorkerCommand {
		os.Exit(spawn.WorkerMain(os.Args[2:])) // a worker of the Go tier: nothing else may run in it
	}
	if len(os.Args) > 1 && os.Args[1] == guardCommand {
		guardTerminal(os.Stdin, os.Stdout)
		return
	}
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program: it executes one command line and returns its exit
// code. Whatever went wrong is one line on stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// After the first signal the default action is back, so that a second
	// Ctrl-C ends a command that does not listen.
	defer context.AfterFunc(ctx, stop)()
	defer catchBrokenPipe()()

	out := &output{w: stdout}
	a := &app{stdin: stdin, stdout: out, stderr: stderr, getenv: os.Getenv}
	root := newRootCommand(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return finish(ctx, out, stderr, err)
}

// catchBrokenPipe turns SIGPIPE, which would kill the program in the middle of
// a running load, into the error EPIPE of the write. It is caught and not
// ignored, because ignored signals are inherited by the loads we start.
func catchBrokenPipe() (undo func()) {
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	return func() { signal.Stop(pipe) }
}

// finish chooses the exit code and says on stderr what has to be said.
func finish(ctx context.Context, out *output, stderr io.Writer, err error) int {
	if errors.Is(out.err, syscall.EPIPE) && (err == nil || errors.Is(err, syscall.EPIPE)) {
		return exitDone // the reader has seen enough: `taskscope tree | head`
	}
	if err == nil && out.err != nil {
		err = failed("cannot write the output: %w", out.err)
	}
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return exitInterrupted
	}
	return report(stderr, err)
}

// exampleFor sets the example of a command, indented as cobra's help wants it.
func exampleFor(c *cobra.Command, lines ...string) {
	for i, l := range lines {
		if i > 0 {
			c.Example += "\n"
		}
		c.Example += "  " + l
	}
}
