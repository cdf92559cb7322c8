package inspect

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/proc"
)

// processReading is what one reading of the sampled source says of a process.
type processReading struct {
	at      int64 // CLOCK_MONOTONIC when it began
	tids    []int
	threads []threadReading
	status  proc.Status // scratch
	err     error       // of the list of threads
}

// threadReading is what it says of a thread. An execve that hangs keeps stat
// from being read, and nothing else: then the start and the CPU are missing.
type threadReading struct {
	tid, cpu               int    // cpu: the last one, -1 when not known
	start                  uint64 // ticks, 0 when not known
	state                  byte
	comm                   []byte
	sched                  proc.Schedstat
	at                     int64 // when sched was read
	voluntary, involuntary uint64
	switches               bool // the two are known
	err                    error
}

// look makes one reading. Whoever reads may hang in the kernel; the caller waits
// for that no longer than the pool's limit, and gets nil when not even the list
// of threads came back.
func (s *sampled) look() (*processReading, error) {
	begun := time.Now()
	got, err := s.scanner.Scan(context.Background(), []int{s.id.PID}, readProcess)
	s.cost = time.Since(begun)
	if err != nil {
		return nil, err
	}
	p := got[0]
	if p == nil || slices.ContainsFunc(p.threads, func(t threadReading) bool { return t.cpu < 0 }) {
		s.cost = 0 // it was spent waiting, and that only once
	}
	return p, nil
}

// readProcess is called on a goroutine of its own, perhaps twice at a time.
func readProcess(r *proc.Reader, pid int, out *processReading) {
	out.at = clockNS(unix.CLOCK_MONOTONIC)
	out.tids, out.err = r.TIDs(out.tids[:0], pid)
	n := len(out.tids)
	out.threads = slices.Grow(out.threads[:0], n)[:n] // with the buffers for names
	for i, tid := range out.tids {
		out.threads[i].read(r, pid, tid, &out.status)
	}
}

func (t *threadReading) read(r *proc.Reader, pid, tid int, status *proc.Status) {
	*t = threadReading{tid: tid, cpu: -1, comm: t.comm[:0]}
	var st proc.Stat
	t.err = r.ThreadStat(pid, tid, &st)
	stuck := errors.Is(t.err, proc.ErrStuck)
	if t.err == nil {
		t.start, t.state, t.cpu, t.comm = st.StartTicks, st.State, st.Processor, append(t.comm, st.Comm...)
	}
	if t.err == nil || stuck {
		t.err = r.ThreadSchedstat(pid, tid, &t.sched)
	}
	t.at = clockNS(unix.CLOCK_MONOTONIC)
	err := r.ThreadStatus(pid, tid, status)
	if err == nil {
		t.switches = status.Has(proc.StatusVoluntary)
		t.voluntary, t.involuntary = status.Voluntary, status.Nonvoluntary
	}
	switch {
	case !stuck || t.err != nil:
	case err != nil:
		t.err = err
	default:
		t.state, t.comm = status.State, append(t.comm, status.Name...)
	}
}
