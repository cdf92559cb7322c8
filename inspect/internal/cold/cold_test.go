package cold

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// tree makes a fake procfs of files: path → content.
func tree(t *testing.T, files map[string]string) FS {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fs, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

func live(t *testing.T) FS {
	t.Helper()
	fs, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

const limitsText = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max stack size            8388608              18446744073709551615 bytes     
Max open files            1024                 20000                files     
Max nice priority         0                    20                   
Max realtime priority     0                    0                    
Max realtime timeout      unlimited            1000                 us        
`

func TestLimits(t *testing.T) {
	fs := tree(t, map[string]string{"7/limits": limitsText})
	got, err := fs.Limits(7)
	if err != nil {
		t.Fatal(err)
	}
	want := []Limit{
		{"max_cpu_time", Unlimited, Unlimited, "seconds"},
		{"max_stack_size", 8388608, Unlimited, "bytes"},
		{"max_open_files", 1024, 20000, "files"},
		{"max_nice_priority", 0, 20, ""},
		{"max_realtime_priority", 0, 0, ""},
		{"max_realtime_timeout", Unlimited, 1000, "us"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{
		"", "Max x 1 2\n", limitsText[:100], limitsText + "\n", limitsText + "Max x                     lots                 1                    b\n",
	} {
		if got, err := parseLimits(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
}

// Our own limits: soft against procfs, soft and hard against getrlimit.
func TestLiveLimits(t *testing.T) {
	fs, self := live(t), os.Getpid()
	list, err := fs.Limits(self)
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]Limit)
	for _, l := range list {
		byName[l.Name] = l
	}
	p, err := procfs.NewProc(self)
	if err != nil {
		t.Fatal(err)
	}
	soft, err := p.Limits()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{
		"max_cpu_time": soft.CPUTime, "max_file_size": soft.FileSize, "max_data_size": soft.DataSize,
		"max_stack_size": soft.StackSize, "max_core_file_size": soft.CoreFileSize, "max_resident_set": soft.ResidentSet,
		"max_processes": soft.Processes, "max_open_files": soft.OpenFiles, "max_locked_memory": soft.LockedMemory,
		"max_address_space": soft.AddressSpace, "max_file_locks": soft.FileLocks,
		"max_pending_signals": soft.PendingSignals, "max_msgqueue_size": soft.MsqqueueSize,
		"max_nice_priority": soft.NicePriority, "max_realtime_priority": soft.RealtimePriority,
		"max_realtime_timeout": soft.RealtimeTimeout,
	} {
		if l, ok := byName[name]; !ok || l.Soft != want {
			t.Errorf("%s: %+v, procfs %d", name, l, want)
		}
	}
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	if l := byName["max_open_files"]; l.Soft != lim.Cur || l.Hard != lim.Max || l.Unit != "files" {
		t.Errorf("%+v, getrlimit %+v", l, lim)
	}
}

func FuzzParseLimits(f *testing.F) {
	f.Add(limitsText)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseLimits(text)
		if err != nil && (list != nil || !errors.Is(err, ErrMalformed)) {
			t.Errorf("%q: %v, %v", text, list, err)
		}
	})
}

func TestErrors(t *testing.T) {
	fs := tree(t, map[string]string{
		"7/cgroup": "x\n", "7/io": "rchar: many\n", "7/limits": "nothing\n", "stat": "cpu  1 2 3\n", "meminfo": "MemTotal: x kB\n",
		"pressure/cpu": "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", "pressure/memory": "some nonsense\n",
		"8/comm": "x\n",
	})
	for _, tc := range []struct {
		what string
		err  error
		want error
	}{
		{"io of no process", second(fs.IO(5)), ErrGone},
		{"limits of no process", second(fs.Limits(5)), ErrGone},
		{"cgroup of no process", second(fs.Cgroups(5)), ErrGone},
		{"namespaces of no process", second(fs.Namespaces(5)), ErrGone},
		{"no io", second(fs.IO(8)), ErrAbsent},
		{"no limits", second(fs.Limits(8)), ErrAbsent},
		{"no cgroup", second(fs.Cgroups(8)), ErrAbsent},
		{"no ns", second(fs.Namespaces(8)), ErrAbsent},
		{"bad cgroup", second(fs.Cgroups(7)), ErrMalformed},
		{"bad limits", second(fs.Limits(7)), ErrMalformed},
		{"stat without ctxt", second(fs.HostStat()), ErrMalformed},
		{"bad meminfo", second(fs.Memory()), ErrMalformed},
		{"no pressure/io", second(fs.Pressure("io")), ErrAbsent},
		{"pressure without some", second(fs.Pressure("cpu")), ErrMalformed},
		{"no stat", second(tree(t, nil).HostStat()), ErrAbsent},
		{"no meminfo", second(tree(t, nil).Memory()), ErrAbsent},
	} {
		if !errors.Is(tc.err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.what, tc.err, tc.want)
		}
	}
	for what, err := range map[string]error{"bad io": second(fs.IO(7)), "bad pressure": second(fs.Pressure("memory"))} {
		if err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
	if _, err := Open(filepath.Join(fs.root, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no root: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestDenied(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	fs := tree(t, map[string]string{"7/io": "rchar: 1\n"})
	if err := os.Chmod(filepath.Join(fs.root, "7/io"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.IO(7); !errors.Is(err, ErrDenied) {
		t.Error(err)
	}
}

func TestFiles(t *testing.T) {
	fs := tree(t, map[string]string{
		"7/io":     "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n",
		"7/cgroup": "2:cpu,cpuacct:/a:b\n1:name=systemd:/x\n0::/gone (deleted)\n",
		"stat":     "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\nctxt 1234\nbtime 1000\nprocesses 77\nprocs_running 3\nprocs_blocked 1\n",
		"meminfo":  "MemTotal: 100 kB\nMemFree: 0 kB\nCached: 5 kB\n",
		"pressure/io": "some avg10=1.50 avg60=2.50 avg300=3.50 total=1000000\n" +
			"full avg10=0.50 avg60=0.00 avg300=0.00 total=5\n",
		"pressure/irq": "full avg10=0.50 avg60=0.00 avg300=0.00 total=5\n",
	})
	if got, err := fs.IO(7); err != nil || got != (IO{1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("%+v, %v", got, err)
	}
	cg, err := fs.Cgroups(7)
	want := []Cgroup{{2, []string{"cpu", "cpuacct"}, "/a:b", false}, {1, []string{"name=systemd"}, "/x", false}, {0, nil, "/gone", true}}
	if d := cmp.Diff(want, cg); d != "" || err != nil {
		t.Error(d, err)
	}
	if got, err := fs.HostStat(); err != nil || got != (HostStat{1234, 77, 3, 1, time.Unix(1000, 0)}) {
		t.Errorf("%+v, %v", got, err)
	}
	m, err := fs.Memory()
	if err != nil || m.Total != (Bytes{100 << 10, true}) || m.Free != (Bytes{0, true}) || m.Available.Known || m.SwapTotal.Known {
		t.Errorf("%+v, %v", m, err)
	}
	p, err := fs.Pressure("io")
	if err != nil || p.Some != (PressureLine{1.5, 2.5, 3.5, time.Second}) || !p.HasFull || p.Full.Avg10 != 0.5 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := fs.Pressure("irq"); err != nil || !p.HasFull || p.Full.Total != 5*time.Microsecond {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestLive(t *testing.T) {
	fs, self := live(t), os.Getpid()
	ns, err := fs.Namespaces(self)
	if err != nil || len(ns) < 5 {
		t.Fatal(ns, err)
	}
	for _, n := range ns {
		var st unix.Stat_t
		if err := unix.Stat("/proc/self/ns/"+n.Name, &st); err != nil || st.Ino != n.Inode {
			t.Errorf("%+v: stat says %d, %v", n, st.Ino, err)
		}
	}
	if cg, err := fs.Cgroups(self); err != nil || len(cg) == 0 {
		t.Error(cg, err)
	}
	if io, err := fs.IO(self); err != nil && !errors.Is(err, ErrAbsent) || err == nil && io.ReadCalls == 0 {
		t.Error(io, err)
	}
	before, err := fs.HostStat()
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("true").Run(); err != nil {
		t.Fatal(err)
	}
	after, err := fs.HostStat()
	if err != nil || after.Forks <= before.Forks || after.ContextSwitches <= before.ContextSwitches || after.Running == 0 {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	boot := time.Now().Add(-time.Duration(info.Uptime) * time.Second)
	if d := boot.Sub(after.BootTime).Abs(); d > 3*time.Second {
		t.Errorf("boot time %v, sysinfo %v", after.BootTime, boot)
	}
	m, err := fs.Memory()
	if err != nil || m.Total.V != info.Totalram*uint64(info.Unit) || m.SwapTotal.V != info.Totalswap*uint64(info.Unit) {
		t.Errorf("%+v, %v; sysinfo %+v", m, err, info)
	}
	if p, err := fs.Pressure("cpu"); err != nil && !errors.Is(err, ErrAbsent) || err == nil && (p.Some.Avg10 < 0 || p.Some.Avg10 > 100) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := fs.Limits(1 << 30); !errors.Is(err, ErrGone) {
		t.Errorf("no such process: %v", err)
	}
}

// A process that was killed but not reaped still has limits; after the reap it
// is gone.
func TestGone(t *testing.T) {
	fs := live(t)
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if _, err := fs.Limits(pid); err != nil {
		t.Error(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for what, err := range map[string]error{
		"limits": second(fs.Limits(pid)), "io": second(fs.IO(pid)), "ns": second(fs.Namespaces(pid)), "cgroup": second(fs.Cgroups(pid)),
	} {
		if !errors.Is(err, ErrGone) {
			t.Errorf("%s of %s: %v", what, strconv.Itoa(pid), err)
		}
	}
}
