package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// procStat is what the completeness test reads itself of one process.
type procStat struct {
	comm, state, ppid, threads, start string
}

// allStats reads /proc independently of the program.
func allStats(t *testing.T) map[int]procStat {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[int]procStat)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		open, shut := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
		f := strings.Fields(string(text[shut+1:]))
		out[pid] = procStat{comm: string(text[open+1 : shut]), state: f[0], ppid: f[1], threads: f[17], start: f[19]}
	}
	return out
}

// TestTreeComplete: while processes come and go all the time, every process
// that lives throughout is in the tree, with its parent, name and threads.
func TestTreeComplete(t *testing.T) {
	for range 20 {
		startChild(t, "victim-child")
	}
	var churn sync.WaitGroup
	end := make(chan struct{})
	for range 2 {
		churn.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
					_ = exec.Command("true").Run()
				}
			}
		})
	}
	defer churn.Wait()
	defer close(end)
	compared := 0
	restless := map[int]offCounts{}
	// A crowded machine shows in a few rounds what an empty one does in many.
	for round := range 15 {
		if compared >= 20000 && round >= 5 {
			break
		}
		before := allStats(t)
		code, stdout, stderr := invoke(t, "tree", "--json")
		after := allStats(t)
		if code != exitDone || stderr != "" {
			t.Fatalf("exit code %d, %s", code, stderr)
		}
		got := make(map[int]map[string]any)
		for _, p := range objects(t, decode(t, []byte(stdout)), "processes") {
			pid := number(t, p, "pid")
			if got[pid] != nil {
				t.Errorf("process %d twice", pid)
			}
			got[pid] = p
		}
		compared += checkComplete(t, got, before, after, restless)
		checkFamilies(t, got)
	}
	for pid, n := range restless {
		if n.off >= 3 && n.off == n.compared {
			t.Errorf("process %d: %s threads %d times out of %d", pid, n.last, n.off, n.compared)
		}
	}
	if compared < 15*20 {
		t.Errorf("only %d processes compared", compared)
	}
}

// offCounts says of one process how often its number of threads was compared,
// how often it was off, and what it was then.
type offCounts struct {
	compared, off int
	last          string
}

// checkComplete compares what was got with what lived throughout, and says how
// many processes could be compared. A program that starts and ends threads all
// the time can have as many before as after and others in between: restless
// counts how often that was so, and is an error for a process that is never right.
func checkComplete(t *testing.T, got map[int]map[string]any, before, after map[int]procStat, restless map[int]offCounts) (compared int) {
	t.Helper()
	for pid, b := range before {
		a, still := after[pid]
		if !still || a.start != b.start {
			continue
		}
		p := got[pid]
		if p == nil {
			t.Errorf("process %d (%s) is missing", pid, b.comm)
			continue
		}
		a.state, b.state = "", "" // the one thing that may differ
		if a != b || pid == os.Getpid() {
			continue // it changed meanwhile, as we do: the program tests the kernel with a thread that ends
		}
		b.state = ""       // it may have been another in between
		if b.ppid == "2" { // names of kernel workers tell what they do right now
			b.comm, p["comm"] = "", ""
			delete(p, "comm_raw")
		}
		compared++
		seen := procStat{comm: comm(p), ppid: fmt.Sprint(p["ppid"]), threads: fmt.Sprint(p["threads"]), start: fmt.Sprint(p["start_ticks"])}
		n := restless[pid]
		n.compared++
		if seen.threads != b.threads {
			n.off++
			n.last = seen.threads + " for " + b.threads
			seen.threads = b.threads
		}
		restless[pid] = n
		if seen != b {
			t.Errorf("process %d: %+v, want %+v", pid, seen, b)
		}
	}
	return compared
}

// checkFamilies: parents and children agree.
func checkFamilies(t *testing.T, got map[int]map[string]any) {
	t.Helper()
	for pid, p := range got {
		for _, child := range p["children"].([]any) {
			n, _ := strconv.Atoi(fmt.Sprint(child))
			if got[n] == nil || fmt.Sprint(got[n]["ppid"]) != strconv.Itoa(pid) {
				t.Errorf("process %d names %d as its child", pid, n)
			}
		}
	}
}

// comm is the name of a process as raw bytes.
func comm(p map[string]any) string {
	if raw, ok := p["comm_raw"].(string); ok {
		b, _ := base64.StdEncoding.DecodeString(raw)
		return string(b)
	}
	return fmt.Sprint(p["comm"])
}
