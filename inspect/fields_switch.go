package inspect

import "slices"

func switchFields() []Field {
	return slices.Concat(switchTotalFields(), switchRateFields())
}

func switchTotalFields() []Field {
	return []Field{
		{
			ID: "voluntary_switches", Title: "VCTX", Unit: UnitCount, Kind: KindUint, Scope: ScopeProcess, Thread: true,
			Want: WantThreads | WantTotals, Width: 9, Desc: true, Sources: []string{"task/*/status:voluntary_ctxt_switches", "taskstats:nvcsw", "BPF:signal_struct.nvcsw"},
			Doc: "Context switches because it blocked; of a process over all threads, those that exited included where the kernel tells (see switches_scope).",
			Get: bothUint(func(p *Process) Known[uint64] { return allThreads(p, p.Switches.Voluntary) },
				func(t *Thread) Known[uint64] { return t.Voluntary }),
		},
		{
			ID: "involuntary_switches", Title: "ICTX", Unit: UnitCount, Kind: KindUint, Scope: ScopeProcess, Thread: true,
			Want: WantThreads | WantTotals, Width: 9, Desc: true, Sources: []string{"task/*/status:nonvoluntary_ctxt_switches", "taskstats:nivcsw", "BPF:signal_struct.nivcsw"},
			Doc: "Context switches because the scheduler took the CPU away; of a process over all threads, those that exited included where the kernel tells (see switches_scope).",
			Get: bothUint(func(p *Process) Known[uint64] { return allThreads(p, p.Switches.Involuntary) },
				func(t *Thread) Known[uint64] { return t.Involuntary }),
		},
		{
			ID: "switches_scope", Title: "CTXSCOPE", Kind: KindString, Scope: ScopeProcess, Want: WantThreads, Width: 12, Left: true,
			Sources: []string{"task/*/status"},
			Doc:     "What the switch totals cover: process (exited threads included) or process_live (living threads only).",
			Get: ofProcess(KindString, func(r Row) Value {
				if r.Process.Switches.Scope == "" {
					return Value{Kind: KindString, Why: r.Process.Switches.Voluntary.Why}
				}
				return text(string(r.Process.Switches.Scope))
			}),
		},
		{
			ID: "switches_exact", Title: "CTXEXACT", Kind: KindBool, Scope: ScopeProcess, Want: WantThreads | WantTotals, Width: 8,
			Sources: []string{"taskstats", "BPF:signal_struct"},
			Doc:     "Whether the kernel itself counted the exited threads too; otherwise the totals are a floor.",
			Get: ofProcess(KindBool, func(r Row) Value {
				return Value{Kind: KindBool, Why: r.Process.Switches.Voluntary.Why, B: r.Process.Switches.Exact}
			}),
		},
	}
}

func switchRateFields() []Field {
	return []Field{
		{
			ID: "exited_voluntary_switches", Title: "XVCTX", Unit: UnitCount, Kind: KindUint, Scope: ScopeProcess,
			Want: WantThreads, Width: 9, Desc: true, Sources: []string{"task/*/status:voluntary_ctxt_switches"},
			Doc: "Voluntary switches of threads that have exited, as last seen: a floor, contained in voluntary_switches.",
			Get: ofProcess(KindUint, func(r Row) Value {
				return Value{Kind: KindUint, Why: r.Process.ThreadsWhy, U: r.Process.Exited.Voluntary}
			}),
		},
		{
			ID: "exited_involuntary_switches", Title: "XICTX", Unit: UnitCount, Kind: KindUint, Scope: ScopeProcess,
			Want: WantThreads, Width: 9, Desc: true, Sources: []string{"task/*/status:nonvoluntary_ctxt_switches"},
			Doc: "Involuntary switches of threads that have exited, as last seen: a floor, contained in involuntary_switches.",
			Get: ofProcess(KindUint, func(r Row) Value {
				return Value{Kind: KindUint, Why: r.Process.ThreadsWhy, U: r.Process.Exited.Involuntary}
			}),
		},
		{
			ID: "voluntary_switches_per_second", Title: "VCTX/s", Unit: UnitPerSec, Kind: KindFloat, Scope: ScopeProcess, Thread: true,
			Want: WantThreads | WantTotals, Rate: true, Width: 8, Desc: true, Sources: []string{"task/*/status:voluntary_ctxt_switches"},
			Doc: "Voluntary context switches per second.",
			Get: bothRate(func(d *Delta) Known[float64] { return d.VoluntaryRate }, func(d *ThreadDelta) Known[float64] { return d.VoluntaryRate }),
		},
		{
			ID: "involuntary_switches_per_second", Title: "ICTX/s", Unit: UnitPerSec, Kind: KindFloat, Scope: ScopeProcess, Thread: true,
			Want: WantThreads | WantTotals, Rate: true, Width: 8, Desc: true, Sources: []string{"task/*/status:nonvoluntary_ctxt_switches"},
			Doc: "Involuntary context switches per second.",
			Get: bothRate(func(d *Delta) Known[float64] { return d.InvoluntaryRate }, func(d *ThreadDelta) Known[float64] { return d.InvoluntaryRate }),
		},
	}
}
