package load

// Manifest is a run as it really is: the plan, the live identities, and what
// the workers report of themselves.
type Manifest struct {
	RunID     string            `json:"run_id"`
	Plan      *Plan             `json:"plan,omitempty"`
	Processes []ManifestProcess `json:"processes"`         // same order as Plan.Processes
	Objects   []ManifestObject  `json:"objects,omitempty"` // same order as Plan.Objects
	Phase     string            `json:"phase"`             // ready, running, parked, ended
	// GateMonoNS and ParkedMonoNS are CLOCK_MONOTONIC instants: gate opened,
	// last worker parked. 0 while not reached.
	GateMonoNS   int64 `json:"gate_mono_ns"`
	ParkedMonoNS int64 `json:"parked_mono_ns"`
}

// ManifestProcess is one live process.
type ManifestProcess struct {
	Role    string           `json:"role"`
	PID     int              `json:"pid"`
	PPID    int              `json:"ppid"`
	Threads []ManifestThread `json:"threads"`
}

// ManifestObject is something the workers share. Value is what its kind says
// of it, read from the shared memory by the controller.
type ManifestObject struct {
	Role  string `json:"role"`
	Value uint64 `json:"value"`
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
	CPUNS       uint64            `json:"cpu_ns"` // CLOCK_THREAD_CPUTIME_ID
	Voluntary   uint64            `json:"voluntary_switches"`
	Involuntary uint64            `json:"involuntary_switches"`
	MinorFaults uint64            `json:"minor_faults"`
	MajorFaults uint64            `json:"major_faults"`
	Loops       uint64            `json:"loops"` // periods, sleeps, yields done
	Late        uint64            `json:"late"`  // edges that were missed
	Waits       uint64            `json:"waits"`
	Acquired    uint64            `json:"acquisitions"`
	Bytes       uint64            `json:"bytes"`
	Result      uint64            `json:"result"` // what the operations computed
	Errno       int32             `json:"errno"`
	Slots       map[string]uint64 `json:"slots,omitempty"` // addresses by slot number
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
	case "result":
		return float64(r.Result), true
	case "bytes":
		return float64(r.Bytes), true
	}
	return 0, false
}
