package main

import (
	"strings"

	"taskscope/inspect"
	"taskscope/load/verify"
)

// compareFields adds what `compare` says: a row is named by its measure, and its
// two values by their columns.
func compareFields(add func(scope inspect.Scope, kind, unit, source, id, meaning string)) {
	measures := func(scope inspect.Scope, list []verify.Measure) {
		for _, m := range list {
			meaning := m.Doc
			if m.Caution != "" {
				meaning += " Beware: " + m.Caution + "."
			}
			add(scope, "number", m.Unit, strings.Join(m.Sources, ", "), "rows."+m.ID, meaning)
		}
	}
	measures(inspect.ScopeSubtree, verify.Measures())
	measures(inspect.ScopeProcess, verify.RateMeasures())
	const own = "compare"
	add(inspect.ScopeSubtree, "number", "", own, "rows.ratio", "The second column of the row divided by the first.")
	add(inspect.ScopeSubtree, "integer", "count", own, "job.rounds", "How often each column was run.")
	add(inspect.ScopeSubtree, "integer", "count", own, "columns.runs.checks", "Checks of the promises of the run.")
	add(inspect.ScopeHost, "number", "percent", "/proc/stat, stat", "columns.runs.other_cpu_percent", "CPU that others used meanwhile, of one CPU.")
	add(inspect.ScopeHost, "number", "percent", "/proc/stat, stat", "columns.runs.gate_percent", "What others used of the CPUs that the run may use.")
	for _, what := range []string{"processes", "files", "cgroups"} {
		add(inspect.ScopeSubtree, "integer", "count", "runner", "columns.left_behind."+what, "What the runs of the column have left behind.")
	}
	add(inspect.ScopeProcess, "integer", "", "/proc", "columns.pid", "PID of a living process that is compared.")
	add(inspect.ScopeProcess, "integer", "ticks", "stat:22", "columns.start_ticks", "Its start, in clock ticks since boot.")
}
