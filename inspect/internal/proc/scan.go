package proc

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// chunkSize is how many PIDs a worker takes at a time: large enough that
// handing them out costs nothing per file.
const chunkSize = 32

// Scanner reads something of many processes with a few goroutines, none of
// which the caller ever waits for longer than the Pool's limit. In the usual
// case nothing is handed from goroutine to goroutine but chunks of PIDs.
//
// R is what is read of one process. A Scanner belongs to one goroutine; it owns
// the R's and reuses them, with whatever they point to.
type Scanner[R any] struct {
	pool    *Pool
	workers int
	slots   []*R
	used    []*block[R] // delivered by the last Scan
	free    []*block[R]
}

// block is where one worker writes the results of one chunk. It is the worker's
// alone until the chunk is delivered, and for ever if the worker gets stuck: a
// worker that comes back late writes to nothing that was delivered.
type block[R any] [chunkSize]R

// NewScanner makes a Scanner with so many workers, 0: as many as CPUs, up to 2.
// More give no reliable gain, the kernel's locks being what they are.
func NewScanner[R any](p *Pool, workers int) *Scanner[R] {
	if workers <= 0 {
		workers = min(runtime.GOMAXPROCS(0), 2)
	}
	return &Scanner[R]{pool: p, workers: workers}
}

// Scan calls visit for every PID, in no particular order and from several
// goroutines, and returns what they made of out, in the order of pids; nil for
// a PID that could not be visited to the end (its reads stand still, also those
// that never should). The results are valid until the next Scan.
//
// visit may touch nothing but its Reader, out, and what nobody writes to: it may
// still run after Scan has returned. out holds what some earlier visit, of any
// process, left there: visit overwrites it all.
//
// When a read stands still, its PID is visited a second time, where the Reader
// answers ErrStuck for that file and all others on the same lock; so visit
// should go on with the remaining files after ErrStuck. If the read does come
// back before the end of the pass, the first visit's result is delivered.
//
// The error, with which there are no results, is that of ctx, or ErrStuck when
// the Pool is closed.
func (s *Scanner[R]) Scan(ctx context.Context, pids []int, visit func(r *Reader, pid int, out *R)) ([]*R, error) {
	s.pool.guard.tidy()
	s.free = append(s.free, s.used...)
	s.used = s.used[:0]
	s.slots = resize(s.slots, len(pids))
	if len(pids) == 0 {
		return s.slots, ctx.Err()
	}
	p := &pass[R]{
		s: s, pids: pids, visit: visit, open: true,
		event: make(chan struct{}, 1),
	}
	p.mu.Lock()
	for range min(s.workers, (len(pids)+chunkSize-1)/chunkSize) {
		p.spawn()
	}
	started := len(p.workers)
	p.mu.Unlock()
	if started == 0 {
		return nil, ErrStuck
	}
	if err := p.wait(ctx); err != nil {
		return nil, err
	}
	return s.slots, nil
}

func resize[R any](s []*R, n int) []*R {
	if cap(s) < n {
		return make([]*R, n)
	}
	clear(s[:cap(s)])
	return s[:n]
}

// pass is one Scan under way.
type pass[R any] struct {
	s     *Scanner[R]
	pids  []int
	visit func(*Reader, int, *R)
	event chan struct{} // a worker has ended

	mu      sync.Mutex
	open    bool // results are still accepted
	stopped bool // no further chunks are handed out
	next    int  // first PID not handed out yet
	again   []span
	workers []*worker[R] // neither ended nor given up
	extra   int          // workers on top of s.workers, one per suspicion
}

// span is a range of indices into pids.
type span struct{ lo, hi int }

// worker is one goroutine of a pass.
type worker[R any] struct {
	watch
	span
	block *block[R]
	done  atomic.Int32 // results of the block that are complete
	// suspected: it stands still; its first `delivered` results were taken out
	// of the block, the rest of its span goes to another worker.
	suspected atomic.Bool
	delivered int
	lost      bool // given up: what it still delivers is dropped
}

// spawn starts a worker. The caller holds mu.
func (p *pass[R]) spawn() {
	r := p.s.pool.begin()
	if r == nil {
		return
	}
	w := &worker[R]{watch: watch{r: r}}
	p.workers = append(p.workers, w)
	go p.work(w)
}

