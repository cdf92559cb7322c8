package proc

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Held keeps descriptors of files that can be read again with pread(fd, 0): 1.5
// to 6 times cheaper than opening them each time, and immune to PID reuse, since
// every descriptor of a reaped task answers ESRCH for ever. Each one costs about
// 3 to 7 KB of kernel memory.
//
// When it is full, a descriptor makes room only if it was not used in this pass
// or the one before; otherwise the new file is opened, read and closed. A plain
// LRU would throw everything out in every pass over more files than it holds.
type Held struct {
	mu   sync.Mutex
	max  int
	pass uint32
	m    map[heldKey]*heldFD
	// Ring of all descriptors, most recently used first; free: nodes for reuse.
	ring heldFD
	free *heldFD
}

type heldKey struct {
	pid, tid int32
	file     File
}

type heldFD struct {
	key        heldKey
	fd         int
	users      int  // reads under way
	dropped    bool // close it when the last user is done
	pass       uint32
	prev, next *heldFD
}

// Descriptors that a program needs for other things, and the passes after which
// an unused descriptor is closed.
const (
	reservedFDs = 256
	idlePasses  = 8
)

// NewHeld holds up to limit descriptors. 0 means: three quarters of what
// RLIMIT_NOFILE leaves after a reserve.
func NewHeld(limit int) *Held {
	if limit <= 0 {
		limit = heldLimit()
	}
	h := &Held{max: limit, m: make(map[heldKey]*heldFD)}
	h.ring.prev, h.ring.next = &h.ring, &h.ring
	return h
}

func heldLimit() int {
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &lim) != nil || lim.Cur <= reservedFDs {
		return 0
	}
	return int(min(lim.Cur-reservedFDs, 1<<20) / 4 * 3)
}

// Len is the number of descriptors held.
func (h *Held) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.m)
}

// NextPass starts a new pass, and closes what was not used for a while.
func (h *Held) NextPass() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pass++
	for e := h.ring.prev; e != &h.ring && h.pass-e.pass > idlePasses; e = h.ring.prev {
		h.drop(e)
	}
}

// Close closes all descriptors; those in use as soon as their reads return.
func (h *Held) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.max = 0
	for h.ring.next != &h.ring {
		h.drop(h.ring.next)
	}
}

// get finds the descriptor of key and marks it as in use, nil if there is none.
func (h *Held) get(key heldKey) *heldFD {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.m[key]
	if e == nil {
		return nil
	}
	e.users++
	e.pass = h.pass
	e.unlink()
	e.linkAfter(&h.ring)
	return e
}

// put takes over fd for key, in use. nil: it is full, fd stays the caller's.
func (h *Held) put(key heldKey, fd int) *heldFD {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m[key] != nil || !h.room() {
		return nil
	}
	e := h.free
	if e == nil {
		e = new(heldFD)
	} else {
		h.free = e.next
	}
	*e = heldFD{key: key, fd: fd, users: 1, pass: h.pass}
	h.m[key] = e
	e.linkAfter(&h.ring)
	return e
}

// room makes place for one more if it may. The caller holds mu.
func (h *Held) room() bool {
	if len(h.m) < h.max {
		return true
	}
	last := h.ring.prev
	if last == &h.ring || h.pass-last.pass <= 1 {
		return false
	}
	h.drop(last)
	return len(h.m) < h.max
}

// evict closes the least recently used descriptor, because the process has run
// out of them, and lowers the limit. False: there was none.
func (h *Held) evict() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.ring.prev
	if last == &h.ring {
		return false
	}
	h.drop(last)
	h.max = len(h.m)
	return true
}

// done ends the use of e; gone: the task has been reaped.
func (h *Held) done(e *heldFD, gone bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.users--
	if gone && !e.dropped {
		h.drop(e)
		return
	}
	if e.dropped && e.users == 0 {
		h.recycle(e)
	}
}

// drop forgets e and closes it, at once or when its last user is done. The
// caller holds mu.
func (h *Held) drop(e *heldFD) {
	delete(h.m, e.key)
	e.unlink()
	e.dropped = true
	if e.users == 0 {
		h.recycle(e)
	}
}

func (h *Held) recycle(e *heldFD) {
	unix.Close(e.fd)
	*e = heldFD{next: h.free, fd: -1}
	h.free = e
}

func (e *heldFD) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

func (e *heldFD) linkAfter(at *heldFD) {
	e.prev, e.next = at, at.next
	at.next.prev = e
	at.next = e
}

// heldFile reads a file through its held descriptor, opening it if need be.
func (r *Reader) heldFile(pid, tid int, f File) ([]byte, error) {
	if err := r.enter(pid, f); err != nil {
		return nil, err
	}
	l := r.at(pid, tid)
	key := heldKey{int32(pid), int32(tid), f}
	if e := r.held.get(key); e != nil {
		n, errno := r.refill(e.fd)
		r.leave()
		gone := errno == unix.ESRCH
		r.held.done(e, gone)
		if gone {
			return nil, ErrGone // also if the number is in use again
		}
		return r.content(n, l, f, errno)
	}
	r.setPath(l, f, "")
	fd, errno := r.openat(l.dirfd, unix.O_RDONLY)
	for (errno == unix.EMFILE || errno == unix.ENFILE) && r.held.evict() {
		fd, errno = r.openat(l.dirfd, unix.O_RDONLY)
	}
	n := 0
	if errno == 0 {
		if n, errno = r.refill(fd); errno == unix.ESPIPE {
			n, errno = r.fill(fd, f) // a FIFO, in a tree that is not procfs
			unix.Close(fd)
		} else {
			r.keep(key, fd, errno)
		}
	}
	r.leave()
	return r.content(n, l, f, errno)
}

// keep hands a fresh descriptor over to Held, or closes it.
func (r *Reader) keep(key heldKey, fd int, errno unix.Errno) {
	if errno == 0 {
		if e := r.held.put(key, fd); e != nil {
			r.held.done(e, false)
			return
		}
	}
	unix.Close(fd)
}

func (r *Reader) content(n int, l location, f File, errno unix.Errno) ([]byte, error) {
	if errno != 0 {
		return nil, r.failure(l, f, errno)
	}
	return r.buf[:n], nil
}

// refill reads a holdable file whole, from its beginning, into r.buf.
func (r *Reader) refill(fd int) (int, unix.Errno) {
	r.Truncated = false
	for {
		n, err := unix.Pread(fd, r.buf, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err.(unix.Errno)
		case n < len(r.buf):
			return n, 0
		}
		r.grow() // the next pread makes new text, so start over
	}
}
