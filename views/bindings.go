package views

import "github.com/gdamore/tcell/v2"

// allBindings is the one table of keys: dispatcher, hints, help and README come
// from it. Keys that must work while something is being typed (Ctrl-C, Ctrl-Z,
// Ctrl-L) are handled before it and are in it to be documented.
func allBindings() []binding {
	var all []binding
	for _, part := range [][]binding{moveBindings(), pageBindings(), findBindings(), treeBindings(), attachBindings(), loadBindings(), viewBindings(), programBindings()} {
		all = append(all, part...)
	}
	return all
}

func moveBindings() []binding {
	const tag = "Moving"
	move := func(n int) func(*app) { return func(a *app) { a.move(n, 0) } }
	pages := func(n float64) func(*app) { return func(a *app) { a.move(0, n) } }
	return []binding{
		{keys: []key{char('j'), special(tcell.KeyDown)}, scope: everywhere, tag: tag, short: "Down", long: "one row down", do: move(1)},
		{keys: []key{char('k'), special(tcell.KeyUp)}, scope: everywhere, tag: tag, short: "Up", long: "one row up", do: move(-1)},
		{keys: []key{special(tcell.KeyPgDn), special(tcell.KeyCtrlF)}, scope: everywhere, tag: tag, short: "Page down", long: "one page down", do: pages(1)},
		{keys: []key{special(tcell.KeyPgUp), special(tcell.KeyCtrlB)}, scope: everywhere, tag: tag, short: "Page up", long: "one page up", do: pages(-1)},
		{keys: []key{special(tcell.KeyCtrlD)}, scope: everywhere, tag: tag, short: "Half down", long: "half a page down", do: pages(0.5)},
		{keys: []key{special(tcell.KeyCtrlU)}, scope: everywhere, tag: tag, short: "Half up", long: "half a page up", do: pages(-0.5)},
		{keys: []key{char('g'), special(tcell.KeyHome)}, scope: everywhere, tag: tag, short: "Top", long: "to the top, and stay there", do: (*app).goTop},
		{keys: []key{char('G'), special(tcell.KeyEnd)}, scope: everywhere, tag: tag, short: "End", long: "to the end", do: (*app).goEnd},
		{keys: []key{char('h'), special(tcell.KeyLeft)}, scope: onTables, tag: tag, short: "Left", long: "in the tree: fold, or go to the parent; on the timeline: back in time; else scroll the columns", do: (*app).goLeft},
		{keys: []key{char('l'), special(tcell.KeyRight)}, scope: onTables, tag: tag, short: "Right", long: "in the tree: unfold, or go to the first child; on the timeline: forward; else scroll the columns", do: (*app).goRight},
	}
}

func pageBindings() []binding {
	const tag = "Pages"
	return []binding{
		{keys: []key{special(tcell.KeyEnter)}, scope: onProcesses | onRun, tag: tag, short: "Attach", long: "attach to the selected process", hint: 2, do: (*app).openAttach},
		{keys: []key{special(tcell.KeyEsc)}, scope: onProcesses, tag: tag, short: "Clear", long: "drop search, then filter", do: (*app).clear},
		{keys: []key{special(tcell.KeyEsc), char('q')}, scope: inSubpages, tag: tag, short: "Back", long: "back to the page before; a load started here is ended", hint: 3, do: (*app).back},
		{keys: []key{char('L'), special(tcell.KeyF3)}, scope: everywhere &^ onLoads &^ onRun, tag: tag, short: "Loads", long: "known loads to start and to check the numbers against", hint: 9, enabled: loadsEnabled, do: (*app).openLoads},
		{keys: []key{char('D')}, scope: everywhere &^ onText, tag: tag, short: "Doctor", long: "what can be read on this machine, and why not", do: (*app).openDoctor},
		{keys: []key{char('?'), special(tcell.KeyF1)}, scope: everywhere, tag: tag, short: "Help", long: "this help", hint: 1, do: (*app).openHelp},
	}
}