// work is a worker's life.
func (p *pass[R]) work(w *worker[R]) {
	w.r.bind()
	for p.take(w) {
		for i := w.lo; i < w.hi && !w.suspected.Load(); i++ {
			p.visit(w.r, p.pids[i], &w.block[i-w.lo])
			w.done.Add(1)
		}
		p.deliver(w)
	}
	p.mu.Lock()
	if i := slices.Index(p.workers, w); i >= 0 {
		p.workers = slices.Delete(p.workers, i, i+1)
	}
	p.mu.Unlock()
	w.r.unbind()
	p.s.pool.end(w.r) // nobody watches it any more
	select {
	case p.event <- struct{}{}:
	default:
	}
}

// take gives the worker its next chunk, false when there is none for it.
func (p *pass[R]) take(w *worker[R]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open || p.stopped || w.suspected.Load() {
		return false
	}
	if p.next < len(p.pids) {
		w.span = span{p.next, min(p.next+chunkSize, len(p.pids))}
		p.next = w.hi
	} else if !p.takeAgain(w) {
		return false
	}
	w.block = p.s.block()
	w.done.Store(0)
	return true
}

// takeAgain takes what a suspected worker left, unless that has come back in
// the meantime. The caller holds mu.
func (p *pass[R]) takeAgain(w *worker[R]) bool {
	for n := len(p.again); n > 0; n = len(p.again) {
		w.span = p.again[n-1]
		p.again = p.again[:n-1]
		for w.lo < w.hi && p.s.slots[w.lo] != nil {
			w.lo++
		}
		if w.lo < w.hi {
			return true
		}
	}
	return false
}

func (s *Scanner[R]) block() *block[R] {
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	return new(block[R])
}

// deliver publishes what the worker has completed.
func (p *pass[R]) deliver(w *worker[R]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open || w.lost {
		return
	}
	late := w.suspected.Load()
	for i := w.delivered; i < int(w.done.Load()); i++ {
		// A second visit does not replace the first; a first one that was
		// late replaces the second, which could not read everything.
		if slot := &p.s.slots[w.lo+i]; *slot == nil || late {
			*slot = &w.block[i]
		}
	}
	p.s.used = append(p.s.used, w.block)
	w.delivered = 0
}

// wait watches over the workers until all PIDs are done or given up.
func (p *pass[R]) wait(ctx context.Context) error {
	tick := time.NewTicker(p.s.pool.tick)
	defer tick.Stop()
	cancelled := ctx.Done()
	for {
		select {
		case <-p.event:
		case <-tick.C:
			p.look()
		case <-cancelled:
			p.stop()
			cancelled = nil
		}
		if p.over() {
			return ctx.Err()
		}
	}
}

// stop ends the pass early: workers finish the file they are in.
func (p *pass[R]) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for _, w := range p.workers {
		w.r.stopped.Store(true)
	}
}

// over closes the pass when no worker is left to wait for.
func (p *pass[R]) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.workers) > 0 {
		return false
	}
	p.open = false
	return true
}

// look suspects workers that stand still, and gives up those that have done so
// for the limit.
func (p *pass[R]) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.workers[:0:0]
	for _, w := range p.workers {
		if w.look() && w.ticks >= suspectTicks && w.watch.suspect() {
			p.suspect(w)
			if w.late(p.s.pool.ticks, p.s.pool.tick) || p.stopped {
				w.giveUp()
				w.lost = true
				continue
			}
		}
		kept = append(kept, w)
	}
	p.workers = kept
	p.replace()
}

// suspect takes over what w has completed and leaves the rest of its span to
// others. The caller holds mu.
func (p *pass[R]) suspect(w *worker[R]) {
	if w.suspected.Load() {
		return
	}
	w.suspected.Store(true)
	n := int(w.done.Load())
	for i := range n {
		if slot := &p.s.slots[w.lo+i]; *slot == nil {
			*slot = &w.block[i]
		}
	}
	w.delivered = n
	if w.lo+n < w.hi {
		p.again = append(p.again, span{w.lo + n, w.hi})
	}
	p.extra++
}

// replace starts new workers for suspected ones as long as there is work: one
// more with each suspicion, so that many hanging processes are found side by
// side and not one after the other. The caller holds mu.
func (p *pass[R]) replace() {
	if p.stopped || (p.next == len(p.pids) && len(p.again) == 0) {
		return
	}
	moving := 0
	for _, w := range p.workers {
		if !w.suspected.Load() {
			moving++
		}
	}
	hang := int(p.s.pool.guard.hanging.Load())
	limit := hardCapFactor * int(p.s.pool.guard.max)
	for want := p.s.workers + p.extra; moving < want && hang+moving < limit; moving++ {
		p.spawn()
	}
}
