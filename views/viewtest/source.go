package viewtest

import (
	"context"
	"sync"
	"time"

	"taskscope/inspect"
)

// Source is a views.Source that publishes the frames a test gives it.
type Source struct {
	mu        sync.Mutex
	latest    *inspect.Frame
	wake      chan struct{}
	requests  []inspect.Request
	interval  time.Duration
	refreshes int
}

// NewSource starts with a frame, which may be nil.
func NewSource(f *inspect.Frame) *Source {
	s := &Source{wake: make(chan struct{}, 1)}
	if f != nil {
		s.Push(f)
	}
	return s
}

// Push publishes a frame.
func (s *Source) Push(f *inspect.Frame) {
	s.mu.Lock()
	s.latest = f
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run waits until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Latest is the newest frame.
func (s *Source) Latest() *inspect.Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// Wake signals a newer frame.
func (s *Source) Wake() <-chan struct{} { return s.wake }

// SetRequest records the request.
func (s *Source) SetRequest(q inspect.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, q)
}

// Request is the last request.
func (s *Source) Request() inspect.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		return inspect.Request{}
	}
	return s.requests[len(s.requests)-1]
}

// SetInterval records the interval.
func (s *Source) SetInterval(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interval = d
}

// Interval is the last interval set.
func (s *Source) Interval() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.interval
}

// Refresh counts.
func (s *Source) Refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshes++
}

// Refreshes is how often a pass was asked for.
func (s *Source) Refreshes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refreshes
}
