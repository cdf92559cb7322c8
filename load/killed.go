package load

import "slices"

// IfKilled says in a sentence what becomes of a run when somebody kills a
// process of its plan while it works. It is no part of any promise: in every
// load the verdict of such a run is fail.
func (p *Plan) IfKilled(process int) string {
	const verdict = "; the verdict is fail and says who was killed"
	q := &p.Processes[process]
	if process == 0 {
		if len(p.Processes) == 1 {
			return "all workers are threads of one process, so all of them end with it" + verdict
		}
		return "it is the root: every process of the run ends with it" + verdict
	}
	text := "it ends"
	if n := len(q.Threads); n > 1 {
		text += " with its " + countNoun(n, "thread", "threads")
	}
	if n := p.below(process); n > 0 {
		text += " and the " + countNoun(n, "process", "processes") + " below it"
	}
	supervised := slices.ContainsFunc(p.Processes[q.Parent].Threads[0].Ops, func(o Op) bool { return o.Kind == OpSupervise })
	if supervised {
		return text + ", and its supervisor starts another in its place; that is a failure more than planned, so the verdict is fail"
	}
	return text + ", the others go on" + verdict
}

// below is how many processes there are below one of the plan.
func (p *Plan) below(process int) int {
	under := map[int]bool{process: true}
	for i := process + 1; i < len(p.Processes); i++ { // parents come before their children
		if under[p.Processes[i].Parent] {
			under[i] = true
		}
	}
	return len(under) - 1
}
