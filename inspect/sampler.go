package inspect

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// MinInterval is the shortest refresh interval; shorter ones are raised to it.
const MinInterval = 20 * time.Millisecond

// Frame is what a Sampler publishes: a snapshot and its difference to an
// earlier one (Changes.Prev is nil for the first). That is the snapshot before,
// or, when a refresh between the ticks made the two lie close together, the
// one before that: rates over a few milliseconds would be noise.
type Frame struct {
	*Snapshot
	Changes *Changes
}

// passReader is what a Sampler needs of a Reader.
type passReader interface {
	Read(ctx context.Context, q Request) (*Snapshot, error)
	Close() error
}

// Sampler reads at an interval and publishes the latest Frame: latest wins, a
// slow consumer never builds a queue.
type Sampler struct {
	reader passReader
	latest atomic.Pointer[Frame]
	wake   chan struct{} // to the consumer: a newer frame is there
	now    chan struct{} // to Run: a pass at once
	rearm  chan struct{} // to Run: the interval changed

	mu       sync.Mutex
	req      Request
	interval time.Duration
}

// NewSampler wraps a Reader, which from then on belongs to it. It asks for
// WantTree until SetRequest says otherwise. With SourceAuto the Reader loads BPF
// beside the first passes (see Options.Background).
func NewSampler(r *Reader, interval time.Duration) *Sampler {
	r.src.background = true
	return newSampler(r, interval)
}

func newSampler(r passReader, interval time.Duration) *Sampler {
	return &Sampler{
		reader:   r,
		wake:     make(chan struct{}, 1),
		now:      make(chan struct{}, 1),
		rearm:    make(chan struct{}, 1),
		req:      Request{Want: WantTree},
		interval: max(interval, MinInterval),
	}
}

// Latest returns the newest frame, nil before the first.
func (s *Sampler) Latest() *Frame { return s.latest.Load() }

// Wake delivers a token whenever a newer frame is there; capacity one, latest
// wins. It is never closed.
func (s *Sampler) Wake() <-chan struct{} { return s.wake }

// SetRequest changes what is read from the next pass on and triggers a pass
// at once if the new request needs files the last one did not read.
func (s *Sampler) SetRequest(q Request) {
	s.mu.Lock()
	old := s.req
	s.req = q
	s.mu.Unlock()
	if q.needsMore(old) {
		signal(s.now)
	}
}

// SetInterval changes the refresh interval, at least MinInterval.
func (s *Sampler) SetInterval(d time.Duration) {
	s.mu.Lock()
	s.interval = max(d, MinInterval)
	s.mu.Unlock()
	signal(s.rearm)
}

// Refresh asks for a pass at once.
func (s *Sampler) Refresh() { signal(s.now) }

// signal puts a token in a channel of capacity one, unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Sampler) settings() (Request, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.req, s.interval
}

// Run samples until ctx ends; it closes the Reader before it returns. It
// returns the error of the first pass when that fails, else nil or the error
// of Close; a later pass that fails is left out and the next one tried.
func (s *Sampler) Run(ctx context.Context) error {
	err := s.loop(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, s.reader.Close())
}

func (s *Sampler) loop(ctx context.Context) error {
	var base *Snapshot // what the next frame may be compared with
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	skipped := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.rearm:
			_, interval := s.settings()
			due = time.Now().Add(interval)
			timer.Reset(interval)
			continue
		case <-s.now:
		case <-timer.C:
		}
		req, interval := s.settings()
		snap, err := s.reader.Read(ctx, req)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			snap.Skipped = skipped
			base = s.publish(snap, base, interval)
			if snap.Want != req.Want { // the rest of a first pass
				signal(s.now)
			}
		case s.Latest() == nil:
			return err
		}
		due, skipped = nextTick(due, time.Now(), interval)
		timer.Reset(time.Until(due))
	}
}

// publish makes a frame of a snapshot and returns what the next one may be
// compared with if it comes soon.
func (s *Sampler) publish(snap, base *Snapshot, interval time.Duration) *Snapshot {
	var prev *Snapshot
	var changes *Changes
	if last := s.Latest(); last != nil {
		prev, changes = last.Snapshot, last.Changes
	}
	if prev != nil && base != nil && time.Duration(snap.MonoNS-prev.MonoNS) < interval/2 {
		prev = base
	}
	s.latest.Store(&Frame{Snapshot: snap, Changes: diffAfter(changes, prev, snap)})
	signal(s.wake)
	return prev
}

// nextTick is when the next pass is due: on the grid that due is part of, and
// after now. skipped counts the grid points that passed meanwhile.
func nextTick(due, now time.Time, interval time.Duration) (next time.Time, skipped int) {
	if now.Before(due) { // a refresh between two ticks
		return due, 0
	}
	n := now.Sub(due) / interval
	return due.Add((n + 1) * interval), int(n)
}

// needsMore reports whether q asks for something that old did not.
func (q Request) needsMore(old Request) bool {
	return q.Want&^old.Want != 0 || q.Detail&^old.Detail != 0 ||
		q.Focus != 0 && (q.Focus != old.Focus || q.FocusWant&^(old.Want|old.FocusWant) != 0) ||
		manyNew(q.ThreadsOf, old.ThreadsOf) || manyNew(q.RollupOf, old.RollupOf) ||
		old.Only != nil && (q.Only == nil || added(q.Only, old.Only) > 0)
}

// manyNew reports whether so much of a is not in b that the screen shows something
// else. The few that are born on it can wait for the next pass: otherwise there
// would be one more pass per pass wherever programs come and go.
func manyNew(a, b []int) bool { return 4*added(a, b) > len(a) }

// added counts the elements of a that b lacks.
func added(a, b []int) int {
	n := 0
	for _, x := range a {
		if !slices.Contains(b, x) {
			n++
		}
	}
	return n
}
