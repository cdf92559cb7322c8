package inspect_test

import (
	"testing"

	"taskscope/inspect"
)

// TestSourcesObeyRequest: what is asked for of one process is read of that one
// and of no other, from either source, in the first pass and in those in which
// nothing moves.
func TestSourcesObeyRequest(t *testing.T) {
	for _, tt := range []struct {
		source string
		open   func(testing.TB) *inspect.Reader
	}{
		{inspect.SourceBPF, openBPF},
		{inspect.SourceProc, func(t testing.TB) *inspect.Reader { return open(t, "") }},
	} {
		t.Run(tt.source, func(t *testing.T) {
			r := tt.open(t)
			focus, row, other := helper(t, "threads").Process.Pid, helper(t, "threads").Process.Pid, helper(t, "threads").Process.Pid
			q := inspect.Request{
				Want: inspect.WantTree, Focus: focus, FocusWant: inspect.WantIO | inspect.WantFDs | inspect.WantThreads | inspect.WantTotals,
				ThreadsOf: []int{row}, RollupOf: []int{row}, Visible: []int{row},
			}
			for range 3 {
				s := read(t, r, q)
				if s.Source != tt.source {
					t.Fatalf("source %s", s.Source)
				}
				p := s.ByPID(focus)
				if !p.ReadBytes.OK() || !p.FDs.OK() || p.Threads == nil || !p.CPUsAllowed.OK() || !p.StartStack.OK() || p.PSSBytes.Why != inspect.NotRead {
					t.Errorf("in focus: io %+v, files %+v, %d threads, affinity %+v, stack %+v, PSS %+v",
						p.ReadBytes, p.FDs, len(p.Threads), p.CPUsAllowed, p.StartStack, p.PSSBytes)
				}
				p = s.ByPID(row)
				if p.Threads == nil || !p.PSSBytes.OK() || p.ReadBytes.Why != inspect.NotRead || p.FDs.Why != inspect.NotRead {
					t.Errorf("on screen: %d threads, PSS %+v, io %+v, files %+v", len(p.Threads), p.PSSBytes, p.ReadBytes, p.FDs)
				}
				p = s.ByPID(other)
				if p.Threads != nil || p.PSSBytes.Why != inspect.NotRead || p.ReadBytes.Why != inspect.NotRead || p.FDs.Why != inspect.NotRead {
					t.Errorf("another one: %d threads, PSS %+v, io %+v, files %+v", len(p.Threads), p.PSSBytes, p.ReadBytes, p.FDs)
				}
			}
		})
	}
}
