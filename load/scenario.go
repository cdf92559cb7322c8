package load

import "errors"

// Scenario is one known workload.
type Scenario struct {
	Name    string
	Title   string
	Teaches string // two or three plain sentences
	Params  []Param
	Needs   []string // capability ids
	// Quick are the arguments with which `load verify` runs it: as short and
	// small as the promises allow.
	Quick []string
	// Realtime are the arguments with which `load verify` runs it instead where
	// real-time policies are permitted; nil: the same.
	Realtime []string
	// Build makes the plan from checked values. Pure.
	Build func(Values) (*Plan, error)
}

// NeedRealtime is the capability of running under a real-time policy.
// `load verify` runs such loads by itself where it is given, as their bursts
// are short and on one CPU; elsewhere they take --realtime.
const NeedRealtime = "realtime"

// NeedHugePages is the capability to have anonymous memory in huge pages.
const NeedHugePages = "huge_pages"

// ParamKind is how a parameter's text is read.
type ParamKind string

// The kinds, with the way people write them.
const (
	ParamInt      ParamKind = "int"      // 4
	ParamDuration ParamKind = "duration" // 5s, 100ms
	ParamBytes    ParamKind = "bytes"    // 64MiB, 4k
	ParamPercent  ParamKind = "percent"  // 50%
	ParamRate     ParamKind = "rate"     // 200Hz, 200
	ParamEnum     ParamKind = "enum"
	ParamText     ParamKind = "text"
	ParamCPUs     ParamKind = "cpus" // 0,1 or 0-1
)

// Param is one parameter of a scenario.
type Param struct {
	Name     string
	Kind     ParamKind
	Default  string
	Min, Max float64 // in the base unit: count, ns, bytes, percent, Hz
	Step     float64 // values must be a multiple of it; 0: any
	Enum     []string
	Doc      string
}

// ErrUsage wraps every complaint about a scenario name, a parameter or a budget.
var ErrUsage = errors.New("usage")
