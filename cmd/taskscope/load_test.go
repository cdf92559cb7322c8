package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"taskscope/inspect"
	"taskscope/load"
	"taskscope/load/verify"
)

// skipUndecided ends a test whose load could not be judged: that is the answer
// a crowded machine gets, and no failure.
func skipUndecided(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if code == exitUndecided || code == exitSkipped {
		t.Skipf("the load could not be judged here (exit code %d): %s%s", code, stderr, stdout)
	}
}

// TestLoadVerifyJSON: real loads, observed by a real observer, in the
// documented shape.
func TestLoadVerifyJSON(t *testing.T) {
	code, stdout, stderr := invoke(t, "load", "verify", "--json", "threads", "names=left,right", "tree", "vol", "workers=2", "hz=100Hz", "mem")
	skipUndecided(t, code, "", stderr)
	if code != exitDone {
		t.Fatalf("exit code %d\n%s%s", code, stderr, stdout)
	}
	if !strings.HasSuffix(stderr, "4 passed, 0 failed, 0 undecided, 0 skipped\n") {
		t.Errorf("summary: %q", stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines for 4 loads", len(lines))
	}
	for i, name := range []string{"threads", "tree", "vol", "mem"} {
		checkResultShape(t, name, lines[i])
	}
	if !strings.Contains(lines[0], `"names":"left,right"`) || !strings.Contains(lines[2], `"rate":"100Hz"`) {
		t.Error("the parameters of a load are those after its name")
	}
}

func checkResultShape(t *testing.T, name, line string) {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, key := range []string{"run_id", "scenario", "parameters", "tier", "verdict", "manifest", "checks", "left_behind", "noise"} {
		if o[key] == nil {
			t.Errorf("%s: no %s", name, key)
		}
	}
	if o["scenario"] != name || o["verdict"] != "pass" || o["tier"] != "native" {
		t.Errorf("%s: scenario %v, verdict %v, tier %v", name, o["scenario"], o["verdict"], o["tier"])
	}
	root := o["manifest"].(map[string]any)["processes"].([]any)[0].(map[string]any)
	if root["role"] != "root" || root["pid"] == 0.0 || root["ppid"] != float64(os.Getpid()) {
		t.Errorf("%s: root %v", name, root)
	}
	if th := root["threads"].([]any)[0].(map[string]any); th["tid"] != root["pid"] || th["name"] != name {
		t.Errorf("%s: leader %v", name, th)
	}
	checks := o["checks"].([]any)
	self := 0
	for _, c := range checks {
		c := c.(map[string]any)
		for _, key := range []string{"subject", "field", "scope", "kind", "expected", "self_reported", "observed", "tolerance", "verdict", "because", "source"} {
			if _, ok := c[key]; !ok {
				t.Errorf("%s: check without %s: %v", name, key, c)
			}
		}
		if c["self_reported"] != nil {
			self++
		}
	}
	if self == 0 || self == len(checks) {
		t.Errorf("%s: %d of %d checks have a self-report", name, self, len(checks))
	}
	for key, n := range o["left_behind"].(map[string]any) {
		if n != 0.0 {
			t.Errorf("%s: left %v %s", name, n, key)
		}
	}
}

// TestLoadVerifyBroken: a promise that is wrong is seen to fail.
func TestLoadVerifyBroken(t *testing.T) {
	for _, tt := range []struct{ scenario, field string }{
		{"vol", "voluntary_switches"},
		{"threads", "thread_names"},
		{"tree", "descendants"},
		{"mem", "rss_bytes"},
		{"idle", "state_all"},
	} {
		t.Run(tt.scenario, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := invoke(t, "load", "verify", tt.scenario, "--break", tt.field)
			if code != exitFailed {
				t.Fatalf("exit code %d\n%s%s", code, stderr, stdout)
			}
			if !strings.HasPrefix(stdout, "fail ") || !strings.Contains(stdout, tt.field) ||
				!strings.HasSuffix(stdout, "\n0 passed, 1 failed, 0 undecided, 0 skipped\n") {
				t.Errorf("stdout:\n%s", stdout)
			}
		})
	}
}

