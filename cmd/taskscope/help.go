package main

import (
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version describes the build, from what the Go toolchain recorded in it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return describeBuild(info)
}

func describeBuild(info *debug.BuildInfo) string {
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	set := make(map[string]string)
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	parts := []string{v}
	if rev := set["vcs.revision"]; rev != "" {
		rev = rev[:min(12, len(rev))]
		if set["vcs.modified"] == "true" {
			rev += " with local changes"
		}
		parts = append(parts, rev)
	}
	parts = append(parts, info.GoVersion, set["GOOS"]+"/"+set["GOARCH"])
	return strings.Join(parts, ", ")
}

func newHelpCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 && target == cmd.Root() {
				return knownCommand(target, rest)
			}
			return target.Help()
		},
	}
	exampleFor(c, "taskscope help show")
	return c
}

func newCompletionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	c := &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "Print the completion script of a shell",
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("completion takes one shell: %s, for example taskscope completion bash", orList(shells))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return usage("completion: unknown shell %q: choose %s", args[0], orList(shells))
		},
	}
	exampleFor(c, "source <(taskscope completion bash)", "taskscope completion fish > ~/.config/fish/completions/taskscope.fish")
	return c
}
