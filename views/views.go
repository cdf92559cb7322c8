// Package views is the terminal interface of taskscope, on tview. It draws
// what package model computes and turns keys into changes of the model's
// state; it reads nothing from the kernel itself.
//
//	Source (sampler) → wake → pump → page.apply → model rows → screen
//	key → binding table → page or app → model state → screen
//
// # Concurrency
//
// Everything but the pump, the source and background jobs (starting and
// stopping loads) runs on the goroutine of the tview application. The pump is
// the only goroutine that queues updates and stops the application; handlers
// of keys only cancel the context.
package views

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gdamore/tcell/v2"

	"taskscope/inspect"
	"taskscope/views/model"
)

// Source supplies frames; *inspect.Sampler is one.
type Source interface {
	// Run samples until ctx ends.
	Run(ctx context.Context) error
	// Latest is the newest frame, nil before the first.
	Latest() *inspect.Frame
	// Wake delivers a token whenever a newer frame is there.
	Wake() <-chan struct{}
	// SetRequest changes what is read.
	SetRequest(inspect.Request)
	// SetInterval changes how often.
	SetInterval(time.Duration)
	// Refresh asks for a frame at once.
	Refresh()
}

var _ Source = (*inspect.Sampler)(nil)

// Config is what the interface is given.
type Config struct {
	Sampler      Source // not yet running: Run runs it
	Interval     time.Duration
	Capabilities func() *inspect.Report
	Loads        model.Loads // nil: no loads page
	Start        Start
	ASCII        bool // no box-drawing or braille characters
	Mono         bool // no colour
	ReadOnly     bool // no acting on processes, no loads
	View         View // how the process page opens
	// Save keeps a view for the next start and returns where; nil: cannot.
	Save func(View) (string, error)
	// Trace follows what the threads of a process and its descendants do, until
	// it is closed or ctx ends; nil: only the samples of the screen tell.
	Trace func(context.Context, inspect.ID) (model.Tracer, error)
	// Taken is told when the terminal is about to be taken (its settings, the
	// alternate screen), and when it has been given back; nil: nobody is told.
	// It may be called from any goroutine.
	Taken func(bool)
	// Screen is for tests; nil opens the terminal.
	Screen tcell.Screen
}

// View is how the user likes the process page.
type View struct {
	Columns            []string    // field IDs, nil: what fits the width
	Flat               bool        // list instead of tree
	TreeSort, ListSort model.Order // no field: the default
	Interval           time.Duration
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
func Run(ctx context.Context, c Config) error {
	screen := c.Screen
	if screen == nil {
		var err error
		if screen, err = openTerminal(); err != nil {
			return err
		}
	}
	if c.Taken != nil {
		screen = &told{screen, c.Taken}
	}
	if err := screen.Init(); err != nil {
		return fmt.Errorf("%w: TERM=%s: %w", ErrNoTerminal, os.Getenv("TERM"), err)
	}
	return newApp(c, screen).runUI(ctx)
}
