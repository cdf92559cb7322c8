package model

import (
	"errors"
	"fmt"
	"slices"

	"taskscope/inspect"
)

// samples is the Tracer of last resort: what the frames shown tell, one
// stretch per thread and sample, of what it mostly did.
type samples struct {
	a      *Attached
	newest int64
	tracks map[inspect.ThreadID]*Track
}

// Samples is a Tracer made of the frames shown.
func (a *Attached) Samples() Tracer { return &a.samples }

// add takes the present frame.
func (s *samples) add() {
	a := s.a
	if s.tracks == nil {
		s.tracks = map[inspect.ThreadID]*Track{}
	}
	before := s.newest
	s.newest = a.Frame.MonoNS
	if before == 0 || s.newest <= before || a.Delta == nil {
		return
	}
	for i := range a.Process.Threads {
		th := &a.Process.Threads[i]
		t := s.tracks[th.ID]
		if t == nil {
			t = &Track{TID: th.ID.TID, Since: int64(th.ID.Start)}
			s.tracks[th.ID] = t
		}
		t.Name = th.Comm
		if len(t.Stretches) == historyLimit {
			t.Stretches = slices.Delete(t.Stretches, 0, 1)
		}
		t.Stretches = append(t.Stretches, Stretch{From: before, To: s.newest, Doing: s.doing(i, th), CPU: th.CPULast.Or(-1)})
	}
	for id, t := range s.tracks {
		if n := len(t.Stretches); n > 0 && s.newest-t.Stretches[n-1].To > 60e9 {
			delete(s.tracks, id)
		}
	}
}

func (s *samples) doing(i int, th *inspect.Thread) Doing {
	switch s.a.threadMark(i) {
	case 'r':
		return Running
	case 'w':
		return Waiting
	case 'b':
		switch th.State {
		case 'D':
			return OnDisk
		case 'T', 't':
			return Stopped
		}
		return Blocked
	}
	return Unclear
}

// Source says how coarse this is.
func (s *samples) Source() string {
	if c := s.a.Frame; c != nil && c.Changes != nil && c.Changes.Interval > 0 {
		return fmt.Sprintf("sampled every %s with the screen", Duration(uint64(c.Changes.Interval)))
	}
	return "sampled with the screen"
}

// Note says how exact a stretch is.
func (s *samples) Note(*Stretch) string { return "mostly, between two samples" }

// Hidden is empty: nothing is said of other tasks.
func (s *samples) Hidden() string { return "" }

// Why is empty: the one who chose this source knows.
func (s *samples) Why() string { return "" }

// Lost is empty: samples are not lost, they only see little.
func (s *samples) Lost() string { return "" }

// Newest is the moment of the last frame.
func (s *samples) Newest() int64 { return s.newest }

// Tracks are the timelines between two moments, by TID.
func (s *samples) Tracks(from, to int64) []Track {
	var out []Track
	for _, t := range s.tracks {
		x := Track{TID: t.TID, Since: t.Since, Name: t.Name}
		for _, d := range t.Stretches {
			if d.To > from && d.From < to {
				x.Stretches = append(x.Stretches, d)
			}
		}
		if len(x.Stretches) > 0 {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b Track) int { return a.TID - b.TID })
	return out
}

// Exits are not to be had from samples.
func (s *samples) Exits() ([]ShortLived, error) {
	return nil, errors.New("a process that comes and goes between two samples is not in either")
}

// Close does nothing.
func (s *samples) Close() {}
