package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// killRounds is how often something is killed at a random moment: a few times
// in the suite; for a long run say how often,
//
//	TASKSCOPE_KILL_ROUNDS=200 go test ./cmd/taskscope -run Killed -v -timeout 1h
func killRounds() int {
	if n, err := strconv.Atoi(os.Getenv("TASKSCOPE_KILL_ROUNDS")); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		return 2
	}
	return 6
}

// nastyLoads are those of which most can be left: processes that lost their
// parent, that are dead, stopped, traced or just being made, queues, files,
// control groups. FILE stands for a file with a load of one's own.
var nastyLoads = []string{
	"orphans workers=6", "zombies workers=12", "crash as=processes", "crash as=threads", "respawn every=20ms failures=8",
	"states", "forkstorm n=400 life=5ms --fork-storm", "throttle quota=10% period=20ms", "pingpong over=mqueue as=processes", "pingpong over=shm as=processes",
	"mem-shared as=processes", "cow-file as=processes", "io medium=file --disk", "server mode=connection", "crawl as=processes",
	"policy policies=other,idle,fifo,rr --realtime", "tree depth=2 width=4", "vol --tier go", "--file FILE",
}

const ownLoad = `
name = "mine"
title = "A load for the kill test"

[[thread]]
name = "waits"
loops = 20
phases = [{sleep = "10ms"}]

[[process]]
name = "child"
count = 3
session = true
[[process.thread]]
name = "works"
loops = 20
phases = [{run = "1ms"}, {sleep = "5ms"}]
`

// TestKilledProgramLeavesNothing kills, at random moments from the start until
// the stop is under way, what takes part in a run: whatever it was, nothing is
// left soon.
func TestKilledProgramLeavesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.toml")
	if err := os.WriteFile(file, []byte(ownLoad), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		args    []string
		tty     bool
		victims func(f *lineage) []int
	}{
		{"controller", []string{"load", "run"}, false, (*lineage).program},
		{"view", []string{"lab"}, true, (*lineage).program},
		{"worker", []string{"load", "run"}, false, (*lineage).worker},
		{"observer", []string{"load", "run", "--verify"}, false, (*lineage).observer},
		{"controller and observer", []string{"load", "run", "--verify"}, false, func(f *lineage) []int { return append(f.program(), f.observer()...) }},
		{"observer and worker", []string{"load", "run", "--verify"}, false, func(f *lineage) []int { return append(f.observer(), f.worker()...) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKiller(t)
			for round := range killRounds() {
				text := nastyLoads[(round+k.first)%len(nastyLoads)]
				if tt.tty && strings.HasPrefix(text, "--file") {
					continue // the view starts no load from a file
				}
				args := strings.Fields(strings.ReplaceAll(text, "FILE", file))
				args = append(slices.Clone(tt.args), args...)
				k.kill(append(args, "seconds="+killSeconds(args)), tt.tty, tt.victims)
			}
			k.report()
		})
	}
}

// killSeconds keeps a run short without making a parameter wrong.
func killSeconds(args []string) string {
	for _, a := range args {
		if a == "crawl" || a == "pingpong" || a == "respawn" {
			return "1500ms"
		}
	}
	return "400ms"
}

// killer kills programs, and keeps account of how long things were left.
type killer struct {
	t     *testing.T
	first int // so that the few rounds of the suite are not always the same loads
	dir   string
	queue *queueView
	took  []time.Duration
	early int // killed before it had started anything
	late  int // had ended by itself
}

func newKiller(t *testing.T) *killer {
	k := &killer{t: t, first: rand.N(len(nastyLoads)), dir: t.TempDir()}
	k.queue = openQueueView(t)
	return k
}

func (k *killer) report() {
	if len(k.took) == 0 {
		return
	}
	slices.Sort(k.took)
	k.t.Logf("%d rounds (%d before anything was started, %d after the end), 0 left; gone after %v at most, %v in the median",
		len(k.took), k.early, k.late, k.took[len(k.took)-1].Round(100*time.Microsecond), k.took[len(k.took)/2].Round(100*time.Microsecond))
}

