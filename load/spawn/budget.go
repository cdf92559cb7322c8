package spawn

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// Memory that a task costs beyond what its operations touch: its kernel stack
// and descriptor, its own stack page, and for a process its page tables.
const (
	taskOverhead    = 32 << 10
	processOverhead = 160 << 10
)

// bound is one limit with where it comes from.
type bound struct {
	value  uint64
	source string
}

func (b *bound) lower(value uint64, source string) {
	if value < b.value {
		*b = bound{value, source}
	}
}

// host are the limits of this machine. Descriptors have two: those of one
// process, files, and those of all of them, open.
type host struct {
	tasks, memory, files, open bound
	cpus                       int
}

// ownFiles is what the controller opens for a run besides a pidfd per process.
const ownFiles = 32

// checkBudget refuses a plan above the limits, before anything starts.
func checkBudget(p *load.Plan, l Limits, h host) error {
	tasks, memory := planTasks(p), planMemory(p)
	if p.Budget.Tasks > tasks {
		tasks = p.Budget.Tasks
	}
	if p.Budget.MemoryBytes > memory {
		memory = p.Budget.MemoryBytes
	}
	if l.MaxTasks > 0 {
		h.tasks = bound{uint64(l.MaxTasks), "--max-tasks"}
	}
	if l.MaxMemory > 0 {
		h.memory = bound{l.MaxMemory, "--max-memory"}
	}
	if uint64(tasks) > h.tasks.value {
		return fmt.Errorf("%w: %d tasks wanted, %d allowed (%s); raise it with --max-tasks=%d",
			ErrBudget, tasks, h.tasks.value, h.tasks.source, tasks)
	}
	if memory > h.memory.value {
		return fmt.Errorf("%w: %s of memory wanted, %s allowed (%s); raise it with --max-memory=%s",
			ErrBudget, mebibytes(memory, true), mebibytes(h.memory.value, false), h.memory.source, mebibytes(memory, true))
	}
	if err := checkFiles(p, h); err != nil {
		return err
	}
	return checkRealtime(p, l, h.cpus)
}

// checkFiles bounds the descriptors of the controller, and of the workers
// together. A worker has few, and a limit of its own.
func checkFiles(p *load.Plan, h host) error {
	shared := planDescriptors(p)
	if own := uint64(len(p.Processes) + ownFiles + shared); own > h.files.value {
		return fmt.Errorf("%w: %d file descriptors wanted in one process, %d allowed (%s); raise it with ulimit -n",
			ErrBudget, own, h.files.value, h.files.source)
	}
	if all := uint64(p.Budget.Files + (shared+1)*len(p.Processes) + ownFiles); all > h.open.value {
		return fmt.Errorf("%w: %d file descriptors wanted in all processes, %d allowed (%s)",
			ErrBudget, all, h.open.value, h.open.source)
	}
	return nil
}

// mebibytes writes an amount as people write it for --max-memory; what is wanted
// is rounded up, so that the number printed is enough.
func mebibytes(n uint64, up bool) string {
	whole := n >> 20
	if up && n&(1<<20-1) != 0 {
		whole++
	}
	return strconv.FormatUint(whole, 10) + "MiB"
}

// maxRealtimeBurst is how long a real-time thread may be busy, in seconds.
const maxRealtimeBurst = 12

// checkRealtime permits real-time threads only when asked for, and busy ones
// for a short burst on a single CPU that is not the only one.
func checkRealtime(p *load.Plan, l Limits, cpus int) error {
	only := -1
	for i := range p.Processes {
		for j := range p.Processes[i].Threads {
			t := &p.Processes[i].Threads[j]
			if !t.Real() {
				continue
			}
			if !l.Realtime {
				return fmt.Errorf("%w: thread %q wants a real-time policy, which can take a CPU from everybody else; permit it with --realtime",
					ErrBudget, t.Name)
			}
			if busySeconds(t) == 0 {
				continue
			}
			if len(t.CPUs) != 1 || only >= 0 && t.CPUs[0] != only || cpus < 2 {
				return fmt.Errorf("%w: busy real-time thread %q must be pinned to the one CPU that all of them share, and leave another CPU free",
					ErrBudget, t.Name)
			}
			if busySeconds(t) > maxRealtimeBurst {
				return fmt.Errorf("%w: real-time thread %q would be busy for %.0f s, %d allowed",
					ErrBudget, t.Name, busySeconds(t), maxRealtimeBurst)
			}
			only = t.CPUs[0]
		}
	}
	return nil
}

