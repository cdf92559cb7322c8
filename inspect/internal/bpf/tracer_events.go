package bpf

import (
	"context"
	"fmt"
	"unsafe"
)

// Batch is what Events delivers: valid during the call only.
type Batch struct {
	Events []Event
	Exits  []Exit // processes that ended, always
}

// Events calls fn with what happened, in batches at most 100 ms late, until ctx
// ends or the tracer is closed; before it returns it delivers what is left. It
// must be running while tracing, or the ring fills up and events and ends of
// processes are dropped. The error is nil when ctx ended, ErrClosed when the tracer was
// closed. One call at a time.
func (t *Tracer) Events(ctx context.Context, fn func(Batch)) error {
	t.reading.Lock()
	defer t.reading.Unlock()
	if t.isClosed() {
		return ErrClosed
	}
	defer t.wait.rearm()
	defer t.wait.wakeOn(ctx)()
	b := Batch{Events: make([]Event, 0, batchSize)}
	for {
		ended := ctx.Err() != nil || t.isClosed()
		t.deliver(&b, fn)
		if ended {
			if t.isClosed() {
				return ErrClosed
			}
			return nil
		}
		if err := t.wait.wait(pollTime); err != nil {
			return fmt.Errorf("wait for events: %w", err)
		}
	}
}

// deliver empties the ring as it is now; what comes in meanwhile at full speed
// must not keep it here for ever.
func (t *Tracer) deliver(b *Batch, fn func(Batch)) {
	rounds := int(t.ring.mask+1)/(ringHeader+int(unsafe.Sizeof(Event{})))/batchSize + 1
	for range rounds {
		b.Events, b.Exits = b.Events[:0], b.Exits[:0]
		n := t.ring.drain(batchSize, func(sample []byte) { t.decode(b, sample) })
		if len(b.Events)+len(b.Exits) > 0 {
			fn(*b)
		}
		if n < batchSize {
			return
		}
	}
}

// decode tells the two kinds of record by their length.
func (t *Tracer) decode(b *Batch, sample []byte) {
	switch len(sample) {
	case int(unsafe.Sizeof(Event{})):
		b.Events = append(b.Events, *(*Event)(unsafe.Pointer(unsafe.SliceData(sample))))
	case int(unsafe.Sizeof(exitRec{})):
		e := *(*exitRec)(unsafe.Pointer(unsafe.SliceData(sample)))
		e.Start += uint64(t.boot)
		b.Exits = append(b.Exits, e)
	}
}

func (t *Tracer) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}