func TestLoadRunPrintsTheTree(t *testing.T) {
	code, stdout, stderr := invoke(t, "load", "run", "--seconds", "0.2", "tree", "depth=1", "width=2", "threads=2")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	want := regexp.MustCompile(`^run [0-9a-f]+
tree \(pid \d+\)
  thread node-000-t1 \(tid \d+\)
  node-001 \(pid \d+\)
    thread node-001-t1 \(tid \d+\)
  node-002 \(pid \d+\)
    thread node-002-t1 \(tid \d+\)
6 tasks report .* of CPU time, 6 voluntary and \d+ involuntary switches, 0 minor faults, 0 late periods
$`)
	if !want.MatchString(stdout) {
		t.Errorf("stdout:\n%s", stdout)
	}
}

func TestLoadRunJSON(t *testing.T) {
	code, stdout, stderr := invoke(t, "load", "run", "vol", "workers=2", "rate=50Hz", "--json", "--seconds=200ms")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var r struct {
		Scenario string
		Manifest *load.Manifest
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if r.Scenario != "vol" || r.Manifest == nil || len(r.Manifest.Processes[0].Threads) != 3 {
		t.Fatalf("%s", stdout)
	}
	for _, th := range r.Manifest.Processes[0].Threads[1:] {
		if th.Report.Voluntary != 10 {
			t.Errorf("%s reports %d voluntary switches, want 10", th.Name, th.Report.Voluntary)
		}
	}
}

// syncBuffer is a buffer that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestLoadRunInterrupted: Ctrl-C ends a run with 130 and leaves nothing.
func TestLoadRunInterrupted(t *testing.T) {
	for _, args := range [][]string{
		{"load", "run", "tree", "seconds=10m"},
		{"load", "run", "ready", "seconds=10m", "--verify"},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		var out syncBuffer
		code := make(chan int, 1)
		go func() { code <- run(ctx, args, strings.NewReader(""), &out, io.Discard) }()
		pid := regexp.MustCompile(`\((?:pid|tid) (\d+)\)\n`)
		for len(pid.FindAllString(out.String(), -1)) < 4 {
			select {
			case c := <-code:
				t.Fatalf("%v ended with %d: %s", args, c, out.String())
			case <-time.After(5 * time.Millisecond):
			}
		}
		interrupt()
		select {
		case c := <-code:
			if c != exitInterrupted {
				t.Errorf("%v: exit code %d", args, c)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%v does not end", args)
		}
		for _, m := range pid.FindAllStringSubmatch(out.String(), -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(n, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("%v: task %d is left: %v", args, n, err)
			}
		}
	}
}

func TestLoadUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"load|verify", "needs the names of loads"},
		{"load|verify|vol|--all", "not both"},
		{"load|verify|vlo", "did you mean vol?"},
		{"load|verify|vol|--break|nonsense", "vol promises nothing about it"},
		{"load|run", "needs the name of a load"},
		{"load|run|vol|workers=0", "1 to 2000"},
		{"load|run|vol|worker=1", "did you mean workers?"},
		{"load|run|vol|--seconds|never", "not a duration"},
		{"load|run|vol|seconds=1|--seconds|1", "given twice"},
		{"load|run|threads|workers=20000", "raise it with --max-tasks"},
		{"load|run|vol|--max-memory|lots", "is no size"},
		{"load|run|vol|--max-tasks=-1", "give a positive number"},
		{"load|run|vol|--tier|gold", "choose native or go"},
		{"load|verify|vol|--retries=-1", "give 0 to 100"},
		{"--read-only|load|run|vol", "no load is started"},
		{"--read-only|load|sweep", "ends processes"},
		{"load|describe|vol|rate=fast", "example: rate=200Hz"},
		{"load|list|vol", "takes no argument"},
		{"load|sweep|a|b", "at most one run id"},
		{"load|sweep|no-such-run", "there is nothing of a run no-such-run"},
		{"load|verify|counter|workers=1000000", "1 to 20000"},
		{"load|verify|workers=2|vol", "no scenario"},
		{"load|verify|counter|workers=20000|mode=racy", "raise it with --max-tasks=20001"},
		{"load|run|rr", "permit it with --realtime"},
		{"load|run|policy|policies=fifo", "permit it with --realtime"},
		{"load|run|--file|/no/such/file", "no such file"},
		{"load|run|go-runtime|--tier|native", "only tier go has"},
		{"load|vreify", "did you mean taskscope load verify?"},
	} {
		code, stdout, stderr := invoke(t, strings.Split(tt.args, "|")...)
		if code != exitUsage || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q, want %q", tt.args, code, stdout, stderr, tt.want)
		}
	}
}

