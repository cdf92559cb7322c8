package inspect

func schedulingFields() []Field {
	return []Field{
		{
			ID: "nice", Title: "NI", Kind: KindInt, Scope: ScopeLeader, Thread: true, Width: 3,
			Sources: []string{"stat:19"}, Doc: "Nice value, -20 (favoured) to 19. Of a thread at rest on the screen, source proc sees within 4 s (16 s in a crowd) that others changed it.",
			Get: bothInt(func(p *Process) Known[int] { return p.Nice }, func(t *Thread) Known[int] { return t.Nice }),
		},
		{
			ID: "priority", Title: "PRI", Kind: KindInt, Scope: ScopeLeader, Thread: true, Width: 4,
			Sources: []string{"stat:18"}, Doc: "Priority as the kernel encodes it: 20 + nice, or below zero for real-time policies.",
			Get: bothInt(func(p *Process) Known[int] { return p.Priority }, func(t *Thread) Known[int] { return t.Priority }),
		},
		{
			ID: "rt_priority", Title: "RT", Kind: KindInt, Scope: ScopeLeader, Thread: true, Width: 3, Desc: true,
			Sources: []string{"stat:40"}, Doc: "Real-time priority 1 to 99, 0 for the other policies.",
			Get: bothInt(func(p *Process) Known[int] { return p.RTPriority }, func(t *Thread) Known[int] { return t.RTPriority }),
		},
		{
			ID: "policy", Title: "POLICY", Kind: KindString, Scope: ScopeLeader, Thread: true, Width: 8, Left: true,
			Sources: []string{"stat:41"}, Doc: "Scheduling policy.",
			Get: func(r Row) Value {
				if r.Thread != nil {
					return policyValue(r.Thread.Policy)
				}
				return policyValue(r.Process.Policy)
			},
		},
		{
			ID: "cpu_last", Title: "CPU#", Kind: KindInt, Scope: ScopeLeader, Thread: true, Width: 4,
			Sources: []string{"stat:39"}, Doc: "CPU it ran on last.",
			Get: bothInt(func(p *Process) Known[int] { return p.CPULast }, func(t *Thread) Known[int] { return t.CPULast }),
		},
		{
			ID: "cpus_allowed", Title: "AFFINITY", Kind: KindString, Scope: ScopeLeader, Thread: true, Want: WantStatus | WantStatusRest, Width: 8, Left: true,
			Sources: []string{"status:Cpus_allowed_list"}, Doc: "CPUs it may run on.",
			Get: func(r Row) Value {
				if r.Thread != nil {
					return stringValue(r.Thread.CPUsAllowed)
				}
				return stringValue(r.Process.CPUsAllowed)
			},
		},
		{
			ID: "migrations", Title: "MIGR", Unit: UnitCount, Kind: KindUint, Scope: ScopeProcessLive, Thread: true, Want: WantThreads,
			Rate: true, Width: 5, Desc: true, Sources: []string{"task/*/stat:39", "BPF:sched_migrate_task"},
			Doc: "Moves between CPUs: threads whose last CPU changed since the previous sample, a floor. show --for counts every move where the scheduler may be traced.",
			Get: migrationsOf,
		},
		{
			ID: "parallelism", Title: "PAR", Kind: KindFloat, Scope: ScopeProcessLive, Want: WantThreads | WantSchedstat,
			Rate: true, Width: 5, Desc: true, Sources: []string{"task/*/schedstat:1"},
			Doc: "Mean number of its threads that were running at the same instant.",
			Get: procRate(func(d *Delta) Known[float64] { return d.Parallelism }),
		},
	}
}

func migrationsOf(r Row) Value {
	switch {
	case r.Thread != nil && r.ThreadDelta != nil:
		return uintValue(r.ThreadDelta.Migrations)
	case r.Thread == nil && r.Delta != nil:
		return uintValue(r.Delta.Migrations)
	}
	return Value{Kind: KindUint, Why: NeedsTwoSamples}
}

// policyNames are the names of the kernel's SCHED_* numbers.
var policyNames = [...]string{"other", "fifo", "rr", "batch", "4", "idle", "deadline", "ext"}

func policyValue(k Known[int]) Value {
	switch {
	case !k.OK():
		return Value{Kind: KindString, Why: k.Why}
	case k.V < 0 || k.V >= len(policyNames):
		return text("unknown")
	}
	return text(policyNames[k.V])
}
