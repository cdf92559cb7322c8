package inspect_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect"
)

// openBPF makes a Reader of BPF records. Where BPF cannot be had for a reason
// that lies outside of this program the test is skipped, elsewhere it fails.
func openBPF(t testing.TB) *inspect.Reader {
	t.Helper()
	r, err := inspect.NewReader(inspect.Options{Source: inspect.SourceBPF})
	inspect.RequireBPF(t, err)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

// sourceHelper plays the processes that the two sources are compared on.
func sourceHelper(role string) {
	if role != "churn" {
		go func() {
			waitForEOF()
			os.Exit(0)
		}()
	}
	switch role {
	case "named":
		if err := os.WriteFile("/proc/self/comm", []byte("st (x) y\nz"), 0); err != nil {
			panic(err)
		}
	case "vfork":
		fmt.Println("ready")
		vforkAndSleep()
	case "spin":
		go func() {
			for n := uint64(1); n != 0; n++ { // ends in some centuries
			}
		}()
	case "exited":
		exitThreads(50, 100, 50*time.Microsecond)
	case "wakers": // threads that sleep, again and again, and none of which exits
		for range 40 {
			go func() {
				runtime.LockOSThread()
				for ts := syscall.NsecToTimespec(int64(20 * time.Millisecond)); ; {
					_ = syscall.Nanosleep(&ts, nil)
				}
			}()
		}
	case "churn": // answers every line with what getrusage says
		fmt.Println("ready")
		go func() {
			for {
				exitThreads(8, 5, 20*time.Microsecond)
			}
		}()
		answerUsage()
	}
	fmt.Println("ready")
	select {}
}

// answerUsage answers lines until there are no more.
func answerUsage() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var ru unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
			panic(err)
		}
		fmt.Println(ru.Nvcsw, ru.Nivcsw)
	}
	os.Exit(0)
}

// exitThreads lets n threads sleep a number of times and exit.
func exitThreads(n, times int, pause time.Duration) {
	var wg sync.WaitGroup
	for range n {
		wg.Add(1)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread exits
			defer wg.Done()
			for range times {
				ts := syscall.NsecToTimespec(int64(pause))
				_ = syscall.Nanosleep(&ts, nil)
			}
		}()
	}
	wg.Wait()
}

// vforkAndSleep makes this thread wait for a child that never executes another
// program: state D. The child is a plain fork that only sleeps in a raw call, so
// nothing of the runtime runs in it; it dies with its parent.
//
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

// nestedNoMount is the exit code of a test binary that may not mount /proc.
const nestedNoMount = 77

// runNested runs the tests in the PID and mount namespaces it was started in.
func runNested(m *testing.M) {
	err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""))
	if err != nil {
		fmt.Println("cannot mount /proc:", err)
		os.Exit(nestedNoMount)
	}
	os.Unsetenv(helperEnv)
	os.Setenv(insideEnv, "1")
	os.Exit(m.Run())
}

const insideEnv = "INSPECT_TEST_INSIDE"
