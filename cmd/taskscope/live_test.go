package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
		if p["switches_exact"] == true {
			continue // the kernel's own total
		}
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
	if code != exitDone || stderr != "" || !strings.Contains(stdout, "known-0") || strings.ContainsAny(stdout, "\x1b\xff") {
		t.Errorf("text: exit code %d, stderr %q, or a name is missing or not safe", code, stderr)
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

func TestWatchLive(t *testing.T) {
	t.Parallel()
	pid, reports, _ := startKnown(t)
	before := switchesOf(t, pid)
	code, stdout, stderr := invoke(t, "watch", strconv.Itoa(pid), "--json", "--count", "3", "--interval", "50ms")
	after := switchesOf(t, pid)
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3", len(lines))
	}
	for _, line := range lines {
		doc := decode(t, []byte(line))
		checkNulls(t, "watch", doc)
		list := objects(t, doc, "threads")
		checkThreads(t, list, before, after, reports)
		checkSum(t, object(t, doc, "process"), list)
		if doc["reset"] != false || len(doc["born"].([]any)) > len(list) {
			t.Errorf("reset %v, born %v", doc["reset"], doc["born"])
		}
	}
	for _, format := range [][]string{nil, {"--csv"}} {
		args := append([]string{"watch", strconv.Itoa(pid), "--count", "2", "--interval", "20ms"}, format...)
		code, stdout, stderr := invoke(t, args...)
		if code != exitDone || stderr != "" || strings.Count(stdout, "known-1") != 2 || strings.ContainsAny(stdout, "\x1b\xff") {
			t.Errorf("%q: exit code %d, stderr %q, or a thread is missing:\n%s", args, code, stderr, stdout)
		}
	}
}

// watchLines runs watch --json and gives its lines one by one.
func watchLines(t *testing.T, args ...string) (next func() map[string]any) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer w.Close()
		run(ctx, append([]string{"watch", "--json", "--interval", "20ms"}, args...), strings.NewReader(""), w, io.Discard)
	}()
	lines := bufio.NewReader(r)
	t.Cleanup(func() {
		cancel()
		_, _ = io.Copy(io.Discard, lines)
		<-done
	})
	return func() map[string]any {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		return decode(t, line)
	}
}

// untilListed reads lines until the member lists the number.
func untilListed(t *testing.T, next func() map[string]any, key string, n int) map[string]any {
	t.Helper()
	for range 500 {
		doc := next()
		checkNulls(t, "watch", doc)
		for _, x := range doc[key].([]any) {
			if fmt.Sprint(x) == strconv.Itoa(n) {
				return doc
			}
		}
	}
	t.Fatalf("%s never lists %d", key, n)
	return nil
}

// TestWatchThreads: threads that appear and end are named, once, and what the
// ended ones have counted stays in the total of the process.
func TestWatchThreads(t *testing.T) {
	t.Parallel()
	pid, in, out, _ := startTalking(t, "changing-child")
	tell := func(word string) int {
		if word != "" {
			_, _ = io.WriteString(in, word+"\n")
		}
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(strings.TrimSpace(line))
		return n
	}
	tell("")
	next := watchLines(t, strconv.Itoa(pid))
	next()
	for range 2 {
		tid := tell("born")
		doc := untilListed(t, next, "born", tid)
		if !slices.ContainsFunc(objects(t, doc, "threads"), func(th map[string]any) bool { return number(t, th, "tid") == tid }) {
			t.Errorf("thread %d is born, but not listed", tid)
		}
		before := number(t, object(t, doc, "process"), "voluntary_switches")
		if ended := tell("exit"); ended != tid {
			t.Fatalf("thread %d has ended, want %d", ended, tid)
		}
		doc = untilListed(t, next, "exited", tid)
		p := object(t, doc, "process")
		if after := number(t, p, "voluntary_switches"); after < before || doc["reset"] != false {
			t.Errorf("the total went from %d to %d, reset %v", before, after, doc["reset"])
		}
		if n := number(t, p, "exited_threads"); n == 0 {
			t.Error("exited_threads = 0")
		}
		checkSum(t, p, objects(t, doc, "threads"))
	}
}

// TestWatchDescendants: children that come and go are named, with their threads.
func TestWatchDescendants(t *testing.T) {
	t.Parallel()
	next := watchLines(t, strconv.Itoa(os.Getpid()), "--descendants")
	next()
	pid, _, stop := startChild(t, "known-child")
	doc := untilListed(t, next, "born_processes", pid)
	found := false
	for _, d := range objects(t, doc, "descendants") {
		checkShape(t, "descendant", d, map[string]string{"process": "object", "threads": "objects", "born": "ints", "exited": "ints", "reset": "bool"})
		if p := object(t, d, "process"); number(t, p, "pid") == pid {
			found = true
			if n := number(t, p, "ppid"); n != os.Getpid() {
				t.Errorf("ppid of the child = %d", n)
			}
		}
	}
	if !found {
		t.Errorf("process %d is born, but not among the descendants", pid)
	}
	stop()
	untilListed(t, next, "exited_processes", pid)
}

