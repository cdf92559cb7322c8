package model

import (
	"math"

	"taskscope/inspect"
)

// historyLimit is how many samples of history are kept per series.
const historyLimit = 240

// Attached is what is known about the process one is attached to. When the
// process exits, the last data stay and Gone is set.
type Attached struct {
	ID       inspect.ID
	Frame    *inspect.Frame // the last one with the process in it
	Process  *inspect.Process
	Delta    *inspect.Delta  // nil before two samples
	Detail   *inspect.Detail // nil until it has been read
	Children []*inspect.Process
	Gone     bool
	Seen     int // samples

	CPU, Ready, Voluntary, Involuntary, RSS *Ring
	lines                                   map[inspect.ThreadID]*timeline
	firstSizes                              map[segmentKey]uint64 // RSS when first read
	samples                                 samples
}

// timeline is what a thread mostly did in each sample.
type timeline struct {
	marks []byte // 'r' running, 'w' ready and waiting, 'b' blocked, ' ' not known
	seen  int    // sample in which it was last seen
}

// Attach starts to follow a process.
func Attach(id inspect.ID) *Attached {
	a := &Attached{
		ID: id, CPU: NewRing(historyLimit), Ready: NewRing(historyLimit), Voluntary: NewRing(historyLimit),
		Involuntary: NewRing(historyLimit), RSS: NewRing(historyLimit),
		lines: map[inspect.ThreadID]*timeline{},
	}
	a.samples.a = a
	return a
}

// Apply takes a new frame.
func (a *Attached) Apply(f *inspect.Frame) {
	if f == nil || f.Snapshot == nil {
		return
	}
	p := f.ByID(a.ID)
	if p == nil {
		a.Gone = true
		return
	}
	fresh := a.Frame == nil || f.MonoNS != a.Frame.MonoNS
	a.Frame, a.Process, a.Gone = f, p, false
	a.Delta = nil
	if f.Changes != nil && f.Changes.Prev != nil {
		a.Delta = f.Changes.Of(a.ID)
	}
	if f.Detail != nil && f.Detail.ID == a.ID {
		a.takeDetail(f.Detail)
	}
	a.Children = a.Children[:0:0]
	for _, q := range f.Processes {
		if q.PPID.OK() && q.PPID.V == a.ID.PID {
			a.Children = append(a.Children, q)
		}
	}
	if fresh {
		a.remember()
	}
}

// takeDetail keeps what an earlier reading brought and this one did not ask
// for, so that switching panels does not blank them.
func (a *Attached) takeDetail(d *inspect.Detail) {
	merged := *d
	if old := a.Detail; old != nil {
		if d.SegmentsWhy == inspect.NotRead {
			merged.Segments, merged.SegmentsWhy, merged.SegmentsAt, merged.Memory = old.Segments, old.SegmentsWhy, old.SegmentsAt, old.Memory
		}
		keep(&merged.Limits, old.Limits)
		keep(&merged.Files, old.Files)
		keep(&merged.Namespaces, old.Namespaces)
		keep(&merged.Environ, old.Environ)
		keep(&merged.Cwd, old.Cwd)
		keep(&merged.Root, old.Root)
		keep(&merged.Groups, old.Groups)
		keep(&merged.UIDs, old.UIDs)
		keep(&merged.GIDs, old.GIDs)
		keep(&merged.OOMScore, old.OOMScore)
		keep(&merged.OOMAdj, old.OOMAdj)
		keep(&merged.Autogroup, old.Autogroup)
		keep(&merged.Cgroups, old.Cgroups)
	}
	a.Detail = &merged
	if a.firstSizes == nil && merged.SegmentsWhy == inspect.OK {
		a.firstSizes = map[segmentKey]uint64{}
		for _, s := range merged.Segments {
			a.firstSizes[keyOf(s)] = s.Mem.RSS
		}
	}
}

func keep[T any](now *inspect.Known[T], old inspect.Known[T]) {
	if now.Why == inspect.NotRead {
		*now = old
	}
}

func (a *Attached) remember() {
	a.Seen++
	a.samples.add()
	var d inspect.Delta
	if a.Delta != nil {
		d = *a.Delta
	}
	a.CPU.Push(orNaN(d.CPUPercent))
	a.Ready.Push(orNaN(d.ReadyPercent))
	a.Voluntary.Push(orNaN(d.VoluntaryRate))
	a.Involuntary.Push(orNaN(d.InvoluntaryRate))
	rss := math.NaN()
	if a.Process.RSSBytes.OK() {
		rss = float64(a.Process.RSSBytes.V)
	}
	a.RSS.Push(rss)
	for i := range a.Process.Threads {
		t := &a.Process.Threads[i]
		l := a.lines[t.ID]
		if l == nil {
			l = &timeline{}
			a.lines[t.ID] = l
		}
		l.push(a.threadMark(i))
		l.seen = a.Seen
	}
	for id, l := range a.lines {
		if l.seen != a.Seen {
			delete(a.lines, id)
		}
	}
}

// threadMark is what a thread did most during the interval.
func (a *Attached) threadMark(i int) byte {
	d := a.threadDelta(i)
	if d == nil || !d.RunningPercent.OK() {
		return ' '
	}
	run, ready, blocked := d.RunningPercent.V, d.ReadyPercent.Or(0), d.BlockedPercent.Or(0)
	switch {
	case run >= ready && run >= blocked:
		return 'r'
	case ready >= blocked:
		return 'w'
	default:
		return 'b'
	}
}

func (a *Attached) threadDelta(i int) *inspect.ThreadDelta {
	if a.Delta == nil || i >= len(a.Delta.Threads) {
		return nil
	}
	return &a.Delta.Threads[i]
}

func (l *timeline) push(m byte) {
	if len(l.marks) == historyLimit {
		copy(l.marks, l.marks[1:])
		l.marks = l.marks[:historyLimit-1]
	}
	l.marks = append(l.marks, m)
}

// line draws the newest n samples, the newest at the right.
func (l *timeline) line(g *Glyphs, n int) Line {
	var out Line
	add := func(text string, s Style) {
		if k := len(out) - 1; k >= 0 && out[k].Style == s {
			out[k].Text += text
			return
		}
		out = append(out, Span{Text: text, Style: s})
	}
	for i := len(l.marks) - n; i < len(l.marks); i++ {
		switch {
		case i < 0 || l.marks[i] == ' ':
			add(g.None, Muted)
		case l.marks[i] == 'r':
			add(g.Run, OK)
		case l.marks[i] == 'w':
			add(g.Ready, Warn)
		default:
			add(g.Block, Muted)
		}
	}
	return out
}
