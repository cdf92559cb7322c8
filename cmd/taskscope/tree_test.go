package main

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"taskscope/inspect"
)

// family makes a snapshot of processes given as {pid, ppid} with threads.
func family(pairs ...[2]int) *inspect.Snapshot {
	s := &inspect.Snapshot{Source: "proc"}
	for _, p := range pairs {
		proc := &inspect.Process{
			ID: inspect.ID{PID: p[0], Start: uint64(p[0])}, PPID: inspect.Know(p[1]), Comm: "p", State: 'S',
			ThreadCount: inspect.Know(1),
		}
		s.Processes = append(s.Processes, proc)
		s.ReadAt = append(s.ReadAt, 0)
	}
	return s
}

func drawTree(t *testing.T, a *app, s *inspect.Snapshot, threads bool) string {
	t.Helper()
	var b bytes.Buffer
	a.stdout = &output{w: &b}
	var forest inspect.Forest
	rows := forest.Flatten(s, inspect.TreeOptions{})
	if err := a.writeTree(inspect.Diff(nil, s), rows, mustFields("pid"), threads); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTreeText(t *testing.T) {
	s := family([2]int{1, 0}, [2]int{2, 1}, [2]int{3, 1}, [2]int{4, 2}, [2]int{5, 4}, [2]int{6, 2})
	s.Processes[1].Threads = []inspect.Thread{{ID: inspect.ThreadID{TID: 2}, Comm: "main"}, {ID: inspect.ThreadID{TID: 20}, Comm: "bad\xff\x1b"}}
	s.Processes[2].Threads = []inspect.Thread{{ID: inspect.ThreadID{TID: 3}, Comm: "a"}, {ID: inspect.ThreadID{TID: 30}, Comm: "b"}}
	got := drawTree(t, &app{ascii: true}, s, false)
	want := strings.Join([]string{
		"PID  COMMAND", "  1  p", "  2  |- p", "  4  |  |- p", "  5  |  |  `- p", "  6  |  `- p", "  3  `- p", "",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got = drawTree(t, &app{}, s, true)
	want = strings.Join([]string{
		"PID  COMMAND", "  1  p", "  2  ├─ p", "  2  │  ├─ {main}", " 20  │  ├─ {bad\\xff·}", "  4  │  ├─ p",
		"  5  │  │  └─ p", "  6  │  └─ p", "  3  └─ p", "  3     ├─ {a}", " 30     └─ {b}", "",
	}, "\n")
	if got != want {
		t.Errorf("with threads: got\n%s\nwant\n%s", got, want)
	}
}

// TestTreeDeep: a chain of ten thousand processes does not fill the disk.
func TestTreeDeep(t *testing.T) {
	var chain [][2]int
	for pid := 1; pid <= 10000; pid++ {
		chain = append(chain, [2]int{pid, pid - 1})
	}
	got := drawTree(t, &app{}, family(chain...), false)
	if n := strings.Count(got, "\n"); n != 10001 {
		t.Errorf("%d lines, want 10001", n)
	}
	if len(got) > 4<<20 {
		t.Errorf("%d bytes for a chain of 10000", len(got))
	}
	if !strings.Contains(got, "(level 9999)") {
		t.Error("the depth of deep processes is not told")
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
