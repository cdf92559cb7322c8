package bpf

import (
	"hash/maphash"
	"unsafe"
)

// Fingerprint is a hash of the record: two records of one task with the same
// fingerprint say the same. The run queue's clock, which never stands still,
// counts only while the task waits in that queue.
func (t *Task) Fingerprint(seed maphash.Seed) uint64 {
	clock := t.RQClock
	if t.LastQueued == 0 {
		t.RQClock = 0
	}
	sum := maphash.Bytes(seed, unsafe.Slice((*byte)(unsafe.Pointer(t)), unsafe.Sizeof(*t)))
	t.RQClock = clock
	return sum
}
