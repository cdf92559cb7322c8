// Package views is the terminal interface of taskscope, on tview. It draws
// what package model computes and turns keys into messages; it reads nothing
// from the kernel itself.
package views

import (
	"context"
	"errors"
	"time"

	"github.com/gdamore/tcell/v2"

	"taskscope/inspect"
	"taskscope/views/model"
)

// Config is what the interface is given.
type Config struct {
	Sampler      *inspect.Sampler // not yet running: Run runs it
	Interval     time.Duration
	Capabilities func() []inspect.Capability
	Loads        model.Loads // nil: no loads page
	Start        Start
	ASCII        bool // no box-drawing or braille characters
	Mono         bool // no colour
	ReadOnly     bool // no acting on processes, no loads
	// Screen is for tests; nil opens the terminal.
	Screen tcell.Screen
}

// Start says on which page the interface opens.
type Start struct {
	Attach int           // PID of the attach page, 0 for the tree
	Run    model.LoadRun // a load already started (lab): its page
}

// ErrNoTerminal: standard input or output is no terminal, or TERM cannot be used.
var ErrNoTerminal = errors.New("no terminal")

// Run shows the interface until the user quits or ctx ends, and restores the
// terminal on every way out. It stops the load it started.
func Run(ctx context.Context, c Config) error { return errors.New("views: under construction") }
