package inspect

import "slices"

func timeFields() []Field {
	return slices.Concat(cpuFields(), shareFields())
}

func cpuFields() []Field {
	return []Field{
		{
			ID: "cpu_time_ns", Title: "TIME", Unit: UnitNS, Kind: KindUint, Scope: ScopeProcess, Thread: true, Want: WantCPUClock,
			Width: 9, Desc: true, Sources: []string{"clock_gettime(process CPU clock)", "stat:14+15", "task/*/schedstat:1"},
			Doc: "CPU time used so far; of a process by all its threads, exited ones included.",
			Get: bothUint(func(p *Process) Known[uint64] { return p.CPUTimeNS }, threadCPU),
		},
		{
			ID: "cpu_percent", Title: "CPU%", Unit: UnitPercent, Kind: KindFloat, Scope: ScopeProcess, Thread: true, Want: WantCPUClock,
			Rate: true, Width: 6, Desc: true, Sources: []string{"clock_gettime(process CPU clock)", "stat:14+15", "task/*/schedstat:1"},
			Doc: "CPU time per wall time, of one CPU: two busy threads give 200.",
			Get: bothRate(func(d *Delta) Known[float64] { return d.CPUPercent }, func(d *ThreadDelta) Known[float64] { return d.CPUPercent }),
		},
		{
			ID: "user_ns", Title: "USR-T", Unit: UnitNS, Kind: KindUint, Scope: ScopeProcess, Thread: true, Width: 9, Desc: true,
			Sources: []string{"stat:14"}, Doc: "CPU time in user mode, in whole ticks of 10 ms.",
			Get: bothUint(func(p *Process) Known[uint64] { return p.UserNS }, func(t *Thread) Known[uint64] { return t.UserNS }),
		},
		{
			ID: "system_ns", Title: "SYS-T", Unit: UnitNS, Kind: KindUint, Scope: ScopeProcess, Thread: true, Width: 9, Desc: true,
			Sources: []string{"stat:15"}, Doc: "CPU time in the kernel, in whole ticks of 10 ms.",
			Get: bothUint(func(p *Process) Known[uint64] { return p.SystemNS }, func(t *Thread) Known[uint64] { return t.SystemNS }),
		},
		{
			ID: "user_percent", Title: "USR%", Unit: UnitPercent, Kind: KindFloat, Scope: ScopeProcess, Rate: true, Width: 6, Desc: true,
			Sources: []string{"stat:14"}, Doc: "Share of one CPU in user mode, in steps of a tick.",
			Get: procRate(func(d *Delta) Known[float64] { return d.UserPercent }),
		},
		{
			ID: "system_percent", Title: "SYS%", Unit: UnitPercent, Kind: KindFloat, Scope: ScopeProcess, Rate: true, Width: 6, Desc: true,
			Sources: []string{"stat:15"}, Doc: "Share of one CPU in the kernel, in steps of a tick.",
			Get: procRate(func(d *Delta) Known[float64] { return d.SystemPercent }),
		},
	}
}

func shareFields() []Field {
	return []Field{
		{
			ID: "run_ns", Title: "RUN", Unit: UnitNS, Kind: KindUint, Scope: ScopeProcess, Thread: true, Want: WantThreads | WantSchedstat,
			Width: 9, Desc: true, Sources: []string{"task/*/schedstat:1"},
			Doc: "Time spent on a CPU; of a process the sum over the living threads and those seen to exit.",
			Get: bothUint(func(p *Process) Known[uint64] { return allThreads(p, p.RunNS) }, func(t *Thread) Known[uint64] { return t.RunNS }),
		},
		{
			ID: "ready_ns", Title: "READY", Unit: UnitNS, Kind: KindUint, Scope: ScopeProcess, Thread: true, Want: WantThreads | WantSchedstat,
			Width: 9, Desc: true, Sources: []string{"task/*/schedstat:2"},
			Doc: "Time spent ready to run and waiting for a CPU; the kernel books a wait when it ends.",
			Get: bothUint(func(p *Process) Known[uint64] { return allThreads(p, p.ReadyNS) }, func(t *Thread) Known[uint64] { return t.ReadyNS }),
		},
		{
			ID: "timeslices", Title: "SLICES", Unit: UnitCount, Kind: KindUint, Scope: ScopeProcess, Thread: true, Want: WantThreads | WantSchedstat,
			Width: 8, Desc: true, Sources: []string{"task/*/schedstat:3"}, Doc: "How many times it was given a CPU.",
			Get: bothUint(func(p *Process) Known[uint64] { return allThreads(p, p.Slices) }, func(t *Thread) Known[uint64] { return t.Slices }),
		},
		{
			ID: "running_percent", Title: "RUN%", Unit: UnitPercent, Kind: KindFloat, Scope: ScopeProcessLive, Thread: true,
			Want: WantThreads | WantSchedstat, Rate: true, Width: 6, Desc: true, Sources: []string{"task/*/schedstat:1"},
			Doc: "Share of wall time on a CPU; of a process the sum over its threads.",
			Get: bothRate(func(d *Delta) Known[float64] { return d.RunningPercent }, func(d *ThreadDelta) Known[float64] { return d.RunningPercent }),
		},
		{
			ID: "ready_percent", Title: "RDY%", Unit: UnitPercent, Kind: KindFloat, Scope: ScopeProcessLive, Thread: true,
			Want: WantThreads | WantSchedstat, Rate: true, Width: 6, Desc: true, Sources: []string{"task/*/schedstat:2"},
			Doc: "Share of wall time ready and waiting for a CPU, a wait still going on included.",
			Get: bothRate(func(d *Delta) Known[float64] { return d.ReadyPercent }, func(d *ThreadDelta) Known[float64] { return d.ReadyPercent }),
		},
		{
			ID: "blocked_percent", Title: "BLK%", Unit: UnitPercent, Kind: KindFloat, Scope: ScopeProcessLive, Thread: true,
			Want: WantThreads | WantSchedstat, Rate: true, Width: 6, Desc: true, Sources: []string{"task/*/schedstat"},
			Doc: "Share of wall time neither running nor ready; of a process the sum over its threads.",
			Get: bothRate(func(d *Delta) Known[float64] { return d.BlockedPercent }, func(d *ThreadDelta) Known[float64] { return d.BlockedPercent }),
		},
	}
}

// threadCPU is the CPU time of one thread: schedstat in ns, else ticks.
func threadCPU(t *Thread) Known[uint64] {
	if t.RunNS.OK() {
		return t.RunNS
	}
	if t.UserNS.OK() && t.SystemNS.OK() {
		return Know(t.UserNS.V + t.SystemNS.V)
	}
	return t.RunNS
}
