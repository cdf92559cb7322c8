package model

import "taskscope/inspect"

// Doctor lists what the kernel lets taskscope do, and why not.
func Doctor(caps []inspect.Capability, width int) []Line {
	lines := []Line{Plain("What can be read on this machine, by whoever runs taskscope now", Muted), nil}
	for _, c := range caps {
		s := map[string]Style{"available": OK, "absent": Bad, "unknown": Warn}[c.State]
		lines = append(lines, Line{{Text: Sanitize(c.State), Style: s, Width: 11}, {Text: Sanitize(c.Title), Style: Strong}})
		for _, text := range []string{c.Reason, c.Remedy} {
			if text == "" {
				continue
			}
			for _, w := range Wrap(Sanitize(text), width-13) {
				lines = append(lines, Line{{Text: "", Width: 11}, {Text: w, Style: Muted}})
			}
		}
	}
	return lines
}
