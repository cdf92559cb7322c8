package bpf

import (
	"context"
	"errors"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// totalsTries bounds the repetitions while threads exit.
const totalsTries = 8

// TotalsSource reads exact totals of processes: living threads plus the sum
// the kernel keeps of exited ones, taken in one run of a program. OpenTotals
// makes one. It needs Linux 6.7; before that, use Sum over the records of a
// Source.
type TotalsSource struct {
	mu   sync.Mutex
	coll *ebpf.Collection
	prog *ebpf.Program
	link int // over all tasks; -1 when closed
	buf  []byte
	recs []totalRec
	boot int64
}

// SwitchTotals are totals of one process over all threads it ever had.
type SwitchTotals struct {
	TGID      uint32
	Threads   uint32 // living, zombies included
	Start     uint64 // ns since boot, as Task.Start
	Voluntary uint64
	// Involuntary switches: the thread was ready and lost its CPU.
	Involuntary uint64
	ExecNS      uint64 // time on a CPU
	// ExitedVoluntary and ExitedInvoluntary are the part of exited threads.
	ExitedVoluntary, ExitedInvoluntary uint64
	// Settled: no thread moved from the living to the exited meanwhile.
	// Otherwise a thread may be counted twice or not at all.
	Settled bool
}

// totalRec mirrors struct total_rec of totals.bpf.c.
type totalRec struct {
	tgid, threads                   uint32
	start                           uint64
	volAlive, involAlive, execAlive uint64
	volDead, involDead, execDead    uint64
	seq0, seq1                      uint32
}

func (r *totalRec) totals(boot int64) SwitchTotals {
	return SwitchTotals{
		TGID: r.tgid, Threads: r.threads, Start: r.start + uint64(boot),
		Voluntary:       r.volAlive + r.volDead,
		Involuntary:     r.involAlive + r.involDead,
		ExecNS:          r.execAlive + r.execDead,
		ExitedVoluntary: r.volDead, ExitedInvoluntary: r.involDead,
		Settled: r.seq0 == r.seq1 && r.seq0&1 == 0,
	}
}

// OpenTotals loads and links the program and reads our own totals. types may be
// nil. The error is an *Error, or that of ctx.
func OpenTotals(ctx context.Context, types *Types) (*TotalsSource, error) {
	s := &TotalsSource{link: -1, buf: newBuffer(64 << 10)}
	if err := s.open(ctx, orNew(types)); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *TotalsSource) open(ctx context.Context, types *Types) error {
	const op = "check own totals"
	spec, err := loadTotals()
	if err != nil {
		return explain("read object totals", err)
	}
	if s.coll, err = types.load(ctx, "load totals", spec); err != nil {
		return err
	}
	s.prog = s.coll.Programs[totalsProgDumpTotals]
	if s.boot, err = boottimeOffset(); err != nil {
		return explain("read time namespace", err)
	}
	if s.link, err = linkIter(s.prog, iterFilter{}); err != nil {
		s.link = -1
		return explain("attach iterator", err)
	}
	before, err := ownSwitches()
	if err != nil {
		return explain(op, err)
	}
	got, err := s.Totals(unix.Getpid())
	if errors.Is(err, ErrUnsettled) { // our own threads come and go: proves nothing
		return nil
	}
	if err != nil {
		return explain(op, err)
	}
	after, err := ownSwitches()
	if err != nil {
		return explain(op, err)
	}
	if got.Voluntary < before || got.Voluntary > after {
		return mismatch(op, "%d voluntary switches, getrusage says %d to %d", got.Voluntary, before, after)
	}
	return nil
}

// ownSwitches are our own voluntary switches, exited threads included.
func ownSwitches() (uint64, error) {
	var ru unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &ru)
	return uint64(ru.Nvcsw), err
}

// Totals reads one process, by its number in our PID namespace, and repeats
// while threads exit under its eyes. ErrNoProcess: there is none. With
// ErrUnsettled the result is the last, unsettled one.
func (s *TotalsSource) Totals(tgid int) (SwitchTotals, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link < 0 {
		return SwitchTotals{}, ErrClosed
	}
	if tgid <= 0 {
		return SwitchTotals{}, ErrNoProcess
	}
	var last SwitchTotals
	for range totalsTries {
		var err error
		s.recs, err = runFiltered(s.prog, iterFilter{tid: uint32(tgid)}, s.buf, s.recs[:0])
		if err != nil {
			return last, err
		}
		if len(s.recs) != 1 || s.recs[0].tgid != uint32(tgid) {
			return SwitchTotals{}, ErrNoProcess
		}
		if last = s.recs[0].totals(s.boot); last.Settled {
			return last, nil
		}
	}
	return last, ErrUnsettled
}

// All appends the totals of every process that the iterator shows. Those that
// are not Settled can be read again with Totals.
func (s *TotalsSource) All(dst []SwitchTotals) ([]SwitchTotals, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link < 0 {
		return dst, ErrClosed
	}
	var err error
	s.recs, err = runIter(s.link, s.buf, s.recs[:0])
	for i := range s.recs {
		dst = append(dst, s.recs[i].totals(s.boot))
	}
	return dst, err
}

// Close releases program, link and buffers. Later calls fail with ErrClosed.
func (s *TotalsSource) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link >= 0 {
		_ = unix.Close(s.link)
		s.link = -1
	}
	if s.coll != nil {
		s.coll.Close()
		s.coll = nil
	}
	return nil
}
