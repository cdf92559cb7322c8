package spawn

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// The arena is the memory shared by the controller and every worker, in the
// layout of native/arena.h; TestLayout compares the two. It holds no pointers.
const (
	arenaMagic   = 0x61637374
	arenaVersion = 2
	reportSlots  = 16
	cpuWords     = 16
)

// Phases of a thread, as in load.Report.
const (
	phaseBorn = iota
	phaseReady
	phaseRunning
	phaseParked
	phaseEnded
)

// Operations that exist for the tests of the safety net only: they ignore
// every deadline, the first asleep, the second busy.
const (
	opTestWedge load.OpKind = 0x7e570001
	opTestSpin  load.OpKind = 0x7e570002
)

type arenaHeader struct {
	magic, version                         uint32
	size                                   uint64
	nprocs, nthreads, nops, controllerPID  uint32
	procsOff, threadsOff, opsOff, slotsOff uint64
	deadlineNS, killNS                     int64
	filesLimit, flags                      uint32
	objectsOff                             uint64
	nobjects, _                            uint32
	_                                      uint64
	gateNS                                 int64
	gate, stop                             uint32
	ready, parked                          uint32
	failed, failThread, failStep           uint32
	failErrno                              int32
	failOp, parks                          uint32
	_                                      uint64
}

type arenaProcess struct {
	parent                  int32
	firstThread, nthreads   uint32
	firstChild, nextSibling int32
	setsid                  uint32
	cpuLimitS               uint32
	pid                     uint32
	ppid                    uint32
	flags                   uint32
	dataLimit               uint64
	ended, waitStatus       uint32
	adopter, _              uint32
}

type arenaThread struct {
	name                                       [16]byte
	policy, rtprio                             uint32
	nice                                       int32
	pinned                                     uint32
	setupFirst, setupCount, opsFirst, opsCount uint32
	stackBytes                                 uint64
	cpus                                       [cpuWords]uint64
	ends, _                                    uint32
}

type arenaOp struct {
	kind, object uint32
	a, b, c      uint64
}

type arenaObject struct {
	kind, count uint32
	fd          [2]int32
	bytes       uint64
	memory      uint64 // offset of its memory in the arena
	port, _     uint32
	_           [3]uint64
}

type arenaSlot struct {
	phase, tid                                  uint32
	err                                         int32
	used                                        uint32
	startNS, endNS                              int64
	cpuNS, voluntary, involuntary, minor, major uint64
	loops, late, waits, acquired, bytes         uint64
	parkVoluntary                               uint64
	failedOp                                    uint64
	result                                      uint64
	jobEndNS                                    int64
	done                                        uint64
	address                                     [reportSlots]uint64
	fromNS, untilNS                             int64
	notified                                    uint64
	_                                           [2]uint64 // the worker's own
}

// arena is the mapped memory with its tables.
type arena struct {
	mem     []byte
	head    *arenaHeader
	procs   []arenaProcess
	threads []arenaThread
	ops     []arenaOp
	slots   []arenaSlot
	objects []arenaObject
}

// arenaSizes are the table lengths of a plan.
func arenaSizes(p *load.Plan) (procs, threads, ops int) {
	procs = len(p.Processes)
	for i := range p.Processes {
		for j := range p.Processes[i].Threads {
			t := &p.Processes[i].Threads[j]
			threads++
			ops += len(t.Setup) + len(t.Ops)
		}
	}
	return procs, threads, ops
}

// arenaBytes is the size of a plan's arena, in whole pages.
func arenaBytes(p *load.Plan) uint64 {
	procs, threads, ops := arenaSizes(p)
	n := align64(unsafe.Sizeof(arenaHeader{})) +
		align64(uintptr(procs)*unsafe.Sizeof(arenaProcess{})) +
		align64(uintptr(threads)*unsafe.Sizeof(arenaThread{})) +
		align64(uintptr(ops)*unsafe.Sizeof(arenaOp{})) +
		align64(uintptr(threads)*unsafe.Sizeof(arenaSlot{})) +
		uintptr(len(p.Objects))*unsafe.Sizeof(arenaObject{})
	return placeObjects(p, uint64(n), nil)
}

func align64(n uintptr) uintptr { return (n + 63) &^ 63 }

