package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// startKnown starts a knownChild and waits until its known threads block.
func startKnown(t *testing.T) (pid int, reports []childThread, stop func()) {
	t.Helper()
	pid, line, stop := startChild(t, "known-child")
	if err := json.Unmarshal(line, &reports); err != nil {
		t.Fatalf("report of the child: %v: %s", err, line)
	}
	for _, r := range reports {
		waitFor(t, "thread blocked", func() bool { return taskFile(t, pid, r.TID, "status")["State"] == "S (sleeping)" })
	}
	return pid, reports, stop
}

// waitFor polls until a condition holds.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// taskFile reads a "key: value" file of a thread independently of the program.
func taskFile(t *testing.T, pid, tid int, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/%s", pid, tid, name))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			out[key] = strings.TrimSpace(value)
		}
	}
	return out
}

// switchesOf reads the switches of all threads: TID → {voluntary, involuntary}.
func switchesOf(t *testing.T, pid int) map[int][2]int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[int][2]int)
	for _, e := range entries {
		tid, _ := strconv.Atoi(e.Name())
		status := taskFile(t, pid, tid, "status")
		voluntary, _ := strconv.Atoi(status["voluntary_ctxt_switches"])
		involuntary, _ := strconv.Atoi(status["nonvoluntary_ctxt_switches"])
		out[tid] = [2]int{voluntary, involuntary}
	}
	return out
}

func number(t *testing.T, o map[string]any, key string) int {
	t.Helper()
	n, err := strconv.Atoi(fmt.Sprint(o[key]))
	if err != nil {
		t.Fatalf("%s is no integer: %v", key, o[key])
	}
	return n
}

// checkThreads compares a thread list with what was read before and after, and
// with the threads' own words.
func checkThreads(t *testing.T, list []map[string]any, before, after map[int][2]int, reports []childThread) {
	t.Helper()
	seen := make(map[int]map[string]any)
	for _, th := range list {
		tid := number(t, th, "tid")
		seen[tid] = th
		for i, key := range []string{"voluntary_switches", "involuntary_switches"} {
			if n, had := number(t, th, key), before[tid]; n < had[i] || n > after[tid][i] {
				t.Errorf("thread %d: %s = %d, want %d to %d", tid, key, n, had[i], after[tid][i])
			}
		}
	}
	for tid := range before {
		if _, still := after[tid]; still && seen[tid] == nil {
			t.Errorf("thread %d is missing", tid)
		}
	}
	for i, r := range reports {
		th := seen[r.TID]
		if th == nil {
			t.Errorf("known thread %d is missing", r.TID)
			continue
		}
		if th["comm"] != knownShown[i] {
			t.Errorf("thread %d: comm = %q, want %q", r.TID, th["comm"], knownShown[i])
		}
		raw, _ := th["comm_raw"].(string)
		if name, _ := base64.StdEncoding.DecodeString(raw); !utf8.ValidString(knownThreads[i]) && string(name) != knownThreads[i] {
			t.Errorf("thread %d: comm_raw is %q, want %q", r.TID, name, knownThreads[i])
		}
		// It has blocked at least once more since it counted, for ever.
		if n := number(t, th, "voluntary_switches"); n <= int(r.Voluntary) {
			t.Errorf("thread %d: %d voluntary switches, itself counted %d before it blocked", r.TID, n, r.Voluntary)
		}
		if th["state"] != "S" {
			t.Errorf("thread %d: state %v, want S", r.TID, th["state"])
		}
	}
}

// checkSum: the process has switched as often as its threads, exited ones included.
func checkSum(t *testing.T, p map[string]any, list []map[string]any) {
	t.Helper()
	for key, exited := range map[string]string{
		"voluntary_switches": "exited_voluntary_switches", "involuntary_switches": "exited_involuntary_switches",
	} {
		sum := number(t, p, exited)
		for _, th := range list {
			sum += number(t, th, key)
		}
		if n := number(t, p, key); n != sum {
			t.Errorf("process %v: %s = %d, its threads have %d", p["pid"], key, n, sum)
		}
	}
}

func TestShowLive(t *testing.T) {
	t.Parallel()
	pid, reports, _ := startKnown(t)
	before := switchesOf(t, pid)
	code, stdout, stderr := invoke(t, "show", strconv.Itoa(pid), "--json", "--for", "200ms")
	after := switchesOf(t, pid)
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	doc := decode(t, []byte(stdout))
	checkShown(t, doc)
	list := objects(t, doc, "thread_list")
	checkThreads(t, list, before, after, reports)
	checkSum(t, doc, list)
	if n := number(t, doc, "threads"); n != len(list) {
		t.Errorf("threads = %d, but %d are listed", n, len(list))
	}
	if n := number(t, doc, "ppid"); n != os.Getpid() {
		t.Errorf("ppid = %d, want %d", n, os.Getpid())
	}
	for _, th := range list {
		if tid := number(t, th, "tid"); slices.ContainsFunc(reports, func(r childThread) bool { return r.TID == tid }) {
			blocked, _ := th["blocked_percent"].(json.Number)
			if f, err := blocked.Float64(); err != nil || f < 99 || f > 101 {
				t.Errorf("parked thread %d: blocked %v %% of the time", tid, th["blocked_percent"])
			}
		}
	}
	if s, _ := doc["interval_seconds"].(json.Number).Float64(); s < 0.2 || s > 20 {
		t.Errorf("interval_seconds = %v", s)
	}
	if doc["segments"] == nil {
		t.Errorf("no segments of our own child: %v", object(t, doc, "why")["segments"])
	}
	code, stdout, stderr = invoke(t, "show", strconv.Itoa(pid), "--for", "20ms")
	if code != exitDone || stderr != "" || !strings.Contains(stdout, "known-0") || !printable(stdout) {
		t.Errorf("text: exit code %d, stderr %q, or a name is missing or not safe", code, stderr)
	}
}

