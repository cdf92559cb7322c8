package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"taskscope/load/verify"
)

// slightly is the difference below which two figures are called the same.
const slightly = 0.05

// byChance is how likely it may be that what is called a difference is none.
const byChance = 0.05

// findings say in a few plain sentences what differs and why, as far as the
// figures show it.
func (c *comparison) findings() []string {
	w := compareWords{c: c, names: [2]string{c.sides[0].heading, c.sides[1].heading}}
	switch {
	case c.interval > 0:
		return present(w.memory(), w.rates())
	case w.shapes():
		w.names = [2]string{"the threads", "the processes"}
	}
	return present(w.memory(), w.creation(), w.work(), w.switches(), w.ended(), w.noise())
}

func present(sentences ...string) []string {
	return slices.DeleteFunc(sentences, func(s string) bool { return s == "" })
}

// compareWords puts the rows of one comparison into words.
type compareWords struct {
	c     *comparison
	names [2]string
}

func (w *compareWords) shapes() bool {
	return w.c.sides[0].as == "threads" && w.c.sides[1].as == "processes"
}

// row is a row in which both columns have a number, nil otherwise.
func (w *compareWords) row(measure string) *verify.Row {
	i := slices.IndexFunc(w.c.rows, func(r verify.Row) bool { return r.ID == measure })
	if i < 0 {
		return nil
	}
	r := &w.c.rows[i]
	for k := range r.Cells {
		if !r.Cells[k].Known || r.Cells[k].IsText() {
			return nil
		}
	}
	return r
}

// differ says whether the rounds of a row lie apart, more than slightly, and not
// by chance. Sizes, and what is the same in every round, do not come by chance.
func differ(r *verify.Row) bool {
	return r != nil && r.Ratio != nil && r.Apart() && math.Abs(*r.Ratio-1) > slightly && sure(r)
}

func sure(r *verify.Row) bool {
	return r.Unit == "bytes" || r.Unit == "count" && r.Constant() || r.Chance() <= byChance
}

// noDifference is why a row is not said to differ.
func noDifference(r *verify.Row) string {
	if r.Apart() && !sure(r) {
		return "too few rounds to tell that from chance"
	}
	return "which differ no more than the rounds do"
}

// sized is a value of a row with its unit.
func sized(r *verify.Row, k int) string { return measureText(r.Unit, r.Cells[k].Number) }

// much says how much more or less something is: "3.4 times as much".
func much(ratio float64) string {
	switch {
	case ratio >= 1.995:
		return factorText(ratio) + " times as much"
	case ratio >= 1:
		return fmt.Sprintf("%.0f %% more", 100*(ratio-1))
	}
	return fmt.Sprintf("%.0f %% less", 100*(1-ratio))
}