// newArena maps the memfd fd and writes the plan's tables into it. Every page
// exists afterwards, so that no worker faults one in.
func newArena(fd int, p *load.Plan) (*arena, error) {
	size := arenaBytes(p)
	if err := unix.Fallocate(fd, 0, 0, int64(size)); err != nil {
		return nil, fmt.Errorf("arena of %d bytes: %w", size, err)
	}
	a, err := mapArena(fd, size)
	if err != nil {
		return nil, err
	}
	procs, threads, ops := arenaSizes(p)
	h := a.head
	h.magic, h.version, h.size = arenaMagic, arenaVersion, size
	h.nprocs, h.nthreads, h.nops = uint32(procs), uint32(threads), uint32(ops)
	h.procsOff = uint64(align64(unsafe.Sizeof(arenaHeader{})))
	h.threadsOff = h.procsOff + uint64(align64(uintptr(procs)*unsafe.Sizeof(arenaProcess{})))
	h.opsOff = h.threadsOff + uint64(align64(uintptr(threads)*unsafe.Sizeof(arenaThread{})))
	h.slotsOff = h.opsOff + uint64(align64(uintptr(ops)*unsafe.Sizeof(arenaOp{})))
	h.objectsOff = h.slotsOff + uint64(align64(uintptr(threads)*unsafe.Sizeof(arenaSlot{})))
	h.nobjects = uint32(len(p.Objects))
	a.bind()
	a.fill(p)
	a.fillObjects(p)
	return a, nil
}

// openArena maps an arena that somebody else has filled.
func openArena(fd int) (*arena, error) {
	size, err := unix.Seek(fd, 0, 2)
	if err != nil {
		return nil, fmt.Errorf("arena: %w", err)
	}
	if size < int64(unsafe.Sizeof(arenaHeader{})) {
		return nil, errors.New("arena: too small")
	}
	a, err := mapArena(fd, uint64(size))
	if err != nil {
		return nil, err
	}
	if a.head.magic != arenaMagic || a.head.version != arenaVersion || a.head.size != uint64(size) {
		a.unmap()
		return nil, errors.New("arena: not one of this version")
	}
	a.bind()
	return a, nil
}

func mapArena(fd int, size uint64) (*arena, error) {
	mem, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the arena: %w", err)
	}
	return &arena{mem: mem, head: (*arenaHeader)(unsafe.Pointer(&mem[0]))}, nil
}

func (a *arena) unmap() { _ = unix.Munmap(a.mem) } //nolint:errcheck // the mapping is ours

// bind makes slices of the tables the header names.
func (a *arena) bind() {
	h := a.head
	a.procs = table[arenaProcess](a.mem, h.procsOff, h.nprocs)
	a.threads = table[arenaThread](a.mem, h.threadsOff, h.nthreads)
	a.ops = table[arenaOp](a.mem, h.opsOff, h.nops)
	a.slots = table[arenaSlot](a.mem, h.slotsOff, h.nthreads)
	a.objects = table[arenaObject](a.mem, h.objectsOff, h.nobjects)
}

func table[T any](mem []byte, offset uint64, n uint32) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&mem[offset])), n)
}

// fill writes processes, threads and operations.
func (a *arena) fill(p *load.Plan) {
	var thread, op uint32
	last := make([]int32, len(p.Processes)) // newest child of each process
	for i := range p.Processes {
		pp := &p.Processes[i]
		to := &a.procs[i]
		*to = arenaProcess{
			parent: int32(pp.Parent), firstThread: thread, nthreads: uint32(len(pp.Threads)),
			firstChild: -1, nextSibling: -1, cpuLimitS: cpuLimit(pp), dataLimit: dataLimit(p, i),
		}
		if pp.Setsid && i > 0 { // the root is started with its session
			to.setsid = 1
		}
		to.flags = processFlags(p, i)
		last[i] = -1
		if pp.Parent >= 0 {
			if l := last[pp.Parent]; l < 0 {
				a.procs[pp.Parent].firstChild = int32(i)
			} else {
				a.procs[l].nextSibling = int32(i)
			}
			last[pp.Parent] = int32(i)
		}
		for j := range pp.Threads {
			op = a.fillThread(thread, op, &pp.Threads[j])
			if pp.End != nil {
				a.threads[thread].ends = 1
			} else {
				a.head.parks++
			}
			thread++
		}
	}
}

// Flags of a process, as in native/arena.h.
const (
	processEnds = 1 << iota
	processOutlives
	processSubreaper
)

func processFlags(p *load.Plan, i int) (flags uint32) {
	pp := &p.Processes[i]
	if pp.End != nil {
		flags |= processEnds
	}
	if pp.Parent >= 0 && p.Processes[pp.Parent].End != nil {
		flags |= processOutlives
	}
	if pp.Subreaper {
		flags |= processSubreaper
	}
	return flags
}