func TestLoadListAndDescribe(t *testing.T) {
	code, stdout, _ := invoke(t, "load", "list", "--json")
	var list struct{ Loads []load.Description }
	if err := json.Unmarshal([]byte(stdout), &list); code != exitDone || err != nil {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if len(list.Loads) != len(load.All()) {
		t.Fatalf("%d loads of %d", len(list.Loads), len(load.All()))
	}
	_, text, _ := invoke(t, "load", "list")
	for _, d := range list.Loads {
		if len(d.Promises) == 0 || len(d.Parameters) == 0 || d.Needs == nil || !strings.Contains(text, d.Name+" ") {
			t.Errorf("%s is incomplete: %+v", d.Name, d)
		}
		code, one, _ := invoke(t, "load", "describe", d.Name)
		if code != exitDone || !strings.Contains(one, d.Teaches) || !strings.Contains(one, d.Promises[0]) {
			t.Errorf("describe %s: exit code %d\n%s", d.Name, code, one)
		}
	}
	code, stdout, _ = invoke(t, "load", "describe", "vol", "workers=3", "--json")
	var d load.Description
	if err := json.Unmarshal([]byte(stdout), &d); code != exitDone || err != nil || d.Name != "vol" || d.Budget.Tasks != 4 {
		t.Errorf("exit code %d, %v: %s", code, err, stdout)
	}
}

// TestObserverTellsWhatItSees: told one PID, it finds the process; end of
// input ends it.
func TestObserverTellsWhatItSees(t *testing.T) {
	var out, errs bytes.Buffer
	in := strings.NewReader("light a\nfull b c\n")
	if code := run(t.Context(), []string{"observe", strconv.Itoa(os.Getpid())}, in, &out, &errs); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	d := gob.NewDecoder(&out)
	var seen []observation
	for {
		var o observation
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if o.Tag != "" {
			seen = append(seen, o)
		}
	}
	if len(seen) != 2 || seen[0].Tag != "a" || seen[1].Tag != "b c" {
		t.Fatalf("%d observations: %+v", len(seen), seen)
	}
	light, full := seen[0], seen[1]
	if light.Tree == nil || light.Tree.ByPID(os.Getpid()) == nil || light.Host != nil || light.Each != nil {
		t.Errorf("light: %+v", light)
	}
	if p := light.Tree.ByPID(os.Getpid()); len(p.Threads) < 2 || !p.Threads[0].Voluntary.OK() || !p.Threads[0].Slices.OK() {
		t.Errorf("threads: %+v", p.Threads)
	}
	if full.Tree == nil || full.Host == nil || len(full.Each) == 0 || full.Err != "" {
		t.Fatalf("full: %+v", full)
	}
	if d := full.Each[0].Detail; d == nil || d.ID.PID != os.Getpid() || len(d.Segments) == 0 {
		t.Errorf("segments: %+v", d)
	}
}

func TestQuiet(t *testing.T) {
	make := func(state inspect.State, vol uint64) *inspect.Snapshot {
		return &inspect.Snapshot{Processes: []*inspect.Process{{
			ID: inspect.ID{PID: 1, Start: 1}, Threads: []inspect.Thread{{State: state, Voluntary: inspect.Know(vol)}},
		}}}
	}
	for _, tt := range []struct {
		name string
		a, b *inspect.Snapshot
		want bool
	}{
		{"nothing moved", make('S', 1), make('S', 1), true},
		{"one switch", make('S', 1), make('S', 2), false},
		{"running", make('R', 1), make('R', 1), false},
		{"another process", make('S', 1), &inspect.Snapshot{}, false},
	} {
		if got := quiet(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestTreePIDs(t *testing.T) {
	s := &inspect.Snapshot{}
	for _, p := range [][2]int{{1, 0}, {5, 1}, {6, 5}, {7, 6}, {8, 1}, {9, 5}} {
		s.Processes = append(s.Processes, &inspect.Process{ID: inspect.ID{PID: p[0]}, PPID: inspect.Know(p[1])})
	}
	if got := fmt.Sprint(treePIDs(s, 5)); got != "[5 6 9 7]" {
		t.Errorf("subtree of 5: %s", got)
	}
	if got := treePIDs(s, 4); got != nil {
		t.Errorf("subtree of nobody: %v", got)
	}
}

func TestThinKeepsTheEnds(t *testing.T) {
	var seen []observation
	asked := 0
	for i := range 5000 {
		o := observation{Err: strconv.Itoa(i)}
		if i%1000 == 10 {
			o.Tag = "ready 1"
			asked++
		}
		seen = thin(append(seen, o))
		if len(seen) > maxUnasked+asked {
			t.Fatalf("%d are kept", len(seen))
		}
		if seen[0].Err != "0" || seen[len(seen)-1].Err != strconv.Itoa(i) {
			t.Fatalf("after %d: kept %s to %s", i, seen[0].Err, seen[len(seen)-1].Err)
		}
	}
	for _, o := range seen {
		if o.Tag != "" {
			asked--
		}
	}
	if asked != 0 {
		t.Errorf("%d that were asked for are gone", asked)
	}
}

func TestLabelled(t *testing.T) {
	s, err := load.ByName("vol")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Plan(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &load.Manifest{Plan: plan, GateMonoNS: 1e9, ParkedMonoNS: 9e9}
	at := func(tag string, ns int64) observation {
		return observation{Tag: tag, Tree: &inspect.Snapshot{MonoNS: ns}, Host: &inspect.Snapshot{MonoNS: ns}}
	}
	got := labelled(m, []observation{at("ready 1", 5e8), at("", 6e8), at("", 1e9+1), at("", 2e9), at("parked 2", 95e8), at("", 96e8), at("gone 3", 97e8)})
	var text []string
	for _, x := range got {
		if x.Reach == verify.ReachTree {
			text = append(text, fmt.Sprintf("%s@%d", x.Phase, x.MonoNS/1e6))
		}
	}
	if want := "ready@500 live@2000 parked@9500 gone@9700"; strings.Join(text, " ") != want {
		t.Errorf("%s, want %s", strings.Join(text, " "), want)
	}
}

// TestLoadFile: a load that its user has written is run and judged like any
// other; a mistake in it is told with its place.
func TestLoadFile(t *testing.T) {
	const good = "../../load/testdata/files/good/"
	code, stdout, stderr := invoke(t, "load", "verify", "--file", good+"bakery.toml", "--file", good+"locks.toml")
	skipUndecided(t, code, stdout, stderr)
	if code != exitDone || !strings.Contains(stdout, "pass       bakery") || !strings.HasSuffix(stdout, "\n2 passed, 0 failed, 0 undecided, 0 skipped\n") {
		t.Errorf("exit code %d\n%s%s", code, stderr, stdout)
	}
	code, stdout, stderr = invoke(t, "load", "run", "--file", good+"tree.toml", "seconds=200ms")
	if code != exitDone || strings.Count(stdout, "thread helper-") != 12 {
		t.Errorf("exit code %d\n%s%s", code, stderr, stdout)
	}
	code, _, stderr = invoke(t, "load", "verify", "--file", good+"bakery.toml", "--break", "value")
	if code != exitFailed {
		t.Errorf("a wrong promise: exit code %d\n%s", code, stderr)
	}
	const bad = "../../load/testdata/files/bad/"
	for _, args := range []string{"load|run|--file|" + bad + "unknown-keys.toml", "load|verify|--file|" + bad + "unknown-keys.toml"} {
		code, stdout, stderr := invoke(t, strings.Split(args, "|")...)
		if want := "unknown-keys.toml:4:1: there is no key thread.phses"; code != exitUsage || stdout != "" ||
			strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}
