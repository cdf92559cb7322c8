// Package model computes what the interface shows as pure values: rows, cells
// and texts from snapshots, changes and verdicts. No tview, no I/O, no clock.
package model

import (
	"context"

	"taskscope/load/verify"
)

// LoadParam is one parameter of a load, for the loads page.
type LoadParam struct{ Name, Default, Range, Doc string }

// LoadInfo is one entry of the catalogue.
type LoadInfo struct {
	Name, Title, Teaches string
	Params               []LoadParam
	Promises             []string // in words, for the default parameters
	Needs                []string
}

// Loads starts known loads. It is supplied by the command line, so that the
// interface itself depends on no runner.
type Loads interface {
	Catalog() []LoadInfo
	// Start starts a load ("key=value" parameters) and returns once it is
	// parked at its gate.
	Start(ctx context.Context, name string, params []string) (LoadRun, error)
}

// LoadRun is one running load. Its methods may be called from any goroutine
// and do not block for long.
type LoadRun interface {
	Name() string
	RunID() string
	RootPID() int
	// Status judges what has been seen so far; newest result, never nil.
	Status() LoadStatus
	// Again stops the run and starts it anew with other parameters.
	Again(ctx context.Context, params []string) error
	// Stop ends the run and waits until nothing is left.
	Stop(ctx context.Context) error
}

// LoadPauser is a LoadRun that can be stopped for a while and go on.
type LoadPauser interface {
	// Pause stops all its processes, Resume lets them go on; Status tells.
	Pause() error
	Resume() error
}

// LoadStatus is a moment of a run.
type LoadStatus struct {
	Phase   string // starting, ready, running, parked, ended, failed
	Err     string
	Paused  bool
	Elapsed float64 // seconds since the gate opened
	Total   float64 // planned seconds, 0 unknown
	Params  []string
	Result  *verify.Result // pending checks included
}
