package inspect

import (
	"cmp"
	"strconv"
)

// ID identifies one process for as long as the machine is up: the PID together
// with the start time of its leader in clock ticks since boot
// (/proc/PID/stat field 22). A reused PID has another Start.
type ID struct {
	PID   int
	Start uint64
}

// ThreadID identifies one thread: its TID and its start time in clock ticks
// since boot (/proc/PID/task/TID/stat field 22).
type ThreadID struct {
	TID   int
	Start uint64
}

// Compare orders by PID, then by start time.
func (a ID) Compare(b ID) int {
	return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.Start, b.Start))
}

// String gives "pid@start".
func (a ID) String() string { return strconv.Itoa(a.PID) + "@" + strconv.FormatUint(a.Start, 10) }

// Compare orders by TID, then by start time.
func (a ThreadID) Compare(b ThreadID) int {
	return cmp.Or(cmp.Compare(a.TID, b.TID), cmp.Compare(a.Start, b.Start))
}

// String gives "tid@start".
func (a ThreadID) String() string {
	return strconv.Itoa(a.TID) + "@" + strconv.FormatUint(a.Start, 10)
}
