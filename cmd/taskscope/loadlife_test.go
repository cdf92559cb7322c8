package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"taskscope/load"
	"taskscope/load/spawn"
)

// TestLoadVerifyLife: loads whose processes end, change their parent, or share
// pages, observed by a real observer.
func TestLoadVerifyLife(t *testing.T) {
	for _, name := range []string{"cow", "crash", "zombies", "orphans"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := invoke(t, "load", "verify", name)
			skipUndecided(t, code, stdout, stderr)
			if code != exitDone || !strings.HasPrefix(stdout, "pass ") {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
		})
	}
}

// TestLoadRunTellsPlannedEnds: a death that was planned is a result, no error.
func TestLoadRunTellsPlannedEnds(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := invoke(t, "load", "run", "crash", "as=processes", "workers=2", "seconds=200ms")
	if code != exitDone {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if !strings.Contains(stdout, "ended by plan: signal 11\n") || strings.Count(stdout, "ended by plan") != 1 {
		t.Errorf("output:\n%s", stdout)
	}
}

// TestHostileNamesAreShownSafely: whatever tasks call themselves, no command
// prints anything that steers a terminal.
func TestHostileNamesAreShownSafely(t *testing.T) {
	t.Parallel()
	s, err := load.ByName("names")
	if err != nil {
		t.Fatal(err)
	}
	for _, as := range []string{"threads", "processes"} {
		plan, err := s.Plan([]string{"as=" + as})
		if err != nil {
			t.Fatal(err)
		}
		r, err := spawn.Start(t.Context(), plan, spawn.Options{})
		if err != nil {
			t.Fatal(err)
		}
		pid := fmt.Sprint(r.RootPID())
		for _, args := range [][]string{
			{"tree", pid},
			{"tree", pid, "--threads"},
			{"show", pid},
			{"show", pid, "--json"},
			{"list", "--filter", "ppid=" + pid},
			{"load", "run", "names", "as=" + as, "seconds=1ms"},
		} {
			_, stdout, _ := invoke(t, args...)
			checkSafe(t, strings.Join(args, " "), stdout)
		}
		if _, err := stopLoad(r, nil); err != nil {
			t.Error(err)
		}
	}
}

func checkSafe(t *testing.T, what, text string) {
	t.Helper()
	if text == "" {
		t.Errorf("%s: no output", what)
	}
	if !utf8.ValidString(text) {
		t.Errorf("%s: not UTF-8: %q", what, text)
	}
	// JSON is for programs: its characters stay what they are, but it has no
	// raw control characters either.
	json := strings.HasPrefix(text, "{")
	for _, r := range text {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && !json) {
			t.Errorf("%s: a raw %U: %q", what, r, text)
			return
		}
	}
}

func TestSweptText(t *testing.T) {
	for want, s := range map[string]spawn.Swept{
		"nothing to remove":                         {},
		"1 control group, 2 message queues removed": {Cgroups: []string{"a"}, Queues: []string{"b", "c"}},
		"2 processes removed":                       {Processes: []int{3, 4}},
		"1 process, 2 control groups removed":       {Processes: []int{3}, Cgroups: []string{"a", "b"}},
	} {
		if got := sweptText(&s); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}

// TestLoadsBesideMeasurements: a load that is no measurement does not wait for
// one, but says that it is there.
func TestLoadsBesideMeasurements(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	lock, err := spawn.LockHost(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if lock == nil {
		f, err := os.Create(filepath.Join(os.TempDir(), "flock"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			t.Skip("flock: ", err)
		}
		t.Fatal("no lock, although this file system has locks")
	}
	code, _, stderr := invoke(t, "load", "run", "threads", "workers=1", "seconds=20ms")
	lock.Release()
	if code != exitDone || !strings.Contains(stderr, "is measuring on this machine") {
		t.Errorf("a load beside a measurement: exit code %d, %q", code, stderr)
	}
	if code, _, stderr = invoke(t, "load", "run", "threads", "workers=1", "seconds=20ms"); code != exitDone || stderr != "" {
		t.Errorf("a load alone: exit code %d, %q", code, stderr)
	}
}
