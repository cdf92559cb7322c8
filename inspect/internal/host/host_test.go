package host

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func tree(t *testing.T, files map[string]string) *Host {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return New(root)
}

func TestForeignRoot(t *testing.T) {
	t.Setenv("HOST_PROC", "/nowhere") // the root given to New wins
	h := tree(t, map[string]string{
		"stat": "cpu  100 200 300 400 500 600 700 800 900 1000\ncpu0 100 0 0 0 0 0 0 0 0 0\n" +
			"cpu3 0 200 0 0 0 0 0 0 0 0\nintr 1 2\nctxt 5\nbtime 1000\n",
		"meminfo": "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\nBuffers: 10 kB\nCached: 20 kB\n" +
			"SReclaimable: 5 kB\nSwapTotal: 300 kB\nSwapFree: 200 kB\n",
		"loadavg": "0.25 1.50 2.75 1/100 4711\n",
		"uptime":  "1234.56 2000.00\n",
	})
	cpus, err := h.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if want := (CPUTimes{-1, 1, 2, 3, 4, 5, 6, 7, 8}); cpus.All != want {
		t.Errorf("all: %+v", cpus.All)
	}
	if len(cpus.Per) != 2 || cpus.Per[0] != (CPUTimes{Number: 0, User: 1}) || cpus.Per[1] != (CPUTimes{Number: 3, Nice: 2}) {
		t.Errorf("per CPU: %+v", cpus.Per)
	}
	if m, err := h.Memory(); err != nil || m != (Memory{1000 << 10, 400 << 10, 100 << 10, 10 << 10, 25 << 10}) {
		t.Errorf("%+v, %v", m, err)
	}
	if s, err := h.Swap(); err != nil || s != (Swap{300 << 10, 200 << 10}) {
		t.Errorf("%+v, %v", s, err)
	}
	if l, err := h.Load(); err != nil || l != (Load{0.25, 1.5, 2.75}) {
		t.Errorf("%+v, %v", l, err)
	}
	if u, err := h.UptimeSeconds(); err != nil || u != 1234.56 {
		t.Errorf("%v, %v", u, err)
	}
	b, err := h.BootTime()
	if err != nil || b.IsZero() {
		t.Errorf("%v, %v", b, err)
	}
	if again, _ := h.BootTime(); !again.Equal(b) {
		t.Errorf("boot time wavers: %v, %v", b, again)
	}
}

// Nothing readable is an error for each group, never zeros, and no panic.
func TestUnavailable(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no files":    nil,
		"empty files": {"stat": "", "meminfo": "", "loadavg": "", "uptime": ""},
		"nonsense": {
			"stat": "cpu x\ncpu0 y\n", "meminfo": "MemTotal: x kB\n", "loadavg": "a b c\n", "uptime": "soon\n",
		},
		"short": {"stat": "cpu  1 2 3\n", "meminfo": "MemFree: 1 kB\n", "loadavg": "0.1 0.2\n", "uptime": "\n"},
	} {
		h := tree(t, files)
		_, cpu := h.CPU()
		_, memory := h.Memory()
		_, swap := h.Swap()
		_, load := h.Load()
		_, uptime := h.UptimeSeconds()
		_, boot := h.BootTime()
		for group, err := range map[string]error{
			"CPU": cpu, "memory": memory, "swap": swap, "load": load, "uptime": uptime, "boot time": boot,
		} {
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: %s: %v", name, group, err)
			}
		}
	}
}

func TestLive(t *testing.T) {
	h := New("")
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	cpus, err := h.CPU()
	if err != nil || len(cpus.Per) == 0 || len(cpus.Per) < runtime.NumCPU() || cpus.All.User <= 0 || cpus.All.Idle <= 0 {
		t.Errorf("%+v, %v", cpus, err)
	}
	var sum float64
	for _, c := range cpus.Per {
		sum += c.User
	}
	if math.Abs(sum-cpus.All.User) > 1+0.05*sum { // read one after the other
		t.Errorf("user time %v, sum over CPUs %v", cpus.All.User, sum)
	}
	m, err := h.Memory()
	if err != nil || m.Total != info.Totalram*uint64(info.Unit) || m.Available == 0 || m.Available > m.Total {
		t.Errorf("%+v, %v", m, err)
	}
	s, err := h.Swap()
	if err != nil || s.Total != info.Totalswap*uint64(info.Unit) || s.Free > s.Total {
		t.Errorf("%+v, %v", s, err)
	}
	l, err := h.Load()
	if want := float64(info.Loads[2]) / (1 << 16); err != nil || math.Abs(l.Fifteen-want) > 0.5 {
		t.Errorf("%+v, %v; sysinfo %v", l, err, want)
	}
	u, err := h.UptimeSeconds()
	if err != nil || math.Abs(u-float64(info.Uptime)) > 10 {
		t.Errorf("%v, %v; sysinfo %v", u, err, info.Uptime)
	}
	b, err := h.BootTime()
	if want := time.Now().Add(-time.Duration(u * float64(time.Second))); err != nil || b.Sub(want).Abs() > 5*time.Second {
		t.Errorf("%v, %v; want %v", b, err, want)
	}
}

// Only the machine's own /proc may be completed by system calls.
func TestForeign(t *testing.T) {
	h := New("/proc")
	if h.foreign() {
		t.Error("/proc is foreign")
	}
	if !New("/proc/self").foreign() || New("/proc/").foreign() {
		t.Error("foreign")
	}
}
