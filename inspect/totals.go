package inspect

import (
	"sync"

	"taskscope/inspect/internal/taskstats"
)

// totals asks the kernel for counters over all threads of a process, exited
// ones included. Visits run side by side, and each needs a socket of its own.
type totals struct {
	mu     sync.Mutex
	free   []*taskstats.Conn
	closed bool
}

// openTotals gives nil where the kernel does not tell, or forgets exited
// threads.
func openTotals() *totals {
	c, err := taskstats.Open()
	if err != nil {
		return nil
	}
	if complete, err := c.Complete(); err != nil || !complete {
		c.Close()
		return nil
	}
	return &totals{free: []*taskstats.Conn{c}}
}

func (t *totals) ask(pid int) (taskstats.Totals, bool) {
	c := t.take()
	if c == nil {
		return taskstats.Totals{}, false
	}
	got, err := c.Process(pid)
	t.give(c)
	return got, err == nil
}

func (t *totals) take() *taskstats.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	if n := len(t.free); n > 0 {
		c := t.free[n-1]
		t.free = t.free[:n-1]
		return c
	}
	c, err := taskstats.Open()
	if err != nil {
		return nil
	}
	return c
}

func (t *totals) give(c *taskstats.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		c.Close()
		return
	}
	t.free = append(t.free, c)
}

// close closes the sockets; a visit that hangs closes its own when it returns.
func (t *totals) close() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, c := range t.free {
		c.Close()
	}
	t.free = nil
}

// raise lifts what exited threads are known to have counted to what the kernel
// says: its totals less the living threads. The totals were read before the
// threads, so the difference is never too large; it falls short by the switches
// the living threads made between the two reads, until the next pass in which
// they made none. (The kernel itself misses the switch or two that a thread
// makes after its statistics were noted on its way out.) What was known already
// is never lowered.
func (x Exited) raise(t taskstats.Totals, living *counters) Exited {
	lift := func(old uint64, total uint64, alive Known[uint64]) uint64 {
		if alive.OK() && total > alive.V {
			return max(old, total-alive.V)
		}
		return old
	}
	x.Voluntary = lift(x.Voluntary, t.Voluntary, living.voluntary)
	x.Involuntary = lift(x.Involuntary, t.Involuntary, living.involuntary)
	x.RunNS = lift(x.RunNS, t.RunNS, living.run)
	x.ReadyNS = lift(x.ReadyNS, t.ReadyNS, living.ready)
	x.Slices = lift(x.Slices, t.Slices, living.slices)
	return x
}
