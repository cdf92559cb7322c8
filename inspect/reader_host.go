package inspect

import (
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/cold"
)

// fixedHost is what does not change while we run.
type fixedHost struct {
	bootID string
	host   Host
}

func readUsers() map[uint32]string {
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return nil // numbers will do
	}
	return parsePasswd(text)
}

func (r *Reader) readFixed() fixedHost {
	var f fixedHost
	f.bootID = r.rootLine("sys/kernel/random/boot_id")
	f.host.Hostname = r.rootLine("sys/kernel/hostname")
	f.host.Kernel = r.rootLine("sys/kernel/osrelease")
	if r.fs.Live() {
		// Once, so that start times do not move when the clock is stepped.
		now, boot := clockNS(unix.CLOCK_REALTIME), clockNS(unix.CLOCK_BOOTTIME)
		f.host.BootTime = Know(time.Unix(0, now-boot).UTC())
	} else if t, err := r.host.BootTime(); err == nil {
		f.host.BootTime = Know(t.UTC())
	} else {
		f.host.BootTime = Unknown[time.Time](NotSupported)
	}
	return f
}

// rootLine is the only line of a file of the mount, "" when it is not there.
func (r *Reader) rootLine(name string) string {
	b, err := r.fs.ReadRoot(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// readHost reads the machine's figures. A file that is not there (procfs with
// subset=pid, a kernel without pressure files) leaves its values unknown.
func (r *Reader) readHost(h *Host) {
	if cpu, err := r.host.CPU(); err == nil {
		h.CPU = Know(CPUTimes{
			User: cpu.All.User, Nice: cpu.All.Nice, System: cpu.All.System, Idle: cpu.All.Idle,
			IOWait: cpu.All.IOWait, IRQ: cpu.All.IRQ, SoftIRQ: cpu.All.SoftIRQ, Steal: cpu.All.Steal,
		})
		h.CPUs = len(cpu.Per)
		h.PerCPU = make([]CPUTimes, len(cpu.Per))
		for i, c := range cpu.Per {
			h.PerCPU[i] = CPUTimes{
				User: c.User, Nice: c.Nice, System: c.System, Idle: c.Idle,
				IOWait: c.IOWait, IRQ: c.IRQ, SoftIRQ: c.SoftIRQ, Steal: c.Steal,
			}
		}
	} else {
		h.CPU = Unknown[CPUTimes](whyHost(err))
	}
	r.readMemory(h)
	r.readCounters(h)
	h.PressureCPU, r.waited = r.pressure("cpu")
	h.PressureMemory, h.MemoryStallNS = r.pressure("memory")
	h.PressureIO, _ = r.pressure("io")
}

func (r *Reader) readMemory(h *Host) {
	m, err := r.host.Memory()
	known := func(v uint64, err error) Known[uint64] {
		if err != nil {
			return Unknown[uint64](whyHost(err))
		}
		return Know(v)
	}
	h.MemTotal, h.MemAvailable, h.MemFree = known(m.Total, err), known(m.Available, err), known(m.Free, err)
	h.Buffers, h.Cached = known(m.Buffers, err), known(m.Cached, err)
	swap, err := r.host.Swap()
	h.SwapTotal, h.SwapFree = known(swap.Total, err), known(swap.Free, err)
}

func (r *Reader) readCounters(h *Host) {
	if l, err := r.host.Load(); err == nil {
		h.Load1, h.Load5, h.Load15 = Know(l.One), Know(l.Five), Know(l.Fifteen)
	} else {
		u := Unknown[float64](whyHost(err))
		h.Load1, h.Load5, h.Load15 = u, u, u
	}
	if up, err := r.host.UptimeSeconds(); err == nil {
		h.UptimeSeconds = Know(up)
	} else {
		h.UptimeSeconds = Unknown[float64](whyHost(err))
	}
	if st, err := r.cold.HostStat(); err == nil {
		h.ContextSwitches, h.Forks = Know(st.ContextSwitches), Know(st.Forks)
		h.RunningTasks, h.BlockedTasks = Know(st.Running), Know(st.Blocked)
	} else {
		u := Unknown[uint64](whyHost(err))
		h.ContextSwitches, h.Forks, h.RunningTasks, h.BlockedTasks = u, u, u, u
	}
}

// pressure is the share of the last 10 s in which some task had to wait for a
// resource, in percent, and the time since boot, in ns.
func (r *Reader) pressure(resource string) (avg10 Known[float64], total Known[uint64]) {
	p, err := r.cold.Pressure(resource)
	if err != nil {
		return Unknown[float64](whyHost(err)), Unknown[uint64](whyHost(err))
	}
	return Know(p.Some.Avg10), Know(uint64(p.Some.Total))
}

// whyHost is the reason behind an error of packages cold and host.
func whyHost(err error) Why {
	switch {
	case err == nil:
		return OK
	case errors.Is(err, cold.ErrGone):
		return Gone
	case errors.Is(err, cold.ErrDenied), errors.Is(err, os.ErrPermission):
		return Denied
	case errors.Is(err, cold.ErrMalformed):
		return Malformed
	}
	return NotSupported
}
