package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"taskscope/inspect/internal/bpf"
)

// The names of the sources, as Options.Source and Snapshot.Source have them.
const (
	SourceAuto = "auto"
	SourceBPF  = "bpf"
	SourceProc = "proc"
)

// loadCost is what loading the BPF programs costs in tasks: a pass over fewer than
// so many is done with /proc before they are loaded.
const loadCost = 2500

// source is what a Reader has to do with BPF.
type source struct {
	mode    string // Options.Source
	oneShot bool
	// background: load beside the passes, switch when it is there.
	background bool

	tried   bool
	tasks   *bpf.Source       // nil: /proc is read
	exact   *bpf.TotalsSource // nil: not to be had
	pending chan loaded       // a load is under way
	why     error             // of the last load that failed
	cancel  context.CancelFunc
	notice  string // to be told in the next snapshot

	recs   records
	strays []int // processes that the iterator does not show
	// threads of the strays, tasks that are neither shown nor strays, and the
	// round in which /proc was listed last
	hidden, missed, listed int

	// Scratch of a pass: all PIDs, what became of each, and those to be visited
	// with their places among all.
	pids   []int
	done   []found
	slots  []*found
	visits []int
	places []int
	visit  visit
	some   []bpf.Task // of one process
}

// loaded is the outcome of a load.
type loaded struct {
	tasks *bpf.Source
	exact *bpf.TotalsSource
	err   error
}

// load opens the sources. What exact totals need, newer kernels only have: that
// they are lacking is no failure.
func load(ctx context.Context) loaded {
	var types bpf.Types
	var l loaded
	if l.tasks, l.err = bpf.Open(ctx, &types); l.err != nil {
		return l
	}
	if exact, err := bpf.OpenTotals(ctx, &types); err == nil {
		l.exact = exact
	}
	return l
}

func (l loaded) close() {
	if l.tasks != nil {
		_ = l.tasks.Close()
	}
	if l.exact != nil {
		_ = l.exact.Close()
	}
}

// sourceError is why BPF cannot be used, with what would change that.
func sourceError(err error) error {
	var e *bpf.Error
	if errors.As(err, &e) && bpfRemedy(e) != "" {
		return fmt.Errorf("%w: %w; what would give it: %s", ErrSource, err, bpfRemedy(e))
	}
	return fmt.Errorf("%w: %w", ErrSource, err)
}

// errOtherNamespace: the numbers in the records would not be those of the mount.
var errOtherNamespace = errors.New("the proc file system is not of this PID namespace")

// openSource prepares the source that was asked for. Only "bpf" loads at once,
// and fails where it cannot.
func (r *Reader) openSource(o Options) error {
	s := &r.src
	s.mode, s.oneShot, s.background = o.Source, o.OneShot, o.Background
	switch s.mode {
	case "":
		s.mode = SourceAuto
	case SourceAuto, SourceProc:
	case SourceBPF:
		if !r.fs.Live() {
			return fmt.Errorf("%w: %w", ErrSource, errOtherNamespace)
		}
		s.tried = true
		l := load(context.Background())
		if l.err != nil {
			return sourceError(l.err)
		}
		s.tasks, s.exact = l.tasks, l.exact
	default:
		return fmt.Errorf("%w: %q", ErrSource, o.Source)
	}
	return nil
}

// chooseSource decides before a pass where it takes the tasks from.
func (r *Reader) chooseSource(q Request) {
	s := &r.src
	switch {
	case s.pending != nil:
		select {
		case l := <-s.pending:
			s.take(l)
		default:
		}
	case s.tried || s.mode != SourceAuto || !r.fs.Live():
	case (s.oneShot || s.background) && q.Only == nil:
		// Of so many tasks the first pass is over sooner with BPF, loading included.
		n, ok := r.taskCount()
		many := ok && n >= loadCost
		if s.tried = many || s.oneShot; many {
			s.take(load(context.Background()))
		}
	}
}

// take uses what was loaded. That BPF is not to be had is no news to anybody who
// did not ask for it: doctor tells why.
func (s *source) take(l loaded) {
	if s.cancel != nil {
		s.cancel()
	}
	s.pending, s.cancel, s.why = nil, nil, l.err
	if l.err == nil {
		s.tasks, s.exact = l.tasks, l.exact
	}
}

// loadBeside starts loading once the first pass is over: where there are few tasks
// it must not hold the first frame up.
func (r *Reader) loadBeside() {
	s := &r.src
	if !s.background || s.tried || s.mode != SourceAuto || !r.fs.Live() {
		return
	}
	s.tried = true
	ctx, cancel := context.WithCancel(context.Background())
	pending := make(chan loaded, 1)
	s.pending, s.cancel = pending, cancel
	go func() { pending <- load(ctx) }()
}

// fail gives BPF up, for good: the passes go on with /proc.
func (s *source) fail(err error) {
	s.notice = "reading tasks through BPF failed, going on with /proc: " + err.Error()
	loaded{tasks: s.tasks, exact: s.exact}.close()
	s.tasks, s.exact = nil, nil
}

// close ends a load under way and releases the programs.
func (s *source) close() {
	if s.pending != nil {
		s.cancel()
		(<-s.pending).close()
		s.pending = nil
	}
	loaded{tasks: s.tasks, exact: s.exact}.close()
	s.tasks, s.exact = nil, nil
}

// taskCount is the number of tasks of the whole machine, from /proc/loadavg.
func (r *Reader) taskCount() (int, bool) {
	text, err := r.fs.ReadRoot("loadavg")
	if err != nil {
		return 0, false
	}
	_, rest, _ := bytes.Cut(text, []byte{'/'})
	number, _, found := bytes.Cut(rest, []byte{' '})
	n, err := strconv.Atoi(string(number))
	return n, found && err == nil
}
