package spawn

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

func TestBudgetRefusesBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	roomy := host{tasks: bound{1000, "tasks"}, memory: bound{1 << 30, "memory"}, files: bound{1000, "files"}, open: bound{1000, "open"}, cpus: 2}
	mem := func(op load.Op) *load.Plan { return root(thread("m", op)) }
	rt := func(cpus []int, ops ...load.Op) *load.Plan {
		th := thread("rt", ops...)
		th.Policy, th.RTPrio, th.CPUs = unix.SCHED_FIFO, 1, cpus
		return root(th)
	}
	busy := load.Op{Kind: load.OpSpinCPU, A: 1}
	one := roomy
	one.cpus = 1
	few := roomy
	few.files = bound{40, "three quarters of RLIMIT_NOFILE"}
	full := roomy
	full.open = bound{40, "half of what fs.file-max leaves"}
	tests := []struct {
		name   string
		plan   *load.Plan
		limits Limits
		host   host
		want   []string // parts of the message; none: allowed
	}{
		{"small", root(threads(10)...), Limits{}, roomy, nil},
		{"at the limit", root(threads(999)...), Limits{}, roomy, nil},
		{"too many tasks", root(threads(1000)...), Limits{}, roomy, []string{"1001 tasks wanted", "1000 allowed", "(tasks)", "--max-tasks"}},
		{"raised", root(threads(1000)...), Limits{MaxTasks: 1001}, roomy, nil},
		{"lowered", root(threads(10)...), Limits{MaxTasks: 5}, roomy, []string{"11 tasks wanted", "5 allowed", "--max-tasks"}},
		{"declared tasks", &load.Plan{Processes: root().Processes, Budget: load.Budget{Tasks: 5000}}, Limits{}, roomy, []string{"5000 tasks wanted"}},
		{"map touched", mem(load.Op{Kind: load.OpMap, A: 2 << 30, B: 2 << 30}), Limits{}, roomy, []string{"MiB of memory wanted", "1024MiB allowed", "(memory)", "--max-memory"}},
		{"map reserved only", mem(load.Op{Kind: load.OpMap, A: 2 << 30}), Limits{}, roomy, nil},
		{"heap", mem(load.Op{Kind: load.OpHeap, A: 2 << 30}), Limits{}, roomy, []string{"--max-memory"}},
		{"heap beyond all", mem(load.Op{Kind: load.OpHeap, A: 1<<64 - 1}), Limits{}, roomy, []string{"--max-memory"}},
		{"memory raised", mem(load.Op{Kind: load.OpHeap, A: 2 << 30}), Limits{MaxMemory: 3 << 30}, roomy, nil},
		{"declared memory", &load.Plan{Processes: root().Processes, Budget: load.Budget{MemoryBytes: 2 << 30}}, Limits{}, roomy, []string{"2048MiB of memory"}},
		{"files", tree(2, 3), Limits{}, few, []string{"file descriptors wanted in one process", "ulimit -n"}},
		{"files of all", tree(2, 3), Limits{}, full, []string{"file descriptors wanted in all processes", "fs.file-max"}},
		{"real time unasked", rt(nil), Limits{}, roomy, []string{`"rt"`, "--realtime"}},
		{"real time parked", rt(nil), Limits{Realtime: true}, roomy, nil},
		{"real time busy on one CPU", rt([]int{1}, busy), Limits{Realtime: true}, roomy, nil},
		{"real time busy anywhere", rt(nil, busy), Limits{Realtime: true}, roomy, []string{"pinned"}},
		{"real time busy on the only CPU", rt([]int{0}, busy), Limits{Realtime: true}, one, []string{"leave another CPU free"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := checkBudget(tt.plan, tt.limits, tt.host)
			if len(tt.want) == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if !errors.Is(err, ErrBudget) {
				t.Fatalf("%v: want ErrBudget", err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
		})
	}
	id := newRunID()
	if r, err := Start(context.Background(), root(threads(3)...), Options{RunID: id, Limits: Limits{MaxTasks: 3}}); !errors.Is(err, ErrBudget) {
		t.Errorf("Start: %v, %v; want ErrBudget", r, err)
	}
	if left := countLeft(id); left != (LeftBehind{}) {
		t.Errorf("left behind: %+v", left)
	}
}

func TestHostLimits(t *testing.T) {
	t.Parallel()
	h := hostLimits()
	b, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		t.Skip(err)
	}
	if n, _ := readUint("/proc/sys/kernel/pid_max"); h.tasks.value > n/4 || h.tasks.value == 0 {
		t.Errorf("%d tasks (%s), pid_max is %s", h.tasks.value, h.tasks.source, b)
	}
	if avail, ok := memAvailable(); !ok || h.memory.value > avail {
		t.Errorf("%d bytes (%s), MemAvailable %d, %v", h.memory.value, h.memory.source, avail, ok)
	}
}

func TestHeadroom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := headroom(dir, "pids.max", "pids.current"); ok {
		t.Error("absent file taken for a limit")
	}
	put("pids.max", "max\n")
	if _, ok := headroom(dir, "pids.max", "pids.current"); ok {
		t.Error("\"max\" taken for a limit")
	}
	put("pids.max", "100\n")
	put("pids.current", "30\n")
	if n, ok := headroom(dir, "pids.max", "pids.current"); !ok || n != 70 {
		t.Errorf("headroom %d, %v; want 70", n, ok)
	}
	put("pids.current", "130\n")
	if n, ok := headroom(dir, "pids.max", "pids.current"); !ok || n != 0 {
		t.Errorf("headroom %d, %v; want 0", n, ok)
	}
}

