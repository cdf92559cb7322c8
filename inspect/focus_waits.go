package inspect

import (
	"slices"
	"strconv"

	"taskscope/inspect/internal/proc"
)

// waited is why one thread does not run, and where.
type waited struct {
	wait   Wait
	sp, pc Known[uint64]
}

// readWaits gives a copy of the process in which every thread says what it
// waits for. The three files block while the target is in execve.
func (f *focusRead) readWaits() *Process {
	p := f.p
	threads := slices.Clone(p.Threads)
	tids, exited := make([]int, len(threads)), make([]bool, len(threads))
	for i := range threads {
		tids[i], exited[i] = threads[i].ID.TID, threads[i].State.exited()
	}
	own, pid := f.r.own, p.ID.PID
	kernel := p.Kernel.Or(false)
	list, err := proc.Do(f.ctx, f.r.pool, pid, proc.FileSyscall, func(r *proc.Reader) ([]waited, error) {
		out := make([]waited, len(tids))
		for i, tid := range tids {
			if exited[i] {
				out[i] = unknownWait(Zombie)
				continue
			}
			out[i] = readWait(r, own, pid, tid, kernel)
		}
		return out, nil
	})
	if err != nil {
		list = slices.Repeat([]waited{unknownWait(own.whyNot(proc.FileSyscall, err))}, len(tids))
	}
	for i := range threads {
		t, w := &threads[i], &list[i]
		t.Wait = w.wait
		if w.sp.OK() || !t.SP.OK() { // what a record says of a running thread stays
			t.SP, t.PC = w.sp, w.pc
		}
		if t.State == 'R' && t.Wait.WChan.OK() && t.Wait.WChan.V == "" {
			t.Wait.WChan = Unknown[string](OnCPU)
		}
		if t.ID.TID == pid {
			f.d.Syscall = t.Wait
		}
	}
	q := *p
	q.Threads = threads
	return &q
}

func unknownWait(why Why) waited {
	return waited{
		wait: Wait{Syscall: Unknown[string](why), WChan: Unknown[string](why), Stack: Unknown[[]string](why)},
		sp:   Unknown[uint64](why), pc: Unknown[uint64](why),
	}
}

func readWait(r *proc.Reader, own powers, pid, tid int, kernel bool) waited {
	var w waited
	var sys proc.Syscall
	err := r.Syscall(pid, tid, &sys)
	why := own.whyNot(proc.FileSyscall, err)
	switch {
	case why != OK:
		w.wait.Syscall, w.sp, w.pc = Unknown[string](why), Unknown[uint64](why), Unknown[uint64](why)
	case sys.Running:
		w.wait.Syscall, w.sp, w.pc = Unknown[string](OnCPU), Unknown[uint64](OnCPU), Unknown[uint64](OnCPU)
	case kernel || sys.SP == 0 && sys.PC == 0:
		// Kernel threads and io_uring workers never were in user space.
		k := Unknown[uint64](KernelThread)
		w.wait.Syscall, w.sp, w.pc = Unknown[string](KernelThread), k, k
	default:
		w.wait.Syscall, w.sp, w.pc = Know(syscallName(sys.Number)), Know(sys.SP), Know(sys.PC)
	}
	wchan, err := r.Wchan(pid, tid)
	w.wait.WChan = Known[string]{V: wchan, Why: own.whyNot(proc.FileWchan, err)}
	if w.wait.WChan.OK() && wchan == "" {
		// The kernel writes the same for "runs" and for "you may not know";
		// whoever may read syscall may know.
		w.wait.WChan = Unknown[string](OnCPU)
		if why == NeedsPtrace || why == NeedsPtraceDAC || why == Denied {
			w.wait.WChan.Why = own.denied(proc.FileWchan)
		}
	}
	stack, err := r.Stack(pid, tid)
	w.wait.Stack = Known[[]string]{V: stack, Why: own.whyNot(proc.FileStack, err)}
	return w
}

// syscallName is the name of a system call, "#nr" when there is none for the
// number, and "none" for a thread that waits outside of any (a page fault, or
// it was preempted).
func syscallName(nr int64) string {
	switch {
	case nr < 0:
		return "none"
	case nr < int64(len(syscallNames)) && syscallNames[nr] != "":
		return syscallNames[nr]
	}
	return "#" + strconv.FormatInt(nr, 10)
}

// withStackStart notes in which segment each thread's stack pointer lies.
// mine: the slice was made for this snapshot and may be written to.
func withStackStart(threads []Thread, segs []Segment, mine bool) []Thread {
	if !mine {
		return threads
	}
	for i := range threads {
		t := &threads[i]
		t.StackStart = Unknown[uint64](t.SP.Why)
		if !t.SP.OK() {
			continue
		}
		if s := segmentAt(segs, t.SP.V); s != nil {
			t.StackStart = Know(s.Start)
		} else {
			t.StackStart = Unknown[uint64](NotRead)
		}
	}
	return threads
}

// segmentAt finds the segment that contains an address, nil if none does.
func segmentAt(segs []Segment, addr uint64) *Segment {
	i, found := segmentIndex(segs, addr)
	if !found {
		return nil
	}
	return &segs[i]
}

func segmentIndex(segs []Segment, addr uint64) (int, bool) {
	return slices.BinarySearchFunc(segs, addr, func(s Segment, a uint64) int {
		switch {
		case s.End <= a:
			return -1
		case s.Start > a:
			return 1
		}
		return 0
	})
}
