package load

func scNames() Scenario {
	return Scenario{
		Name:  "names",
		Title: "Names that try to deceive whoever reads them",
		Teaches: "A task may call itself anything of up to 15 bytes: with spaces, with parentheses that look like the end of the name in /proc/PID/stat, with a line feed, with characters that steer a terminal, with bytes that are no text at all. " +
			"A reader must take them for what they are, and nothing of it may reach a terminal raw.",
		Params: []Param{asParam(), workersParam("15", 1, 15), secondsParam("how long they wait")},
		Quick:  []string{"seconds=800ms"},
		Build:  buildNames,
	}
}

// hostileNames are names that have deceived readers.
func hostileNames() []string {
	return []string{
		"fifteen-bytes-x", "with two spaces", ") R 1 (", ") Z 1 2 3 (", "((((", "new\nline",
		"State:\tZ", "\x1b[31mred\x1b[0m", "\xff\xfe\xfd", "tab\there", `back\slash\n`, "[kworker/0:0]", "-", " ", "e\u0301\u202eabc",
	}
}

func buildNames(v Values) (*Plan, error) {
	names := hostileNames()[:v.Int("workers")]
	p := newPlan("names", v)
	p.crew(v.Text("as"), len(names), func(i int) ThreadPlan {
		return ThreadPlan{Name: names[i], Ops: []Op{hold(v)}}
	})
	p.waits()
	for i, q := range p.Processes {
		for j, t := range q.Threads {
			for _, when := range []When{WhenLive, WhenParked} {
				p.promise(Promise{
					Process: i, Thread: j, Field: "comm", Scope: "thread", Kind: Equality, When: when,
					ExpectText: t.Name, Because: "it stays what the thread has called itself, byte by byte",
				})
			}
		}
	}
	return p.finish(), nil
}
