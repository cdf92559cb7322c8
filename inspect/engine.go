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
