package main

import (
	"taskscope/inspect"
)

// shown is what `show` has read about one process.
type shown struct {
	changes  *inspect.Changes
	row      inspect.Row
	detail   *inspect.Detail
	leader   *inspect.Thread // nil when the threads are not known
	parent   inspect.Known[string]
	children []int // never nil
	trace    *showTracer
}

// pcbGroup is one of the nine groups of a process control block.
type pcbGroup struct {
	name, title string
	items       []item
}

// pcb gives the nine groups of the process control block, in the order of the
// textbooks.
func (s *shown) pcb() []pcbGroup {
	return []pcbGroup{
		{"identity", "Identity", fieldItems(s.row, "pid", "start_ticks", "start_time", "comm", "exe", "pgid", "session", "tty",
			"namespace_pids", "kernel_thread")},
		{"state", "State", fieldItems(s.row, "state", "state_derived", "leader_state", "thread_states", "threads")},
		{"program_counter", "Program counter", s.programCounter()},
		{"scheduling", "Scheduling", append(fieldItems(s.row, "policy", "priority", "nice", "rt_priority", "cpu_last", "cpus_allowed"),
			textItem("autogroup", s.detail.Autogroup))},
		{"credentials", "Credentials", s.credentials()},
		{"family", "Parent and children", append(fieldItems(s.row, "ppid"), textItem("parent_comm", s.parent),
			item{key: "children", pids: s.children}, fieldItems(s.row, "tracer_pid")[0])},
		{"memory", "Pointers to code and data", s.pointers()},
		{"resources", "Resources held", append(fieldItems(s.row, "rss_bytes", "pss_bytes", "swap_bytes", "fds", "read_bytes", "write_bytes", "cgroup"),
			textItem("cwd", s.detail.Cwd), textItem("root", s.detail.Root),
			intItem("oom_score", s.detail.OOMScore), intItem("oom_score_adj", s.detail.OOMAdj))},
		{"context", "Execution context", s.context()},
	}
}

// notThread is why a fact of the main thread is missing.
func (s *shown) notThread() inspect.Why {
	if s.row.Process.ThreadsWhy != inspect.OK {
		return s.row.Process.ThreadsWhy
	}
	return inspect.Gone
}

func (s *shown) programCounter() []item {
	pc, sp, stack := inspect.Unknown[uint64](s.notThread()), inspect.Unknown[uint64](s.notThread()), inspect.Unknown[uint64](s.notThread())
	if s.leader != nil {
		pc, sp, stack = s.leader.PC, s.leader.SP, s.leader.StackStart
	}
	return []item{hexItem("program_counter", pc), hexItem("stack_pointer", sp), hexItem("stack_segment", stack)}
}

func (s *shown) credentials() []item {
	p, d := s.row.Process, s.detail
	out := fieldItems(s.row, "user")
	for i, kind := range []string{"real", "effective", "saved", "filesystem"} {
		out = append(out, uintItem(kind+"_uid", inspect.Known[uint32]{V: d.UIDs.V[i], Why: d.UIDs.Why}))
	}
	for i, kind := range []string{"real", "effective", "saved", "filesystem"} {
		out = append(out, uintItem(kind+"_gid", inspect.Known[uint32]{V: d.GIDs.V[i], Why: d.GIDs.Why}))
	}
	groups := item{key: "groups", value: inspect.Value{Kind: inspect.KindStrings, Why: d.Groups.Why}}
	if d.Groups.OK() {
		groups.pids = make([]int, len(d.Groups.V))
		for i, g := range d.Groups.V {
			groups.pids[i] = int(g)
		}
	}
	return append(out, groups, hexItem("capabilities_effective", p.CapEff), intItem("seccomp", p.Seccomp), boolItem("no_new_privs", p.NoNewPrivs))
}

func (s *shown) pointers() []item {
	p := s.row.Process
	return append(fieldItems(s.row, "vsize_bytes", "text_bytes", "data_bytes", "stack_bytes", "page_table_bytes"),
		hexItem("code_start", p.StartCode), hexItem("code_end", p.EndCode),
		hexItem("data_start", p.StartData), hexItem("data_end", p.EndData),
		hexItem("heap_start", p.StartBrk), hexItem("main_stack_start", p.StartStack))
}

func (s *shown) context() []item {
	p := s.row.Process
	out := fieldItems(s.row, "cpu_time_ns", "user_ns", "system_ns", "run_ns", "ready_ns", "voluntary_switches", "involuntary_switches",
		"minor_faults", "major_faults")
	return append(out,
		textItem("syscall", s.detail.Syscall.Syscall), textItem("wchan", s.detail.Syscall.WChan),
		hexItem("signals_pending", p.SigPnd), hexItem("signals_pending_process", p.ShdPnd),
		hexItem("signals_blocked", p.SigBlk), hexItem("signals_ignored", p.SigIgn), hexItem("signals_caught", p.SigCgt))
}
