// Package host adapts github.com/shirou/gopsutil/v3 for figures of the machine
// as a whole: CPU times, memory, swap, load, uptime. It takes no value of a
// process or thread from it, and nothing that starts a program (host.Info).
//
// gopsutil hides many errors behind zeros. Each method here checks for that: a
// group of values is either known as a whole, or an error is returned.
package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/cpu"
	ghost "github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/mem"
)

const defaultRoot = "/proc"

// ErrUnavailable: the figures cannot be read here, for example because procfs
// is mounted with subset=pid. The cause is wrapped too where there is one.
var ErrUnavailable = errors.New("host: not available")

// Host reads one mount of procfs. It may be used from any goroutine.
type Host struct {
	root string
	ctx  context.Context // carries the root, which is the only way to tell gopsutil

	mu   sync.Mutex
	boot time.Time
}

// New makes a Host on root, "/proc" when empty. The root given here wins over
// the environment variable HOST_PROC.
func New(root string) *Host {
	if root == "" {
		root = defaultRoot
	}
	env := common.EnvMap{common.HostProcEnvKey: root}
	return &Host{root: root, ctx: context.WithValue(context.Background(), common.EnvKey, env)}
}

// foreign: the root is not this machine's, so system calls say nothing about it.
func (h *Host) foreign() bool { return filepath.Clean(h.root) != defaultRoot }

func unavailable(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: %s", ErrUnavailable, what)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}

// CPUTimes are cumulative seconds since boot (/proc/stat). User contains the
// time of guests.
type CPUTimes struct {
	Number                                                int // of the CPU, -1 for all together
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal float64
}

// CPU are the times of all CPUs together and of each that is online, by number.
type CPU struct {
	All CPUTimes
	Per []CPUTimes
}

// CPU reads the CPU times.
func (h *Host) CPU() (CPU, error) {
	all, err := cpu.TimesWithContext(h.ctx, false)
	if err != nil || len(all) != 1 {
		return CPU{}, unavailable("CPU times", err)
	}
	per, err := cpu.TimesWithContext(h.ctx, true)
	if err != nil || len(per) == 0 {
		return CPU{}, unavailable("CPU times", err)
	}
	out := CPU{All: times(all[0], -1), Per: make([]CPUTimes, 0, len(per))}
	for _, t := range per {
		n, err := strconv.Atoi(strings.TrimPrefix(t.CPU, "cpu"))
		if err != nil {
			return CPU{}, unavailable("CPU times", err)
		}
		out.Per = append(out.Per, times(t, n))
	}
	return out, nil
}

func times(t cpu.TimesStat, n int) CPUTimes {
	return CPUTimes{
		Number: n, User: t.User, Nice: t.Nice, System: t.System, Idle: t.Idle,
		IOWait: t.Iowait, IRQ: t.Irq, SoftIRQ: t.Softirq, Steal: t.Steal,
	}
}

// Memory is the use of memory, in bytes (/proc/meminfo).
type Memory struct {
	Total, Available, Free, Buffers uint64
	Cached                          uint64 // SReclaimable included, as free(1) counts it
}

// Memory reads the use of memory.
func (h *Host) Memory() (Memory, error) {
	m, err := mem.VirtualMemoryWithContext(h.ctx)
	if err != nil || m.Total == 0 { // a missing file gives zeros and no error
		return Memory{}, unavailable("memory", err)
	}
	return Memory{Total: m.Total, Available: m.Available, Free: m.Free, Buffers: m.Buffers, Cached: m.Cached}, nil
}

// Swap is the use of swap space, in bytes. Both are 0 on a machine without any.
type Swap struct{ Total, Free uint64 }

// Swap reads the use of swap space: sysinfo(2), or meminfo of a foreign root.
func (h *Host) Swap() (Swap, error) {
	if h.foreign() {
		m, err := mem.VirtualMemoryWithContext(h.ctx)
		if err != nil || m.Total == 0 {
			return Swap{}, unavailable("swap", err)
		}
		return Swap{Total: m.SwapTotal, Free: m.SwapFree}, nil
	}
	s, err := mem.SwapMemoryWithContext(h.ctx)
	if err != nil {
		return Swap{}, unavailable("swap", err)
	}
	return Swap{Total: s.Total, Free: s.Free}, nil
}

// Load is the average number of tasks that run, are ready, or wait for disk.
type Load struct{ One, Five, Fifteen float64 }

// Load reads the load averages of 1, 5 and 15 minutes (loadavg, or sysinfo(2)).
func (h *Host) Load() (Load, error) {
	if h.foreign() {
		// gopsutil would fall back on this machine, or panic on a short file.
		if _, err := h.numbers("loadavg", 3); err != nil {
			return Load{}, unavailable("load", err)
		}
	}
	l, err := load.AvgWithContext(h.ctx)
	if err != nil {
		return Load{}, unavailable("load", err)
	}
	return Load{l.Load1, l.Load5, l.Load15}, nil
}

// UptimeSeconds is the time since boot, suspend included: the fraction from
// uptime, whole seconds (sysinfo(2)) where that file is not there.
func (h *Host) UptimeSeconds() (float64, error) {
	v, err := h.numbers("uptime", 1)
	if err == nil {
		return v[0], nil
	}
	if h.foreign() {
		return 0, unavailable("uptime", err)
	}
	s, err := ghost.UptimeWithContext(h.ctx)
	if err != nil {
		return 0, unavailable("uptime", err)
	}
	return float64(s), nil
}

// BootTime is when the machine was started, for people: to the second. It is
// worked out once, since the library's way wavers by a second from call to call.
func (h *Host) BootTime() (time.Time, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.boot.IsZero() {
		return h.boot, nil
	}
	if h.foreign() { // gopsutil would panic on an empty file
		if _, err := h.numbers("uptime", 1); err != nil {
			return time.Time{}, unavailable("boot time", err)
		}
	}
	s, err := ghost.BootTimeWithContext(h.ctx)
	if err != nil || s == 0 {
		return time.Time{}, unavailable("boot time", err)
	}
	h.boot = time.Unix(int64(s), 0)
	return h.boot, nil
}

// numbers reads the first n numbers of a file.
func (h *Host) numbers(name string, n int) ([]float64, error) {
	b, err := os.ReadFile(filepath.Join(h.root, name))
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(b))
	if len(words) < n {
		return nil, fmt.Errorf("%s: too short", name)
	}
	out := make([]float64, n)
	for i := range out {
		if out[i], err = strconv.ParseFloat(words[i], 64); err != nil {
			return nil, err
		}
	}
	return out, nil
}
