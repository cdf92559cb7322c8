package load

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOtherNames: a scenario, a parameter and a value may have another name;
// what comes out is the same.
func TestOtherNames(t *testing.T) {
	for _, tt := range []struct{ other, same string }{
		{"leak cap=1MiB", "grow limit=1MiB"},
		{"crash-thread", "crash as=threads"},
		{"crash-proc workers=3", "crash as=processes workers=3"},
		{"pool-threads", "pool as=threads work=cpu:300ms"},
		{"pool-procs work=sleep:1s", "pool as=processes work=sleep:1s"},
		{"vol hz=100", "vol rate=100"},
		{"preempt hz=100", "preempt rate=100"},
		{"duty pct=20%", "duty percent=20%"},
		{"nvol-yield k=7", "nvol-yield yields=7"},
		{"migrate k=7", "migrate flips=7"},
		{"mem mmap=64KiB", "mem map=64KiB"},
		{"server conns=3", "server connections=3"},
		{"forkstorm max=2", "forkstorm most=2"},
		{"pingpong over=mq", "pingpong over=mqueue"},
		{"pingpong over=unix", "pingpong over=socket"},
	} {
		a, b := planOf(t, strings.Fields(tt.other)...), planOf(t, strings.Fields(tt.same)...)
		if a.Scenario != b.Scenario || !slices.Equal(a.Words(), b.Words()) {
			t.Errorf("%s is not %s", tt.other, tt.same)
		}
		for key, value := range b.Parameters {
			if a.Parameters[key] != value {
				t.Errorf("%s: %s=%s, want %s", tt.other, key, a.Parameters[key], value)
			}
		}
	}
	s, err := ByName("vol")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Plan([]string{"hz=5", "rate=5"}); err == nil || !strings.Contains(err.Error(), "rate is given twice") {
		t.Errorf("one parameter by two names: %v", err)
	}
}

// TestAliasesAreNames: no alias hides another scenario, and each runs with its
// quick arguments.
func TestAliasesAreNames(t *testing.T) {
	for _, s := range All() {
		for _, alias := range s.Aliases {
			if slices.Contains(Names(), alias.Name) {
				t.Errorf("%s is a scenario itself", alias.Name)
			}
			found, err := ByName(alias.Name)
			if err != nil || found.Name != s.Name {
				t.Fatalf("%s: %v", alias.Name, err)
			}
			p, err := found.Plan(found.Quick)
			if err != nil {
				t.Fatal(err)
			}
			for _, arg := range alias.Args {
				key, value, _ := strings.Cut(arg, "=")
				if p.Parameters[key] != value {
					t.Errorf("%s: quick arguments %v change %s", alias.Name, found.Quick, arg)
				}
			}
		}
	}
	if _, err := ByName("pool-thread"); err == nil || !strings.Contains(err.Error(), "pool-threads") {
		t.Errorf("near alias: %v", err)
	}
}

func TestQuickArgs(t *testing.T) {
	for _, tt := range []struct{ name, params, want string }{
		{"vol", "", "seconds=1s rate=200Hz"},
		{"vol", "workers=2", "workers=2 seconds=1s"},
		{"vol", "workers=2 seconds=3s", "workers=2 seconds=3s"},
		{"respawn", "failures=50", "failures=50"}, // 10 s of failures are not done in less
	} {
		s, err := ByName(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.QuickArgs(strings.Fields(tt.params), false), " "); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.name, tt.params, got, tt.want)
		}
	}
	s, err := ByName("preempt")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.QuickArgs(nil, true); !slices.Contains(got, "waker=fifo") {
		t.Errorf("with real-time policies: %v", got)
	}
}

// TestRespawningPool: as many failures as periods but the last, each replaced.
func TestRespawningPool(t *testing.T) {
	p := planOf(t, "pool", "respawn=true", "kill-every=100ms", "seconds=1s", "workers=3")
	if p.Parameters["as"] != asProcesses || len(p.Processes) != 4 || p.Unnamed != 3 {
		t.Fatalf("%d processes, %d unnamed, %v", len(p.Processes), p.Unnamed, p.Parameters)
	}
	if got := promised(p, "made", WhenParked, Equality); !slices.Equal(got, []float64{9}) {
		t.Errorf("replacements %v, want 9", got)
	}
	if got := promised(p, "children", WhenParked, Equality); !slices.Equal(got, []float64{3}) {
		t.Errorf("children at the end %v, want 3", got)
	}
	if p.Duration != time.Second {
		t.Errorf("takes %v", p.Duration)
	}
	s, err := ByName("pool")
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"respawn=true as=threads":                     "takes the whole pool along",
		"respawn=true work=cpu:1s":                    "for work=sleep",
		"respawn=true kill-every=2s":                  "makes 0 failures",
		"respawn=true seconds=24h":                    "1 to 10000",
		"respawn=true workers=500":                    "at most 32",
		"kill-every=1s":                               "goes with respawn=true",
		"respawn=maybe":                               "false or true",
		"respawn=true kill-every=200ms seconds=250ms": "makes 0 failures",
	} {
		if _, err := s.Plan(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
