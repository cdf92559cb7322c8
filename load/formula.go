package load

import (
	"fmt"
	"strconv"
	"strings"
)

// Agg says how the reports of several threads become one number.
type Agg string

// The ways. The zero value sums.
const (
	AggSum Agg = ""
	AggMax Agg = "max"
	AggMin Agg = "min"
)

// Formula is Const + Σ Factor × Report[Key], over the self-report of the
// promise's thread (all threads of the process, or of the tree, for those
// subjects).
type Formula struct {
	Const float64 `json:"const"`
	Terms []Term  `json:"terms,omitempty"`
}

// Term is one summand of a Formula. Key is a name that Manifest.reportValue
// knows: a number of the report by its JSON name, "wall_ns", "one", or
// "since_gate_ns"; or "object_N" for the value of an object when all is done.
type Term struct {
	Key    string  `json:"key"`
	Factor float64 `json:"factor"`
	Agg    Agg     `json:"agg,omitempty"`
}

// Exactly is the formula of a number known before the run.
func Exactly(v float64) Formula { return Formula{Const: v} }

// Plus returns the formula with one more summand.
func (f Formula) Plus(factor float64, key string) Formula {
	return f.with(Term{Key: key, Factor: factor})
}

func (f Formula) with(t Term) Formula {
	f.Terms = append(append([]Term(nil), f.Terms...), t)
	return f
}

// Keys of the sizes of the workers' program.
const (
	imageCode = "image_code_bytes"
	imageData = "image_data_bytes"
)

// slotKey is the key of a slot of the report.
func slotKey(slot int) string { return fmt.Sprintf("slot_%d", slot) }

// NeedsReport says whether the value depends on what the workers report, so
// that it is not known before they are done.
func (f *Formula) NeedsReport() bool { return f != nil && len(f.Terms) > 0 }

// Eval computes a formula for a subject as in Promise: process -1 is the whole
// tree, thread -1 every thread of the process. The second result is false
// when a report it needs does not exist (yet).
func (m *Manifest) Eval(f *Formula, process, thread int) (float64, bool) {
	if f == nil {
		return 0, false
	}
	v := f.Const
	for _, t := range f.Terms {
		n, ok := m.evalTerm(t, process, thread)
		if !ok {
			return 0, false
		}
		v += t.Factor * n
	}
	return v, true
}

// objectKey names the value of an object in a Term.
func objectKey(index int) string { return fmt.Sprint(objectPrefix, index) }

const objectPrefix = "object_"

func (m *Manifest) objectValue(index string) (float64, bool) {
	n, err := strconv.Atoi(index)
	if err != nil || n < 0 || n >= len(m.Objects) || m.ParkedMonoNS == 0 {
		return 0, false
	}
	return float64(m.Objects[n].Value), true
}

func (m *Manifest) evalTerm(t Term, process, thread int) (float64, bool) {
	if index, ok := strings.CutPrefix(t.Key, objectPrefix); ok {
		return m.objectValue(index)
	}
	var (
		sum  float64
		seen bool
	)
	for i := range m.Processes {
		if process >= 0 && i != process {
			continue
		}
		for j := range m.Processes[i].Threads {
			if thread >= 0 && j != thread {
				continue
			}
			v, ok := m.reportValue(&m.Processes[i].Threads[j].Report, t.Key)
			if !ok && process < 0 && m.Plan != nil && m.Plan.Processes[i].End != nil {
				continue // a process that ends takes along threads that have not reported
			}
			if !ok {
				return 0, false
			}
			switch {
			case t.Agg == AggSum:
				sum += v
			case !seen, t.Agg == AggMax && v > sum, t.Agg == AggMin && v < sum:
				sum = v
			}
			seen = true
		}
	}
	return sum, seen
}

// reportValue is Report.Value plus what needs the manifest; false before the
// worker has finished its operations.
func (m *Manifest) reportValue(r *Report, key string) (float64, bool) {
	if key == "one" {
		return 1, true
	}
	if m.Image != nil {
		switch key {
		case imageCode:
			return float64(m.Image.CodeBytes), true
		case imageData:
			return float64(m.Image.DataBytes), true
		}
	}
	if r.Phase < ReportParked {
		return 0, false
	}
	switch key {
	case "since_gate_ns":
		if m.GateMonoNS == 0 {
			return 0, false
		}
		return float64(r.EndNS - m.GateMonoNS), true
	case "start_mono_ns":
		return float64(r.StartNS), true
	case "end_mono_ns":
		return float64(r.EndNS), true
	case "job_end_mono_ns":
		return float64(r.JobEndNS), true
	}
	return r.Value(key)
}
