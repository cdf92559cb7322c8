package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// durationFlag is a duration within bounds; a plain number means seconds.
type durationFlag struct {
	d        *time.Duration
	min, max time.Duration
}

func (f *durationFlag) String() string { return f.d.String() }
func (f *durationFlag) Type() string   { return "duration" }

func (f *durationFlag) Set(s string) error {
	d, err := parseDuration(s)
	if err != nil {
		return err
	}
	if d < f.min || d > f.max {
		return fmt.Errorf("%s is out of range: give %s to %s", s, f.min, f.max)
	}
	*f.d = d
	return nil
}

func parseDuration(s string) (time.Duration, error) {
	if sec, err := strconv.ParseFloat(s, 64); err == nil && sec >= 0 && sec < 1e9 {
		return time.Duration(sec * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: write it like 500ms, 2s or 1m", s)
	}
	return d, nil
}

// choiceFlag is one of a few words.
type choiceFlag struct {
	s     *string
	words []string
}

func (f *choiceFlag) String() string { return *f.s }
func (f *choiceFlag) Type() string   { return strings.Join(f.words, "|") }

func (f *choiceFlag) Set(s string) error {
	if !slices.Contains(f.words, s) {
		return fmt.Errorf("%q is unknown: choose %s", s, orList(f.words))
	}
	*f.s = s
	return nil
}

// orList joins words as "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// parsePID reads a PID argument.
func parsePID(s string) (int, error) {
	pid, err := strconv.Atoi(s)
	if err != nil || pid <= 0 {
		return 0, usage("%q is no PID: give a positive number (taskscope list shows them)", s)
	}
	return pid, nil
}

// onePID wants exactly one argument, a PID.
func onePID(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("%s takes exactly one PID, not %d arguments: for example %s 1234", cmd.Name(), len(args), cmd.CommandPath())
	}
	_, err := parsePID(args[0])
	return err
}

// noArgs wants no argument.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage("%s takes no argument, but got %q: see %s --help", cmd.Name(), args[0], cmd.CommandPath())
}

// knownCommand complains about a first argument that is no command.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if _, err := strconv.Atoi(args[0]); err == nil {
		return usage("unknown command %q: did you mean %s attach %s?", args[0], cmd.CommandPath(), args[0])
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if near := nearest(args[0], names); near != "" {
		return usage("unknown command %q: did you mean %s %s?", args[0], cmd.CommandPath(), near)
	}
	return usage("unknown command %q: see %s --help", args[0], cmd.CommandPath())
}

// flagError turns the complaint of the flag parser into one line that says
// what to do.
func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	if i := strings.Index(text, "flag: "); i >= 0 && strings.HasPrefix(text, "invalid argument") {
		if name := between(text, `for "`, `" flag: `); name != "" {
			return usage("%s: %s", name, text[i+len("flag: "):])
		}
	}
	if name, ok := strings.CutPrefix(text, "unknown flag: --"); ok {
		var names []string
		add := func(f *pflag.Flag) { names = append(names, f.Name) }
		cmd.Flags().VisitAll(add)
		for _, sub := range cmd.Commands() { // of a flag before the command
			sub.Flags().VisitAll(add)
		}
		if near := nearest(name, names); near != "" {
			return usage("unknown flag --%s: did you mean --%s?", name, near)
		}
	}
	return usage("%s: see %s --help", text, cmd.CommandPath())
}

func between(s, before, after string) string {
	_, s, ok := strings.Cut(s, before)
	if !ok {
		return ""
	}
	s, _, ok = strings.Cut(s, after)
	if !ok {
		return ""
	}
	return s
}

// nearest is the word that is most like s, or "" when none is near: it starts
// with s, or at most a third of the letters differ.
func nearest(s string, words []string) string {
	best, bestDist := "", len(s)/3+2
	for _, w := range words {
		d := editDistance(strings.ToLower(s), w)
		if len(s) >= 2 && strings.HasPrefix(w, strings.ToLower(s)) {
			d = 1
		}
		if d < bestDist {
			best, bestDist = w, d
		}
	}
	return best
}

// editDistance is the number of bytes to insert, delete or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