func findBindings() []binding {
	const tag = "Finding"
	return []binding{
		{keys: []key{char('/')}, scope: onProcesses, tag: tag, short: "Search", long: "search: go to the next row whose name, arguments or PID match", hint: 4, do: (*app).askSearch},
		{keys: []key{char('n')}, scope: onProcesses, tag: tag, short: "Next", long: "next match", enabled: searching, do: func(a *app) { a.nextMatch(1) }},
		{keys: []key{char('N')}, scope: onProcesses, tag: tag, short: "Previous", long: "previous match", enabled: searching, do: func(a *app) { a.nextMatch(-1) }},
		{keys: []key{char('f'), char('\\'), special(tcell.KeyF4)}, scope: onProcesses, tag: tag, short: "Filter", long: `filter: words, or conditions such as cpu>5 and user=root; state=running; not comm~"^kw"`, hint: 5, do: (*app).askFilter},
		{keys: chars("0123456789"), scope: onProcesses, tag: tag, short: "PID", long: "type a PID to go to it", with: (*app).askPID},
		{keys: []key{char(':')}, scope: everywhere, tag: tag, short: "Command", long: "command line: pid, attach, sort, filter, interval, columns, tree, list, loads, doctor, help, quit; Tab completes", do: (*app).askCommand},
	}
}

func treeBindings() []binding {
	const tag = "Processes"
	on := func(do func(*app, *processPage)) func(*app) {
		return func(a *app) {
			if p, ok := a.top().(*processPage); ok {
				do(a, p)
			}
		}
	}
	return []binding{
		{keys: []key{char('t'), special(tcell.KeyF5)}, scope: onProcesses, tag: tag, short: "Tree/list", long: "tree or flat list", hint: 7, do: on((*app).toggleTree)},
		{keys: []key{char(' '), char('-'), char('+')}, scope: onProcesses, tag: tag, short: "Fold", long: "fold or unfold the selected branch", hint: 10, do: on((*app).toggleFold)},
		{keys: []key{char('*')}, scope: onProcesses, tag: tag, short: "Fold all", long: "fold or unfold all branches", do: on((*app).foldAll)},
		{keys: []key{special(tcell.KeyBackspace2)}, scope: onProcesses, tag: tag, short: "Parent", long: "go to the parent", do: on((*app).goParent)},
		{keys: []key{char('s'), special(tcell.KeyF6)}, scope: onProcesses | onAttach, tag: tag, short: "Sort", long: "choose the sort column", hint: 6, enabled: hasOrder, do: (*app).sortMenu},
		{keys: []key{char('<')}, scope: onProcesses | onAttach, tag: tag, short: "Sort left", long: "sort by the column to the left", enabled: hasOrder, do: func(a *app) { a.sortNext(-1) }},
		{keys: []key{char('>')}, scope: onProcesses | onAttach, tag: tag, short: "Sort right", long: "sort by the column to the right", enabled: hasOrder, do: func(a *app) { a.sortNext(1) }},
		{keys: []key{char('I')}, scope: onProcesses | onAttach, tag: tag, short: "Invert", long: "reverse the order", enabled: hasOrder, do: (*app).invertSort},
		{keys: []key{char('P')}, scope: onProcesses, tag: tag, short: "By CPU", long: "sort by CPU use", do: func(a *app) { a.sortBy("cpu_percent") }},
		{keys: []key{char('M')}, scope: onProcesses, tag: tag, short: "By memory", long: "sort by resident memory", do: func(a *app) { a.sortBy("rss_bytes") }},
		{keys: []key{char('T')}, scope: onProcesses, tag: tag, short: "By time", long: "sort by CPU time", do: func(a *app) { a.sortBy("cpu_time_ns") }},
		{keys: []key{char('H')}, scope: onProcesses, tag: tag, short: "Threads", long: "show threads as rows below their process", hint: 12, do: on(func(_ *app, p *processPage) { p.m.Threads = !p.m.Threads })},
		{keys: []key{char('K')}, scope: onProcesses, tag: tag, short: "Kernel", long: "show kernel threads", do: on(func(_ *app, p *processPage) { p.m.Kernel = !p.m.Kernel })},
		{keys: []key{char('F')}, scope: onProcesses, tag: tag, short: "Follow", long: "follow the selected process: the cursor stays on it until it exits", do: on((*app).toggleFollow)},
		{keys: []key{char('m')}, scope: onProcesses, tag: tag, short: "Tag", long: "tag the selected process, or take the tag away; signals, nice values and CPUs then are about all tagged ones", do: on((*app).tag)},
		{keys: []key{char('c')}, scope: onProcesses, tag: tag, short: "Tag tree", long: "tag the selected process with everything below it", do: on((*app).tagTree)},
		{keys: []key{char('U')}, scope: onProcesses, tag: tag, short: "Untag", long: "take all tags away", do: on(func(_ *app, p *processPage) { p.m.Untag() })},
		{keys: []key{special(tcell.KeyF2)}, scope: onProcesses, tag: tag, short: "Columns", long: "choose the columns (also :columns)", do: on((*app).columnsMenu)},
	}
}

