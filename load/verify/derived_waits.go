package verify

import (
	"fmt"
	"slices"
	"strings"

	"taskscope/inspect"
	"taskscope/load"
)

// waitFields are how many threads of a process were seen waiting for the same
// kind of thing.
func waitFields() []DerivedField {
	return []DerivedField{
		{
			ID: "most_in_futex", Unit: "count", Doc: "The most threads of the process that were seen blocked in a futex call at a time.",
			segments: true, detail: inspect.DetailWaits, get: threadsIn(inFutex), all: mostIn(inFutex),
		},
		{
			ID: "most_in_network", Unit: "count", Doc: "The most threads of the process that were seen blocked in a network read at a time.",
			segments: true, detail: inspect.DetailWaits, get: threadsIn(inNetwork), all: mostIn(inNetwork),
		},
	}
}

// inFutex and inNetwork go by the system call, or, where that may not be read,
// by the kernel function that the thread sleeps in.
func inFutex(w *inspect.Wait) bool {
	if call, ok := w.Syscall.Get(); ok {
		return call == "futex"
	}
	return strings.HasPrefix(w.WChan.V, "futex_")
}

func inNetwork(w *inspect.Wait) bool {
	if call, ok := w.Syscall.Get(); ok {
		return call == "recvfrom"
	}
	return slices.Contains([]string{"wait_woken", "sk_wait_data", "tcp_recvmsg_locked", "tcp_recvmsg"}, w.WChan.V)
}

// threadsIn counts the blocked threads of a process that wait like that.
func threadsIn(like func(*inspect.Wait) bool) func(*judge, *inspect.Snapshot, *load.Promise) reading {
	return func(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
		return j.row(s, q.Process, -1, func(row inspect.Row) reading {
			if row.Process.Threads == nil {
				return unread(row.Process.ThreadsWhy)
			}
			n, known := 0, false
			why := inspect.NotRead
			for i := range row.Process.Threads {
				t := &row.Process.Threads[i]
				if !t.Wait.Syscall.OK() && !t.Wait.WChan.OK() {
					why = t.Wait.WChan.Why
					continue
				}
				known = true
				if t.State == 'S' && like(&t.Wait) {
					n++
				}
			}
			if !known {
				return unread(why)
			}
			return number(float64(n))
		})
	}
}

// mostIn is the greatest number over all live samples.
func mostIn(like func(*inspect.Wait) bool) func(*judge, *load.Promise) reading {
	count := threadsIn(like)
	return func(j *judge, q *load.Promise) reading {
		live := j.usable(q, q.When)
		best := unknown(noSample(q.When))
		for _, s := range live {
			r := count(j, s, q)
			if r.ok && (!best.ok || r.num > best.num) || !best.ok {
				best, best.source = r, s.Source
			}
		}
		if best.ok {
			best.note = fmt.Sprintf(" (%d samples)", len(live))
		}
		return best
	}
}
