package proc

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of PoolOptions.
const (
	DefaultLimit    = 50 * time.Millisecond
	DefaultMaxStuck = 16
)

// PoolOptions configure a Pool; zero values mean the defaults.
type PoolOptions struct {
	// Limit is how long a caller waits for a read that stands still.
	Limit time.Duration
	// MaxStuck caps the reads that hang at the same time. At the cap, files
	// that can block are refused for every process. Reads that are under way
	// at that moment may still come on top of it.
	MaxStuck int
	// Held, if not nil, keeps descriptors of the holdable files open.
	Held *Held
}

// Pool runs reads that the kernel may block. A read that stands still for
// longer than the limit is given up: its goroutine (with the OS thread under it)
// stays behind until the kernel lets it go, with buffers of its own, and no
// further read is tried on the same lock of the same task, until a backoff
// after that. There is no way to end such a read short of killing the process.
//
// Whether a read stands still is judged in ticks of the watching goroutine, and
// ticks in which the reading thread waits for a CPU do not count: a machine that
// is merely busy does not make healthy reads look stuck.
type Pool struct {
	fs    *FS
	held  *Held
	guard *guard
	limit time.Duration
	tick  time.Duration
	ticks int // in which a read does not move before it is given up

	mu      sync.Mutex
	free    []*Reader
	running int
	closed  bool
	drained chan struct{} // closed when closed && running == 0
}

// The limit is divided into ticks. A read that did not move for suspectTicks of
// them is suspected to hang: others go on without it.
const (
	ticksPerLimit = 20
	suspectTicks  = 2
	minTick       = 500 * time.Microsecond
	maxTick       = 10 * time.Millisecond
)

// NewPool makes a Pool on fs. Nothing runs until it is used.
func NewPool(fs *FS, o PoolOptions) *Pool {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	if o.MaxStuck <= 0 {
		o.MaxStuck = DefaultMaxStuck
	}
	tick := min(max(o.Limit/ticksPerLimit, minTick), maxTick)
	return &Pool{
		fs: fs, held: o.Held, limit: o.Limit, tick: tick,
		ticks:   max(int(o.Limit/tick), suspectTicks+1),
		guard:   newGuard(o.MaxStuck),
		drained: make(chan struct{}),
	}
}

// Hanging lists the reads that stand still right now.
func (p *Pool) Hanging() []Hanging { return p.guard.list() }

// Refuses reports whether a read of that file would be refused now (ErrStuck).
func (p *Pool) Refuses(pid int, f File) bool { return p.guard.refuses(pid, f) }

// Close forbids further reads and waits for those under way, but no longer than
// the limit: ErrStuck says that some are left behind in the kernel. They end,
// touching nothing, as soon as the kernel lets them go.
func (p *Pool) Close() error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		if p.running == 0 {
			close(p.drained)
		}
	}
	p.mu.Unlock()
	t := time.NewTimer(p.limit)
	defer t.Stop()
	select {
	case <-p.drained:
		return nil
	case <-t.C:
		return ErrStuck
	}
}

// begin takes a Reader for a new goroutine, nil when the Pool is closed.
func (p *Pool) begin() *Reader {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.running++
	if n := len(p.free); n > 0 {
		r := p.free[n-1]
		p.free = p.free[:n-1]
		return r
	}
	r := p.fs.NewReader()
	r.guard = p.guard
	r.held = p.held
	return r
}

// end gives a Reader back; its goroutine does nothing after that.
func (p *Pool) end(r *Reader) {
	r.shrink()
	r.stopped.Store(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, r)
	p.running--
	if p.closed && p.running == 0 {
		close(p.drained)
	}
}

// job is one call of Do: the goroutine that reads, and the caller who waits.
// Whoever is second to let go of it gives the Reader back.
type job[T any] struct {
	v    T
	err  error
	done chan struct{}
	over atomic.Bool // one of the two has let go
}

// Do runs fn, which reads files of one process with the Reader it is given, on
// a goroutine of its own, and waits for it until one of its reads has stood
// still for the limit (ErrStuck) or ctx ends. fn must neither keep the Reader
// nor return its buffers, and must not write to anything outside: it may come
// to an end long after Do has returned, and its result is dropped then. f is
// the file fn reads first: when a read of it would be refused, Do returns
// ErrStuck at once.
func Do[T any](ctx context.Context, p *Pool, pid int, f File, fn func(*Reader) (T, error)) (T, error) {
	var zero T
	if p.guard.refuses(pid, f) {
		return zero, ErrStuck
	}
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	r := p.begin()
	if r == nil {
		return zero, ErrStuck
	}
	j := &job[T]{done: make(chan struct{})}
	go func() {
		r.bind()
		j.v, j.err = fn(r)
		r.unbind()
		if j.over.Swap(true) {
			p.end(r)
			return
		}
		close(j.done)
	}()
	err := await(ctx, p, watch{r: r}, j.done)
	if err != nil && !j.over.Swap(true) {
		return zero, err
	}
	<-j.done
	p.end(r)
	return j.v, j.err
}

// await waits until done, and gives the Reader up (non-nil) when one of its
// reads stands still for the limit, or stands still at all when ctx ends.
func await(ctx context.Context, p *Pool, w watch, done <-chan struct{}) error {
	tick := time.NewTicker(p.tick)
	defer tick.Stop()
	cancelled := ctx.Done()
	for {
		select {
		case <-done:
			return nil
		case <-cancelled:
			w.r.stopped.Store(true) // whatever it is in, it is the last
			cancelled = nil
		case <-tick.C:
			if !w.look() {
				continue
			}
			// Nobody waits for long once ctx has ended.
			overdue := w.late(p.ticks, p.tick) || (ctx.Err() != nil && w.ticks >= suspectTicks)
			if overdue && w.suspect() {
				w.giveUp()
				if err := ctx.Err(); err != nil {
					return err
				}
				return ErrStuck
			}
		}
	}
}
