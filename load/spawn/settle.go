package spawn

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// watchSleep looks at every thread until it is asleep, then closes done. Those
// of processes that end by plan do not park.
func (k *keeper) watchSleep(done chan struct{}) {
	k.settled = done
	k.settle = make([]int, 0, len(k.r.arena.slots))
	for i, process := range k.owner {
		if done == k.r.ready || k.r.plan.Processes[process].End == nil {
			k.settle = append(k.settle, i)
		}
	}
}

// settleShare is how many threads are worth a reader of their own.
const settleShare = 256

// awake keeps those threads that have not blocked in their park yet. A worker
// says "ready" a moment before it is: what counts is that the kernel has
// counted the switch. To read that takes 20 microseconds for each thread, which
// for thousands of them is as long as it takes to start them; so several read.
func (k *keeper) awake(list []int) []int {
	readers := min(runtime.NumCPU(), maxReaders, 1+len(list)/settleShare)
	share := (len(list) + readers - 1) / readers
	parts := make([][]int, readers)
	var all sync.WaitGroup
	for n := range parts {
		mine := list[min(n*share, len(list)):min((n+1)*share, len(list))]
		all.Go(func() { parts[n] = k.stillAwake(mine) })
	}
	all.Wait()
	left := list[:0]
	for _, part := range parts { // each lies where it is or before
		left = append(left, part...)
	}
	return left
}

// maxReaders bounds the goroutines that read.
const maxReaders = 4

// stillAwake is awake for a part of the threads, in place.
func (k *keeper) stillAwake(list []int) []int {
	left := list[:0]
	var buf [8192]byte
	for _, i := range list {
		s := &k.r.arena.slots[i]
		pid := int(atomic.LoadUint32(&k.r.arena.procs[k.owner[i]].pid))
		voluntary, ok := voluntarySwitches(pid, int(atomic.LoadUint32(&s.tid)), buf[:])
		if !ok || voluntary <= atomic.LoadUint64(&s.parkVoluntary) {
			left = append(left, i)
		}
	}
	return left
}