func planTasks(p *load.Plan) int {
	_, threads, _ := arenaSizes(p)
	return threads
}

// planMemory is what the plan's tasks will touch at the most, in bytes. Memory
// that a fork shares is counted once for each process: it may be written.
func planMemory(p *load.Plan) uint64 {
	sum := arenaBytes(p)
	for i := range p.Processes {
		sum += processOverhead
		for j := range p.Processes[i].Threads {
			sum += taskOverhead + threadMemory(&p.Processes[i].Threads[j], false)
		}
	}
	return sum
}

// threadMemory adds up what a thread's operations touch, or map.
func threadMemory(t *load.ThreadPlan, mapped bool) uint64 {
	var sum uint64
	for _, list := range [][]load.Op{t.Setup, t.Ops} {
		for _, o := range list {
			switch {
			case o.Kind == load.OpHeap || o.Kind == load.OpStack || o.Kind == load.OpMap && mapped:
				sum = addUp(sum, o.A)
			case o.Kind == load.OpServe: // a stack of one page and a guard for each
				sum = addUp(sum, o.B*2*uint64(unix.Getpagesize()))
			case o.Kind == load.OpMap:
				sum = addUp(sum, o.B)
			default:
				sum = addUp(sum, lifeMemory(o, mapped))
			}
		}
	}
	return sum
}

// addUp adds a page-rounded size, and stays at the top instead of wrapping.
func addUp(sum, n uint64) uint64 {
	if n > 1<<62 || sum > 1<<62 {
		return 1 << 63
	}
	return sum + pageUp(n)
}

// dataSlack is what RLIMIT_DATA leaves beyond the plan.
const dataSlack = 16 << 20

// dataLimit is RLIMIT_DATA of process index: its own and its ancestors' areas.
func dataLimit(p *load.Plan, index int) uint64 {
	sum := uint64(dataSlack)
	for i := index; i >= 0; i = p.Processes[i].Parent {
		for j := range p.Processes[i].Threads {
			sum = addUp(sum, threadMemory(&p.Processes[i].Threads[j], true)+2*uint64(unix.Getpagesize()))
		}
	}
	return sum
}

// flagNoMoreTasks has the workers give up the right to start tasks once the
// plan stands, as in native/arena.h. RLIMIT_NPROC counts all tasks of a user,
// so only 0 means the same for everybody, and root is exempt. RLIMIT_AS is left
// alone: it counts address space that is only reserved; RLIMIT_DATA bounds what
// can be written.
const flagNoMoreTasks = 2

// startsTasks says whether operations start tasks that the plan does not list.
func startsTasks(p *load.Plan) bool {
	for i := range p.Processes {
		for j := range p.Processes[i].Threads {
			t := &p.Processes[i].Threads[j]
			for _, list := range [][]load.Op{t.Setup, t.Ops} {
				for _, o := range list {
					switch o.Kind {
					case load.OpVfork, load.OpSpawn, load.OpStorm, load.OpSupervise, load.OpServe:
						return true
					}
				}
			}
		}
	}
	return false
}

// cpuSlack is what RLIMIT_CPU leaves beyond the plan, in seconds.
const cpuSlack = 30

// cpuLimit is RLIMIT_CPU of a process, in seconds.
func cpuLimit(pp *load.ProcessPlan) uint32 {
	sum := float64(cpuSlack)
	for j := range pp.Threads {
		sum += 1.5 * busySeconds(&pp.Threads[j])
	}
	return uint32(math.Min(sum, math.MaxInt32))
}

