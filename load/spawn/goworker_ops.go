package spawn

import (
	"sync/atomic"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// edgeMargin and spinChunk are as in native/worker.c.
const (
	edgeMargin = 20_000
	spinChunk  = 4096
)

func (t *goThread) operate(o *arenaOp) error {
	switch load.OpKind(o.kind) {
	case load.OpSleepRel:
		return t.sleepRel(o)
	case load.OpSleepAbs:
		return t.sleepAbs(o)
	case load.OpSpinCPU:
		t.burn(cpuTime() + int64(o.a))
	case load.OpSpinWall:
		t.spinUntil(o.a)
	case load.OpDuty:
		return t.duty(o)
	case load.OpYield:
		return t.yield(o)
	case load.OpMap:
		return t.mapArea(o)
	case load.OpHeap:
		return t.heap(o)
	case load.OpStack:
		// A goroutine's stack is not the thread's: an area stands in for it.
		return t.mapArea(&arenaOp{a: o.a, b: o.a, c: reportSlots})
	case load.OpHold:
		t.hold(o)
	case load.OpMigrate:
		return t.migrate(o)
	case load.OpCheckSlice:
		return t.checkSlice(o)
	case load.OpSpinFollow:
		return t.spinFollow(o)
	case load.OpGoroutines:
		return t.goroutines(o)
	case opTestWedge:
		_, err := t.nanosleep(3600e9)
		return err
	case opTestSpin:
		for {
			spin()
		}
	default:
		return unix.ENOSYS
	}
	t.s.loops++
	return nil
}

var spinResult atomic.Uint64 // keeps the compiler from dropping the loop

func spin() {
	x := uint64(1)
	for range spinChunk {
		x = x*6364136223846793005 + 1442695040888963407
	}
	if x == 0 { // never
		spinResult.Store(x)
	}
}

// burn uses the CPU until the thread's CPU time is target, and returns it.
func (t *goThread) burn(target int64) int64 {
	for {
		cpu := cpuTime()
		if cpu >= target || t.ended() {
			return cpu
		}
		spin()
	}
}

func (t *goThread) spinUntil(afterGate uint64) {
	until := t.p.a.head.deadlineNS
	if afterGate != 0 {
		until = t.gateNS + int64(afterGate)
	}
	for monotonic() < until && !t.ended() {
		spin()
	}
}

// nanosleep sleeps, repeated if something interrupts it, and tells whether
// that blocked; native/worker.c says why it need not.
func (t *goThread) nanosleep(ns int64) (bool, error) {
	request := unix.NsecToTimespec(ns)
	before := voluntary()
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &request, &request)
		if err == unix.EINTR {
			continue
		}
		if err != nil || voluntary() == before {
			return false, err
		}
		t.s.waits++
		return true, nil
	}
}

func (t *goThread) sleepRel(o *arenaOp) error {
	for i := uint64(0); i < o.a && !t.ended(); {
		left := max(1, t.p.a.head.deadlineNS-monotonic())
		blocked, err := t.nanosleep(min(int64(o.b), left))
		if err != nil {
			return err
		}
		if blocked {
			t.s.loops++
			i++
		} else {
			t.s.late++
		}
	}
	return nil
}

// toEdge sleeps to the end of a period, or counts the edge as missed.
func (t *goThread) toEdge(edge int64) error {
	blocked := false
	var err error
	if left := min(edge, t.p.a.head.deadlineNS) - monotonic(); left >= edgeMargin {
		blocked, err = t.nanosleep(left)
	}
	t.s.loops++
	if !blocked {
		t.s.late++
	}
	return err
}

func (t *goThread) sleepAbs(o *arenaOp) error {
	for i := uint64(1); i <= o.a && !t.ended(); i++ {
		if err := t.toEdge(t.gateNS + int64(i*o.b)); err != nil {
			return err
		}
	}
	return nil
}

func (t *goThread) duty(o *arenaOp) error {
	for i := uint64(1); i <= o.a && !t.ended(); i++ {
		atomic.StoreUint64(&t.s.cpuNS, uint64(t.burn(t.cpu0+int64(i*o.c))-t.cpu0))
		if err := t.toEdge(t.gateNS + int64(i*o.b)); err != nil {
			return err
		}
	}
	return nil
}

// mapArea makes an area between two inaccessible pages and has the kernel
// write to its first pages.
func (t *goThread) mapArea(o *arenaOp) error {
	page := uint64(unix.Getpagesize())
	size := pageUp(o.a)
	base, _, errno := unix.RawSyscall6(unix.SYS_MMAP, 0, uintptr(size+2*page), unix.PROT_NONE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE, ^uintptr(0), 0)
	if errno != 0 {
		return errno
	}
	area := base + uintptr(page)
	_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, area, uintptr(size), unix.MADV_NOHUGEPAGE) // absent without THP
	if _, _, errno := unix.RawSyscall(unix.SYS_MPROTECT, area, uintptr(size), unix.PROT_READ|unix.PROT_WRITE); errno != 0 {
		return errno
	}
	if o.c < reportSlots {
		t.s.address[o.c] = uint64(area)
		atomic.StoreUint32(&t.s.used, t.s.used|1<<o.c)
	}
	t.s.loops++
	return t.touch(area, pageUp(o.b))
}

// touch has the kernel make the pages present: Go code cannot write to memory
// it knows by number only.
func (t *goThread) touch(at uintptr, size uint64) error {
	const step = 4 << 20 // between two looks at the deadline
	for done := uint64(0); done < size && !t.ended(); done += step {
		n := min(step, size-done)
		_, _, errno := unix.RawSyscall(unix.SYS_MADVISE, at+uintptr(done), uintptr(n), unix.MADV_POPULATE_WRITE)
		if errno != 0 {
			return errno
		}
		t.s.bytes += n
	}
	return nil
}

// heap moves the break, which the Go runtime does not use.
func (t *goThread) heap(o *arenaOp) error {
	t.p.heap.Lock()
	old, _, _ := unix.RawSyscall(unix.SYS_BRK, 0, 0, 0)
	size := pageUp(o.a)
	top, _, _ := unix.RawSyscall(unix.SYS_BRK, old+uintptr(size), 0, 0)
	t.p.heap.Unlock()
	if top != old+uintptr(size) {
		return unix.ENOMEM
	}
	_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, old, uintptr(size), unix.MADV_NOHUGEPAGE) // absent without THP
	t.s.loops++
	return t.touch(old, size)
}

func (t *goThread) hold(o *arenaOp) {
	until := t.p.a.head.deadlineNS
	if o.a != 0 {
		until = t.gateNS + int64(o.a)
	}
	for monotonic() < until {
		t.s.waits++
		if t.waitFD(fdRelease, until) {
			return
		}
	}
}