// kill is one round.
func (k *killer) kill(args []string, tty bool, victims func(*lineage) []int) {
	t := k.t
	t.Helper()
	f := k.start(args, tty)
	defer f.close()
	mean := 550 * time.Millisecond
	if rand.N(4) == 0 { // in the middle of starting
		mean = 40 * time.Millisecond
	}
	time.Sleep(rand.N(mean)) // the moment is what varies
	if rand.N(4) == 0 {      // in the middle of stopping
		_ = f.cmd.Process.Signal(syscall.SIGTERM)
		time.Sleep(rand.N(20 * time.Millisecond))
	}
	f.look()
	if f.over() {
		k.late++
	} else if len(f.known) < 2 {
		k.early++
	}
	for _, pid := range victims(f) {
		if err := f.sigkill(pid); err != nil {
			t.Fatalf("%v: kill %d: %v", args, pid, err)
		}
	}
	began := time.Now()
	if !slices.Contains(victims(f), f.cmd.Process.Pid) {
		// It notices by itself that somebody is missing, and ends the run.
		f.waitWhile(&began)
	}
	f.wait()
	k.took = append(k.took, f.gone(began))
	k.nothingElse(f)
}

// nothingElse looks for what is no process: files, queues, and a lock that
// somebody still holds.
func (k *killer) nothingElse(f *lineage) {
	t := k.t
	t.Helper()
	for _, pattern := range []string{k.dir + "/*", "/tmp/taskscope-????????????", "/tmp/taskscope-worker-*", "/var/tmp/taskscope-worker-*", "/dev/shm/*taskscope*", "/dev/shm/ts-*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if filepath.Base(path) != "taskscope-measures.lock" {
				t.Errorf("%v has left the file %s", f.args, path)
			}
		}
	}
	if names := k.queue.names(); len(names) > 0 {
		t.Errorf("%v has left message queues: %v", f.args, names)
	}
	lock, err := os.Open(filepath.Join(k.dir, "taskscope-measures.lock"))
	if err != nil {
		return // none was made
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("%v: somebody still holds the lock: %v", f.args, err)
	}
}

// start starts the program with a directory for temporary files of its own.
func (k *killer) start(args []string, tty bool) *lineage {
	t := k.t
	t.Helper()
	f := &lineage{t: t, args: args, known: map[int]string{}, mark: "TASKSCOPE_TEST_MARK=" + strconv.FormatUint(rand.Uint64(), 36)}
	env := []string{f.mark, "TMPDIR=" + k.dir}
	if tty {
		s := openScreenEnv(t, env, args...)
		f.cmd, f.close = s.cmd, func() { _ = s.tty.Close() }
	} else {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		f.cmd, f.close = exec.Command(exe), func() {}
		f.cmd.Args = append([]string{"taskscope"}, args...)
		f.cmd.Env = append(os.Environ(), env...)
		f.cmd.Stderr = &f.stderr
		if err := f.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = f.cmd.Process.Kill() // it has usually ended
			f.wait()
		})
	}
	f.start = startOf(f.cmd.Process.Pid)
	return f
}

// TestKilledProgramsNameLoads checks that the loads above exist, so that the
// rounds do not consist of complaints.
func TestKilledProgramsNameLoads(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "own.toml")
	if err := os.WriteFile(file, []byte(ownLoad), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range nastyLoads {
		args := strings.Fields(text)
		switch {
		case args[0] == "--file":
			if _, _, err := loadArgs(nil, file, nil); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		case strings.HasPrefix(args[len(args)-1], "--"):
			args = args[:len(args)-1]
		case slices.Contains(args, "--tier"):
			args = args[:1]
		}
		s, params, err := loadArgs(nil, "", args)
		if err == nil {
			_, err = (&loadFlags{}).job(s, append(params, "seconds="+killSeconds(args)))
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
