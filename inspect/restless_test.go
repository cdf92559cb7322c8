package inspect

import (
	"errors"
	"testing"

	"taskscope/inspect/internal/bpf"
)

// recordReader reads records, process by process where that pays.
func recordReader(t *testing.T) *Reader {
	t.Helper()
	r, err := NewReader(Options{Source: SourceBPF})
	var e *bpf.Error
	if errors.As(err, &e) && e.Reason != bpf.Failed && e.Reason != bpf.Mismatch && e.Reason != bpf.NotSupported {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if !r.src.tasks.Caps().Filter {
		t.Skip("this kernel does not obey a filter: all tasks are read every time")
	}
	return r
}

// TestRestless: when most tasks moved, the next pass reads all at once. What it
// sees on the way is not relied on later to tell that a process rests.
func TestRestless(t *testing.T) {
	r := recordReader(t)
	pid := roleOf(t, "pause")
	q := Request{Want: WantTree}
	resting(t, r, q, pid)
	const lie = 12345
	for _, tt := range []struct {
		restless bool
		mark     uint64
	}{{true, ofRecords}, {true, ofRecords}, {false, 0}} {
		entryOf(t, r, pid).sums[slotTask] = lie
		r.src.recs.restless = tt.restless
		readOK(t, r, q)
		e := entryOf(t, r, pid)
		if e.sums[slotTask] == lie {
			t.Errorf("%+v: it was not read", tt)
		}
		if e.sums[slotGlance] == 0 || e.sums[slotGlance]&ofRecords != tt.mark {
			t.Errorf("%+v: glance %#x", tt, e.sums[slotGlance])
		}
	}
}

// TestMostMoved: whether a look at all tasks would only find that all have to be
// read.
func TestMostMoved(t *testing.T) {
	const n = 8
	looks := func(moved int, busy, mark uint64) *records {
		x := new(records)
		x.reset()
		for i := range n {
			id := uint32(10 * (i + 1))
			for tid := id; tid < id+3; tid++ {
				g := bpf.Glance{TGID: id, TID: tid, State: 1, SumExec: 7}
				if i < moved && tid == id+1 {
					g.SumExec, g.Busy = g.SumExec+1-busy, uint32(busy)
				}
				x.look(&g, x.count)
				x.count++
			}
			x.groups = append(x.groups, group{pid: int(id), n: 3})
		}
		x.looked(mark)
		return x
	}
	before := func(bpf bool) *pass {
		x, ps := looks(0, 0, 0), new(pass)
		for i := range x.glances {
			e := &entry{p: new(Process), bpf: bpf}
			e.sums[slotGlance] = x.glances[i].sum
			ps.prev, ps.prevPIDs = append(ps.prev, e), append(ps.prevPIDs, x.glances[i].pid)
		}
		return ps
	}
	for _, tt := range []struct {
		name string
		x    *records
		ps   *pass
		want bool
	}{
		{"none", looks(0, 0, 0), before(true), false},
		{"none, seen in the records", looks(0, 0, ofRecords), before(true), false},
		{"one", looks(1, 0, 0), before(true), false},
		{"most", looks(n-2, 0, 0), before(true), true},
		{"most, seen in the records", looks(n-2, 0, ofRecords), before(true), true},
		{"most are running", looks(n-2, 1, 0), before(true), true},
		{"the pass before was not of records", looks(n, 0, 0), before(false), false},
		{"first pass", looks(n, 0, 0), new(pass), false},
	} {
		tt.x.restless = !tt.want
		if tt.x.noteGlances(tt.ps); tt.x.restless != tt.want {
			t.Errorf("%s: restless: %v", tt.name, tt.x.restless)
		}
		for i := range tt.x.groups {
			if g := &tt.x.groups[i]; g.glance == 0 || g.glance != tt.x.glances[i].sum {
				t.Errorf("%s: process %d: glance %#x", tt.name, g.pid, g.glance)
			}
		}
	}
}
