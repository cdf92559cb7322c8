package inspect_test

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// helperEnv makes the test binary play a process to be looked at.
const helperEnv = "INSPECT_TEST_HELPER"

// crowdEnv tells the helper "crowd" how many threads it shall have, and for how many
// ns each of them sleeps at a time.
const crowdEnv = "INSPECT_TEST_CROWD"

func init() {
	if os.Getenv(helperEnv) != "" {
		runtime.LockOSThread() // main runs on the main thread
	}
}

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "":
		goleak.VerifyTestMain(m)
	case "nested":
		runNested(m)
	case "threads":
		helperThreads(4, time.Hour)
		fmt.Println("ready")
		waitForEOF()
	case "crowd":
		var threads int
		var nap time.Duration
		if _, err := fmt.Sscan(os.Getenv(crowdEnv), &threads, &nap); err != nil {
			fmt.Println(err)
			return
		}
		helperThreads(threads-1, nap)
		fmt.Println("ready")
		waitForEOF()
	case "leaderless":
		helperThreads(2, time.Hour)
		page := make([]byte, 20<<20)
		for i := range page {
			page[i] = 1
		}
		go func() {
			waitForEOF()
			runtime.KeepAlive(page)
			os.Exit(0)
		}()
		fmt.Println("ready")
		// The main thread alone ends; the process lives on.
		syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
	default:
		sourceHelper(os.Getenv(helperEnv))
	}
}

// helperThreads starts n threads that sleep in the kernel, for so long at a time.
func helperThreads(n int, nap time.Duration) {
	for range n {
		started := make(chan bool)
		go func() {
			runtime.LockOSThread()
			close(started)
			for {
				ts := syscall.NsecToTimespec(int64(nap))
				_ = syscall.Nanosleep(&ts, nil)
			}
		}()
		<-started
	}
}

func waitForEOF() {
	var b [1]byte
	for {
		if n, err := os.Stdin.Read(b[:]); n == 0 || err != nil {
			return
		}
	}
}
