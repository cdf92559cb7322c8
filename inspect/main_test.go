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
		helperThreads(4)
		fmt.Println("ready")
		waitForEOF()
	case "leaderless":
		helperThreads(2)
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

// helperThreads starts n threads that sleep in the kernel.
func helperThreads(n int) {
	for range n {
		started := make(chan bool)
		go func() {
			runtime.LockOSThread()
			close(started)
			for {
				ts := syscall.NsecToTimespec(int64(time.Hour))
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
