package main

import (
	"math"
	"slices"

	"taskscope/inspect"
	"taskscope/load/verify"
)

// appendJSON writes the document of `compare --json`.
func (c *comparison) appendJSON(b []byte) []byte {
	var o jsonObject
	o.begin(b)
	o.time("taken", c.taken)
	o.object("job", c.jobJSON)
	if c.interval > 0 {
		o.float("interval_seconds", c.interval.Seconds())
	} else {
		verdict, _ := worstOf(append(slices.Clone(c.sides[0].runs), c.sides[1].runs...))
		o.str("verdict", string(verdict))
	}
	o.list("columns", len(c.sides), func(i int, o *jsonObject) { c.sides[i].appendJSON(o) })
	o.list("rows", len(c.rows), func(i int, o *jsonObject) { c.rowJSON(o, &c.rows[i]) })
	o.names("findings", c.findings())
	return append(o.end(), '\n')
}

// jobJSON is what is compared: of two shapes the load they share.
func (c *comparison) jobJSON(o *jsonObject) {
	s := c.sides[0]
	o.name("text", c.title)
	switch {
	case c.interval > 0:
		o.str("kind", "processes")
	case s.key == "a":
		o.str("kind", "loads")
	default:
		o.str("kind", "shapes")
		o.str("scenario", s.job.plan.Scenario)
		parametersJSON(o, s.job.plan.Parameters, "as")
	}
	if c.interval == 0 {
		o.int("rounds", int64(len(s.runs)))
	}
}

// parametersJSON writes the parameters of a load in order, but for one.
func parametersJSON(o *jsonObject, parameters map[string]string, but string) {
	var names []string
	for name := range parameters {
		if name != but {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	o.key("parameters")
	var inner jsonObject
	inner.begin(o.b)
	for _, name := range names {
		inner.str(name, parameters[name])
	}
	o.b = inner.endPlain()
}

func (s *side) appendJSON(o *jsonObject) {
	o.str("key", s.key)
	o.name("name", s.name)
	if s.id != (inspect.ID{}) {
		o.int("pid", int64(s.id.PID))
		o.uint("start_ticks", s.id.Start)
		o.name("comm", s.comm)
		return
	}
	if s.as != "" {
		o.str("as", s.as)
	}
	p := s.job.plan
	o.str("scenario", p.Scenario)
	parametersJSON(o, p.Parameters, "")
	o.str("tier", s.runs[0].Tier)
	verdict, why := s.worst()
	o.str("verdict", string(verdict))
	if why != "" {
		o.str("verdict_why", why)
	}
	var left verify.LeftBehind
	for _, r := range s.runs {
		left.Processes += r.LeftBehind.Processes
		left.Files += r.LeftBehind.Files
		left.Cgroups += r.LeftBehind.Cgroups
	}
	o.object("left_behind", func(o *jsonObject) {
		o.int("processes", int64(left.Processes))
		o.int("files", int64(left.Files))
		o.int("cgroups", int64(left.Cgroups))
	})
	o.list("runs", len(s.runs), func(i int, o *jsonObject) { runJSON(o, s.runs[i]) })
}

// runJSON is one run of a column.
func runJSON(o *jsonObject, r *verify.Result) {
	o.str("run_id", r.RunID)
	o.str("verdict", string(r.Verdict))
	if r.Why != "" {
		o.str("verdict_why", r.Why)
	}
	o.int("checks", int64(len(r.Checks)))
	for _, n := range []struct {
		key   string
		value *float64
	}{{"other_cpu_percent", r.Noise.OtherCPUPercent}, {"gate_percent", r.Noise.GatePercent}} {
		if n.value != nil {
			o.float(n.key, *n.value)
		} else {
			o.null(n.key, r.Noise.Why)
		}
	}
}

func (c *comparison) rowJSON(o *jsonObject, r *verify.Row) {
	o.str("measure", r.ID)
	o.str("label", r.Label)
	o.str("unit", r.Unit)
	o.str("scope", r.Scope)
	for i, s := range c.sides {
		cellJSON(o, s.key, &r.Cells[i])
	}
	if r.Ratio != nil {
		o.float("ratio", *r.Ratio)
	} else {
		o.null("ratio", r.RatioWhy)
	}
	for i, s := range c.sides {
		cell := &r.Cells[i]
		if !cell.Known {
			continue
		}
		o.str(s.key+"_source", cell.Source)
		if !cell.IsText() && cell.Rounds > 1 {
			numberJSON(o, s.key+"_min", cell.Min)
			numberJSON(o, s.key+"_max", cell.Max)
			o.int(s.key+"_rounds", int64(cell.Rounds))
		}
	}
	o.names("sources", r.Sources)
	o.str("doc", r.Doc)
	if r.Caution != "" {
		o.why = append(o.why, jsonWhy{"sum", r.Caution})
	}
}

func cellJSON(o *jsonObject, key string, c *verify.Cell) {
	switch {
	case !c.Known:
		o.null(key, c.Why)
	case c.IsText():
		o.str(key, c.Text)
	default:
		numberJSON(o, key, c.Number)
	}
}

// numberJSON writes whole numbers as such, however large.
func numberJSON(o *jsonObject, key string, f float64) {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		o.int(key, int64(f))
		return
	}
	o.float(key, f)
}
