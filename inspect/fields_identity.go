package inspect

import (
	"slices"
	"strconv"
)

func identityFields() []Field {
	return slices.Concat(nameFields(), programFields(), ownerFields(), relationFields(), placeFields())
}

func nameFields() []Field {
	return []Field{
		{
			ID: "pid", Title: "PID", Kind: KindInt, Scope: ScopeProcess, Thread: true, Width: 7,
			Sources: []string{"/proc"}, Doc: "Process ID.",
			Get: func(r Row) Value { return Value{Kind: KindInt, Why: OK, I: int64(r.Process.ID.PID)} },
		},
		{
			ID: "tid", Title: "TID", Kind: KindInt, Scope: ScopeThread, Thread: true, Width: 7,
			Sources: []string{"task"}, Doc: "Thread ID; of the main thread it equals the PID, which is what a process row shows.",
			Get: func(r Row) Value {
				if r.Thread != nil {
					return Value{Kind: KindInt, Why: OK, I: int64(r.Thread.ID.TID)}
				}
				return Value{Kind: KindInt, Why: OK, I: int64(r.Process.ID.PID)}
			},
		},
		{
			ID: "ppid", Title: "PPID", Kind: KindInt, Scope: ScopeProcess, Width: 7,
			Sources: []string{"stat:4", "status:PPid"},
			Doc:     "Process ID of the parent; 0 when there is none or it lives outside this PID namespace.",
			Get:     procInt(func(p *Process) Known[int] { return p.PPID }),
		},
		{
			ID: "start_ticks", Title: "START(T)", Unit: UnitTicks, Kind: KindUint, Scope: ScopeProcess, Thread: true, Width: 10,
			Sources: []string{"stat:22"}, Doc: "Start in clock ticks (10 ms) since boot; with the PID it identifies the process for ever.",
			Get: func(r Row) Value { return uintValue(startTicks(r)) },
		},
		{
			ID: "start_time", Title: "START", Kind: KindTime, Scope: ScopeProcess, Thread: true, Width: 8, Desc: true,
			Sources: []string{"stat:22"}, Doc: "Wall-clock time of the start.",
			Get: func(r Row) Value { return startTime(r.Snapshot, startTicks(r)) },
		},
		{
			ID: "comm", Title: "COMM", Kind: KindString, Scope: ScopeLeader, Thread: true, Width: 15, Left: true,
			Sources: []string{"stat:2", "comm"}, Doc: "Name of the task as the kernel keeps it, at most 15 bytes for user tasks.",
			Get: func(r Row) Value {
				if r.Thread != nil {
					return text(r.Thread.Comm)
				}
				return text(r.Process.Comm)
			},
		},
	}
}

func programFields() []Field {
	return []Field{
		{
			ID: "cmdline", Title: "COMMAND", Kind: KindStrings, Scope: ScopeProcess, Want: WantCmdline, Width: 30, Left: true,
			Sources: []string{"cmdline"}, Doc: "Arguments the program was started with, or what it wrote over them.",
			Get: ofProcess(KindStrings, func(r Row) Value {
				return Value{Kind: KindStrings, Why: r.Process.Cmdline.Why, L: r.Process.Cmdline.V}
			}),
		},
		{
			ID: "exe", Title: "EXE", Kind: KindString, Scope: ScopeProcess, Want: WantExe, Width: 30, Left: true,
			Sources: []string{"exe"}, Doc: "Path of the program file, with the kernel's (deleted) mark where it has one.",
			Get: ofProcess(KindString, func(r Row) Value { return stringValue(r.Process.Exe) }),
		},
	}
}

func ownerFields() []Field {
	return []Field{
		{
			ID: "uid", Title: "UID", Kind: KindUint, Scope: ScopeLeader, Thread: true, Want: WantStatus, Width: 6,
			Sources: []string{"status:Uid"}, Doc: "Real user ID.",
			Get: func(r Row) Value {
				if r.Thread != nil {
					return idValue(r.Thread.UID)
				}
				return idValue(r.Process.UID)
			},
		},
		{
			ID: "euid", Title: "EUID", Kind: KindUint, Scope: ScopeLeader, Want: WantStatus, Width: 6,
			Sources: []string{"status:Uid"}, Doc: "Effective user ID.",
			Get: ofProcess(KindUint, func(r Row) Value { return idValue(r.Process.EUID) }),
		},
		{
			ID: "gid", Title: "GID", Kind: KindUint, Scope: ScopeLeader, Want: WantStatus, Width: 6,
			Sources: []string{"status:Gid"}, Doc: "Real group ID.",
			Get: ofProcess(KindUint, func(r Row) Value { return idValue(r.Process.GID) }),
		},
		{
			ID: "user", Title: "USER", Kind: KindString, Scope: ScopeLeader, Thread: true, Want: WantStatus, Width: 9, Left: true,
			Sources: []string{"status:Uid", "/etc/passwd"}, Doc: "Name of the real user, its number when it has no name.",
			Get: userOf,
		},
	}
}

