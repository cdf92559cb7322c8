package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

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
		// The thread may be the main one: then the process has its name too.
		n := strings.Count(stdout, "known-1")
		if code != exitDone || stderr != "" || n != 2 && n != 4 || !printable(stdout) {
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