func attachBindings() []binding {
	const tag = "Attach page"
	on := func(do func(*attachPage)) func(*app) {
		return func(a *app) {
			if p, ok := a.top().(*attachPage); ok {
				do(p)
			}
		}
	}
	return []binding{
		{keys: []key{special(tcell.KeyTab)}, scope: onAttach, tag: tag, short: "Panel", long: "next panel", hint: 2, do: on(func(p *attachPage) { p.show(p.panel + 1) })},
		{keys: []key{special(tcell.KeyBacktab)}, scope: onAttach, tag: tag, short: "Panel back", long: "previous panel", do: on(func(p *attachPage) { p.show(p.panel - 1) })},
		{keys: chars("1234567"), scope: onAttach, tag: tag, short: "Panels", long: "overview, threads, memory, switches, PCB, limits and files, timeline", with: (*app).showPanel},
		{keys: []key{char('+')}, scope: onAttach, tag: tag, short: "Zoom in", long: "timeline: less time per column, around the cursor, which left and right move and which reads exact times", hint: 5, enabled: onTimeline, do: on(func(p *attachPage) { p.timeline.Zoom(true) })},
		{keys: []key{char('-')}, scope: onAttach, tag: tag, short: "Zoom out", long: "timeline: more time per column", hint: 5, enabled: onTimeline, do: on(func(p *attachPage) { p.timeline.Zoom(false) })},
		{keys: []key{char('[')}, scope: onAttach, tag: tag, short: "Earlier", long: "timeline: half a screen back in time; best while paused", enabled: onTimeline, do: on(func(p *attachPage) { p.timeline.SlideHalf(1) })},
		{keys: []key{char(']')}, scope: onAttach, tag: tag, short: "Later", long: "timeline: half a screen forward", enabled: onTimeline, do: on(func(p *attachPage) { p.timeline.SlideHalf(-1) })},
		{keys: []key{char('$')}, scope: onAttach, tag: tag, short: "Now", long: "timeline: back to now", enabled: onTimeline, do: on(func(p *attachPage) { p.timeline.Follow() })},
		{keys: []key{char('E')}, scope: onAttach, tag: tag, short: "Exits", long: "processes below this one that have come and gone: fork, exec, exit code, lifetime", hint: 6, do: (*app).openExits},
		{keys: []key{char(' '), special(tcell.KeyEnter)}, scope: onAttach, tag: tag, short: "Unfold", long: "memory: unfold the segments of a group", hint: 5, enabled: onMemory, do: on((*attachPage).toggleGroup)},
		{keys: []key{char('*')}, scope: onAttach, tag: tag, short: "Unfold all", long: "memory: unfold or fold all groups", enabled: onMemory, do: on((*attachPage).toggleGroups)},
		{keys: []key{char('t'), special(tcell.KeyF5)}, scope: onAttach, tag: tag, short: "Map", long: "memory: the address space from low to high, with its gaps", hint: 7, enabled: onMemory, do: on((*attachPage).toggleMap)},
	}
}

