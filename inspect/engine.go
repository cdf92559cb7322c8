package inspect

import (
	"context"
	"errors"
	"time"
)

// Options configure a Reader.
type Options struct {
	// ProcRoot is the mount point to read, "/proc" when empty.
	ProcRoot string
	// Source is "auto", "bpf" or "proc".
	Source string
	// Deadline bounds how long a pass waits for files that can block
	// (default 50 ms); what is late keeps its last good value.
	Deadline time.Duration
	// MaxStuck caps the reads that may hang at the same time (default 16).
	MaxStuck int
}

// ErrNoProcess: there is no such process (any more).
var ErrNoProcess = errors.New("no such process")

// ErrIsThread: the number is the TID of a thread that is not a leader.
var ErrIsThread = errors.New("not a process but a thread")

// Frame is what a Sampler publishes: a snapshot and its difference to the
// one before (Changes.Prev is nil for the first).
type Frame struct {
	*Snapshot
	Changes *Changes
}

var errNotBuilt = errors.New("inspect: engine under construction")

// Reader reads snapshots. It remembers what it read last (held descriptors,
// unchanged processes, exited threads' remainders) and belongs to one goroutine.
type Reader struct{}

// NewReader opens the source.
func NewReader(o Options) (*Reader, error) { return nil, errNotBuilt }

// Read makes one pass. A process that vanishes meanwhile is left out; it is
// not an error. The error is non-nil only when nothing at all could be read,
// or ctx ended.
func (r *Reader) Read(ctx context.Context, q Request) (*Snapshot, error) { return nil, errNotBuilt }

// Resolve checks that pid is a process: ErrNoProcess, or ErrIsThread (wrapped
// with the PID of its process) when it is a thread.
func (r *Reader) Resolve(pid int) (ID, error) { return ID{}, errNotBuilt }

// Close releases descriptors and workers.
func (r *Reader) Close() error { return nil }

// Sampler reads at an interval and publishes the latest Frame.
type Sampler struct{}

// NewSampler wraps a Reader, which from then on belongs to it.
func NewSampler(r *Reader, interval time.Duration) *Sampler { return &Sampler{} }

// Run samples until ctx ends; it closes the Reader before it returns.
func (s *Sampler) Run(ctx context.Context) error { return errNotBuilt }

// Latest returns the newest frame, nil before the first.
func (s *Sampler) Latest() *Frame { return nil }

// Wake delivers a token whenever a newer frame is there; capacity one, latest wins.
func (s *Sampler) Wake() <-chan struct{} { return nil }

// SetRequest changes what is read from the next pass on and triggers a pass
// at once if the new request needs files the last one did not read.
func (s *Sampler) SetRequest(q Request) {}

// SetInterval changes the refresh interval.
func (s *Sampler) SetInterval(d time.Duration) {}

// Refresh asks for a pass at once.
func (s *Sampler) Refresh() {}

// Filter is a parsed filter expression.
type Filter struct{}

// ParseFilter parses an expression over Fields: see filter.go for the grammar.
func ParseFilter(expr string) (*Filter, error) { return nil, errNotBuilt }

// Match reports whether the row satisfies the expression. Unknown values
// never match a comparison.
func (f *Filter) Match(r Row) bool { return false }

// Want is what has to be read to evaluate the filter.
func (f *Filter) Want() Want { return 0 }

// TreeRow is one row of the flattened process tree.
type TreeRow struct {
	Index    int    // into Snapshot.Processes
	Depth    int    // 0 for roots
	Last     bool   // last child of its parent
	Guides   uint64 // bit d set: the ancestor at depth d has further siblings below
	Children int    // direct children
	Folded   bool   // has children that are hidden
	Dimmed   bool   // shown only because a descendant matches the filter
	Hidden   int    // descendants hidden below a folded row
}

// TreeOptions steer Flatten.
type TreeOptions struct {
	Root   int                 // PID of the subtree, 0 for all
	Folded func(ID) bool       // nil: nothing folded
	Match  func(i int) bool    // nil: everything; ancestors (dimmed) and descendants of matches are kept
	Less   func(i, j int) bool // order among siblings, nil: by PID
}

// Forest is reusable scratch for Flatten: no allocation in steady state.
type Forest struct{}

// Flatten puts the processes of s in tree order. Tolerates missing parents,
// cycles, and parents younger than their children. The result is valid until
// the next call on the same Forest.
func (f *Forest) Flatten(s *Snapshot, o TreeOptions) []TreeRow { return nil }

// Capability is one thing the kernel may or may not let us do.
type Capability struct {
	ID     string // "proc_smaps_other_users"
	Title  string
	State  string // available, absent, unknown
	Reason string // why not, in words
	Remedy string // the one command or change that would give it
}

// Probe tries each capability by doing it.
func Probe(ctx context.Context, procRoot string) []Capability { return nil }
