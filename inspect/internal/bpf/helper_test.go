package bpf

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// The tests start themselves again as targets: a helper talks over its standard
// input and output and ends when its input does, so none survives the tests.
const helperEnv = "TASKSCOPE_BPF_HELPER"

var helpers = map[string]func(args []string){
	"pause":    helperPause,
	"named":    helperNamed,
	"vfork":    helperVfork,
	"threads":  helperThreads,
	"exited":   helperExited,
	"churn":    helperChurn,
	"bursts":   helperBursts,
	"pingpong": helperPingPong,
	"storm":    helperStorm,
	"open":     helperOpen,
	"hop":      helperHop,
	"exec":     helperExec,
	"spin":     helperSpin,
	"share":    helperShare,
	"pairs":    helperPairs,
	"naps":     helperNaps,
}

// A helper's main goroutine stays on the main thread, whose TID is the PID.
func init() {
	if os.Getenv(helperEnv) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	if name, args, _ := strings.Cut(os.Getenv(helperEnv), " "); name != "" {
		helpers[name](strings.Fields(args))
		os.Exit(0)
	}
	if os.Getenv(nestedEnv) != "" {
		mountProc()
	}
	goleak.VerifyTestMain(m)
}

// nestedEnv makes the test binary mount its own /proc: it runs in PID and mount
// namespaces of its own.
const nestedEnv = "TASKSCOPE_BPF_NESTED"

func mountProc() {
	err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""))
	if err != nil {
		fmt.Println("cannot mount /proc:", err)
		os.Exit(nestedNoMount)
	}
}

// nestedNoMount is the exit code for that.
const nestedNoMount = 77

// helper is a running one.
type helper struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	pid int
}

// helperCmd is the command that runs a helper; the caller may still change it.
func helperCmd(name string, args ...any) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperEnv+"="+strings.TrimSuffix(fmt.Sprintln(append([]any{name}, args...)...), "\n"))
	cmd.Stderr = os.Stderr
	return cmd
}

func startHelper(t testing.TB, name string, args ...any) *helper {
	t.Helper()
	return startCmd(t, helperCmd(name, args...))
}

