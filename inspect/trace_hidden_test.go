package inspect

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// hiddenFollower is a tracer that cannot see its process.
type hiddenFollower struct {
	follower
	closed bool
}

func (h *hiddenFollower) Start() error { return fmt.Errorf("trace: %w", ErrNoProcess) }
func (h *hiddenFollower) Close() error { h.closed = true; return nil }

// TestTracerHidden: a process that lives but that BPF does not show is sampled,
// and never called gone.
func TestTracerHidden(t *testing.T) {
	id := ID{PID: os.Getppid()}
	h := &hiddenFollower{}
	tr := &Tracer{follower: h, source: TraceExact, opt: TraceOptions{ID: id}}
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	if tr.Source() != TraceSampled || tr.Why() == nil || !h.closed {
		t.Errorf("source %q, why %v, closed %v; want sampled with a reason", tr.Source(), tr.Why(), h.closed)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}

	tr = &Tracer{follower: &hiddenFollower{}, source: TraceExact, opt: TraceOptions{ID: id, Source: TraceExact}}
	var why *TraceError
	if err := tr.Start(); !errors.As(err, &why) {
		t.Errorf("asked for the exact source: %v, want a TraceError", err)
	}
	tr = &Tracer{follower: &hiddenFollower{}, source: TraceExact, opt: TraceOptions{ID: ID{PID: 1 << 22}}}
	if err := tr.Start(); !errors.Is(err, ErrNoProcess) {
		t.Errorf("a process that is not there: %v, want ErrNoProcess", err)
	}
}
