package inspect

import "strconv"

func stateFields() []Field {
	return []Field{
		{
			ID: "state", Title: "S", Kind: KindString, Scope: ScopeProcessLive, Thread: true, Width: 1, Left: true,
			Sources: []string{"stat:3", "status:State"},
			Doc:     "State letter: of a process the most active one of its threads where they were read, else the main thread's.",
			Get:     func(r Row) Value { return stateValue(rowState(r), State.Letter) },
		},
		{
			ID: "state_derived", Title: "STATE", Kind: KindString, Scope: ScopeProcessLive, Thread: true, Width: 10, Left: true,
			Sources: []string{"stat:3", "status:State"}, Doc: "The state in words: running means on a CPU or ready for one.",
			Get: func(r Row) Value { return stateValue(rowState(r), State.Word) },
		},
		{
			ID: "leader_state", Title: "LS", Kind: KindString, Scope: ScopeLeader, Width: 2, Left: true,
			Sources: []string{"stat:3"}, Doc: "State letter of the main thread alone.",
			Get: ofProcess(KindString, func(r Row) Value { return stateValue(r.Process.LeaderState, State.Letter) }),
		},
		{
			ID: "thread_states", Title: "STATES", Kind: KindString, Scope: ScopeProcessLive, Want: WantThreads, Width: 8, Left: true,
			Sources: []string{"task/*/stat:3"}, Doc: "How many threads are in which state, as in \"2R 3S\".",
			Get: ofProcess(KindString, threadStates),
		},
		{
			ID: "threads", Title: "THR", Unit: UnitCount, Kind: KindInt, Scope: ScopeProcessLive, Width: 5, Desc: true,
			Sources: []string{"stat:20", "status:Threads"}, Doc: "Number of living threads.",
			Get: procInt(func(p *Process) Known[int] { return p.ThreadCount }),
		},
		{
			ID: "exited_threads", Title: "EXITED", Unit: UnitCount, Kind: KindInt, Scope: ScopeProcess, Want: WantThreads, Width: 6, Desc: true,
			Sources: []string{"task/*"}, Doc: "Threads that were seen alive and have exited since.",
			Get: ofProcess(KindInt, func(r Row) Value {
				return Value{Kind: KindInt, Why: r.Process.ThreadsWhy, I: int64(r.Process.Exited.Threads)}
			}),
		},
		{
			ID: "partial", Title: "STALE", Kind: KindBool, Scope: ScopeProcess, Width: 5,
			Sources: []string{"any"}, Doc: "Whether an earlier value is shown for a file the kernel does not let us read now.",
			Get: ofProcess(KindBool, func(r Row) Value { return Value{Kind: KindBool, Why: OK, B: r.Process.Partial} }),
		},
		{
			ID: "stuck_files", Title: "STUCK", Kind: KindStrings, Scope: ScopeProcess, Width: 10, Left: true,
			Sources: []string{"any"}, Doc: "Files of this process whose read is blocked in the kernel right now.",
			Get: ofProcess(KindStrings, func(r Row) Value {
				return Value{Kind: KindStrings, Why: OK, L: r.Process.StuckFiles}
			}),
		},
	}
}

func rowState(r Row) State {
	if r.Thread != nil {
		return r.Thread.State
	}
	return r.Process.State
}

func stateValue(s State, f func(State) string) Value {
	if s == 0 {
		return Value{Kind: KindString}
	}
	return text(f(s))
}

// exited: the task will never run again.
func (s State) exited() bool { return s == 'Z' || s == 'X' || s == 'x' }

// Letter is the state as the kernel writes it.
func (s State) Letter() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	switch {
	case s >= 'A' && s <= 'Z':
		return letters[s-'A' : s-'A'+1]
	case s == 't':
		return "t"
	case s == 'x':
		return "x"
	}
	return "?"
}

// Word is the state in words.
func (s State) Word() string {
	switch s {
	case 'R':
		return "running"
	case 'S':
		return "sleeping"
	case 'D':
		return "disk sleep"
	case 'T':
		return "stopped"
	case 't':
		return "traced"
	case 'Z':
		return "zombie"
	case 'X', 'x':
		return "dead"
	case 'I':
		return "idle"
	case 'P':
		return "parked"
	}
	return "unknown"
}

// stateOrder lists the letters from the most to the least active: the state of
// a process is the first of them that one of its threads has.
const stateOrder = "RDtTSPIXxZ"

func stateRank(s State) int {
	for i := 0; i < len(stateOrder); i++ {
		if State(stateOrder[i]) == s {
			return i
		}
	}
	return len(stateOrder)
}

// deriveState gives the state of a process from its threads: any R gives R,
// else any D gives D, and so on; a zombie leader with living threads is not
// dead. Stopped and traced come before sleeping because they concern the whole
// process.
func deriveState(leader State, threads []Thread) State {
	best := State(0)
	for i := range threads {
		if s := threads[i].State; best == 0 || stateRank(s) < stateRank(best) {
			best = s
		}
	}
	if best == 0 {
		return leader
	}
	return best
}

func threadStates(r Row) Value {
	p := r.Process
	if p.Threads == nil {
		return Value{Kind: KindString, Why: p.ThreadsWhy}
	}
	var counts [len(stateOrder) + 1]int
	for i := range p.Threads {
		counts[stateRank(p.Threads[i].State)]++
	}
	buf := make([]byte, 0, 16)
	for i, n := range counts {
		if n == 0 {
			continue
		}
		if len(buf) > 0 {
			buf = append(buf, ' ')
		}
		buf = strconv.AppendInt(buf, int64(n), 10)
		if i < len(stateOrder) {
			buf = append(buf, stateOrder[i])
		} else {
			buf = append(buf, '?')
		}
	}
	return text(string(buf))
}
