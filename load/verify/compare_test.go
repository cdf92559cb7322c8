package verify

import (
	"math"
	"testing"
)

func TestCompareRows(t *testing.T) {
	one := func(measure string, v float64) []Figure {
		return []Figure{{Measure: measure, Known: true, Number: v, Source: "proc"}}
	}
	not := func(measure, why string) []Figure { return []Figure{{Measure: measure, Why: why}} }
	text := func(s string) []Figure {
		return []Figure{{Measure: MeasureResult, Known: true, Text: s, Source: "report"}}
	}
	for _, tt := range []struct {
		name  string
		a, b  [][]Figure
		cells [2]Cell
		ratio float64 // 0: unknown
		why   string
		apart bool
	}{
		{
			name: "median, least and greatest",
			a:    [][]Figure{one(MeasurePSS, 30), one(MeasurePSS, 10), one(MeasurePSS, 20)}, b: [][]Figure{one(MeasurePSS, 60), one(MeasurePSS, 40)},
			cells: [2]Cell{{Known: true, Number: 20, Min: 10, Max: 30, Rounds: 3, Source: "proc"}, {Known: true, Number: 50, Min: 40, Max: 60, Rounds: 2, Source: "proc"}},
			ratio: 2.5, apart: true,
		},
		{
			name: "rounds that overlap are not apart",
			a:    [][]Figure{one(MeasurePSS, 1), one(MeasurePSS, 5)}, b: [][]Figure{one(MeasurePSS, 5), one(MeasurePSS, 9)},
			cells: [2]Cell{{Known: true, Number: 3, Min: 1, Max: 5, Rounds: 2, Source: "proc"}, {Known: true, Number: 7, Min: 5, Max: 9, Rounds: 2, Source: "proc"}},
			ratio: 7.0 / 3,
		},
		{
			name: "unknown is not zero",
			a:    [][]Figure{not(MeasurePSS, "denied")}, b: [][]Figure{one(MeasurePSS, 5)},
			cells: [2]Cell{{Why: "denied"}, {Known: true, Number: 5, Min: 5, Max: 5, Rounds: 1, Source: "proc"}},
			why:   "left is not known",
		},
		{
			name: "a round without a value counts as none",
			a:    [][]Figure{not(MeasurePSS, "denied"), one(MeasurePSS, 5)}, b: [][]Figure{one(MeasurePSS, 5)},
			cells: [2]Cell{{Known: true, Number: 5, Min: 5, Max: 5, Rounds: 1, Source: "proc"}, {Known: true, Number: 5, Min: 5, Max: 5, Rounds: 1, Source: "proc"}},
			ratio: 1,
		},
		{
			name: "nothing is a multiple of zero",
			a:    [][]Figure{one(MeasurePSS, 0)}, b: [][]Figure{one(MeasurePSS, 5)},
			cells: [2]Cell{{Known: true, Rounds: 1, Source: "proc"}, {Known: true, Number: 5, Min: 5, Max: 5, Rounds: 1, Source: "proc"}},
			why:   "left is 0", apart: true,
		},
		{
			name: "texts",
			a:    [][]Figure{text("4 x 1"), text("4 x 1")}, b: [][]Figure{text("4 x 1"), text("4 x 2")},
			cells: [2]Cell{{Known: true, Text: "4 x 1", Rounds: 2, Source: "report"}, {Known: true, Text: "4 x 1 / 4 x 2", Rounds: 2, Source: "report"}},
			why:   "not a single number",
		},
		{
			name:  "only one column has it",
			b:     [][]Figure{one(MeasurePSS, 5)},
			cells: [2]Cell{{Why: "not measured"}, {Known: true, Number: 5, Min: 5, Max: 5, Rounds: 1, Source: "proc"}},
			why:   "left is not known",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows := Compare("subtree", [2]string{"left", "right"}, [2][][]Figure{tt.a, tt.b})
			if len(rows) != 1 {
				t.Fatalf("%d rows", len(rows))
			}
			r := &rows[0]
			if r.Cells != tt.cells || r.Scope != "subtree" {
				t.Errorf("%+v, want %+v", r.Cells, tt.cells)
			}
			got := 0.0
			if r.Ratio != nil {
				got = *r.Ratio
			}
			if got != tt.ratio || r.RatioWhy != tt.why || r.Apart() != tt.apart {
				t.Errorf("ratio %v (%q), apart %v; want %v (%q), %v", got, r.RatioWhy, r.Apart(), tt.ratio, tt.why, tt.apart)
			}
		})
	}
}

// TestMeasures: the table is complete, and says how its numbers are written.
func TestMeasures(t *testing.T) {
	seen := map[string]bool{}
	units := map[string]string{"_ns": "ns", "_bytes": "bytes", "_percent": "percent", "_per_second": "per_second"}
	for _, m := range append(Measures(), RateMeasures()...) {
		if m.Label == "" || m.Doc == "" || len(m.Sources) == 0 || seen[m.ID] {
			t.Errorf("%+v is incomplete, or there twice", m)
		}
		seen[m.ID] = true
		for suffix, unit := range units {
			if has := len(m.ID) > len(suffix) && m.ID[len(m.ID)-len(suffix):] == suffix; has != (m.Unit == unit) {
				t.Errorf("%s: unit %q", m.ID, m.Unit)
			}
		}
	}
	for _, id := range []string{
		MeasureWall, MeasureCPU, MeasureCreation, MeasurePSS, MeasurePrivate, MeasureRSS, MeasurePageTables, MeasureVoluntary,
		MeasureInvoluntary, MeasureSwitchCost, MeasureParallelism, MeasureFaults, MeasureFDs, MeasureResult,
	} {
		if !seen[id] {
			t.Errorf("no measure %s, which is promised", id)
		}
	}
}

// TestChance: how many rounds it takes.
func TestChance(t *testing.T) {
	for _, tt := range []struct {
		rounds [2]int
		want   float64
	}{{[2]int{1, 1}, 1}, {[2]int{3, 3}, 0.1}, {[2]int{4, 4}, 2.0 / 70}, {[2]int{5, 5}, 2.0 / 252}, {[2]int{1, 3}, 0.5}} {
		r := Row{Cells: [2]Cell{{Rounds: tt.rounds[0]}, {Rounds: tt.rounds[1]}}}
		if got := r.Chance(); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%v rounds: %v, want %v", tt.rounds, got, tt.want)
		}
	}
}
