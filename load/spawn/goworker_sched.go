package spawn

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// yield counts as late the yields after which nobody else has run.
func (t *goThread) yield(o *arenaOp) error {
	before := threadUsage().Nivcsw
	for i := uint64(0); i < o.a; i++ {
		if i&63 == 0 && t.ended() {
			return nil
		}
		_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // never fails
		after := threadUsage().Nivcsw
		if after == before {
			t.s.late++
		}
		before = after
		t.s.loops++
	}
	return nil
}

// migrate counts the moves after which it is where it wanted to be.
func (t *goThread) migrate(o *arenaOp) error {
	for i := uint64(0); i < o.a && !t.ended(); i++ {
		cpu := o.b
		if i&1 == 1 {
			cpu = o.c
		}
		var mask [cpuWords]uint64
		mask[cpu/64] = 1 << (cpu % 64)
		_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
		if errno != 0 {
			return errno
		}
		var on uint32
		_, _, errno = unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&on)), 0, 0)
		if errno == 0 && uint64(on) == cpu {
			t.s.loops++
		} else {
			t.s.late++
		}
	}
	return nil
}

// sliceSlack is a tick: slices are counted in ticks.
const sliceSlack = 10e6

func (t *goThread) checkSlice(o *arenaOp) error {
	var slice unix.Timespec
	if _, _, errno := unix.RawSyscall(unix.SYS_SCHED_RR_GET_INTERVAL, 0, uintptr(unsafe.Pointer(&slice)), 0); errno != 0 {
		return errno
	}
	if off := slice.Nano() - int64(o.a); off < -sliceSlack || off > sliceSlack {
		return unix.EINVAL
	}
	return nil
}

// spinFollow spins until another thread is done with its operations.
func (t *goThread) spinFollow(o *arenaOp) error {
	if o.a >= uint64(len(t.p.a.slots)) {
		return unix.EINVAL
	}
	other, until := &t.p.a.slots[o.a], t.gateNS+int64(o.b)
	seen := atomic.LoadUint64(&other.loops)
	for atomic.LoadUint32(&other.phase) < phaseParked && monotonic() < until && !t.ended() {
		spin()
		n := atomic.LoadUint64(&other.loops)
		if n != seen {
			t.s.acquired++
		}
		seen = n
	}
	t.s.loops++
	return nil
}

// The part of its period that a deadline thread may run, as in the native worker.
const (
	deadlineRuntime = 1_000_000
	deadlinePeriod  = 100_000_000
)

func setPolicy(policy, priority uint32) error {
	if policy == unix.SCHED_DEADLINE {
		return unix.SchedSetAttr(0, &unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: policy,
			Runtime: deadlineRuntime, Deadline: deadlinePeriod, Period: deadlinePeriod,
		}, 0)
	}
	prio := int32(priority)
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, 0, uintptr(policy), uintptr(unsafe.Pointer(&prio)))
	if errno != 0 {
		return errno
	}
	return nil
}
