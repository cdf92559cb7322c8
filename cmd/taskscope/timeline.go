package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"taskscope/inspect"
	"taskscope/views/model"
)

// What the timeline of the interactive view keeps: a slice takes 32 bytes.
const (
	timelineKeep   = 5 * time.Minute
	timelineSlices = 200_000
)

// liveTrace is a tracer under the eyes of the interactive view. One goroutine
// runs it; the methods may be called from anywhere.
type liveTrace struct {
	tracer *inspect.Tracer
	line   *inspect.Timeline
	stop   context.CancelFunc
	ended  chan struct{} // closed when nothing of it is left

	mu    sync.Mutex
	sums  *inspect.TraceSums
	at    time.Time // of sums
	names map[int]string
	err   error // why it ended
}

var _ model.Tracer = (*liveTrace)(nil)

// openTrace starts to trace a process and its descendants, exactly or sampled.
func (a *app) openTrace(ctx context.Context, id inspect.ID) (model.Tracer, error) {
	o := inspect.TraceOptions{ID: id, Descendants: true, Events: true, ProcRoot: a.procRoot}
	if a.source == "proc" {
		o.Source, o.Descendants = inspect.TraceSampled, false
	}
	tr, err := inspect.OpenTracer(ctx, o)
	var refused *inspect.TraceError
	if errors.As(err, &refused) && o.Descendants {
		o.Descendants = false // sampling follows one process only
		tr, err = inspect.OpenTracer(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	if err := tr.Start(); err != nil {
		return nil, errors.Join(err, tr.Close())
	}
	life, stop := context.WithCancel(ctx)
	l := &liveTrace{
		tracer: tr, line: inspect.NewTimeline(int64(timelineKeep), timelineSlices), stop: stop,
		ended: make(chan struct{}), names: map[int]string{},
	}
	go l.run(life)
	return l, nil
}

func (l *liveTrace) run(ctx context.Context) {
	defer close(l.ended)
	defer l.stop()
	err := l.tracer.Run(ctx, func(b *inspect.TraceBatch) {
		l.line.Add(b)
		l.learn(b)
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, sumErr := l.tracer.Sums(); sumErr == nil {
		l.sums = s // the last word
	}
	l.at = time.Now().Add(24 * time.Hour)
	l.err = errors.Join(err, l.tracer.Close())
}

// mostNames bounds the names remembered, those of the dead included.
const mostNames = 20_000

// learn remembers what threads are called.
func (l *liveTrace) learn(b *inspect.TraceBatch) {
	if len(b.Names) == 0 && len(b.Exits) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.names) > mostNames {
		clear(l.names)
	}
	for _, n := range b.Names {
		l.names[n.TID] = n.Comm
	}
	for i := range b.Exits {
		l.names[b.Exits[i].ID.PID] = b.Exits[i].Comm
	}
}

// Close ends the trace and waits for that.
func (l *liveTrace) Close() {
	l.stop()
	<-l.ended
}

// total is everything added up, at most a second old.
func (l *liveTrace) total() *inspect.TraceSums {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.at) > time.Second {
		if s, err := l.tracer.Sums(); err == nil {
			l.sums, l.at = s, time.Now()
		}
	}
	return l.sums
}

// Source says what the timeline is made of.
func (l *liveTrace) Source() string {
	if l.tracer.Source() == inspect.TraceExact {
		return "scheduler trace, every event"
	}
	if s := l.total(); s != nil && s.Resolution > 0 {
		return fmt.Sprintf("sampled at %.0f Hz", 1/s.Resolution.Seconds())
	}
	return "sampled"
}

// Why says why it is not exact.
func (l *liveTrace) Why() string {
	if w := l.tracer.Why(); w != nil {
		return w.Error()
	}
	return ""
}

// Lost says what is missing.
func (l *liveTrace) Lost() string {
	l.mu.Lock()
	err := l.err
	l.mu.Unlock()
	if err != nil && !errors.Is(err, inspect.ErrTraceEnded) {
		return oneLine(err.Error())
	}
	s := l.total()
	if s == nil {
		return ""
	}
	d := &s.Drops
	var unseen uint64 // most of them have left a stretch, which is counted below
	for i := range s.Processes {
		unseen += s.Processes[i].MissedOuts
	}
	if d.Gaps > 0 {
		unseen = 0
	}
	var parts []string
	for _, x := range []struct {
		n         uint64
		one, many string
	}{
		{d.EventsDropped, "event", "events"},
		{d.ExitsDropped, "exit", "exits"},
		{d.ThreadsFull, "event of a thread without room", "events of threads without room"},
		{d.ProcessesFull, "descendant without room", "descendants without room"},
		{d.ProgramMisses, "call of our programs", "calls of our programs"},
		{d.Gaps, "stretch (?)", "stretches (?)"},
		{unseen, "switch", "switches"},
		{d.SamplesMissed, "sample", "samples"},
	} {
		switch x.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+x.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.many))
		}
	}
	return strings.Join(parts, ", ")
}