func (a *arena) fillThread(index, op uint32, tp *load.ThreadPlan) uint32 {
	t := &a.threads[index]
	copy(t.name[:15], tp.Name)
	t.policy, t.rtprio, t.nice = uint32(tp.Policy), uint32(tp.RTPrio), int32(tp.Nice)
	for _, cpu := range tp.CPUs {
		t.pinned = 1
		t.cpus[cpu/64] |= 1 << (cpu % 64)
	}
	put := func(list []load.Op) (first, count uint32) {
		first = op
		for _, o := range list {
			a.ops[op] = arenaOp{kind: uint32(o.Kind), object: uint32(o.Object), a: o.A, b: o.B, c: o.C}
			op++
			if o.Kind == load.OpStack {
				t.stackBytes += pageUp(o.A)
			}
		}
		return first, op - first
	}
	t.setupFirst, t.setupCount = put(tp.Setup)
	t.opsFirst, t.opsCount = put(tp.Ops)
	return op
}

func pageUp(n uint64) uint64 {
	page := uint64(unix.Getpagesize())
	return (n + page - 1) &^ (page - 1)
}

// report is the self-report of thread index as of now.
func (a *arena) report(index int) load.Report {
	s := &a.slots[index]
	r := load.Report{Phase: atomic.LoadUint32(&s.phase)}
	r.StartNS, r.EndNS = atomic.LoadInt64(&s.startNS), atomic.LoadInt64(&s.endNS)
	r.CPUNS = atomic.LoadUint64(&s.cpuNS)
	r.Voluntary, r.Involuntary = atomic.LoadUint64(&s.voluntary), atomic.LoadUint64(&s.involuntary)
	r.MinorFaults, r.MajorFaults = atomic.LoadUint64(&s.minor), atomic.LoadUint64(&s.major)
	r.Loops, r.Late = atomic.LoadUint64(&s.loops), atomic.LoadUint64(&s.late)
	r.Waits, r.Acquired = atomic.LoadUint64(&s.waits), atomic.LoadUint64(&s.acquired)
	r.JobEndNS = atomic.LoadInt64(&s.jobEndNS)
	r.Done = atomic.LoadUint64(&s.done)
	r.Result = atomic.LoadUint64(&s.result)
	r.Bytes, r.Errno = atomic.LoadUint64(&s.bytes), atomic.LoadInt32(&s.err)
	r.FromNS, r.UntilNS = atomic.LoadInt64(&s.fromNS), atomic.LoadInt64(&s.untilNS)
	r.Notified = atomic.LoadUint64(&s.notified)
	for n := range s.address {
		if atomic.LoadUint32(&s.used)&(1<<n) == 0 {
			continue
		}
		if r.Slots == nil {
			r.Slots = map[string]uint64{}
		}
		r.Slots[fmt.Sprint(n)] = atomic.LoadUint64(&s.address[n])
	}
	return r
}

// failure is what a worker recorded when it could not go on, nil without one.
func (a *arena) failure(p *load.Plan) error {
	h := a.head
	if atomic.LoadUint32(&h.failed) != 2 {
		return nil
	}
	process, thread := locate(p, int(h.failThread))
	t := &p.Processes[process].Threads[thread]
	err := &WorkerError{
		Process: process, Role: p.Processes[process].Role, Thread: thread, Name: t.Name,
		Step: stepName(h.failStep), Err: unix.Errno(h.failErrno),
	}
	switch h.failStep {
	case stepOperation:
		err.Step = fmt.Sprintf("operation %d", h.failOp)
	case stepObject:
		err.Step = fmt.Sprintf("open object %d", h.failOp)
	}
	return err
}

// locate finds process and thread of the arena's thread number.
func locate(p *load.Plan, index int) (process, thread int) {
	for i := range p.Processes {
		if n := len(p.Processes[i].Threads); index >= n {
			index -= n
			continue
		}
		return i, index
	}
	return 0, 0
}

// Steps at which a worker can fail, as in native/arena.h.
const (
	stepOperation = 7
	stepObject    = 11
)

func stepName(step uint32) string {
	names := [...]string{
		"start", "fork", "clone", "map the stack", "set the CPU affinity", "set the scheduling policy",
		"set the nice value", "operation", "setsid", "set a limit", "arm the kill timer", "open an object",
	}
	if int(step) < len(names) {
		return names[step]
	}
	return fmt.Sprintf("step %d", step)
}

// monotonic is CLOCK_MONOTONIC in nanoseconds.
func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) //nolint:errcheck // cannot fail
	return t.Nano()
}

// Lifetime bounds beyond the planned duration: how long a run may stand at its
// gate or be looked at after its operations, and what the kernel timer adds.
const (
	defaultLifetime = time.Hour
	killGrace       = 2 * time.Second
)
