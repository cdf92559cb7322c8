package bpf

import (
	"context"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// manyCPUs is the number of CPUs from which on a pass over all tasks leaves the
// per-CPU parts of RSS out: each costs a read per process. One always adds them.
const manyCPUs = 64

// oneTries bounds the repetitions of One while threads come and go.
const oneTries = 4

// Source reads tasks through the iterator program. Open makes one.
type Source struct {
	mu     sync.Mutex // one pass at a time: the program has one record of scratch
	coll   *ebpf.Collection
	prog   *ebpf.Program
	exact  *ebpf.Variable
	link   int // over all tasks; -1 when closed
	glance int // the same of the program that only looks; -1 when closed
	buf    []byte
	one    []Task // of Leader
	caps   Caps
	cpus   int
	boot   int64 // time namespace: added to start times, ns
	exactW uint32
	leave  *ebpf.Variable
	leaveW Parts
}

// Parts of a record that a pass can leave out: each lies on cache lines of its
// own, and with many tasks it is the cache misses that a pass costs. The values
// are those of enum part in tasks.bpf.c.
type Parts uint32

// The parts.
const (
	PartRegs    Parts = 1 << iota // HaveRegs
	PartIO                        // HaveIO
	PartDelays                    // HaveDelays
	PartCgroups                   // HaveCgroups
)

// Caps is what this source can do on this kernel.
type Caps struct {
	// Filter: One visits the threads of one process only (>= 6.1), else it
	// makes a whole pass.
	Filter bool
	// ExactRSS: nil, or why RSS lacks the per-CPU parts on a kernel that has
	// them. Before Linux 6.2 there are none.
	ExactRSS error
	// ExactRSSInPass: Pass adds the per-CPU parts too; on machines with
	// more than 64 CPUs only One does.
	ExactRSSInPass bool
}

// Open loads and links the program, reads our own record and compares it with
// /proc/self. types may be nil. The error is an *Error, or that of ctx.
func Open(ctx context.Context, types *Types) (*Source, error) {
	s := &Source{link: -1, glance: -1, buf: newBuffer(bufferSize)}
	if err := s.open(ctx, orNew(types)); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Source) open(ctx context.Context, types *Types) error {
	if err := types.ready(ctx); err != nil {
		return err
	}
	spec, err := loadTasks()
	if err != nil {
		return explain("read object tasks", err)
	}
	offsets, err := percpuOffsets(ctx, types)
	s.caps.ExactRSS = err
	s.cpus = len(offsets)
	s.caps.ExactRSSInPass = s.cpus > 0 && s.cpus <= manyCPUs
	if s.cpus > 0 {
		var all [maxCPUs]uint64
		copy(all[:], offsets)
		if err := spec.Variables[tasksVarPercpuOff].Set(all); err != nil {
			return explain("set up tasks", err)
		}
		if err := spec.Variables[tasksVarNcpu].Set(uint32(s.cpus)); err != nil {
			return explain("set up tasks", err)
		}
	}
	if s.coll, err = types.load(ctx, "load tasks", spec); err != nil {
		return err
	}
	s.prog = s.coll.Programs[tasksProgDumpTasks]
	s.exact, s.leave = s.coll.Variables[tasksVarExactRss], s.coll.Variables[tasksVarLeftOut]
	if s.boot, err = boottimeOffset(); err != nil {
		return explain("read time namespace", err)
	}
	if s.link, err = linkIter(s.prog, iterFilter{}); err != nil {
		s.link = -1
		return explain("attach iterator", err)
	}
	if s.glance, err = linkIter(s.coll.Programs[tasksProgGlanceTasks], iterFilter{}); err != nil {
		s.glance = -1
		return explain("attach iterator", err)
	}
	if s.caps.Filter, err = s.probeFilter(); err != nil {
		return explain("read own record", err)
	}
	return s.checkSelf()
}

// probeFilter finds out whether the kernel obeys a filter.
func (s *Source) probeFilter() (bool, error) {
	self := uint32(unix.Getpid())
	tasks, err := runFiltered(s.prog, iterFilter{tid: self}, s.buf, []Task(nil))
	return err == nil && len(tasks) == 1 && tasks[0].TID == self, err
}

// Caps tells what this source can do.
func (s *Source) Caps() Caps { return s.caps }

// Pass appends a record for every task that the iterator shows, and returns the
// extended slice. Threads of a process need not lie side by side. Tasks that
// are born or die meanwhile may be missing.
func (s *Source) Pass(dst []Task) ([]Task, error) {
	err := s.Each(0, func(batch []Task) { dst = append(dst, batch...) })
	return dst, err
}

// Each makes a Pass that leaves some parts out, which are then absent from all
// records, and hands the records to take, a batch at a time and in the order of
// their TIDs. They are take's to change, but only until it returns.
func (s *Source) Each(without Parts, take func(batch []Task)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link < 0 {
		return ErrClosed
	}
	if err := s.setUp(s.caps.ExactRSSInPass, without); err != nil {
		return err
	}
	return eachRecord(s.link, s.buf, func(batch []Task) {
		s.shiftStart(batch)
		take(batch)
	})
}

// One appends the records of all threads of one process, by its number in our
// PID namespace, and leaves some parts out as Each does. It repeats the walk a few times if the number of records is
// not that of its threads, because the kernel can end a walk early when the
// thread it stopped at dies. ErrNoProcess: there is none.
func (s *Source) One(tgid int, without Parts, dst []Task) ([]Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link < 0 {
		return dst, ErrClosed
	}
	if tgid <= 0 {
		return dst, ErrNoProcess
	}
	if err := s.setUp(s.cpus > 0, without); err != nil {
		return dst, err
	}
	base := len(dst)
	for range oneTries {
		var err error
		if dst, err = s.walk(uint32(tgid), dst[:base]); err != nil {
			return dst[:base], err
		}
		got := dst[base:]
		if len(got) > 0 && len(got) == int(got[len(got)-1].NrThreads) {
			break
		}
	}
	if len(dst) == base {
		return dst, ErrNoProcess
	}
	s.shiftStart(dst[base:])
	return dst, nil
}

// Leader gives the record of the leader of a process alone. It needs Caps.Filter.
func (s *Source) Leader(tgid int, without Parts) (Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.link < 0:
		return Task{}, ErrClosed
	case tgid <= 0:
		return Task{}, ErrNoProcess
	}
	if err := s.setUp(s.cpus > 0, without); err != nil {
		return Task{}, err
	}
	var err error
	s.one, err = runFiltered(s.prog, iterFilter{tid: uint32(tgid)}, s.buf, s.one[:0])
	switch {
	case err != nil:
		return Task{}, err
	case len(s.one) == 0:
		return Task{}, ErrNoProcess
	}
	s.shiftStart(s.one)
	return s.one[0], nil
}