// Hidden says what else was not seen: the kernel runs a program for every switch
// but those of tasks that it hides from BPF programs. What that took from these
// threads are stretches, which Lost counts.
func (l *liveTrace) Hidden() string {
	s := l.total()
	switch {
	case s == nil || s.Drops.ChainBreaks == 0:
		return ""
	case s.Drops.TracedBreaks == 0:
		return model.Count(s.Drops.ChainBreaks) + " switches of other tasks hidden from BPF"
	}
	return fmt.Sprintf("%s switches hidden from BPF, %s beside these", model.Count(s.Drops.ChainBreaks), model.Count(s.Drops.TracedBreaks))
}

// Newest is the moment of the last news.
func (l *liveTrace) Newest() int64 { return l.line.Newest() }

// doing translates the states.
var doing = map[inspect.TraceState]model.Doing{
	inspect.TraceRunning: model.Running, inspect.TraceReady: model.Waiting, inspect.TraceBlocked: model.Blocked,
	inspect.TraceDisk: model.OnDisk, inspect.TraceStopped: model.Stopped,
}

// Tracks are the timelines between two moments.
func (l *liveTrace) Tracks(from, to int64) []model.Track {
	tracks := l.line.Tracks(from, to)
	out := make([]model.Track, len(tracks))
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range tracks {
		t := &tracks[i]
		name := t.Comm
		if name == "" {
			name = l.names[t.TID]
		}
		out[i] = model.Track{TID: t.TID, Since: t.Since, Name: name, Stretches: make([]model.Stretch, len(t.Spans))}
		for k := range t.Spans {
			s := &t.Spans[k]
			out[i].Stretches[k] = model.Stretch{
				From: s.From, To: s.To, Doing: doing[s.State], CPU: int(s.CPU), Open: s.Open, Cause: uint8(s.Cause), By: int(s.By),
			}
		}
	}
	return out
}

// Note says why a thread became ready.
func (l *liveTrace) Note(s *model.Stretch) string {
	verb := ""
	switch inspect.TraceCause(s.Cause) {
	case inspect.CauseWoken:
		verb = "woken by"
	case inspect.CausePreempt:
		verb = "its CPU went to"
	case inspect.CauseBorn:
		verb = "made by"
	default:
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch name, ok := l.names[s.By]; {
	case s.By == 0:
		return verb + " the idle task, or somebody unseen"
	case ok:
		return fmt.Sprintf("%s %d %s", verb, s.By, name)
	}
	return fmt.Sprintf("%s %d", verb, s.By)
}

// Exits are the processes that have ended meanwhile.
func (l *liveTrace) Exits() ([]model.ShortLived, error) {
	if l.tracer.Source() != inspect.TraceExact {
		switch w := l.tracer.Why(); {
		case w != nil && w.Remedy != "":
			return nil, fmt.Errorf("%w; what would give it: %s", w, w.Remedy)
		case w != nil:
			return nil, w
		}
		return nil, errors.New("with --source proc there is no trace")
	}
	s := l.total()
	if s == nil {
		return nil, nil
	}
	out := make([]model.ShortLived, len(s.Exits))
	for i := range s.Exits {
		e := &s.Exits[i]
		out[i] = model.ShortLived{
			PID: e.ID.PID, PPID: e.PPID, Name: e.Comm, BornHere: e.BornInTrace, Execs: e.Execs,
			Code: e.ExitCode, Signal: e.Signal, LivedNS: uint64(max(e.Lifetime, 0)), RunNS: e.RunNS, EndedNS: e.NS,
		}
	}
	return out, nil
}
