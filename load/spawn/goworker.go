package spawn

import (
	"errors"
	"syscall"
)

func (r *Run) execGo(*syscall.ProcAttr, []string) (int, error) { return 0, errors.New("no go tier") }

// WorkerMain is the body of the Go tier's worker process.
func WorkerMain(args []string) int { return 2 }
