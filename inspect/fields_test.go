package inspect_test

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// The JSON contract: these fields have to be there, by these names.
var contract = strings.Fields(`pid ppid start_ticks start_time comm cmdline uid user state state_derived kernel_thread
	threads nice priority rt_priority policy cpu_last cpu_time_ns cpu_percent voluntary_switches involuntary_switches
	switches_scope run_ns ready_ns minor_faults major_faults vsize_bytes rss_bytes rss_anon_bytes rss_file_bytes
	rss_shmem_bytes swap_bytes cgroup children tid running_percent ready_percent blocked_percent
	voluntary_switches_per_second involuntary_switches_per_second migrations parallelism pss_bytes uss_bytes euid fds
	pgid session tty cpus_allowed timeslices thread_states exited_threads exited_voluntary_switches switches_exact`)

func TestFieldsContract(t *testing.T) {
	for _, id := range contract {
		if _, ok := inspect.FieldByID(id); !ok {
			t.Errorf("field %s is missing", id)
		}
	}
}

func TestFieldsAreDescribed(t *testing.T) {
	snake := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	suffixes := map[inspect.Unit]string{
		inspect.UnitBytes: "_bytes", inspect.UnitNS: "_ns", inspect.UnitPercent: "_percent",
		inspect.UnitPerSec: "_per_second", inspect.UnitBytesPS: "_bytes_per_second", inspect.UnitTicks: "_ticks",
	}
	seen := map[string]bool{}
	for _, f := range inspect.Fields() {
		if seen[f.ID] || !snake.MatchString(f.ID) {
			t.Errorf("%s: not unique or not snake_case", f.ID)
		}
		seen[f.ID] = true
		if f.Title == "" || f.Width <= 0 || len(f.Sources) == 0 || f.Get == nil || f.Scope == "" {
			t.Errorf("%s: title, width, sources, scope or getter missing", f.ID)
		}
		if !strings.HasSuffix(f.Doc, ".") || f.Doc[:1] != strings.ToUpper(f.Doc[:1]) {
			t.Errorf("%s: not a sentence: %q", f.ID, f.Doc)
		}
		if want, ok := suffixes[f.Unit]; ok && !strings.HasSuffix(f.ID, want) {
			t.Errorf("%s: unit %s, but the name does not end in %s", f.ID, f.Unit, want)
		}
		for unit, suffix := range suffixes {
			if strings.HasSuffix(f.ID, suffix) && f.Unit != unit && !strings.HasSuffix(f.ID, suffixes[f.Unit]) {
				t.Errorf("%s: ends in %s, but its unit is %q", f.ID, suffix, f.Unit)
			}
		}
	}
}

func TestEveryWantBitIsUsed(t *testing.T) {
	// Schedstat and totals are wanted together with the threads; the host is
	// no property of a process.
	used := inspect.WantHost
	for _, f := range inspect.Fields() {
		used |= f.Want
	}
	all := inspect.WantTotals<<1 - 1
	if missing := all &^ used; missing != 0 {
		t.Errorf("no field asks for the files of bits %b", missing)
	}
}

// Getters must cope with every row, and say why where they have nothing.
func TestGettersOfKnownAndUnknown(t *testing.T) {
	f := inspecttest.Frame(12)
	rows := []inspect.Row{{Snapshot: f.Snapshot, Process: &inspect.Process{}}, {Process: &inspect.Process{}, Thread: &inspect.Thread{}}}
	for i, p := range f.Processes {
		d := f.Changes.Deltas[i]
		rows = append(rows, inspect.Row{Snapshot: f.Snapshot, Process: p, Delta: d})
		for k := range p.Threads {
			rows = append(rows, inspect.Row{Snapshot: f.Snapshot, Process: p, Delta: d, Thread: &p.Threads[k], ThreadDelta: &d.Threads[k]})
		}
	}
	for _, field := range inspect.Fields() {
		known := false
		for _, r := range rows {
			v := field.Get(r)
			if v.Kind != field.Kind {
				t.Fatalf("%s: value of kind %d, want %d", field.ID, v.Kind, field.Kind)
			}
			if r.Thread != nil && !field.Thread && v.OK() {
				t.Errorf("%s: not defined for threads, yet known for one", field.ID)
			}
			known = known || v.OK()
		}
		if !known {
			t.Errorf("%s: unknown in every row", field.ID)
		}
	}
}

func TestLess(t *testing.T) {
	s := inspecttest.Snapshot(50)
	for _, field := range inspect.Fields() {
		for _, desc := range []bool{false, true} {
			rows := make([]inspect.Row, len(s.Processes))
			for i, p := range s.Processes {
				rows[i] = inspect.Row{Snapshot: s, Process: p}
			}
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			slices.SortFunc(rows, func(a, b inspect.Row) int {
				switch {
				case inspect.Less(&field, desc, a, b):
					return -1
				case inspect.Less(&field, desc, b, a):
					return 1
				}
				return 0
			})
			for i := 1; i < len(rows); i++ {
				a, b := field.Get(rows[i-1]), field.Get(rows[i])
				if !a.OK() && b.OK() {
					t.Fatalf("%s (desc %v): an unknown value before a known one", field.ID, desc)
				}
				c := a.Compare(b)
				if desc {
					c = -c
				}
				if a.OK() && b.OK() && c > 0 || c == 0 && a.OK() == b.OK() && rows[i-1].Process.ID.Compare(rows[i].Process.ID) > 0 {
					t.Fatalf("%s (desc %v): rows %d and %d out of order", field.ID, desc, i-1, i)
				}
			}
		}
	}
}

func TestStateWords(t *testing.T) {
	for letter, word := range map[inspect.State]string{
		'R': "running", 'S': "sleeping", 'D': "disk sleep", 'T': "stopped", 't': "traced", 'Z': "zombie",
		'X': "dead", 'I': "idle", 'P': "parked", '?': "unknown",
	} {
		if letter.Word() != word {
			t.Errorf("%c: %q, want %q", letter, letter.Word(), word)
		}
		if letter.Letter() != string(rune(letter)) {
			t.Errorf("%c: letter %q", letter, letter.Letter())
		}
	}
}

func TestTTYAndPolicyNames(t *testing.T) {
	get := func(id string, p inspect.Process) string {
		f, _ := inspect.FieldByID(id)
		return f.Get(inspect.Row{Process: &p}).S
	}
	for dev, want := range map[int]string{
		0: "?", 0x8800: "pts/0", 0x8805: "pts/5", 0x8900: "pts/256", 0x401: "tty1", 0x440: "ttyS0", 0x501: "5:1",
	} {
		if got := get("tty", inspect.Process{TTY: inspect.Know(dev)}); got != want {
			t.Errorf("tty %#x = %q, want %q", dev, got, want)
		}
	}
	for n, want := range map[int]string{0: "other", 1: "fifo", 2: "rr", 3: "batch", 5: "idle", 6: "deadline", 7: "ext", 99: "unknown"} {
		if got := get("policy", inspect.Process{Policy: inspect.Know(n)}); got != want {
			t.Errorf("policy %d = %q, want %q", n, got, want)
		}
	}
}
