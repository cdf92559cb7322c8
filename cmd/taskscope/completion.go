package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"taskscope/inspect"
)

// completePID offers the PIDs of the living processes with their names. It
// reads comm only, which never blocks.
func (a *app) completePID(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	entries, err := os.ReadDir(a.procRoot)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		comm, err := os.ReadFile(a.procRoot + "/" + e.Name() + "/comm")
		if err != nil {
			continue // it has ended
		}
		out = append(out, e.Name()+"\t"+a.clean(strings.TrimSuffix(string(comm), "\n")))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeFields offers field ids as values of these flags; after a comma the
// next one.
func completeFields(c *cobra.Command, flags ...string) {
	for _, flag := range flags {
		// The error says that the flag does not exist, which the tests would show.
		_ = c.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
			done := prefix[:strings.LastIndexByte(prefix, ',')+1]
			var out []string
			for _, f := range inspect.Fields() {
				out = append(out, done+f.ID+"\t"+f.Doc)
			}
			return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		})
	}
}
