package model

import (
	"fmt"
	"strings"

	"taskscope/inspect"
)

// Doctor lists what the kernel lets taskscope do, why not, and last the one
// command that gives whatever capabilities can give. Width 0 breaks no line.
func Doctor(rep *inspect.Report, width int) []Line {
	lines := []Line{Plain("What can be read on this machine, by whoever runs taskscope now", Muted), nil}
	for i := range rep.Capabilities {
		c := &rep.Capabilities[i]
		s := map[string]Style{inspect.Available: OK, inspect.Absent: Bad, inspect.UnknownState: Warn}[c.State]
		lines = append(lines, Line{{Text: fmt.Sprintf("%-11s", Sanitize(c.State)), Style: s}, {Text: Sanitize(c.Title), Style: Strong}})
		lines = append(lines, indented(c.Reason, width)...)
		switch {
		case len(c.Needs) > 0 && rep.Grant != "":
			lines = append(lines, indented("would give it: "+strings.Join(c.Needs, " and ")+", by the command at the end", width)...)
		case c.Remedy != "":
			lines = append(lines, indented("would give it: "+c.Remedy, width)...)
		}
	}
	if rep.Grant == "" {
		return lines
	}
	what := "One command gives what a capability can give"
	if n := rest(rep); n > 0 {
		what += fmt.Sprintf(" (%d more by other means, as said above)", n)
	}
	lines = append(lines, nil, Plain(what+":", Muted))
	for _, l := range shellLines(Sanitize(rep.Grant), width) {
		lines = append(lines, Plain(l, Strong))
	}
	for _, l := range wrapped("Then everybody who may run that file has these rights; setcap -r takes them back.", width) {
		lines = append(lines, Plain(l, Muted))
	}
	return lines
}

// rest is how many more are absent that something else would give.
func rest(rep *inspect.Report) int {
	n := 0
	for i := range rep.Capabilities {
		if c := &rep.Capabilities[i]; c.Remedy != "" && len(c.Needs) == 0 {
			n++
		}
	}
	return n
}

// indented is text below a title, nothing for none.
func indented(text string, width int) []Line {
	const indent = "             "
	var lines []Line
	if text != "" {
		if width > 0 {
			width = max(width-len(indent), 1)
		}
		for _, w := range wrapped(Sanitize(text), width) {
			lines = append(lines, Plain(indent+w, Muted))
		}
	}
	return lines
}

// wrapped is Wrap where there is a width to keep.
func wrapped(s string, width int) []string {
	if width == 0 {
		return []string{s}
	}
	return Wrap(s, width)
}

// shellLines breaks a command behind commas, so that a shell takes the lines for
// one word when they are copied. The name of the file stays whole: it may be quoted.
func shellLines(command string, width int) []string {
	var lines []string
	list := strings.LastIndex(command, "+ep ")
	for width > 0 && len([]rune(command)) > width {
		cut := strings.LastIndexByte(command[:max(min(list, width-1), 0)], ',') + 1
		if cut == 0 {
			break
		}
		lines = append(lines, command[:cut]+`\`)
		command, list = command[cut:], list-cut
	}
	return append(lines, command)
}
