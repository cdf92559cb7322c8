package load

import (
	"errors"
	"slices"
	"strings"
)

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
	// Aliases are names of this scenario with some of its arguments.
	Aliases []Alias
	// Build makes the plan from checked values. Pure.
	Build func(Values) (*Plan, error)
}

// Alias is another name of a scenario; under that name the parameters in Args
// have these defaults.
type Alias struct {
	Name string
	Args []string // key=value
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
	// Also are other names of the parameter; Synonyms are other words for the
	// values of an enum.
	Also     []string
	Synonyms map[string]string
}

// ErrUsage wraps every complaint about a scenario name, a parameter or a budget.
var ErrUsage = errors.New("usage")

// QuickArgs are the arguments with which `load verify` runs the scenario.
// Without parameters, small ones: Quick, or where real-time policies may be had,
// Realtime. With parameters, those; all that is added is that the run be short,
// if a short run can be as they say.
func (s *Scenario) QuickArgs(params []string, realtime bool) []string {
	quick := s.Quick
	if realtime && s.Realtime != nil {
		quick = s.Realtime
	}
	if len(params) == 0 {
		return quick
	}
	for _, arg := range quick {
		if strings.HasPrefix(arg, "seconds=") {
			short := append(slices.Clone(params), arg)
			if _, err := s.Plan(short); err == nil {
				return short
			}
		}
	}
	return params
}
