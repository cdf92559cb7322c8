package inspect

import "context"

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