// TestShowOddProcesses: kernel threads and zombies lack most of what others
// have, and that is no error.
func TestShowOddProcesses(t *testing.T) {
	t.Parallel()
	zombie := exec.Command("true")
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	defer zombie.Wait()
	waitFor(t, "a zombie", func() bool { return allStats(t)[zombie.Process.Pid].state == "Z" })
	pids := map[int]string{zombie.Process.Pid: "Z"}
	if allStats(t)[2].comm == "kthreadd" {
		pids[2] = ""
	}
	for pid, state := range pids {
		code, stdout, stderr := invoke(t, "show", strconv.Itoa(pid), "--json", "--for", "20ms")
		if code != exitDone || stderr != "" {
			t.Errorf("process %d: exit code %d, %s", pid, code, stderr)
			continue
		}
		doc := decode(t, []byte(stdout))
		checkShown(t, doc)
		if state != "" && doc["state"] != state {
			t.Errorf("process %d: state %v, want %s", pid, doc["state"], state)
		}
		for _, key := range []string{"exe", "rss_bytes", "pss_bytes"} {
			if doc[key] != nil {
				t.Errorf("process %d: %s = %v", pid, key, doc[key])
			}
		}
		if code, _, stderr := invoke(t, "show", strconv.Itoa(pid), "--for", "20ms"); code != exitDone || stderr != "" {
			t.Errorf("process %d as text: exit code %d, %s", pid, code, stderr)
		}
	}
}

func TestListLive(t *testing.T) {
	t.Parallel()
	pid, reports, _ := startKnown(t)
	for _, args := range [][]string{
		{"list", "--threads", "--json", "--filter", fmt.Sprintf("pid = %d", pid)},
		{"tree", strconv.Itoa(pid), "--json", "--threads"},
	} {
		before := switchesOf(t, pid)
		code, stdout, stderr := invoke(t, args...)
		after := switchesOf(t, pid)
		if code != exitDone || stderr != "" {
			t.Fatalf("%q: exit code %d, %s", args, code, stderr)
		}
		doc := decode(t, []byte(stdout))
		checkDocument(t, doc, true, args[0] == "tree")
		list := objects(t, doc, "processes")
		if len(list) != 1 || number(t, list[0], "pid") != pid {
			t.Fatalf("%q: %d processes, want just %d", args, len(list), pid)
		}
		threads := objects(t, list[0], "thread_list")
		checkThreads(t, threads, before, after, reports)
		checkSum(t, list[0], threads)
	}
	_, stdout, _ := invoke(t, "list", "--threads", "--csv", "-o", "pid,tid,comm", "--filter", fmt.Sprintf("pid = %d", pid))
	for i, r := range reports {
		if want := fmt.Sprintf("%d,%d,%s\n", pid, r.TID, escapeText(knownThreads[i])); !strings.Contains(stdout, want) {
			t.Errorf("no line %q in\n%s", want, stdout)
		}
	}
}

// TestShowVanish: the process ends between resolve and read.
func TestShowVanish(t *testing.T) {
	t.Parallel()
	pid, _, stop := startChild(t, "victim-child")
	a := &app{procRoot: "/proc", source: "proc", interval: time.Second}
	r, err := a.openReader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	id, err := a.resolve(r, strconv.Itoa(pid))
	if err != nil || id.PID != pid {
		t.Fatalf("resolve: %v, %v", id, err)
	}
	stop()
	_, err = a.readShown(t.Context(), r, id, time.Millisecond)
	var e *exitError
	if !errors.As(err, &e) || e.code != exitFailed {
		t.Errorf("error %v, want exit code %d", err, exitFailed)
	}
}

// TestThreadIsNoProcess: the complaint names the process of the thread.
func TestThreadIsNoProcess(t *testing.T) {
	t.Parallel()
	pid, reports, _ := startKnown(t)
	for _, command := range []string{"show", "watch", "tree", "attach"} {
		code, _, stderr := invoke(t, command, strconv.Itoa(reports[0].TID))
		if code != exitUsage {
			t.Errorf("%s: exit code %d", command, code)
		}
		checkLine(t, stderr, strconv.Itoa(pid))
	}
}

// TestAttachAmbiguous: several processes of one name and no terminal.
func TestAttachAmbiguous(t *testing.T) {
	t.Parallel()
	one, _, _ := startChild(t, "victim-child", "same-name")
	two, _, _ := startChild(t, "victim-child", "same-name")
	code, _, stderr := invoke(t, "attach", "victim-child")
	if code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	checkLine(t, stderr, "give the PID")
	for _, pid := range []int{one, two} {
		if !strings.Contains(stderr, strconv.Itoa(pid)) {
			t.Errorf("%d is not listed: %s", pid, stderr)
		}
	}
}
