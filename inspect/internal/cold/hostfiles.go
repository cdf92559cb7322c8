package cold

import (
	"fmt"
	"time"
)

// HostStat are the counters of /proc/stat that are no CPU times.
type HostStat struct {
	ContextSwitches uint64    // ctxt: since boot, all CPUs
	Forks           uint64    // processes: tasks created since boot, threads included
	Running         uint64    // procs_running: tasks ready or running right now
	Blocked         uint64    // procs_blocked: tasks that wait for disk right now
	BootTime        time.Time // btime, whole seconds
}

// HostStat reads stat.
func (f FS) HostStat() (HostStat, error) {
	s, err := f.fs.Stat()
	if err != nil {
		return HostStat{}, f.classify("stat", 0, err)
	}
	// On a running kernel none of the three can be 0: their lines were missing.
	if s.ContextSwitches == 0 || s.ProcessCreated == 0 || s.BootTime == 0 {
		return HostStat{}, fmt.Errorf("%w: stat: ctxt, processes or btime missing", ErrMalformed)
	}
	return HostStat{
		ContextSwitches: s.ContextSwitches, Forks: s.ProcessCreated,
		Running: s.ProcessesRunning, Blocked: s.ProcessesBlocked,
		BootTime: time.Unix(int64(s.BootTime), 0),
	}, nil
}

// Bytes is an amount of memory, if the kernel gives it.
type Bytes struct {
	V     uint64
	Known bool
}

// Memory is /proc/meminfo, in bytes.
type Memory struct {
	Total, Free, Available, Buffers Bytes
	Cached                          Bytes // without SReclaimable
	SReclaimable                    Bytes // caches of the kernel that it can give up
	Shmem                           Bytes
	SwapTotal, SwapFree, SwapCached Bytes
	Dirty, Writeback                Bytes
	Hugetlb                         Bytes // set aside for huge pages
}

// Memory reads meminfo.
func (f FS) Memory() (Memory, error) {
	m, err := f.fs.Meminfo()
	if err != nil {
		return Memory{}, f.classify("meminfo", 0, err)
	}
	return Memory{
		Total: bytes(m.MemTotalBytes), Free: bytes(m.MemFreeBytes), Available: bytes(m.MemAvailableBytes),
		Buffers: bytes(m.BuffersBytes), Cached: bytes(m.CachedBytes), SReclaimable: bytes(m.SReclaimableBytes),
		Shmem: bytes(m.ShmemBytes), SwapTotal: bytes(m.SwapTotalBytes), SwapFree: bytes(m.SwapFreeBytes),
		SwapCached: bytes(m.SwapCachedBytes), Dirty: bytes(m.DirtyBytes), Writeback: bytes(m.WritebackBytes),
		Hugetlb: bytes(m.HugetlbBytes),
	}, nil
}

func bytes(p *uint64) Bytes {
	if p == nil {
		return Bytes{}
	}
	return Bytes{V: *p, Known: true}
}

// PressureLine is the share of time in which tasks had to wait for a resource.
type PressureLine struct {
	Avg10, Avg60, Avg300 float64       // percent, over so many seconds
	Total                time.Duration // since boot
}

// Pressure is one file of /proc/pressure.
type Pressure struct {
	Some PressureLine // at least one task waits
	// Full: all tasks that are not idle wait. Meaningless (always 0) for cpu
	// at host level.
	Full    PressureLine
	HasFull bool
}

// Pressure reads pressure/resource: "cpu", "memory", "io", or "irq" (which many
// kernels lack). ErrAbsent: the kernel has none, or it is switched off.
func (f FS) Pressure(resource string) (Pressure, error) {
	what := "pressure/" + resource
	s, err := f.fs.PSIStatsForResource(resource)
	if err != nil {
		return Pressure{}, f.classify(what, 0, err)
	}
	var p Pressure
	if s.Some != nil {
		p.Some = PressureLine{s.Some.Avg10, s.Some.Avg60, s.Some.Avg300, time.Duration(s.Some.Total) * time.Microsecond}
	} else if s.Full == nil || resource != "irq" { // irq has only the line "full"
		return Pressure{}, fmt.Errorf("%w: %s: no line \"some\"", ErrMalformed, what)
	}
	if s.Full != nil {
		p.Full = PressureLine{s.Full.Avg10, s.Full.Avg60, s.Full.Avg300, time.Duration(s.Full.Total) * time.Microsecond}
		p.HasFull = true
	}
	return p, nil
}