// walk reads the threads of one process once.
func (s *Source) walk(tgid uint32, dst []Task) ([]Task, error) {
	if s.caps.Filter {
		return runFiltered(s.prog, iterFilter{tgid: tgid}, s.buf, dst)
	}
	base := len(dst)
	dst, err := runIter(s.link, s.buf, dst)
	kept := dst[:base]
	for _, t := range dst[base:] {
		if t.TGID == tgid {
			kept = append(kept, t)
		}
	}
	return kept, err
}

// setUp tells the program whether to add the per-CPU parts of RSS, and what to
// leave out.
func (s *Source) setUp(exact bool, leave Parts) error {
	var v uint32
	if exact {
		v = 1
	}
	if v != s.exactW {
		if err := s.exact.Set(v); err != nil {
			return explain("set up a pass", err)
		}
		s.exactW = v
	}
	if leave != s.leaveW {
		if err := s.leave.Set(uint32(leave)); err != nil {
			return explain("set up a pass", err)
		}
		s.leaveW = leave
	}
	return nil
}

// shiftStart moves start times into our time namespace, as /proc does.
func (s *Source) shiftStart(tasks []Task) {
	if s.boot == 0 {
		return
	}
	for i := range tasks {
		tasks[i].Start += uint64(s.boot)
	}
}

// Close releases programs, maps and descriptors. Later calls fail with
// ErrClosed.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, link := range []*int{&s.link, &s.glance} {
		if *link >= 0 {
			_ = unix.Close(*link)
			*link = -1
		}
	}
	if s.coll != nil {
		s.coll.Close()
		s.coll = nil
	}
	return nil
}
