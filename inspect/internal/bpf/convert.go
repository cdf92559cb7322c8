package bpf

import "math/bits"

// The kernel's constants behind the numbers of /proc.
const (
	maxRTPrio   = 100        // MAX_RT_PRIO: prio of a normal task starts here
	defaultPrio = 120        // static_prio of nice 0
	nsPerTick   = 10_000_000 // USER_HZ is 100 everywhere Go runs on Linux
)

// Bits of task_struct.__state, linux/sched.h.
const (
	taskReport     = 0x7f   // the states that have a letter
	taskIdle       = 0x402  // TASK_UNINTERRUPTIBLE | TASK_NOLOAD
	taskRTLockWait = 0x1000 // shown as D
	taskFrozen     = 0x8000 // shown as D
	reportIdle     = 0x80
	uninterrupt    = 0x2
)

// stateLetter is __task_state_index() and task_index_to_char() of the kernel.
func stateLetter(state, exitState uint32) byte {
	v := (state | exitState) & taskReport
	if state&taskIdle == taskIdle {
		v = reportIdle
	}
	if state&(taskRTLockWait|taskFrozen) != 0 {
		v = uninterrupt
	}
	return "RSDTtXZPI"[bits.Len32(v)]
}

// ticks converts ns to the unit of /proc/PID/stat.
func ticks(ns uint64) uint64 { return ns / nsPerTick }

// later gives the later of two answers about user and system time: the kernel's
// own, and another one of ours.
func later(user, system, ourUser, ourSystem uint64) (uint64, uint64) {
	if ourUser+ourSystem > user+system {
		return ourUser, ourSystem
	}
	return user, system
}

// AdjustCPUTime splits rt, the exact time on a CPU, into user and system time
// in proportion of the samples ut and st, all in ns: cputime_adjust() of the
// kernel (kernel/sched/cputime.c). prevUt and prevSt are the previous result,
// below which none of the two falls.
func AdjustCPUTime(ut, st, rt, prevUt, prevSt uint64) (user, system uint64) {
	if prevUt+prevSt >= rt {
		return prevUt, prevSt
	}
	switch {
	case st == 0:
		ut = rt
	case ut == 0:
		st, ut = rt, 0
	default:
		st = min(rt, scale(st, rt, st+ut))
	}
	st = max(st, prevSt)
	ut = rt - st
	if ut < prevUt {
		ut = prevUt
		st = rt - ut
	}
	return ut, st
}

// scale is a*b/c without overflow in between, saturated.
func scale(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return ^uint64(0)
	}
	q, _ := bits.Div64(hi, lo, c)
	return q
}
