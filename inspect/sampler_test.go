package inspect

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a Reader whose passes take a given time.
type scripted struct {
	start  time.Time
	take   time.Duration
	passes atomic.Int32
	last   atomic.Pointer[Request]
	fail   func(pass int32) error
	closed atomic.Bool
}

func (r *scripted) Read(ctx context.Context, q Request) (*Snapshot, error) {
	n := r.passes.Add(1)
	r.last.Store(&q)
	at := time.Since(r.start)
	select {
	case <-time.After(r.take):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if r.fail != nil {
		if err := r.fail(n); err != nil {
			return nil, err
		}
	}
	return &Snapshot{MonoNS: int64(at) + 1, Want: q.Want}, nil
}

func (r *scripted) Close() error {
	r.closed.Store(true)
	return nil
}

// sampling runs f inside a bubble of fake time, with a Sampler that runs.
func sampling(t *testing.T, reader passReader, r *scripted, interval time.Duration, f func(s *Sampler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r.start = time.Now()
		s := newSampler(reader, interval)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		f(s)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if !r.closed.Load() {
			t.Error("the Reader was not closed")
		}
	})
}

func TestSamplerKeepsTheGrid(t *testing.T) {
	r := &scripted{take: 30 * time.Millisecond}
	sampling(t, r, r, 100*time.Millisecond, func(s *Sampler) {
		if s.Latest() != nil {
			t.Error("a frame before the first pass")
		}
		for i := range 5 {
			<-s.Wake()
			if got, want := s.Latest().MonoNS-1, int64(i)*int64(100*time.Millisecond); got != want {
				t.Errorf("pass %d began at %v, want %v", i, time.Duration(got), time.Duration(want))
			}
			if s.Latest().Skipped != 0 {
				t.Errorf("pass %d: %d skipped", i, s.Latest().Skipped)
			}
		}
		if c := s.Latest().Changes; c.Interval != 100*time.Millisecond || c.Prev == nil {
			t.Errorf("changes over %v", c.Interval)
		}
	})
}

func TestSamplerSkipsAndSaysSo(t *testing.T) {
	r := &scripted{take: 250 * time.Millisecond}
	sampling(t, r, r, 100*time.Millisecond, func(s *Sampler) {
		<-s.Wake()
		<-s.Wake()
		if got := s.Latest(); got.Skipped != 2 || got.MonoNS-1 != int64(300*time.Millisecond) {
			t.Errorf("second pass at %v with %d skipped, want 300ms and 2", time.Duration(got.MonoNS-1), got.Skipped)
		}
	})
}

func TestSamplerLatestWins(t *testing.T) {
	r := &scripted{}
	sampling(t, r, r, 100*time.Millisecond, func(s *Sampler) {
		time.Sleep(1050 * time.Millisecond)
		synctest.Wait()
		<-s.Wake()
		if got := s.Latest().MonoNS - 1; got != int64(time.Second) {
			t.Errorf("after a second of not looking the frame is of %v", time.Duration(got))
		}
		select {
		case <-s.Wake():
			t.Error("more than one token was queued")
		default:
		}
	})
}

func TestSamplerRefreshComparesWithAnOlderFrame(t *testing.T) {
	r := &scripted{}
	sampling(t, r, r, time.Second, func(s *Sampler) {
		time.Sleep(2100 * time.Millisecond) // passes at 0, 1, 2
		s.Refresh()
		synctest.Wait()
		if got := s.Latest(); got.MonoNS-1 != int64(2100*time.Millisecond) || got.Changes.Interval != 1100*time.Millisecond {
			t.Errorf("refresh at %v over %v, want 2.1s over 1.1s", time.Duration(got.MonoNS-1), got.Changes.Interval)
		}
		time.Sleep(901 * time.Millisecond)
		synctest.Wait()
		if got := s.Latest(); got.MonoNS-1 != int64(3*time.Second) || got.Changes.Interval != 900*time.Millisecond {
			t.Errorf("the grid has moved: %v over %v", time.Duration(got.MonoNS-1), got.Changes.Interval)
		}
	})
}

func TestSamplerRequestAndInterval(t *testing.T) {
	r := &scripted{}
	sampling(t, r, r, time.Second, func(s *Sampler) {
		synctest.Wait()
		if got := r.last.Load().Want; got != WantTree {
			t.Errorf("first request %b, want WantTree", got)
		}
		s.SetRequest(Request{Want: WantTree | WantIO})
		synctest.Wait()
		if n := r.passes.Load(); n != 2 || r.last.Load().Want&WantIO == 0 {
			t.Errorf("asking for more: %d passes, want 2 at once", n)
		}
		s.SetRequest(Request{Want: WantTree})
		synctest.Wait()
		if n := r.passes.Load(); n != 2 {
			t.Errorf("asking for less made a pass")
		}
		s.SetInterval(100 * time.Millisecond)
		time.Sleep(550 * time.Millisecond)
		synctest.Wait()
		if n := r.passes.Load(); n != 7 {
			t.Errorf("%d passes after half a second at 100 ms, want 7", n)
		}
	})
}

func TestSamplerErrors(t *testing.T) {
	boom := errors.New("boom")
	r := &scripted{fail: func(n int32) error {
		if n == 2 {
			return boom
		}
		return nil
	}}
	sampling(t, r, r, time.Second, func(s *Sampler) {
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		if got := s.Latest(); got.MonoNS-1 != int64(2*time.Second) || got.Changes.Interval != 2*time.Second {
			t.Errorf("after a failed pass: frame of %v over %v", time.Duration(got.MonoNS-1), got.Changes.Interval)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := &scripted{start: time.Now(), fail: func(int32) error { return boom }}
		if err := newSampler(r, time.Second).Run(t.Context()); !errors.Is(err, boom) || !r.closed.Load() {
			t.Errorf("first pass fails: Run gives %v", err)
		}
	})
}

func TestRequestNeedsMore(t *testing.T) {
	base := Request{Want: WantTree, ThreadsOf: []int{1}, Focus: 5, Detail: DetailWaits}
	for _, tt := range []struct {
		name string
		q    Request
		want bool
	}{
		{"same", base, false},
		{"less", Request{Want: WantStatus}, false},
		{"file", Request{Want: WantTree | WantIO}, true},
		{"threads", Request{Want: WantTree, ThreadsOf: []int{1, 2}}, true},
		{"rollup", Request{Want: WantTree, RollupOf: []int{1}}, true},
		{"focus", Request{Want: WantTree, Focus: 6}, true},
		{"no focus", Request{Want: WantTree}, false},
		{"more of the focus", Request{Want: WantStatus, Focus: 5, FocusWant: WantTree | WantIO}, true},
		{"as much of the focus", Request{Want: WantStatus, Focus: 5, FocusWant: WantTree}, false},
		{"detail", Request{Want: WantTree, Focus: 5, Detail: DetailAll}, true},
	} {
		if got := tt.q.needsMore(base); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	only := Request{Only: []int{1}}
	if !(Request{}).needsMore(only) || (Request{Only: []int{1}}).needsMore(only) || !(Request{Only: []int{2}}).needsMore(only) {
		t.Error("Only is judged wrongly")
	}
}
