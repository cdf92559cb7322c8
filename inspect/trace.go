package inspect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/bpf"
	"taskscope/inspect/internal/proc"
)

// TraceOptions say what a Tracer follows and how.
type TraceOptions struct {
	// ID is the process; with Start 0 whichever has the PID.
	ID ID
	// Descendants follows the processes below it too, those that exist and
	// those to come. The sampled source cannot.
	Descendants bool
	// Events delivers every event, and slices of state made of them.
	// Otherwise only sums are kept, in the kernel, and births, executions and
	// ends of processes delivered.
	Events bool
	// Pairs counts who preempts and who wakes whom, for one more program at
	// each wake-up of the whole machine; see TraceSums.
	Pairs bool
	// Source is "auto" (or empty): exact where that is possible, else
	// sampled; TraceExact or TraceSampled: only that.
	Source string
	// ProcRoot is the mount point that the sampled source reads, "/proc" when
	// empty. Another one than that of this PID namespace cannot be traced exactly.
	ProcRoot string
	// Every is the mean time between two readings of the sampled source: 10
	// to 50 ms, 20 ms when 0.
	Every time.Duration
	// RingBytes and MaxThreads bound the kernel's memory; 0 means 4 MiB (8 MiB
	// on more than 8 CPUs) and 16384.
	RingBytes, MaxThreads int
}

// TraceError is why the scheduler cannot be traced here.
type TraceError struct {
	Reason string // in words
	Remedy string // the one command or change that would allow it, "" when there is none
	Err    error
}

// Error is the reason.
func (e *TraceError) Error() string { return e.Reason }

// Unwrap returns the cause.
func (e *TraceError) Unwrap() error { return e.Err }

// ErrTraceEnded: every traced process has ended.
var ErrTraceEnded = errors.New("the traced process has ended")

// Tracer follows what the threads of a process, or of a whole tree of
// processes, do: OpenTracer, Start, Run, Sums, Close. The programs of the exact
// source cost the traced threads well below a microsecond per switch, and
// everybody else a comparison per switch, from Start until Run returns.
//
// Run may be left out where sums are enough. Sums may be called from any
// goroutine, also while Run is running.
type Tracer struct {
	follower
	source string
	why    *TraceError
	opt    TraceOptions
}

// follower is one of the two sources.
type follower interface {
	// Start begins; ErrNoProcess: the process is not there.
	Start() error
	// Run delivers what happens until ctx ends (nil) or all traced processes
	// have ended (ErrTraceEnded); then tracing has ended too, and everything
	// has been delivered. The batches come from one goroutine at a time.
	Run(ctx context.Context, fn func(*TraceBatch)) error
	// Sums is everything added up since Start.
	Sums() (*TraceSums, error)
	// Close frees everything. It must not be called while Run is running.
	Close() error
}

// OpenTracer gets everything ready without costing anybody anything yet. The
// error is a *TraceError when the scheduler cannot be traced with the source
// asked for, ErrNoProcess, or that of ctx.
func OpenTracer(ctx context.Context, o TraceOptions) (*Tracer, error) {
	if o.ID.PID == unix.Getpid() {
		return nil, &TraceError{Reason: "a tracer cannot trace itself"}
	}
	if o.ID.PID <= 0 {
		return nil, fmt.Errorf("trace: process %d: %w", o.ID.PID, ErrNoProcess)
	}
	switch o.Source {
	case "", "auto", TraceExact, TraceSampled:
	default:
		return nil, fmt.Errorf("trace: %w: %q", ErrSource, o.Source)
	}
	var why *TraceError
	if o.Source != TraceSampled {
		f, err := openExact(ctx, o)
		if err == nil {
			return &Tracer{follower: f, source: TraceExact, opt: o}, nil
		}
		if !errors.As(err, &why) || o.Source == TraceExact {
			return nil, err
		}
	}
	f, err := openSampled(o)
	if err != nil {
		return nil, err
	}
	return &Tracer{follower: f, source: TraceSampled, why: why}, nil
}

// Start begins; ErrNoProcess: the process is not there. A process that lives
// but that the kernel does not show to BPF programs (a guard can hide one) is
// sampled when the source is "auto", and a *TraceError otherwise.
func (t *Tracer) Start() error {
	err := t.follower.Start()
	if t.source != TraceExact || !errors.Is(err, ErrNoProcess) || !livesStill(t.opt) {
		return err
	}
	hidden := &TraceError{Reason: "the kernel does not show this process to BPF programs", Err: err}
	if t.opt.Source == TraceExact {
		return hidden
	}
	f, err := openSampled(t.opt)
	if err != nil {
		return hidden
	}
	_ = t.follower.Close()
	t.follower, t.source, t.why = f, TraceSampled, hidden
	return f.Start()
}

// livesStill asks /proc whether that very process is there. One whose stat
// stands still is.
func livesStill(o TraceOptions) bool {
	fs, err := proc.Open(o.ProcRoot)
	if err != nil {
		return false
	}
	pool := proc.NewPool(fs, proc.PoolOptions{})
	start, err := proc.Do(context.Background(), pool, o.ID.PID, proc.FileStat, func(r *proc.Reader) (uint64, error) {
		var st proc.Stat
		err := r.Stat(o.ID.PID, &st)
		return st.StartTicks, err
	})
	if !errors.Is(pool.Close(), proc.ErrStuck) {
		fs.Close()
	}
	if errors.Is(err, proc.ErrStuck) {
		return true
	}
	return err == nil && (o.ID.Start == 0 || start == o.ID.Start)
}

// Source is TraceExact or TraceSampled; it may change in Start.
func (t *Tracer) Source() string { return t.source }

// Why tells why the source is sampled although "auto" was asked for, else nil.
func (t *Tracer) Why() *TraceError { return t.why }

// traceError gives a failure of package bpf its words; other errors, and those
// of a context, stay what they are.
func traceError(err error) error {
	var e *bpf.Error
	switch {
	case errors.As(err, &e):
		return &TraceError{Reason: e.Error(), Remedy: bpfRemedy(e), Err: err}
	case errors.Is(err, bpf.ErrNoProcess):
		return fmt.Errorf("trace: %w", ErrNoProcess)
	}
	return err
}

// liveProc says whether a mount point shows this PID namespace, whose numbers
// the kernel uses when it talks to us.
func liveProc(root string) error {
	if root == "" || root == "/proc" {
		return nil
	}
	fs, err := proc.Open(root)
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	defer fs.Close()
	if !fs.Live() {
		return &TraceError{Reason: "the procfs in use is not of this PID namespace"}
	}
	return nil
}

// maxExits bounds how many ends of processes are remembered.
const maxExits = 4096

// exitLog remembers the ends of processes.
type exitLog struct {
	mu        sync.Mutex
	exits     []ProcessExit
	forgotten int
}

func (l *exitLog) add(e ProcessExit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.exits) == maxExits {
		n := copy(l.exits, l.exits[maxExits/2:])
		l.exits, l.forgotten = l.exits[:n], l.forgotten+maxExits/2
	}
	l.exits = append(l.exits, e)
}

func (l *exitLog) fill(s *TraceSums) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Exits, s.ExitsForgotten = append([]ProcessExit(nil), l.exits...), l.forgotten
}