func TestCgroupFiles(t *testing.T) {
	t.Parallel()
	mounts := cgroupMounts("30 25 0:26 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n" +
		"31 25 0:27 /inner /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
		"32 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"33 25 0:29 / /proc rw - proc proc rw\nrubbish\n")
	if len(mounts) != 3 || !mounts[0].unified || mounts[1].root != "/inner" || !slices.Equal(mounts[2].controllers, []string{"rw", "cpu", "cpuacct"}) {
		t.Errorf("mounts: %+v", mounts)
	}
	const own = "9:name=systemd:/\n8:pids:/inner/job\n5:cpu,cpuacct:/c\n0::/user.slice/a b\n"
	for controller, want := range map[string]string{"pids": "/inner/job", "cpuacct": "/c", "": "/user.slice/a b"} {
		if got, ok := cgroupPath(own, controller); !ok || got != want {
			t.Errorf("cgroupPath(%q) = %q, %v; want %q", controller, got, ok, want)
		}
	}
	if got, ok := cgroupPath(own, "memory"); ok {
		t.Errorf("cgroupPath(memory) = %q", got)
	}
	if got := mounts[1].directory("/inner/job"); got != "/sys/fs/cgroup/pids/job" {
		t.Errorf("directory: %q", got)
	}
	if got := mounts[1].directory("/elsewhere"); got != "/sys/fs/cgroup/pids" {
		t.Errorf("directory outside of the mount: %q", got)
	}
}

func TestCgroupNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, id string
		by       controller
		ok       bool
	}{
		{"taskscope-abc-12-345", "abc", controller{12, "345"}, true},
		{"taskscope-a-b-12-345", "a-b", controller{12, "345"}, true},
		{"taskscope-abc", "", controller{}, false},
		{"taskscope-12-345", "", controller{}, false},
		{"taskscope-abc-x-345", "", controller{}, false},
		{"other-abc-12-345", "", controller{}, false},
	}
	for _, tt := range tests {
		id, by, ok := parseCgroupName(tt.name)
		if ok != tt.ok || ok && (id != tt.id || by != tt.by) {
			t.Errorf("%s: %q, %+v, %v", tt.name, id, by, ok)
		}
	}
}

func TestRunInPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/": false, "/system.slice/taskscope-serve.service": false, "/a/taskscope-abc-12-345": true, "/taskscope-abc-12-345/b": true,
	} {
		if got := runInPath(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// TestRunHasACgroupOfItsOwn where this user can make one.
func TestRunHasACgroupOfItsOwn(t *testing.T) {
	t.Parallel()
	dir, ok := unifiedDir()
	if !ok || unix.Access(dir, unix.W_OK) != nil {
		t.Skipf("no writable cgroup v2 directory (%q, %v)", dir, ok)
	}
	r := startRun(t, tree(1, 2), Options{})
	for _, p := range r.Manifest().Processes {
		b, err := os.ReadFile("/proc/" + itoa(p.PID) + "/cgroup")
		if err != nil {
			t.Fatal(err)
		}
		if path, _ := cgroupPath(string(b), ""); !strings.Contains(path, cgroupPrefix+r.ID()) {
			t.Errorf("process %d is in %q", p.PID, path)
		}
	}
	if left, err := r.Stop(testContext(t)); err != nil || left != (LeftBehind{}) {
		t.Errorf("Stop: %+v, %v", left, err)
	}
	if list, err := filepath.Glob(filepath.Join(dir, "*"+r.ID()+"*")); err != nil || len(list) != 0 {
		t.Errorf("cgroups left: %v, %v", list, err)
	}
}

func TestPlansThatCannotRun(t *testing.T) {
	t.Parallel()
	with := func(th load.ThreadPlan) *load.Plan { return root(th) }
	op := func(o load.Op) *load.Plan { return root(thread("x", o)) }
	tests := map[string]*load.Plan{
		"no process":         {},
		"no thread":          {Processes: []load.ProcessPlan{{Parent: -1}}},
		"root with parent":   {Processes: []load.ProcessPlan{{Parent: 0, Threads: threads(1)}}},
		"child before":       {Processes: []load.ProcessPlan{{Parent: -1, Threads: threads(1)}, {Parent: 2, Threads: threads(1)}, {Parent: 0, Threads: threads(1)}}},
		"long name":          with(thread("sixteen-bytes-xx")),
		"cpu":                with(load.ThreadPlan{CPUs: []int{5000}}),
		"negative cpu":       with(load.ThreadPlan{CPUs: []int{-1}}),
		"policy":             with(load.ThreadPlan{Policy: 6}),
		"priority":           with(load.ThreadPlan{Policy: 1}),
		"operation":          op(load.Op{Kind: 999}),
		"period":             op(load.Op{Kind: load.OpSleepRel, A: 1}),
		"touch beyond":       op(load.Op{Kind: load.OpMap, A: 1, B: 2}),
		"slot":               op(load.Op{Kind: load.OpMap, A: 1, C: 16}),
		"migrate":            op(load.Op{Kind: load.OpMigrate, A: 1, B: 0, C: 4000}),
		"stack of the first": {Processes: []load.ProcessPlan{{Parent: -1, Threads: threads(1, load.Op{Kind: load.OpStack, A: 1 << 62})}}},
	}
	for name, p := range tests {
		if r, err := Start(context.Background(), p, Options{}); err == nil {
			t.Errorf("%s: started", name)
			_, _ = r.Stop(context.Background()) //nolint:errcheck // already an error
		}
	}
	for _, o := range []Options{{RunID: "a/b"}, {RunID: strings.Repeat("x", 49)}, {Tier: "java"}} {
		if _, err := Start(context.Background(), root(), o); !errors.Is(err, load.ErrUsage) {
			t.Errorf("%+v: %v; want ErrUsage", o, err)
		}
	}
}
