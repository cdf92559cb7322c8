package load

import (
	"fmt"
	"strings"
)

// Manifest is a run as it really is: the plan, the live identities, and what
// the workers report of themselves.
type Manifest struct {
	RunID     string            `json:"run_id"`
	Plan      *Plan             `json:"plan,omitempty"`
	Processes []ManifestProcess `json:"processes"`         // same order as Plan.Processes
	Objects   []ManifestObject  `json:"objects,omitempty"` // same order as Plan.Objects
	Phase     string            `json:"phase"`             // ready, running, parked, ended
	// Image is the program that the workers execute; nil where it has a runtime
	// of its own beside it.
	Image *Image `json:"image,omitempty"`
	// StartMonoNS and ReadyMonoNS are CLOCK_MONOTONIC instants of the controller:
	// it began to start the root; it had seen every task of the plan named and
	// asleep at the gate. StartNS is the time between, 0 before.
	StartMonoNS int64 `json:"start_mono_ns"`
	ReadyMonoNS int64 `json:"ready_mono_ns"`
	StartNS     int64 `json:"start_ns"`
	// GateMonoNS and ParkedMonoNS are CLOCK_MONOTONIC instants: gate opened,
	// last worker parked. 0 while not reached.
	GateMonoNS   int64 `json:"gate_mono_ns"`
	ParkedMonoNS int64 `json:"parked_mono_ns"`
}

// Image is what the headers of a program's file say of its memory, in whole pages.
type Image struct {
	CodeBytes uint64 `json:"code_bytes"` // executable: code, constants, headers
	DataBytes uint64 `json:"data_bytes"` // writable: data and bss
}

// ManifestProcess is one live process.
type ManifestProcess struct {
	Role    string           `json:"role"`
	PID     int              `json:"pid"`
	PPID    int              `json:"ppid"` // when it was started
	Threads []ManifestThread `json:"threads"`
	// Exit is how it ended, nil while it lives or nobody knows.
	Exit *Exit `json:"exit,omitempty"`
	// AdopterPID is the parent it was given when it had lost its own; 0: it has not.
	AdopterPID int `json:"adopter_pid,omitempty"`
}

// Exit is the wait status of a process that has ended.
type Exit struct {
	Code   int    `json:"code"`
	Signal int    `json:"signal,omitempty"` // 0: it ended by itself, with Code
	By     string `json:"by"`               // who collected it: "parent" or "runner"
}

// String is "exit 3" or "signal 11".
func (e *Exit) String() string {
	if e.Signal != 0 {
		return fmt.Sprintf("signal %d", e.Signal)
	}
	return fmt.Sprintf("exit %d", e.Code)
}

// Text is the same of an end that is planned.
func (e *End) Text() string {
	x := Exit{Code: e.Code, Signal: e.Signal}
	return x.String()
}

// ManifestObject is something the workers share. Value is what its kind says
// of it, read from the shared memory by the controller.
type ManifestObject struct {
	Role  string     `json:"role"`
	Value uint64     `json:"value"`
	Log   []LogEntry `json:"log,omitempty"` // of ObjectLog, oldest first
}

// LogEntry is a worker's note of what it did, and between which two instants.
type LogEntry struct {
	FromNS  int64  `json:"from_mono_ns"`
	UntilNS int64  `json:"until_mono_ns"` // 0: it is still at it
	Pages   uint64 `json:"pages"`
}

// ManifestThread is one live thread.
type ManifestThread struct {
	Role   string `json:"role"`
	TID    int    `json:"tid"`
	Name   string `json:"name"`
	Report Report `json:"report"`
}

// The values of Report.Phase.
const (
	ReportBorn uint32 = iota
	ReportReady
	ReportRunning
	ReportParked
	ReportEnded
)

// Report is what a worker thread says of itself. Counters are differences
// over its operations unless they say otherwise.
type Report struct {
	Phase       uint32            `json:"phase"` // 0 born 1 ready 2 running 3 parked 4 ended
	StartNS     int64             `json:"start_mono_ns"`
	EndNS       int64             `json:"end_mono_ns"`
	JobEndNS    int64             `json:"job_end_mono_ns"` // end of the last operation but a hold; 0: there was none
	CPUNS       uint64            `json:"cpu_ns"`          // CLOCK_THREAD_CPUTIME_ID
	Voluntary   uint64            `json:"voluntary_switches"`
	Involuntary uint64            `json:"involuntary_switches"`
	MinorFaults uint64            `json:"minor_faults"`
	MajorFaults uint64            `json:"major_faults"`
	Loops       uint64            `json:"loops"` // periods, sleeps, yields done
	Late        uint64            `json:"late"`  // edges that were missed
	Waits       uint64            `json:"waits"`
	Acquired    uint64            `json:"acquisitions"`
	Bytes       uint64            `json:"bytes"`
	Done        uint64            `json:"done"`   // how much of its job: messages, additions, elements
	Result      uint64            `json:"result"` // what the operations computed
	Errno       int32             `json:"errno"`
	Slots       map[string]uint64 `json:"slots,omitempty"` // addresses and other results, by slot number
	// FromNS and UntilNS bound when what is promised of live samples holds, as
	// the worker has marked it (CLOCK_MONOTONIC); 0: it has not.
	FromNS  int64 `json:"from_mono_ns,omitempty"`
	UntilNS int64 `json:"until_mono_ns,omitempty"`
	// Notified counts its writes to the controller between gate and park: the
	// last thread to be done makes one of 8 bytes.
	Notified uint64 `json:"notified,omitempty"`
}

// Value is one number of the report by its JSON name, "wall_ns" (EndNS-StartNS)
// or "one" (1 per thread, to count threads).
func (r *Report) Value(key string) (float64, bool) {
	switch key {
	case "wall_ns":
		return float64(r.EndNS - r.StartNS), true
	case "one":
		return 1, true
	case "cpu_ns":
		return float64(r.CPUNS), true
	case "voluntary_switches":
		return float64(r.Voluntary), true
	case "involuntary_switches":
		return float64(r.Involuntary), true
	case "minor_faults":
		return float64(r.MinorFaults), true
	case "major_faults":
		return float64(r.MajorFaults), true
	case "loops":
		return float64(r.Loops), true
	case "late":
		return float64(r.Late), true
	case "waits":
		return float64(r.Waits), true
	case "acquisitions":
		return float64(r.Acquired), true
	case "done":
		return float64(r.Done), true
	case "result":
		return float64(r.Result), true
	case "bytes":
		return float64(r.Bytes), true
	case "notified":
		return float64(r.Notified), true
	}
	if slot, ok := strings.CutPrefix(key, "slot_"); ok {
		v, ok := r.Slots[slot]
		return float64(v), ok
	}
	return 0, false
}
