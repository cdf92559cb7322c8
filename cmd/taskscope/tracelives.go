package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"taskscope/inspect"
	"taskscope/views/model"
)

// lives hears of the end of every process of a tree from the kernel itself,
// also of those that live too briefly for any two readings.
type lives struct {
	tracer *inspect.Tracer
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	ended []inspect.ProcessExit
}

// followLives begins with the tree below a process. The error is why it cannot
// be had.
func (a *app) followLives(ctx context.Context, id inspect.ID) (*lives, error) {
	if a.source == "proc" {
		return nil, errors.New("the source proc sees only processes that live when it looks")
	}
	t, err := inspect.OpenTracer(ctx, inspect.TraceOptions{ID: id, Descendants: true, Source: inspect.TraceExact, ProcRoot: a.procRoot})
	if err != nil {
		return nil, err
	}
	if err := t.Start(); err != nil {
		t.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &lives{tracer: t, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		// However it ends: the rows of the processes go on without it.
		_ = t.Run(ctx, l.take)
	}()
	return l, nil
}

func (l *lives) take(b *inspect.TraceBatch) {
	if len(b.Exits) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = append(l.ended, b.Exits...)
}

// news are the ends since the last call.
func (l *lives) news() []inspect.ProcessExit {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.ended
	l.ended = nil
	return out
}

func (l *lives) close() {
	if l == nil {
		return
	}
	l.cancel()
	<-l.done
	l.tracer.Close()
}

// exitNote says in words how a process lived and ended.
func exitNote(e *inspect.ProcessExit) string {
	parts := []string{endText(e), "lived " + model.Duration(uint64(e.Lifetime)), "ran " + model.Duration(e.RunNS)}
	if e.Execs > 0 {
		parts = append(parts, fmt.Sprintf("programs executed: %d", e.Execs))
	}
	return strings.Join(append(parts, fmt.Sprintf("child of %d", e.PPID)), ", ")
}
