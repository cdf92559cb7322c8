package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"taskscope/inspect"
	"taskscope/views"
)

func newAttachCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "attach PID|NAME",
		Short: "Open the interactive view on one process",
		Long: `Open the interactive view on the attach page of one process, given by its PID or by
a name that only one process has: the name the kernel keeps (comm), or the file
name of its program.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] != "" {
				return nil
			}
			return usage("attach takes one PID or name: for example taskscope attach 1234")
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return a.attach(cmd.Context(), args[0]) },
		ValidArgsFunction: a.completePID,
	}
	exampleFor(c, "taskscope attach 1234", "taskscope attach sshd")
	return c
}

func (a *app) attach(ctx context.Context, arg string) error {
	pid, err := a.findProcess(ctx, arg)
	if err != nil {
		return err
	}
	return a.runTUI(ctx, views.Start{Attach: pid})
}

// findProcess turns a PID or a name into the PID of a living process.
func (a *app) findProcess(ctx context.Context, arg string) (int, error) {
	r, err := a.openReader()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if _, err := strconv.Atoi(arg); err == nil {
		id, err := a.resolve(r, arg)
		return id.PID, err
	}
	s, err := a.read(ctx, r, inspect.Request{Want: inspect.WantCmdline})
	if err != nil {
		return 0, err
	}
	found := named(s, arg, os.Getpid())
	switch len(found) {
	case 0:
		return 0, usage("no process is called %q: taskscope list shows those that live", arg)
	case 1:
		return found[0].ID.PID, nil
	}
	if a.needTerminal() != nil {
		return 0, usage("%d processes are called %q: give the PID of one: %s", len(found), arg, a.candidates(found))
	}
	return a.pick(found, arg)
}

// named are the processes of that name, or else those whose name contains it;
// self is left out.
func named(s *inspect.Snapshot, name string, self int) []*inspect.Process {
	var exact, part []*inspect.Process
	for _, p := range s.Processes {
		if p.ID.PID == self {
			continue
		}
		program := ""
		if len(p.Cmdline.V) > 0 {
			program = path.Base(p.Cmdline.V[0])
		}
		switch {
		case p.Comm == name || program == name:
			exact = append(exact, p)
		case strings.Contains(p.Comm, name) || strings.Contains(program, name):
			part = append(part, p)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return part
}

// candidates lists processes in one line.
func (a *app) candidates(list []*inspect.Process) string {
	const most = 20
	var parts []string
	for i, p := range list {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%d (%s)", p.ID.PID, a.clean(p.Comm)))
	}
	return strings.Join(parts, ", ")
}

// pick asks which of several processes is meant, before the interactive view
// takes the terminal.
func (a *app) pick(list []*inspect.Process, name string) (int, error) {
	fmt.Fprintf(a.stderr, "%d processes are called %q:\n", len(list), a.clean(name))
	for i, p := range list {
		command := strings.Join(p.Cmdline.V, " ")
		if command == "" {
			command = "[" + p.Comm + "]"
		}
		fmt.Fprintln(a.stderr, cutText(fmt.Sprintf("%4d  pid %-8d %s", i+1, p.ID.PID, a.clean(command)), max(20, a.stdout.width())))
	}
	fmt.Fprintf(a.stderr, "number (1 to %d): ", len(list))
	var n int
	if _, err := fmt.Fscanln(a.stdin, &n); err != nil || n < 1 || n > len(list) {
		return 0, usage("no process chosen: give a number from 1 to %d, or the PID: taskscope attach PID", len(list))
	}
	return list[n-1].ID.PID, nil
}
