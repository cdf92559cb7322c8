package spawn

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// goroutines starts A goroutines that work in turns until C ns after the gate,
// B of them at a time: what a Go program looks like from outside. The rounds
// they did are its loops; how many goroutines there were at once its result.
func (t *goThread) goroutines(o *arenaOp) error {
	until := min(t.gateNS+int64(o.c), t.p.a.head.deadlineNS)
	was := runtime.GOMAXPROCS(int(o.b))
	defer runtime.GOMAXPROCS(was)
	var (
		rounds atomic.Uint64
		all    sync.WaitGroup
	)
	for range o.a {
		all.Go(func() {
			for monotonic() < until && !t.ended() {
				spin()
				rounds.Add(1)
				runtime.Gosched()
			}
		})
	}
	atomic.StoreUint64(&t.s.result, uint64(runtime.NumGoroutine()))
	all.Wait() // blocks this thread, and with it nobody else
	t.s.loops += rounds.Load()
	return nil
}
