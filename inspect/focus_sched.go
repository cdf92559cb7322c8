package inspect

import (
	"bytes"
	"strconv"

	"taskscope/inspect/internal/proc"
)

// readSched reads task/TID/sched of every thread.
func (f *focusRead) readSched() {
	moves := make(map[int]uint64, len(f.p.Threads)+1)
	tids := []int{f.p.ID.PID}
	for i := range f.p.Threads {
		if tid := f.p.Threads[i].ID.TID; tid != f.p.ID.PID {
			tids = append(tids, tid)
		}
	}
	why := Gone
	for _, tid := range tids {
		text, err := f.r.direct.ThreadFile(f.p.ID.PID, tid, proc.FileSched)
		if err != nil {
			if why != OK {
				why = f.why(proc.FileSched, err)
			}
			continue
		}
		n, ok := schedNumber(text, "se.nr_migrations")
		if !ok {
			why = NotSupported // the kernel writes it on machines with several CPUs
			break
		}
		why, moves[tid] = OK, n
	}
	if why != OK {
		f.d.Migrations = Unknown[map[int]uint64](why)
		return
	}
	f.d.Migrations = Know(moves)
}

// schedNumber finds a line "key   :   value" of sched.
func schedNumber(text []byte, key string) (uint64, bool) {
	for l := range bytes.Lines(text) {
		k, v, ok := bytes.Cut(l, []byte(":"))
		if !ok || string(bytes.TrimSpace(k)) != key {
			continue
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(v)), 10, 64)
		return n, err == nil
	}
	return 0, false
}
