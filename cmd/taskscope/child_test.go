package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// knownThreads are the names of the threads of a knownChild.
var knownThreads = []string{"known-0", "known-1", "bad\xff\xfename", "esc\x1b[31m"}

// knownShown is how the JSON shows them.
var knownShown = []string{"known-0", "known-1", `bad\xff\xfename`, "esc\x1b[31m"}

// childThread is what a thread of knownChild says of itself.
type childThread struct {
	TID         int    `json:"tid"`
	Voluntary   uint64 `json:"voluntary"`
	Involuntary uint64 `json:"involuntary"`
}

// knownChild is a process with threads of known names. Each sleeps 20 times,
// says what it has counted itself, and then blocks until stdin is closed.
func knownChild() {
	reports := make([]childThread, len(knownThreads))
	park := make(chan struct{})
	var done sync.WaitGroup
	for i, name := range knownThreads {
		done.Add(1)
		go func() {
			runtime.LockOSThread()
			setName(name)
			for range 20 {
				ts := unix.NsecToTimespec(int64(time.Millisecond))
				_ = unix.Nanosleep(&ts, nil) // a signal of the runtime may cut it short
			}
			reports[i].TID = unix.Gettid()
			r, w, err := os.Pipe()
			must(err)
			defer w.Close()
			var usage syscall.Rusage
			must(syscall.Getrusage(1 /* RUSAGE_THREAD */, &usage))
			reports[i].Voluntary, reports[i].Involuntary = uint64(usage.Nvcsw), uint64(usage.Nivcsw)
			done.Done()
			// A blocking read of an empty pipe, so that exactly this thread waits.
			_, _ = syscall.Read(int(r.Fd()), make([]byte, 1))
			<-park
		}()
	}
	done.Wait()
	must(json.NewEncoder(os.Stdout).Encode(reports))
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

// victimChild is a process that lives until stdin is closed.
func victimChild() {
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

// changingChild makes a thread for each line "born" of its stdin and ends one
// for each line "exit"; it answers with the TID.
func changingChild() {
	type thread struct {
		tid int
		end chan struct{}
	}
	var threads []thread
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "born" {
			old := tasksOf()
			t := thread{end: make(chan struct{})}
			// The runtime may give it an idle thread; then that one is kept busy
			// and another tried.
			for t.tid = lockedThread(t.end); old[t.tid]; t.tid = lockedThread(t.end) {
				t.end = make(chan struct{})
			}
			threads = append(threads, t)
			fmt.Println(t.tid)
			continue
		}
		t := threads[0]
		threads = threads[1:]
		close(t.end)
		fmt.Println(t.tid)
	}
}

// lockedThread occupies a thread until end is closed; then the thread ends.
func lockedThread(end <-chan struct{}) (tid int) {
	got := make(chan int)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		got <- unix.Gettid()
		<-end
	}()
	return <-got
}

// tasksOf are the TIDs of this process.
func tasksOf() map[int]bool {
	entries, err := os.ReadDir("/proc/self/task")
	must(err)
	out := make(map[int]bool)
	for _, e := range entries {
		tid, _ := strconv.Atoi(e.Name())
		out[tid] = true
	}
	return out
}

// setName names the calling thread.
func setName(name string) {
	b := append([]byte(name), 0)
	must(unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0))
	runtime.KeepAlive(b)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startChild starts the test binary under that name and returns it with its
// first line of output. It ends with the test, or when stop is called.
func startChild(t *testing.T, name string, args ...string) (pid int, line []byte, stop func()) {
	t.Helper()
	pid, _, out, stop := startTalking(t, name, args...)
	line, err := out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("%s did not start: %v", name, err)
	}
	return pid, line, stop
}

// startTalking starts the test binary under that name, to be talked to.
func startTalking(t *testing.T, name string, args ...string) (pid int, in io.Writer, out *bufio.Reader, stop func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Args = append([]string{name}, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			stdin.Close()
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
	}
	t.Cleanup(stop)
	return cmd.Process.Pid, stdin, bufio.NewReader(stdout), stop
}
