package proc

import (
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A mark tells the watching goroutine what a Reader is inside of: a sequence
// number, so that standing still can be told from coming back, the PID, and the
// file; FileNone between two files. The lowest bit is set by the watcher: "I
// have told the guard that this read stands still", so that whoever leaves the
// read knows that it has to tell the guard.
const (
	markTold     = 1
	markFileBits = 6
	markPIDBits  = 31
	markFile     = 1
	markPID      = markFile + markFileBits
	markSeq      = markPID + markPIDBits
)

func newMark(seq uint64, pid int, f File) uint64 {
	return seq<<markSeq | uint64(pid)<<markPID | uint64(f)<<markFile
}

func markOf(m uint64) (pid int, f File) {
	return int(m >> markPID & (1<<markPIDBits - 1)), File(m >> markFile & (1<<markFileBits - 1))
}

// enter announces a read, or refuses it.
func (r *Reader) enter(pid int, f File) error {
	r.files++
	if r.guard == nil {
		return nil
	}
	if r.stopped.Load() || r.guard.refuses(pid, f) {
		return ErrStuck
	}
	if r.extra.Load() != r.grant {
		r.extra.Store(r.grant)
	}
	r.grant = 0
	r.seq++
	r.now.Store(newMark(r.seq, pid, f))
	return nil
}

// leave ends what enter announced.
func (r *Reader) leave() { r.remark(0, FileNone) }

// moved announces that the read entered has made progress: of a long file, each
// part may take the full limit.
func (r *Reader) moved() {
	if pid, f := markOf(r.now.Load()); f != FileNone {
		r.seq++
		r.remark(pid, f)
	}
}

func (r *Reader) remark(pid int, f File) {
	if r.guard == nil {
		return
	}
	old := r.now.Swap(newMark(r.seq, pid, f))
	if old&markTold != 0 {
		r.guard.release(markOf(old))
	}
}

// allow grants the next read, of a file that is produced in one go, in time proportional to the
// memory of the process, more time before it counts as stuck; it costs a read
// of statm, which is cheap beside it.
func (r *Reader) allow(l location, f File) {
	perGB := files[f].perGB
	if perGB == 0 || r.guard == nil {
		return
	}
	var m Statm
	if b, err := r.read(l, FileStatm, ""); err == nil && ParseStatm(b, &m) == nil {
		gb := float64(m.Resident) * float64(os.Getpagesize()) / (1 << 30)
		r.grant = int64(min(gb, maxExtraGB) * float64(perGB))
	}
}

// maxExtraGB bounds what allow grants, to about a minute.
const maxExtraGB = 2048

// watch is the watching goroutine's memory of one Reader.
type watch struct {
	r       *Reader
	seen    uint64 // the last mark
	ticks   int    // looks in a row that found that mark
	excused int    // of them not counted, see starved
}

// maxExcused bounds the looks in a row that are not counted.
const maxExcused = 200

// look returns whether the Reader is inside a file, and counts how often in a
// row it was found inside the same read.
func (w *watch) look() bool {
	m := w.r.now.Load()
	_, f := markOf(m)
	switch {
	case f == FileNone:
		w.seen, w.ticks, w.excused = m, 0, 0
		return false
	case m != w.seen:
		w.seen, w.ticks, w.excused = m, 0, 0
	case w.excused < maxExcused && w.r.starved():
		w.excused++
	default:
		w.ticks++
	}
	return true
}

// bind ties the calling goroutine to its thread, so that starved can ask for
// the state of that thread. unbind undoes it.
func (r *Reader) bind() {
	runtime.LockOSThread()
	r.tid.Store(int32(unix.Gettid()))
}

func (r *Reader) unbind() {
	r.tid.Store(0)
	runtime.UnlockOSThread()
}

// starved reports whether it is not the kernel that keeps the thread of the
// Reader inside a read, but a lack of CPU time. Then the thread is ready to run;
// or its system call has returned and it sleeps in a futex until the Go runtime
// has a processor for it again, which takes long when the threads that hold
// them are not scheduled either. No read of a file waits in a futex. Reading
// these two files about ourselves cannot block.
func (r *Reader) starved() bool {
	tid := r.tid.Load()
	if tid == 0 {
		return false
	}
	task := DefaultRoot + "/self/task/" + strconv.Itoa(int(tid))
	b, err := os.ReadFile(task + "/status")
	if err != nil {
		return false
	}
	var s Status
	if ParseStatus(b, &s) == nil && s.State == 'R' {
		return true
	}
	if b, err = os.ReadFile(task + "/syscall"); err != nil {
		return false
	}
	var c Syscall
	return ParseSyscall(b, &c) == nil && (c.Running || c.Number == unix.SYS_FUTEX)
}

// suspect tells the guard that the read seen last stands still. False: it has
// moved on in the meantime, and nothing was told.
func (w *watch) suspect() bool {
	if w.seen&markTold != 0 {
		return w.r.now.Load() == w.seen
	}
	pid, f := markOf(w.seen)
	if f == FileNone {
		return false
	}
	w.r.guard.enter(pid, f)
	if !w.r.now.CompareAndSwap(w.seen, w.seen|markTold) {
		w.r.guard.release(pid, f)
		return false
	}
	w.seen |= markTold
	return true
}

// late reports whether the suspected read has stood still for so many ticks,
// and for the extra time that it was granted.
func (w *watch) late(ticks int, tick time.Duration) bool {
	return w.ticks >= ticks+int(time.Duration(w.r.extra.Load())/tick)
}

// giveUp tells the guard that nobody waits for the suspected read any more, and
// makes the Reader refuse whatever its goroutine wants to read after it.
func (w *watch) giveUp() {
	w.r.stopped.Store(true)
	w.r.guard.strike(markOf(w.seen))
}