func relationFields() []Field {
	return []Field{
		{
			ID: "pgid", Title: "PGID", Kind: KindInt, Scope: ScopeProcess, Width: 7,
			Sources: []string{"stat:5"}, Doc: "Process group ID.",
			Get: procInt(func(p *Process) Known[int] { return p.PGID }),
		},
		{
			ID: "session", Title: "SID", Kind: KindInt, Scope: ScopeProcess, Width: 7,
			Sources: []string{"stat:6"}, Doc: "Session ID.",
			Get: procInt(func(p *Process) Known[int] { return p.Session }),
		},
		{
			ID: "tty", Title: "TTY", Kind: KindString, Scope: ScopeProcess, Want: WantStatRest, Width: 8, Left: true,
			Sources: []string{"stat:7"}, Doc: "Controlling terminal, \"?\" for none.",
			Get: ofProcess(KindString, func(r Row) Value { return ttyValue(r.Process.TTY) }),
		},
		{
			ID: "children", Title: "CHILDREN", Kind: KindStrings, Scope: ScopeProcess, Width: 8, Left: true,
			Sources: []string{"stat:4"}, Doc: "Process IDs of the children, from the parent IDs of all processes.",
			Get: ofProcess(KindStrings, childrenOf),
		},
	}
}

func placeFields() []Field {
	return []Field{
		{
			ID: "cgroup", Title: "CGROUP", Kind: KindString, Scope: ScopeLeader, Want: WantCgroup, Width: 24, Left: true,
			Sources: []string{"cgroup"}, Doc: "Path in the version 2 control group tree, else of the first version 1 tree.",
			Get: ofProcess(KindString, func(r Row) Value { return stringValue(r.Process.Cgroup) }),
		},
		{
			ID: "kernel_thread", Title: "KTHREAD", Kind: KindBool, Scope: ScopeProcess, Width: 7,
			Sources: []string{"status:Kthread", "stat:9"}, Doc: "Whether it is a thread of the kernel, without memory of its own.",
			Get: ofProcess(KindBool, func(r Row) Value { return boolValue(r.Process.Kernel) }),
		},
		{
			ID: "tracer_pid", Title: "TRACER", Kind: KindInt, Scope: ScopeLeader, Want: WantStatus | WantStatusRest, Width: 7,
			Sources: []string{"status:TracerPid"}, Doc: "Process that traces this one, 0 for none.",
			Get: procInt(func(p *Process) Known[int] { return p.TracerPID }),
		},
		{
			ID: "namespace_pids", Title: "NSPIDS", Kind: KindStrings, Scope: ScopeLeader, Want: WantStatus | WantStatusRest, Width: 14, Left: true,
			Sources: []string{"status:NSpid"}, Doc: "Its process ID in each PID namespace, outermost first.",
			Get: ofProcess(KindStrings, namespacePIDs),
		},
	}
}

// startTicks is the start time of the row's task. The identity has none when
// stat, which supplies it, could not be read.
func startTicks(r Row) Known[uint64] {
	start, why := r.Process.ID.Start, r.Process.PGID.Why
	if r.Thread != nil {
		start, why = r.Thread.ID.Start, r.Thread.Nice.Why
	}
	if start == 0 && why != OK {
		return Unknown[uint64](why)
	}
	return Know(start)
}

func userOf(r Row) Value {
	p := r.Process
	uid := p.UID
	if r.Thread != nil {
		uid = r.Thread.UID
	}
	switch {
	case !uid.OK():
		return Value{Kind: KindString, Why: uid.Why}
	case p.User != "" && p.UID == uid:
		return text(p.User)
	}
	return text(strconv.FormatUint(uint64(uid.V), 10))
}

func childrenOf(r Row) Value {
	if r.Snapshot == nil {
		return Value{Kind: KindStrings}
	}
	pids := r.Snapshot.Children(r.Process.ID.PID)
	l := make([]string, len(pids))
	for i, pid := range pids {
		l[i] = strconv.Itoa(pid)
	}
	return Value{Kind: KindStrings, Why: OK, L: l}
}

func namespacePIDs(r Row) Value {
	if len(r.Process.NSPIDs) == 0 {
		return Value{Kind: KindStrings, Why: r.Process.UID.missing()}
	}
	l := make([]string, len(r.Process.NSPIDs))
	for i, pid := range r.Process.NSPIDs {
		l[i] = strconv.Itoa(pid)
	}
	return Value{Kind: KindStrings, Why: OK, L: l}
}

// missing is the reason for a value that should have come from the same file
// as k: k's own reason, or NotSupported when k is known.
func (k Known[T]) missing() Why {
	if k.Why == OK {
		return NotSupported
	}
	return k.Why
}

// Children are the PIDs of the processes whose parent is pid, ascending.
func (s *Snapshot) Children(pid int) []int {
	var out []int
	for _, p := range s.Processes {
		if p.PPID.OK() && p.PPID.V == pid && p.ID.PID != pid {
			out = append(out, p.ID.PID)
		}
	}
	return slices.Clip(out)
}

// ttyValue names a terminal from its device number (major 136…143: pts,
// major 4: virtual console or serial line).
func ttyValue(k Known[int]) Value {
	if !k.OK() {
		return Value{Kind: KindString, Why: k.Why}
	}
	dev := uint32(k.V)
	major, minor := dev>>8&0xfff, dev&0xff|dev>>12&0xfff00
	switch {
	case dev == 0:
		return text("?")
	case major >= 136 && major <= 143:
		return text("pts/" + strconv.FormatUint(uint64((major-136)*256+minor), 10))
	case major == 4 && minor < 64:
		return text("tty" + strconv.FormatUint(uint64(minor), 10))
	case major == 4:
		return text("ttyS" + strconv.FormatUint(uint64(minor-64), 10))
	}
	return text(strconv.FormatUint(uint64(major), 10) + ":" + strconv.FormatUint(uint64(minor), 10))
}