// capital begins a sentence.
func capital(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

// memory is about PSS and the page tables, which it does not include.
func (w *compareWords) memory() string {
	pss, tables := w.row(verify.MeasurePSS), w.row(verify.MeasurePageTables)
	if pss == nil || pss.Ratio == nil {
		return ""
	}
	all := *pss
	with := ""
	if tables != nil {
		with = ", page tables included"
		for k := range all.Cells {
			c, t := &all.Cells[k], &tables.Cells[k]
			c.Number, c.Min, c.Max = c.Number+t.Number, c.Min+t.Min, c.Max+t.Max
		}
		ratio := all.Cells[1].Number / all.Cells[0].Number
		all.Ratio = &ratio
	}
	if r := w.row(verify.MeasureEnded); r != nil && r.Cells[0].Max+r.Cells[1].Max > 0 {
		with += ", by what was left in the end"
	}
	if !differ(&all) {
		return fmt.Sprintf("%s and %s took about the same memory: %s and %s%s.", capital(w.names[0]), w.names[1], sized(&all, 0), sized(&all, 1), with)
	}
	s := fmt.Sprintf("%s took %s memory: %s, %s %s%s", capital(w.names[1]), much(*all.Ratio), sized(&all, 1), w.names[0], sized(&all, 0), with)
	if p := w.row(verify.MeasureProcesses); p != nil && *all.Ratio > 1 && p.Cells[1].Number > p.Cells[0].Number {
		s += fmt.Sprintf(": %.0f address spaces are there in place of %.0f", p.Cells[1].Number, p.Cells[0].Number)
	}
	if rss := w.row(verify.MeasureRSS); rss != nil && rss.Ratio != nil && math.Abs(*rss.Ratio / *all.Ratio - 1) > 2*slightly {
		by := "the sum of RSS"
		if w.c.interval > 0 {
			by = "RSS"
		}
		s += fmt.Sprintf("; by %s it would seem to be %s", by, much(*rss.Ratio))
	}
	return s + "."
}

// creation is about making the workers. Until they are ready much else happens;
// the CPU time that took says more than the clock on a busy machine.
func (w *compareWords) creation() string {
	r, cpu := w.row(verify.MeasureCreation), w.row(verify.MeasureStartCPU)
	if r == nil || r.Ratio == nil {
		return ""
	}
	names, because := w.names, ""
	if w.shapes() {
		names, because = [2]string{"a thread", "a process"}, ": a process needs an address space and a table of files of its own"
	}
	s := "Making a worker"
	if r.Cells[0].Source != "report" {
		s = "Starting a worker and getting it ready"
	}
	s += fmt.Sprintf(" took %s for %s, %s for %s", sized(r, 0), names[0], sized(r, 1), names[1])
	switch {
	case differ(r) && *r.Ratio > 1:
		return s + ", " + much(*r.Ratio) + because + "."
	case differ(r):
		return s + ", " + much(*r.Ratio) + "."
	}
	s += ", " + noDifference(r)
	if differ(cpu) && *cpu.Ratio > 1 {
		return s + fmt.Sprintf("; but %s took %s CPU time until all were ready (%s, %s)%s.", w.names[1], much(*cpu.Ratio), sized(cpu, 1), sized(cpu, 0), because)
	}
	return s + "."
}

// work is about the job itself: result, time, CPU time.
func (w *compareWords) work() string {
	s := w.sameResult()
	wall, cpu := w.row(verify.MeasureWall), w.row(verify.MeasureCPU)
	var parts []string
	for _, r := range []*verify.Row{wall, cpu} {
		if differ(r) {
			parts = append(parts, fmt.Sprintf("%s %s (%s, %s)", much(*r.Ratio), r.Label, sized(r, 1), sized(r, 0)))
		}
	}
	switch {
	case len(parts) > 0:
		return s + fmt.Sprintf("For the job %s took %s.", w.names[1], strings.Join(parts, " and "))
	case wall == nil || cpu == nil:
		return strings.TrimSuffix(s, " ")
	case !sure(wall):
		return s + "Of the times of the job there are too few rounds to tell a difference from chance."
	}
	return s + "Wall time and CPU time of the job differ no more than the rounds do."
}

// sameResult says whether both columns came to the same.
func (w *compareWords) sameResult() string {
	i := slices.IndexFunc(w.c.rows, func(r verify.Row) bool { return r.ID == verify.MeasureResult })
	if i < 0 || !w.c.rows[i].Cells[0].Known || !w.c.rows[i].Cells[1].Known {
		return ""
	}
	a, b := resultText(&w.c.rows[i].Cells[0]), resultText(&w.c.rows[i].Cells[1])
	if a == b {
		return "Both came to the same result. "
	}
	promised := ""
	if w.passed() {
		promised = ", as each promises"
	}
	return fmt.Sprintf("The results differ%s: %s with %s, %s with %s. ", promised, a, w.names[0], b, w.names[1])
}

// passed says whether every run did all that it promises.
func (w *compareWords) passed() bool {
	for _, s := range w.c.sides {
		if verdict, _ := s.worst(); verdict != verify.Pass {
			return false
		}
	}
	return true
}

func resultText(c *verify.Cell) string {
	if c.IsText() {
		return c.Text
	}
	if c.Min != c.Max {
		return measureText("", c.Min) + " to " + measureText("", c.Max)
	}
	return measureText("", c.Number)
}

// switches is about what one costs, or else how many there were.
func (w *compareWords) switches() string {
	if r := w.row(verify.MeasureSwitchCost); r != nil && r.Ratio != nil {
		s := fmt.Sprintf("Handing over to the other worker took %s with %s and %s with %s", sized(r, 0), w.names[0], sized(r, 1), w.names[1])
		switch {
		case !r.Apart():
			s += ", " + noDifference(r)
		case w.shapes() && *r.Ratio > 1:
			s += fmt.Sprintf(", %s: a switch between processes also changes the address space", much(*r.Ratio))
		case w.shapes():
			s += fmt.Sprintf(", %s: that a switch between processes also changes the address space does not show here", much(*r.Ratio))
		default:
			s += ", " + much(*r.Ratio)
		}
		return s + "."
	}
	r := w.row(verify.MeasureVoluntary)
	if !differ(r) {
		return ""
	}
	return fmt.Sprintf("%s blocked %s times, %s %s times.", capital(w.names[0]), sized(r, 0), w.names[1], sized(r, 1))
}

// ended is about tasks that failed, and those who went with them.
func (w *compareWords) ended() string {
	r, left := w.row(verify.MeasureEnded), w.row(verify.MeasureTasks)
	if r == nil || left == nil || r.Cells[0].Max+r.Cells[1].Max == 0 {
		return ""
	}
	part := func(k int) string {
		n := r.Cells[k].Number
		return fmt.Sprintf("%.0f of %.0f with %s", n, n+left.Cells[k].Number, w.names[k])
	}
	return fmt.Sprintf("Tasks that ended before the job was done: %s, %s.", part(0), part(1))
}

// noise warns when others were busy meanwhile.
func (w *compareWords) noise() string {
	most := 0.0
	for _, s := range w.c.sides {
		for _, r := range s.runs {
			if g := r.Noise.GatePercent; g != nil {
				most = max(most, *g)
			}
		}
	}
	if most <= verify.NoiseGatePercent {
		return ""
	}
	return fmt.Sprintf("Others used up to %.0f %% of the CPUs meanwhile, which adds to times and involuntary switches.", most)
}

// rates is about living processes.
func (w *compareWords) rates() string {
	cpu, vol, inv := w.row("cpu_percent"), w.row("voluntary_switches_per_second"), w.row("involuntary_switches_per_second")
	if cpu == nil || vol == nil || inv == nil {
		return ""
	}
	part := func(k int) string {
		return fmt.Sprintf("%s used %s of a CPU, blocked %s times a second and was preempted %s times",
			w.names[k], sized(cpu, k), sized(vol, k), sized(inv, k))
	}
	return part(0) + "; " + part(1) + "."
}
