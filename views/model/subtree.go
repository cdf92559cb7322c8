package model

import (
	"fmt"
	"slices"
	"strings"

	"taskscope/inspect"
)

// How many hidden processes are read more closely to make a total: their
// threads, which gives exact switches, and their PSS, which is dearer still.
const (
	mostSummedThreads = 512
	mostSummedRollups = 64
)

// summed are the fields of which a folded row shows the total of its subtree,
// and whether the total counts shared memory once per process that maps it: it
// is then no more than a bound. All other fields stay those of the process.
var summed = map[string]bool{
	"threads": false, "cpu_percent": false, "user_percent": false, "system_percent": false,
	"running_percent": false, "ready_percent": false, "parallelism": false,
	"cpu_time_ns": false, "user_ns": false, "system_ns": false, "run_ns": false, "ready_ns": false,
	"voluntary_switches": false, "involuntary_switches": false,
	"voluntary_switches_per_second": false, "involuntary_switches_per_second": false, "migrations": false,
	"minor_faults": false, "major_faults": false, "minor_faults_per_second": false, "major_faults_per_second": false,
	"read_bytes": false, "write_bytes": false, "read_bytes_per_second": false, "write_bytes_per_second": false, "fds": false,
	"pss_bytes": false, "uss_bytes": false, "swap_bytes": false,
	"rss_bytes": true, "rss_anon_bytes": true, "rss_file_bytes": true, "rss_shmem_bytes": true,
}

// total is the sum of a field over a subtree.
type total struct {
	value   inspect.Value
	missing int  // processes whose value is not known: the sum is a floor
	bound   bool // shared memory is counted several times: the sum is a ceiling
}

// subtree are the processes a folded row stands for: its own and all below it
// that pass the filter, without those that have exited.
func (p *Processes) subtree(r procRow) []int {
	p.members = p.forest.Subtree(p.members[:0], r.Index)
	p.members = slices.DeleteFunc(p.members, func(i int) bool { return p.gone[i] })
	return p.members
}

// sum adds a field up. Processes that have no such thing, like the memory of a
// zombie, add nothing.
func (p *Processes) sum(members []int, f *inspect.Field) total {
	t := total{bound: summed[f.ID], value: inspect.Value{Kind: f.Kind, Why: inspect.NotRead}}
	known := 0
	why := inspect.OK
	for _, i := range members {
		v := f.Get(p.row(i))
		switch {
		case v.OK():
			known++
			t.value.I, t.value.U, t.value.F = t.value.I+v.I, t.value.U+v.U, t.value.F+v.F
		case v.Why == inspect.KernelThread || v.Why == inspect.Zombie:
		case why == inspect.OK || pending(v.Why):
			why = v.Why
			t.missing++
		default:
			t.missing++
		}
	}
	switch {
	case t.missing == 0 && known > 0:
		t.value.Why = inspect.OK
	case pending(why) || known == 0 && why != inspect.OK || t.bound && t.missing > 0:
		t.value.Why = why // a floor below a sum that is on its way, or both floor and ceiling, says nothing
	case known > 0:
		t.value.Why = inspect.OK
	default:
		t.value.Why = inspect.Zombie
	}
	return t
}

// totalCell is the cell of a folded row.
func (p *Processes) totalCell(r procRow, f *inspect.Field, width int) Line {
	members := p.subtree(r)
	t := p.sum(members, f)
	if !t.value.OK() {
		if pending(t.value.Why) && p.tooMany(f, len(members)) {
			return Plain(p.G.Unknown, Muted)
		}
		return Line{p.G.UnknownSpan(t.value.Why)}
	}
	span := p.G.FormatValue(f, t.value)
	sign := ""
	switch {
	case t.bound && len(members) > 1:
		sign = p.G.AtMost
	case t.missing > 0:
		sign, span.Style = p.G.AtLeast, Warn
	}
	if len([]rune(span.Text))+len([]rune(sign)) <= width {
		span.Text = sign + span.Text
	}
	return Line{span}
}

// tooMany reports whether a subtree is too large for what a field needs to be
// read of all of it.
func (p *Processes) tooMany(f *inspect.Field, members int) bool {
	if f.Want&inspect.WantRollup != 0 {
		return members > mostSummedRollups
	}
	return f.Want&inspect.WantThreads != 0 && members > mostSummedThreads
}

// ThreadsBehind adds to the PIDs of the rows from a to b those hidden behind
// folded rows, as far as their subtrees are small enough for their threads to
// be read too.
func (p *Processes) ThreadsBehind(pids []int, a, b int) []int {
	return p.behind(pids, a, b, mostSummedThreads)
}

// RollupsBehind is ThreadsBehind for PSS.
func (p *Processes) RollupsBehind(pids []int, a, b int) []int {
	return p.behind(pids, a, b, mostSummedRollups)
}

func (p *Processes) behind(pids []int, a, b, most int) []int {
	pids = slices.Clone(pids)
	for i := max(a, 0); i < b && i < len(p.rows); i++ {
		r := p.rows[i]
		if !r.Folded || r.thread >= 0 {
			continue
		}
		members := p.subtree(r)
		if most -= len(members); most < 0 {
			break
		}
		for _, m := range members {
			pids = append(pids, p.view.Processes[m].ID.PID)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// describeSubtree is the line about a folded row: the totals, with their scope.
func (p *Processes) describeSubtree(r procRow, q *inspect.Process) Line {
	members := p.subtree(r)
	line := Line{
		{Text: fmt.Sprintf("%d ", q.ID.PID), Style: Strong},
		{Text: Sanitize(q.Comm)},
		{Text: fmt.Sprintf("  subtree of %d processes: ", len(members)), Style: Accent},
	}
	var parts []string
	for _, one := range []struct{ id, before, after string }{
		{"threads", "", " threads"},
		{"cpu_percent", "CPU ", " % of one CPU"},
		{"pss_bytes", "PSS ", " (shared pages divided)"},
		{"rss_bytes", "RSS ", " (shared pages once per process)"},
		{"voluntary_switches_per_second", "", " voluntary/s"},
		{"involuntary_switches_per_second", "", " involuntary/s"},
	} {
		f, ok := inspect.FieldByID(one.id)
		if !ok {
			continue
		}
		t := p.sum(members, f)
		switch {
		case one.id == "pss_bytes" && !t.value.OK():
			continue
		case !t.value.OK() && p.tooMany(f, len(members)):
			parts = append(parts, strings.TrimSpace(one.before+one.after)+" "+p.G.Unknown+" (too many to read; unfold)")
			continue
		case !t.value.OK():
			continue
		}
		text, _ := formatKnown(f, t.value)
		sign := ""
		if t.bound && len(members) > 1 {
			sign = "at most "
		} else if t.missing > 0 {
			sign = "at least "
		}
		parts = append(parts, one.before+sign+text+one.after)
	}
	return append(line, Span{Text: strings.Join(parts, ", ")})
}