// busySeconds bounds the CPU time of a thread's operations.
func busySeconds(t *load.ThreadPlan) float64 {
	const perCall = 50e-6 // generous, for one system call
	var sum float64
	for _, list := range [][]load.Op{t.Setup, t.Ops} {
		for _, o := range list {
			switch o.Kind {
			case load.OpSpinCPU:
				sum += float64(o.A) / 1e9
			case load.OpSpinWall:
				if o.A == 0 {
					sum += 86400
				}
				sum += float64(o.A) / 1e9
			case load.OpGoroutines:
				sum += float64(o.B) * float64(o.C) / 1e9
			case load.OpSpinFollow:
				sum += float64(o.B) / 1e9
			case load.OpDuty:
				sum += float64(o.A) * (float64(o.C)/1e9 + perCall)
			case load.OpLock:
				sum += float64(o.A) * (float64(o.B+o.C)/1e9 + 4*perCall)
			case load.OpTurns:
				sum += float64(o.A)/1e9 + float64(o.A/max(1, o.B))*4*perCall
			case load.OpSum:
				sum += float64(o.B-o.A) * 20e-9
			case load.OpChunks:
				sum += float64(o.A) * perCall
			case load.OpPing:
				sum += float64(o.A) * 20 * perCall // players that look all the time wait busily
			case load.OpAdd, load.OpReceive, load.OpServe, load.OpConnect, load.OpRequest, load.OpFetch, load.OpAnswer:
				sum += float64(o.A) * 4 * perCall
			case load.OpYield, load.OpMigrate, load.OpSleepRel, load.OpSleepAbs:
				sum += float64(o.A) * perCall
			default:
				sum += lifeSeconds(o)
			}
		}
	}
	return sum
}

// hostLimits computes the limits of this machine. A limit that cannot be read
// does not count.
func hostLimits() host {
	none := bound{math.MaxInt64, "no limit"}
	h := host{tasks: none, memory: none, files: none, open: none, cpus: runtime.NumCPU()}
	for _, f := range []string{"pid_max", "threads-max"} {
		if n, ok := readUint("/proc/sys/kernel/" + f); ok {
			h.tasks.lower(n/4, "a quarter of kernel."+f)
		}
	}
	var l unix.Rlimit
	if os.Getuid() != 0 && unix.Getrlimit(unix.RLIMIT_NPROC, &l) == nil && l.Cur != unix.RLIM_INFINITY {
		h.tasks.lower(l.Cur/4, "a quarter of RLIMIT_NPROC")
	}
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) == nil {
		h.files.lower(l.Cur/4*3, "three quarters of RLIMIT_NOFILE")
	}
	if free, ok := fileHeadroom(); ok {
		h.open.lower(free/2, "half of what fs.file-max leaves")
	}
	if n, ok := memAvailable(); ok {
		h.memory.lower(n/4, "a quarter of MemAvailable")
	}
	for _, dir := range ownCgroups("pids") {
		if free, ok := headroom(dir, "pids.max", "pids.current"); ok {
			h.tasks.lower(free/4, "a quarter of what pids.max leaves in "+dir)
		}
	}
	for _, dir := range ownCgroups("memory") {
		for _, f := range [][2]string{{"memory.max", "memory.current"}, {"memory.limit_in_bytes", "memory.usage_in_bytes"}} {
			if free, ok := headroom(dir, f[0], f[1]); ok {
				h.memory.lower(free, "what "+f[0]+" leaves in "+dir)
			}
		}
	}
	return h
}

func readUint(path string) (uint64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// headroom is limit minus use; "max" and absent files mean no limit.
func headroom(dir, limit, use string) (uint64, bool) {
	l, ok := readUint(filepath.Join(dir, limit))
	if !ok {
		return 0, false
	}
	u, _ := readUint(filepath.Join(dir, use))
	if u > l {
		return 0, true
	}
	return l - u, true
}

// fileHeadroom is how many more files the whole machine may open.
func fileHeadroom() (uint64, bool) {
	b, err := os.ReadFile("/proc/sys/fs/file-nr")
	if err != nil {
		return 0, false
	}
	f := strings.Fields(string(b))
	if len(f) != 3 {
		return 0, false
	}
	used, err1 := strconv.ParseUint(f[0], 10, 64)
	most, err2 := strconv.ParseUint(f[2], 10, 64)
	return most - min(used, most), err1 == nil && err2 == nil
}

func memAvailable() (uint64, bool) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemAvailable:" {
			kb, err := strconv.ParseUint(f[1], 10, 64)
			return kb << 10, err == nil
		}
	}
	return 0, false
}