func loadBindings() []binding {
	const tag = "Loads"
	return []binding{
		{keys: []key{special(tcell.KeyEnter)}, scope: onLoads, tag: tag, short: "Start", long: "start the selected load, after asking for its parameters", hint: 2, enabled: startEnabled, do: (*app).askStart},
		{keys: []key{special(tcell.KeyTab)}, scope: onRun, tag: tag, short: "Tasks/checks", long: "switch between tasks and checks", hint: 2, do: (*app).runSwitch},
		{keys: []key{char('v')}, scope: onRun, tag: tag, short: "Only open", long: "show only checks that have not passed, or all", hint: 5, do: (*app).toggleOpenChecks},
		{keys: []key{char('x')}, scope: onRun, tag: tag, short: "Freeze", long: "stop all processes of the load, or let them go on", hint: 6, enabled: freezeEnabled, do: (*app).freeze},
		{keys: []key{char('X')}, scope: onRun, tag: tag, short: "Kill worker", long: "kill the selected process of the load, after a confirmation, to see what that does", hint: 7, enabled: actEnabled, do: (*app).killWorker},
		{keys: []key{char('e')}, scope: onRun, tag: tag, short: "Edit, again", long: "run again with other parameters", hint: 4, do: (*app).askAgain},
	}
}

func viewBindings() []binding {
	const tag = "View"
	return []binding{
		{keys: []key{char('Z'), char('p')}, scope: everywhere, tag: tag, short: "Pause", long: "pause: everything can still be scrolled, sorted and opened", hint: 11, do: (*app).togglePause},
		{keys: []key{char('d')}, scope: everywhere, tag: tag, short: "Interval", long: "change the refresh interval", do: (*app).askInterval},
		{keys: []key{special(tcell.KeyCtrlR)}, scope: everywhere, tag: tag, short: "Refresh", long: "read again at once", do: func(a *app) { a.cfg.Sampler.Refresh() }},
		{keys: []key{char('y')}, scope: onTables, tag: tag, short: "Copy", long: "copy the PID or TID of the selected row to the clipboard of the terminal (OSC 52)", do: (*app).copyKey},
		{keys: []key{special(tcell.KeyCtrlS)}, scope: everywhere, tag: tag, short: "Save view", long: "save columns, order, tree or list, and interval for the next start", enabled: saveEnabled, do: (*app).saveView},
		{keys: []key{special(tcell.KeyF12)}, scope: everywhere, tag: tag, short: "Mouse", long: "mouse on or off (also :mouse); while it is on, Shift selects text", do: (*app).toggleMouse},
		{keys: []key{special(tcell.KeyCtrlL)}, scope: everywhere, tag: tag, short: "Redraw", long: "draw the whole screen anew"},
	}
}

func programBindings() []binding {
	const tag = "Program"
	return []binding{
		{keys: []key{special(tcell.KeyF9), special(tcell.KeyCtrlX)}, scope: onProcesses | onAttach | onRun, tag: tag, short: "Signal", long: "send a signal to the tagged processes or the selected one, after a confirmation that names them", enabled: actEnabled, do: (*app).signalMenu},
		{keys: []key{special(tcell.KeyF7)}, scope: onProcesses | onAttach | onRun, tag: tag, short: "Nice -", long: "lower the nice value (more of the CPU) of the tagged processes, or of the selected process or thread, after a confirmation", enabled: actEnabled, do: func(a *app) { a.niceMenu(-1) }},
		{keys: []key{special(tcell.KeyF8)}, scope: onProcesses | onAttach | onRun, tag: tag, short: "Nice +", long: "raise the nice value (less of the CPU), likewise", enabled: actEnabled, do: func(a *app) { a.niceMenu(1) }},
		{keys: []key{char('a')}, scope: onProcesses | onAttach | onRun, tag: tag, short: "CPUs", long: "choose the CPUs that the tagged processes, or the selected process or thread, may run on, after a confirmation", enabled: actEnabled, do: (*app).askAffinity},
		{keys: []key{char('q'), special(tcell.KeyF10)}, scope: onProcesses, tag: tag, short: "Quit", long: "quit", hint: 8, do: func(a *app) { a.cancel() }},
		{keys: []key{special(tcell.KeyCtrlC)}, scope: everywhere, tag: tag, short: "Quit", long: "quit from anywhere"},
		{keys: []key{special(tcell.KeyCtrlZ)}, scope: everywhere, tag: tag, short: "Suspend", long: "stop taskscope and return to the shell; fg continues"},
	}
}