func startCmd(t testing.TB, cmd *exec.Cmd) *helper {
	t.Helper()
	h := &helper{t: t, cmd: cmd}
	var err error
	if h.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.out = bufio.NewScanner(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.pid = cmd.Process.Pid
	t.Cleanup(func() {
		_ = h.in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return h
}

// ask sends a line and returns the numbers of the answer.
func (h *helper) ask(line string) []uint64 {
	h.t.Helper()
	if _, err := io.WriteString(h.in, line+"\n"); err != nil {
		h.t.Fatal(err)
	}
	return h.numbers()
}

// numbers reads one line of numbers.
func (h *helper) numbers() []uint64 {
	h.t.Helper()
	line := h.line()
	var n []uint64
	for _, f := range strings.Fields(line) {
		v, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			h.t.Fatalf("helper says %q", line)
		}
		n = append(n, v)
	}
	return n
}

func (h *helper) line() string {
	h.t.Helper()
	if !h.out.Scan() {
		h.t.Fatalf("helper ended: %v", h.out.Err())
	}
	return h.out.Text()
}

// --- what helpers do -------------------------------------------------------

// untilEOF reads raw, so that the thread itself sleeps in the kernel and the
// runtime does nothing meanwhile.
func untilEOF() {
	var b [1]byte
	for {
		n, err := unix.Read(0, b[:])
		if n == 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return
		}
	}
}

// gate waits for one line.
func gate() {
	var b [1]byte
	for b[0] != '\n' {
		n, err := unix.Read(0, b[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n == 0 || err != nil {
			os.Exit(0)
		}
	}
}

func helperPause([]string) {
	fmt.Println(os.Getpid())
	untilEOF()
}

func helperNamed([]string) {
	if err := os.WriteFile("/proc/self/comm", []byte("st (x) y\nz"), 0); err != nil {
		panic(err)
	}
	helperPause(nil)
}

// helperVfork makes this thread wait for a child that never execs: state D. The
// child is a plain fork (no shared memory) that only sleeps in a raw call, so
// nothing of the runtime runs in it; it dies with its parent.
func helperVfork([]string) {
	fmt.Println(os.Getpid())
	go func() {
		untilEOF()
		os.Exit(0)
	}()
	vforkAndSleep()
}

//go:norace
//go:nosplit
func vforkAndSleep() {
	pid, _, _ := syscall.RawSyscall6(unix.SYS_CLONE, unix.CLONE_VFORK|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if pid != 0 {
		return
	}
	syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0)
	for {
		syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}

// thread runs f on a thread of its own, which exits when f returns.
func thread(wg *sync.WaitGroup, f func()) {
	wg.Add(1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		defer wg.Done()
		f()
	}()
}

func sleepRaw(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	for errors.Is(unix.Nanosleep(&ts, &ts), unix.EINTR) {
	}
}

// park sleeps for ever in the kernel.
func park() {
	for {
		_, _ = unix.Ppoll(nil, nil, nil)
	}
}

func helperThreads(args []string) {
	n, _ := strconv.Atoi(args[0])
	var wg sync.WaitGroup
	var ready sync.WaitGroup
	ready.Add(n)
	for range n {
		thread(&wg, func() { ready.Done(); park() })
	}
	ready.Wait()
	helperPause(nil)
}

// helperExited lets threads sleep and exit, then answers every line with its own
// counts over all its threads, from getrusage.
func helperExited(args []string) {
	n, _ := strconv.Atoi(args[0])
	var wg sync.WaitGroup
	for range n {
		thread(&wg, func() {
			for range 100 {
				sleepRaw(50 * time.Microsecond)
			}
		})
	}
	wg.Wait()
	for {
		gate()
		var ru unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
			panic(err)
		}
		fmt.Println(ru.Nvcsw, ru.Nivcsw)
	}
}

// helperChurn makes and ends threads for ever.
func helperChurn([]string) {
	fmt.Println(os.Getpid())
	go func() {
		untilEOF()
		os.Exit(0)
	}()
	for {
		var wg sync.WaitGroup
		for range 8 {
			thread(&wg, func() {
				for range 5 {
					sleepRaw(20 * time.Microsecond)
				}
			})
		}
		wg.Wait()
	}
}

func threadCPU() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

// helperBursts waits at the gate, then runs threads of bursts and sleeps, says
// their TIDs, and lets them sleep on.
func helperBursts(args []string) {
	threads, _ := strconv.Atoi(args[0])
	bursts, _ := strconv.Atoi(args[1])
	fmt.Println(os.Getpid())
	gate()
	tids := make(chan int, threads)
	var wg sync.WaitGroup
	for range threads {
		thread(&wg, func() {
			for range bursts {
				for end := threadCPU() + 150*time.Microsecond; threadCPU() < end; {
				}
				sleepRaw(100 * time.Microsecond)
			}
			tids <- unix.Gettid()
			park()
		})
	}
	var list []any
	for range threads {
		list = append(list, <-tids)
	}
	fmt.Println(list...)
	untilEOF()
}

// helperPingPong sends a byte forth and back between two threads over two
// pipes, on one CPU, after the gate; then says how often each one did.
func helperPingPong(args []string) {
	n, _ := strconv.Atoi(args[0])
	var a, b [2]int
	if err := errors.Join(unix.Pipe2(a[:], unix.O_CLOEXEC), unix.Pipe2(b[:], unix.O_CLOEXEC)); err != nil {
		panic(err)
	}
	fmt.Println(os.Getpid())
	gate()
	var wg sync.WaitGroup
	tids := make([]int, 2)
	for side := range 2 {
		thread(&wg, func() {
			pin()
			tids[side] = unix.Gettid()
			from, to := a[0], b[1]
			if side == 1 {
				from, to = b[0], a[1]
			}
			buf := make([]byte, 1)
			for i := range n {
				if side == 0 || i > 0 {
					readByte(from, buf)
				}
				writeByte(to, buf)
			}
			if side == 1 {
				readByte(from, buf)
			}
		})
	}
	wg.Wait()
	fmt.Println(tids[0], tids[1])
	untilEOF()
}

func pin() {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		panic(err)
	}
	for c := range 1024 {
		if all.IsSet(c) {
			one.Set(c)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		panic(err)
	}
}

func readByte(fd int, b []byte) {
	for {
		if n, err := unix.Read(fd, b); n == 1 {
			return
		} else if !errors.Is(err, unix.EINTR) {
			panic(err)
		}
	}
}

func writeByte(fd int, b []byte) {
	for {
		if n, err := unix.Write(fd, b); n == 1 {
			return
		} else if !errors.Is(err, unix.EINTR) {
			panic(err)
		}
	}
}

// helperNaps has a thread that, for each line with a number, sleeps so often, and
// then says its TID.
func helperNaps([]string) {
	fmt.Println(os.Getpid())
	var wg sync.WaitGroup
	thread(&wg, func() {
		for {
			n, err := strconv.Atoi(readLine())
			if err != nil {
				return
			}
			for range n {
				sleepRaw(100 * time.Microsecond)
			}
			fmt.Println(unix.Gettid())
		}
	})
	wg.Wait()
}

// helperStorm runs a command that exits with 7, n times, one after the other.
func helperStorm(args []string) {
	n, _ := strconv.Atoi(args[0])
	_ = exec.Command("/bin/true").Run() // the first time os/exec forks once more, to try pidfds
	fmt.Println(os.Getpid())
	gate()
	for range n {
		err := exec.Command("/bin/sh", "-c", "exit 7").Run()
		var status *exec.ExitError
		if !errors.As(err, &status) || status.ExitCode() != 7 {
			panic(err)
		}
	}
	fmt.Println(n)
	untilEOF()
}

// helperHop moves its main thread between CPUs by affinity, n times, and says
// its TID and what the kernel counted meanwhile.
func helperHop(args []string) {
	n, _ := strconv.Atoi(args[0])
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		panic(err)
	}
	var cpus []int
	for c := range 1024 {
		if all.IsSet(c) {
			cpus = append(cpus, c)
		}
	}
	fmt.Println(unix.Gettid())
	gate()
	for i := range n {
		var one unix.CPUSet
		one.Set(cpus[i%len(cpus)])
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			panic(err)
		}
	}
	fmt.Println(unix.Gettid())
	untilEOF()
}

// helperExec replaces itself by sleep from a thread that is not the leader.
func helperExec([]string) {
	fmt.Println(os.Getpid())
	gate()
	var wg sync.WaitGroup
	thread(&wg, func() {
		if unix.Gettid() == os.Getpid() { // the runtime may give us the main thread
			thread(&wg, execSleep)
			park()
		}
		execSleep()
	})
	wg.Wait()
}

func execSleep() {
	fmt.Println(unix.Gettid())
	panic(unix.Exec("/bin/sleep", []string{"sleep", "600"}, nil))
}

// helperOpen tries everything and says how it went: one line per part.
func helperOpen([]string) {
	ctx := context.Background()
	types := new(Types)
	say := func(what string, err error) {
		var e *Error
		switch {
		case err == nil:
			fmt.Println(what, "ok")
		case errors.As(err, &e):
			fmt.Printf("%s %d %s | %s\n", what, e.Reason, e, e.Remedy())
		default:
			fmt.Println(what, "untyped", err)
		}
	}
	s, err := Open(ctx, types)
	if err == nil {
		err = s.Close()
	}
	say("source", err)
	tot, err := OpenTotals(ctx, types)
	if err == nil {
		err = tot.Close()
	}
	say("totals", err)
	tr, err := NewTracer(ctx, TracerOptions{Aggregates: true, Types: types})
	if err == nil {
		err = errors.Join(tr.Start(), tr.Close())
	}
	say("tracer", err)
}

// helperSpin burns a CPU with its main thread.
func helperSpin([]string) {
	fmt.Println(os.Getpid())
	go func() {
		untilEOF()
		os.Exit(0)
	}()
	for n := 0; ; n++ {
		spun = n
	}
}

var spun int

// --- whether BPF must work here --------------------------------------------
