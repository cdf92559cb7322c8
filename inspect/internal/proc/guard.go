package proc

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Backoff after a read that hung: how long its task's files on the same lock
// are left alone, doubling with every further hang.
const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

// hardCapFactor: files that never block (Locks 0) may hang all the same on a
// broken mount. They are refused when that many times the cap hang.
const hardCapFactor = 2

// guard remembers which reads hang in the kernel. It refuses reads that would
// hang on the same lock, and every read that could hang once the cap of hanging
// ones is reached.
type guard struct {
	entries atomic.Int32 // fast path: nothing remembered
	hanging atomic.Int32 // reads that stand still right now; written under mu
	max     int32

	mu  sync.Mutex
	m   map[int][]hang
	now func() time.Time
}

// hang is one (PID, file) that hangs, or did a moment ago.
type hang struct {
	file    File
	inside  int       // reads that hang right now
	since   time.Time // of the first of them
	strikes int       // hangs in a row that passed the limit
	until   time.Time // refuse until then although nothing hangs any more
}

// Hanging is a read that hangs right now.
type Hanging struct {
	PID   int
	File  File
	Since time.Time
}

func newGuard(limit int) *guard {
	return &guard{max: int32(limit), m: make(map[int][]hang), now: time.Now}
}

// conflict reports whether a read of b can be blocked by what blocks a.
func conflict(a, b File) bool { return a == b || a.Locks()&b.Locks() != 0 }

// refuses reports whether a read of f must not be tried now.
func (g *guard) refuses(pid int, f File) bool {
	if g.entries.Load() == 0 {
		return false
	}
	if n := g.hanging.Load(); n >= g.max && (f.Locks() != 0 || n >= hardCapFactor*g.max) {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.m[pid] {
		if conflict(h.file, f) && (h.inside > 0 || g.now().Before(h.until)) {
			return true
		}
	}
	return false
}

// enter records that a read of f stands still.
func (g *guard) enter(pid int, f File) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expire()
	h := g.entry(pid, f)
	if h.inside == 0 {
		h.since = g.now()
	}
	h.inside++
	g.hanging.Add(1)
	g.entries.Store(int32(len(g.m)))
}

// strike records that the read entered before has been given up.
func (g *guard) strike(pid int, f File) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if h := g.entry(pid, f); h.inside > 0 {
		h.strikes++
	}
}

// release records that a read that stood still has returned. If it had been
// given up, the task is left alone for a while.
func (g *guard) release(pid int, f File) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.entry(pid, f)
	h.inside--
	if h.strikes > 0 {
		h.until = g.now().Add(backoff(h.strikes))
	}
	g.hanging.Add(-1)
	g.expire()
}

func backoff(strikes int) time.Duration {
	return min(firstBackoff<<min(strikes-1, 16), maxBackoff)
}

// entry finds or makes the memory of (pid, f). The caller holds mu; the
// pointer is good until the next call of entry or expire.
func (g *guard) entry(pid int, f File) *hang {
	list := g.m[pid]
	i := slices.IndexFunc(list, func(h hang) bool { return h.file == f })
	if i < 0 {
		i = len(list)
		list = append(list, hang{file: f})
		g.m[pid] = list
	}
	return &list[i]
}

// expire forgets what neither hangs nor has hung lately. Strikes outlive their
// backoff by the next one, so that a task that hangs again at once adds one up.
// The caller holds mu.
func (g *guard) expire() {
	now := g.now()
	for pid, list := range g.m {
		list = slices.DeleteFunc(list, func(h hang) bool {
			return h.inside == 0 && (h.strikes == 0 || now.After(h.until.Add(backoff(h.strikes+1))))
		})
		if len(list) == 0 {
			delete(g.m, pid)
			continue
		}
		g.m[pid] = list
	}
	g.entries.Store(int32(len(g.m)))
}

// tidy forgets what is over; called once a pass.
func (g *guard) tidy() {
	if g.entries.Load() == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expire()
}

// list returns the reads that hang now, by PID and file.
func (g *guard) list() []Hanging {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []Hanging
	for pid, list := range g.m {
		for _, h := range list {
			if h.inside > 0 {
				out = append(out, Hanging{PID: pid, File: h.file, Since: h.since})
			}
		}
	}
	slices.SortFunc(out, func(a, b Hanging) int {
		return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.File, b.File))
	})
	return out
}
