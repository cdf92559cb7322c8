package export_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"taskscope/inspect"
	"taskscope/inspect/export"
)

// lane is one line of the display.
type lane struct{ pid, tid int }

// faults says what is wrong with a file: every slice must lie within the window;
// the slices of a lane, a CPU's too, must not overlap; what a thread ran must be
// what the sums say, twice: on its own lane and on those of the CPUs; and every
// arrow must have both ends, each in a slice.
func faults(f *traceFile, sums *inspect.TraceSums, counts export.TraceFileCounts) []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	window := float64(sums.Elapsed) / 1e3
	lanes := map[lane][]entry{}
	for _, e := range f.all("X") {
		if e.TS < 0 || e.TS+e.Dur > window || e.Dur < 0 {
			fault("not within %v µs: %+v", window, e)
		}
		lanes[lane{e.PID, e.TID}] = append(lanes[lane{e.PID, e.TID}], e)
	}
	for k, list := range lanes {
		slices.SortFunc(list, func(a, b entry) int { return cmp.Compare(a.TS, b.TS) })
		for i := range len(list) - 1 {
			if end := list[i].TS + list[i].Dur; end > list[i+1].TS {
				fault("lane %+v: %+v overlaps %+v", k, list[i], list[i+1])
			}
		}
	}
	if n := counts.Slices + counts.CPUSlices; int(n) != len(f.all("X")) {
		fault("%d slices, %d counted", len(f.all("X")), n)
	}
	out = append(out, sumFaults(f, sums)...)
	return append(out, arrowFaults(f, lanes, int(counts.Arrows))...)
}

func sumFaults(f *traceFile, sums *inspect.TraceSums) (out []string) {
	const shortened = 0.001 // µs, of each slice
	run, onCPU, unknown := map[int]float64{}, map[int]float64{}, map[int]bool{}
	cpus := 0
	for _, e := range f.all("M") {
		if name, _ := e.Args["name"].(string); e.Name == "process_name" && strings.HasPrefix(name, "CPUs") {
			cpus = e.PID
		}
	}
	for _, e := range f.all("X") {
		switch {
		case e.PID == cpus:
			onCPU[int(e.Args["tid"].(float64))] += e.Dur + shortened
		case e.Name == "running":
			run[e.TID] += e.Dur + shortened
		case e.Name == "unknown":
			unknown[e.TID] = true
		}
	}
	for i := range sums.Threads {
		th := &sums.Threads[i]
		tid := th.ID.TID
		if unknown[tid] || th.MissedIns > 0 {
			continue
		}
		for what, us := range map[string]float64{"its own lane": run[tid], "the CPUs": onCPU[tid]} {
			if math.Abs(us*1e3-float64(th.SeenRunNS.V)) > 100 { // decimals
				out = append(out, fmt.Sprintf("thread %d ran %d ns, on %s %.0f ns", tid, th.SeenRunNS.V, what, us*1e3))
			}
		}
	}
	return out
}

// arrowFaults takes the lanes sorted.
func arrowFaults(f *traceFile, lanes map[lane][]entry, n int) (out []string) {
	starts, ends := f.all("s"), map[int]entry{}
	for _, e := range f.all("f") {
		ends[e.ID] = e
	}
	if len(starts) != n || len(ends) != n || n == 0 {
		out = append(out, fmt.Sprintf("%d and %d ends of %d arrows", len(starts), len(ends), n))
	}
	inSlice := func(e entry) bool {
		return slices.ContainsFunc(lanes[lane{e.PID, e.TID}], func(x entry) bool { return x.TS <= e.TS && e.TS <= x.TS+x.Dur+0.001 })
	}
	for _, s := range starts {
		switch e, ok := ends[s.ID]; {
		case !ok:
			out = append(out, fmt.Sprintf("arrow %d has no end", s.ID))
		case e.TS < s.TS:
			out = append(out, fmt.Sprintf("arrow %d points into the past", s.ID))
		case !inSlice(s) || !inSlice(e):
			out = append(out, fmt.Sprintf("arrow %d does not join two slices", s.ID))
		}
	}
	return out
}

// checkFaults damages a good file, each time in one way, which must be found.
func checkFaults(t *testing.T, good []byte, sums *inspect.TraceSums, counts export.TraceFileCounts) {
	t.Helper()
	pick := func(f *traceFile, ph, name string) *entry {
		for i := range f.TraceEvents {
			if e := &f.TraceEvents[i]; e.Ph == ph && (name == "" || e.Name == name) {
				return e
			}
		}
		t.Fatalf("no %s %s in the file", ph, name)
		return nil
	}
	for _, tc := range []struct {
		name, want string
		damage     func(f *traceFile)
	}{
		{"a slice before the window", "not within", func(f *traceFile) { pick(f, "X", "blocked").TS = -1 }},
		{"a slice that ends after it", "not within", func(f *traceFile) { pick(f, "X", "running").Dur += float64(sums.Elapsed) }},
		{"two slices at once", "overlaps", func(f *traceFile) { f.TraceEvents = append(f.TraceEvents, *pick(f, "X", "running")) }},
		{"a slice too many", "counted", func(f *traceFile) { f.TraceEvents = append(f.TraceEvents, *pick(f, "X", "running")) }},
		{"a run that is blocked", "ran", func(f *traceFile) {
			for i := range f.TraceEvents {
				if e := &f.TraceEvents[i]; e.Name == "running" {
					e.Name = "blocked"
				}
			}
		}},
		{"an arrow without a start", "ends of", func(f *traceFile) { pick(f, "s", "").Ph = "i" }},
		{"an arrow without an end", "has no end", func(f *traceFile) { pick(f, "f", "").ID = -1 }},
		{"an arrow into the past", "into the past", func(f *traceFile) { pick(f, "f", "").TS = -1 }},
		{"an arrow from nowhere", "join two slices", func(f *traceFile) { pick(f, "s", "").TID = -1 }},
	} {
		f := parse(t, good)
		tc.damage(f)
		found := faults(f, sums, counts)
		if !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, tc.want) }) {
			t.Errorf("%s is not found: %.300q", tc.name, found)
		}
	}
}
