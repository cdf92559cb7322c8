package spawn

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// WorkerCommand is the hidden first argument by which this binary becomes a
// worker of the Go tier: its main calls WorkerMain with the arguments after it.
const WorkerCommand = "taskscope-go-worker"

const processArg = "taskscope-process="

// The descriptors that the root is started with, as in native/arena.h.
const (
	fdArena = 3 + iota
	fdLive
	fdGate
	fdRelease
	fdNotify
	fdCount
)

// The first goroutine of a worker must keep the first thread: otherwise a
// worker goroutine that lands there renames the process, and the thread never
// ends. Only during initialisation is the pairing certain.
func init() {
	if len(os.Args) > 1 && os.Args[1] == WorkerCommand {
		runtime.LockOSThread()
	}
}

// execGo starts the root of the Go tier: this binary again.
func (r *Run) execGo(attr *syscall.ProcAttr, identity []string) (int, error) {
	threads := 0
	for i := range r.plan.Processes {
		threads = max(threads, len(r.plan.Processes[i].Threads))
	}
	attr.Env = []string{
		// Every locked worker needs a P of its own, or they take turns.
		fmt.Sprintf("GOMAXPROCS=%d", threads+2),
		// The fewer signals and collections, the fewer switches nobody asked for.
		"GODEBUG=asyncpreemptoff=1", "GOGC=off", "GOTRACEBACK=none",
	}
	args := append([]string{"taskscope-worker", WorkerCommand}, identity...)
	return syscall.ForkExec("/proc/self/exe", append(args, processArg+"0"), attr)
}

// goProcess is one process of the Go tier.
type goProcess struct {
	a     *arena
	index int
	args  []string   // identity, passed on to the children
	heap  sync.Mutex // the break belongs to the process
}

// WorkerMain is the body of the Go tier's worker process (a hidden command of
// the binary). It returns the exit code.
func WorkerMain(args []string) int {
	runtime.LockOSThread()
	index, ok := processIndex(args)
	if !ok {
		return exitUsage
	}
	a, err := openArena(fdArena)
	if err != nil || index >= len(a.procs) {
		return exitUsage
	}
	for fd := fdArena; fd < fdCount; fd++ {
		unix.CloseOnExec(fd)
	}
	p := &goProcess{a: a, index: index, args: args[:2]}
	return p.run()
}

// processIndex reads the worker's arguments: run, controller, process.
func processIndex(args []string) (int, bool) {
	text, ok := argument(args, processArg)
	index, err := strconv.Atoi(text)
	return index, ok && err == nil && index >= 0 && len(args) == 3
}

// run lives the life of the process: set up, children, threads, the leader.
func (p *goProcess) run() int {
	me := &p.a.procs[p.index]
	leader := &goThread{p: p, index: me.firstThread}
	if code := p.begin(me, leader); code != 0 {
		return code
	}
	if err := leader.setup(); err != nil {
		return exitSetup
	}
	if err := p.startChildren(); err != nil {
		p.fail(me.firstThread, 1, err, 0)
		return exitSetup
	}
	for i := uint32(1); i < me.nthreads; i++ {
		t := &goThread{p: p, index: me.firstThread + i}
		go t.run()
	}
	limit := &unix.Rlimit{Cur: uint64(me.cpuLimitS), Max: uint64(me.cpuLimitS)}
	_ = unix.Setrlimit(unix.RLIMIT_CPU, limit) //nolint:errcheck // one guard of several
	leader.live()
	for c := me.firstChild; c >= 0; c = p.a.procs[c].nextSibling {
		_, _ = unix.Wait4(int(p.a.procs[c].pid), nil, 0, nil) //nolint:errcheck // it has a deadline of its own
	}
	return 0
}

func (p *goProcess) begin(me *arenaProcess, leader *goThread) int {
	if me.parent < 0 && unix.Getppid() != int(p.a.head.controllerPID) {
		return exitOrphan
	}
	atomic.StoreUint32(&me.pid, uint32(unix.Getpid()))
	atomic.StoreUint32(&me.ppid, uint32(unix.Getppid()))
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) //nolint:errcheck // best effort
	p.lowerLimits(me)
	if err := armKillTimer(p.a.head.killNS); err != nil {
		p.fail(me.firstThread, 10, err, 0)
		return exitSetup
	}
	if me.setsid != 0 {
		if _, err := unix.Setsid(); err != nil {
			p.fail(me.firstThread, 8, err, 0)
			return exitSetup
		}
	}
	leader.begin()
	return 0
}

// goSlack is what RLIMIT_DATA leaves to a Go runtime, which maps more than it uses.
const goSlack = 1 << 30

// goFiles is how many descriptors a runtime opens for itself, and to start children.
const goFiles = 64

// lowerLimits lowers what a worker may use, as the native one does. It keeps the
// right to start tasks: the runtime starts threads whenever it likes.
func (p *goProcess) lowerLimits(me *arenaProcess) {
	for which, value := range map[int]uint64{
		unix.RLIMIT_CORE: 0, unix.RLIMIT_MEMLOCK: 0, unix.RLIMIT_NOFILE: uint64(p.a.head.filesLimit) + goFiles,
		unix.RLIMIT_DATA: me.dataLimit + goSlack,
	} {
		var l unix.Rlimit
		if err := unix.Getrlimit(which, &l); err == nil {
			value = min(value, l.Max) // lowered, never raised
		}
		_ = unix.Setrlimit(which, &unix.Rlimit{Cur: value, Max: value}) //nolint:errcheck // one guard of several
	}
}

// armKillTimer has the kernel kill this process a little after its deadline.
func armKillTimer(at int64) error {
	event := struct {
		value         uint64
		signo, notify int32
		_             [6]uint64
	}{signo: int32(unix.SIGKILL)}
	var id int32
	_, _, errno := unix.RawSyscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC,
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&id)))
	if errno != 0 {
		return errno
	}
	spec := struct{ interval, value unix.Timespec }{value: unix.NsecToTimespec(at)}
	_, _, errno = unix.RawSyscall6(unix.SYS_TIMER_SETTIME, uintptr(id), unix.TIMER_ABSTIME,
		uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// startChildren starts the children in plan order, from the leader's thread.
func (p *goProcess) startChildren() error {
	files := make([]uintptr, fdCount)
	for fd := range files {
		files[fd] = uintptr(fd)
	}
	for c := p.a.procs[p.index].firstChild; c >= 0; c = p.a.procs[c].nextSibling {
		args := append([]string{"taskscope-worker", WorkerCommand}, p.args...)
		args = append(args, fmt.Sprint(processArg, c))
		sys := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if guards(p.a.head.flags)&guardDeathSignal != 0 {
			sys.Pdeathsig = 0
		}
		pid, err := syscall.ForkExec("/proc/self/exe", args, &syscall.ProcAttr{Env: os.Environ(), Files: files, Sys: sys})
		if err != nil {
			return err
		}
		atomic.StoreUint32(&p.a.procs[c].pid, uint32(pid))
	}
	return nil
}

// fail records the first failure of the run.
func (p *goProcess) fail(thread, step uint32, err error, op uint32) {
	h := p.a.head
	if !atomic.CompareAndSwapUint32(&h.failed, 0, 1) {
		return
	}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		errno = unix.EIO
	}
	h.failThread, h.failStep, h.failErrno, h.failOp = thread, step, int32(errno), op
	atomic.StoreUint32(&h.failed, 2)
	_ = signalFD(fdNotify) //nolint:errcheck // the exit is noticed too
}
