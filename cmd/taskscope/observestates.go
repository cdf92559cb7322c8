package main

import (
	"context"
	"errors"
	"slices"

	"taskscope/inspect"
	"taskscope/load/verify"
)

// stateLog collects what the threads of a tree go through, from a tracer that
// delivers every switch. It is made for loads whose states have an order to be
// judged; other loads are traced by sums alone.
type stateLog struct {
	cancel context.CancelFunc
	done   chan error

	// Of the goroutine that runs the tracer, until done.
	slices []inspect.TraceSlice
	last   map[int]int // TID → index of its newest slice
	full   bool
}

// maxStates bounds how many stays in a state are kept.
const maxStates = 50_000

func followStates(t *inspect.Tracer) *stateLog {
	ctx, cancel := context.WithCancel(context.Background())
	l := &stateLog{cancel: cancel, done: make(chan error, 1), last: map[int]int{}}
	go func() { l.done <- t.Run(ctx, l.take) }()
	return l
}

// take keeps the slices of a batch. Running and ready, which may alternate
// hundreds of times a second, become one.
func (l *stateLog) take(b *inspect.TraceBatch) {
	for i := range b.Slices {
		l.add(b.Slices[i])
	}
	for i := range b.Exits {
		e := &b.Exits[i]
		l.add(inspect.TraceSlice{PID: e.ID.PID, TID: e.ID.PID, From: e.NS, To: e.NS, State: inspect.TraceDead})
	}
}

func (l *stateLog) add(s inspect.TraceSlice) {
	if s.State == inspect.TraceReady {
		s.State = inspect.TraceRunning
	}
	if i, ok := l.last[s.TID]; ok && l.slices[i].State == s.State {
		l.slices[i].To = s.To
		return
	}
	if len(l.slices) == maxStates {
		l.full = true
		return
	}
	l.last[s.TID] = len(l.slices)
	l.slices = append(l.slices, s)
}

// finish ends the tracing and gives what was seen.
func (l *stateLog) finish(t *inspect.Tracer) *verify.History {
	l.cancel()
	err := <-l.done
	h := &verify.History{}
	switch {
	case err != nil && !errors.Is(err, inspect.ErrTraceEnded):
		h.Why = err.Error()
	case l.full:
		h.Why = "there were more changes of state than are kept"
	default:
		if s, err := t.Sums(); err != nil || s.Drops.EventsDropped+s.Drops.ExitsDropped > 0 {
			h.Why = "the tracer lost events"
			break
		}
		h.Slices = slices.Clone(l.slices)
	}
	return h
}