// TestWatchVanish: the process ends while it is watched: exit code 1 and a line.
func TestWatchVanish(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--json"}, {"--csv"}, {}, {"--descendants"}} {
		pid, _, stop := startChild(t, "victim-child")
		r, w := io.Pipe()
		var stderr bytes.Buffer
		result := make(chan int, 1)
		go func() {
			defer w.Close()
			result <- run(t.Context(), append([]string{"watch", strconv.Itoa(pid), "--interval", "20ms"}, args...), strings.NewReader(""), w, &stderr)
		}()
		lines := bufio.NewReader(r)
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		stop()
		_, _ = io.Copy(io.Discard, lines)
		if code := <-result; code != exitFailed {
			t.Errorf("%q: exit code %d, want %d", args, code, exitFailed)
		}
		checkLine(t, stderr.String(), fmt.Sprintf("process %d has ended", pid))
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

// procStat is what the completeness test reads itself of one process.
type procStat struct {
	comm, ppid, threads, start string
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
		out[pid] = procStat{comm: string(text[open+1 : shut]), ppid: f[1], threads: f[17], start: f[19]}
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
	for range 15 {
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
			if a != b {
				continue // it changed meanwhile
			}
			if b.ppid == "2" { // names of kernel workers tell what they do right now
				b.comm, p["comm"] = "", ""
				delete(p, "comm_raw")
			}
			compared++
			seen := procStat{comm: comm(p), ppid: fmt.Sprint(p["ppid"]), threads: fmt.Sprint(p["threads"]), start: fmt.Sprint(p["start_ticks"])}
			if seen != b {
				t.Errorf("process %d: %+v, want %+v", pid, seen, b)
			}
		}
		for pid, p := range got {
			for _, child := range p["children"].([]any) {
				n, _ := strconv.Atoi(fmt.Sprint(child))
				if got[n] == nil || fmt.Sprint(got[n]["ppid"]) != strconv.Itoa(pid) {
					t.Errorf("process %d names %d as its child", pid, n)
				}
			}
		}
	}
	if compared < 15*20 {
		t.Errorf("only %d processes compared", compared)
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

// asNobody runs the program as an ordinary user.
func asNobody(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	var out, errs bytes.Buffer
	// By descriptor: the directory of the test binary may be closed to others.
	cmd := exec.Command("/proc/self/fd/3")
	cmd.Args = append([]string{"taskscope"}, args...)
	cmd.ExtraFiles = []*os.File{exe}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &errs
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Skipf("cannot run as another user: %v", err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestUnprivileged: an ordinary user gets an answer about a process of root,
// and the reason for everything refused.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		info, err := os.Stat("/proc/self/exe")
		if err != nil || info.Mode()&1 == 0 {
			t.Skip("the test binary is not executable for others")
		}
	}
	code, stdout, stderr := asNobody(t, "show", "1", "--json", "--for", "20ms")
	if code != exitDone || stderr != "" {
		t.Fatalf("show 1: exit code %d, %s", code, stderr)
	}
	doc := decode(t, []byte(stdout))
	checkShown(t, doc)
	if doc["pid"] != json.Number("1") {
		t.Errorf("pid = %v", doc["pid"])
	}
	for _, key := range []string{"segments", "files"} {
		if doc[key] != nil {
			t.Errorf("%s of process 1 are readable", key)
		}
	}
	for _, args := range [][]string{{"tree"}, {"tree", "--json", "--threads"}, {"list", "--json"}, {"list", "--threads"}, {"doctor"}, {"doctor", "--json"}} {
		code, stdout, stderr := asNobody(t, args...)
		if code != exitDone || stderr != "" || stdout == "" {
			t.Errorf("%q: exit code %d, %s", args, code, stderr)
		}
	}
}

// TestFieldsAndDoctorJSON: both documents have the promised members, and every
// number about a process has its field.
func TestFieldsAndDoctorJSON(t *testing.T) {
	t.Parallel()
	_, stdout, _ := invoke(t, "fields", "--json")
	known := make(map[string]bool)
	for _, f := range objects(t, decode(t, []byte(stdout)), "fields") {
		checkShape(t, fmt.Sprint(f["id"]), f, map[string]string{
			"id": "string", "unit": "string", "scope": "string", "source_files": "strings", "meaning": "string",
		})
		known[fmt.Sprint(f["id"])] = true
		if f["meaning"] == "" || f["scope"] == "" {
			t.Errorf("%v: no meaning or no scope", f["id"])
		}
	}
	for _, want := range []map[string]string{contractProcess, contractThread} {
		for key, typ := range want {
			if strings.HasPrefix(typ, "int") || strings.HasPrefix(typ, "number") {
				if !known[key] {
					t.Errorf("no field %q", key)
				}
			}
		}
	}
	_, stdout, _ = invoke(t, "doctor", "--json")
	list := objects(t, decode(t, []byte(stdout)), "capabilities")
	if len(list) == 0 {
		t.Error("doctor knows no capability")
	}
	for _, c := range list {
		checkShape(t, fmt.Sprint(c["id"]), c, map[string]string{"id": "string", "title": "string", "state": "string", "reason": "string", "remedy": "string"})
		if !slices.Contains([]string{"available", "absent", "unknown"}, fmt.Sprint(c["state"])) {
			t.Errorf("%v: state %v", c["id"], c["state"])
		}
		if c["state"] != "available" && c["reason"] == "" {
			t.Errorf("%v is %v without a reason", c["id"], c["state"])
		}
	}
}

// TestSubtree: descendants at any depth, nobody else, and no endless loop.
func TestSubtree(t *testing.T) {
	s := family([2]int{1, 0}, [2]int{2, 1}, [2]int{3, 2}, [2]int{4, 1}, [2]int{5, 3}, [2]int{6, 4}, [2]int{7, 8}, [2]int{8, 7})
	for root, want := range map[int][]int{2: {3, 5}, 1: {2, 3, 4, 5, 6}, 6: nil, 7: {8}} {
		if got := subtree(s, root); !slices.Equal(got, want) {
			t.Errorf("subtree(%d) = %v, want %v", root, got, want)
		}
	}
	if got := slices.Sorted(maps.Keys(childrenOf(s))); !slices.Equal(got, []int{1, 2, 3, 4, 7, 8}) {
		t.Errorf("parents = %v", got)
	}
}
