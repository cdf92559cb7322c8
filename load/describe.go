package load

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Description is a catalogue entry as JSON: `load list`, `load describe`.
type Description struct {
	Name       string             `json:"name"`
	Aliases    []string           `json:"aliases,omitempty"`
	Title      string             `json:"title"`
	Teaches    string             `json:"teaches"`
	Parameters []ParamDescription `json:"parameters"`
	Needs      []string           `json:"needs"`
	// Promises and Budget are those of the default parameters.
	Promises []string `json:"promises"`
	Budget   Budget   `json:"budget"`
	// IfKilled is what happens when somebody kills a worker.
	IfKilled string `json:"if_killed"`
}

// ParamDescription is one parameter as JSON.
type ParamDescription struct {
	Name    string   `json:"name"`
	Also    []string `json:"also,omitempty"`
	Kind    string   `json:"kind"`
	Default string   `json:"default"`
	Range   string   `json:"range"`
	Values  []string `json:"values,omitempty"`
	Doc     string   `json:"doc"`
}

// Describe puts the scenario into words, promises included, for these
// arguments (none: the defaults). Errors wrap ErrUsage.
func (s *Scenario) Describe(args ...string) (*Description, error) {
	plan, err := s.Plan(args)
	if err != nil {
		return nil, err
	}
	d := &Description{
		Name: s.Name, Title: s.Title, Teaches: s.Teaches,
		Needs: append([]string{}, s.Needs...), Promises: plan.Words(), Budget: plan.Budget,
		IfKilled: plan.IfKilled(len(plan.Processes) - 1),
	}
	for _, alias := range s.Aliases {
		d.Aliases = append(d.Aliases, strings.Join(append([]string{alias.Name}, alias.Args...), " "))
	}
	for i := range s.Params {
		p := &s.Params[i]
		d.Parameters = append(d.Parameters, ParamDescription{
			Name: p.Name, Also: p.Also, Kind: string(p.Kind), Default: p.Default, Range: p.Range(), Values: p.Enum, Doc: p.Doc,
		})
	}
	return d, nil
}

// Words states the promises of a plan as sentences; equal promises about
// several tasks become one.
func (p *Plan) Words() []string {
	type group struct {
		tasks, processes int
		text             string
	}
	var groups []*group
	seen := map[string]*group{}
	for i := range p.Promises {
		q := &p.Promises[i]
		text := q.words()
		g := seen[text]
		if g == nil {
			g = &group{text: text}
			seen[text] = g
			groups = append(groups, g)
		}
		switch {
		case q.Thread >= 0:
			g.tasks++
		case q.Process >= 0:
			g.processes++
		}
	}
	out := make([]string, len(groups))
	for i, g := range groups {
		subject := "the tree"
		switch {
		case g.tasks > 0:
			subject = countNoun(g.tasks, "thread", "threads")
		case g.processes > 0:
			subject = countNoun(g.processes, "process", "processes")
		}
		out[i] = subject + ": " + g.text
	}
	return out
}

func countNoun(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

var whenWords = map[When]string{
	WhenReady: "at the gate", WhenLive: "while it works", WhenParked: "when it is done",
	WhenDelta: "from the gate to the end", WhenGone: "after the run", WhenLiveDelta: "during any while of the work",
}

// words states one promise without its subject. Names are each task's own, so
// they are left out to let equal promises be counted together.
func (q *Promise) words() string {
	var b strings.Builder
	b.WriteString(q.Field)
	switch {
	case q.Field == "comm" || q.Field == "thread_names" || q.Field == "ppid":
		b.WriteString(" as planned")
	case q.ExpectText != "":
		b.WriteString(" is " + q.ExpectText)
	default:
		b.WriteString(" " + q.relation() + " " + q.Expect.words())
	}
	if tol := q.tolerance(); tol != "" {
		b.WriteString(" ± " + tol)
	}
	fmt.Fprintf(&b, " %s (%s): %s", whenWords[q.When], q.Kind, q.Because)
	return b.String()
}

func (q *Promise) relation() string {
	switch {
	case q.AtLeast && (q.Kind == Bound || q.Kind == Identity):
		return ">="
	case q.Kind == Bound:
		return "<="
	}
	return "="
}

func (q *Promise) tolerance() string {
	var parts []string
	if q.TolRel > 0 {
		parts = append(parts, number(q.TolRel*100)+"%")
	}
	if q.TolAbs > 0 {
		parts = append(parts, number(q.TolAbs))
	}
	return strings.Join(parts, " ± ")
}

// words writes a formula: "2001 - late", "1.2 x cpu_ns".
func (f *Formula) words() string {
	var b strings.Builder
	if f.Const != 0 || len(f.Terms) == 0 {
		b.WriteString(number(f.Const))
	}
	for _, t := range f.Terms {
		switch {
		case t.Factor < 0 && b.Len() > 0:
			b.WriteString(" - ")
		case t.Factor < 0:
			b.WriteString("-")
		case b.Len() > 0:
			b.WriteString(" + ")
		}
		if a := math.Abs(t.Factor); a != 1 {
			b.WriteString(number(a) + " x ")
		}
		if t.Agg != AggSum {
			b.WriteString(string(t.Agg) + " ")
		}
		b.WriteString("reported " + t.Key)
	}
	return b.String()
}

func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
