package spawn

import (
	"errors"
	"strings"
	"testing"

	"taskscope/load"
)

func TestRisksAreNamed(t *testing.T) {
	t.Parallel()
	storm := func(n, life, most uint64) load.Op { return load.Op{Kind: load.OpStorm, A: n, B: life, C: most} }
	file := load.Op{Kind: load.OpFile, A: 1, B: 1}
	disk := ""
	if onDisk("/tmp") {
		disk = "--disk"
	}
	tests := []struct {
		name string
		op   load.Op
		l    Limits
		want string
	}{
		{"a calm storm", storm(100000, 20e6, 4), Limits{}, ""},
		{"a short storm", storm(200, 0, 64), Limits{}, ""},
		{"a storm", storm(201, 19e6, 4), Limits{}, "--fork-storm"},
		{"a storm without life", storm(201, 0, 1), Limits{}, "--fork-storm"},
		{"a storm that is asked for", storm(201, 0, 1), Limits{ForkStorm: true}, ""},
		{"a file", file, Limits{}, disk},
		{"a file that is asked for", file, Limits{Disk: true}, ""},
		{"a file in memory", load.Op{Kind: load.OpFile, A: 1, B: 2}, Limits{}, ""},
	}
	for _, tt := range tests {
		err := checkRisks(family([]load.Op{tt.op}), tt.l)
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrBudget) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestDefaultsAreNoRisk: no load needs a permission as it is in the catalogue,
// but for those that are about real-time policies.
func TestDefaultsAreNoRisk(t *testing.T) {
	t.Parallel()
	for _, s := range load.All() {
		for _, args := range [][]string{nil, s.Quick} {
			p, err := s.Plan(args)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkRisks(p, Limits{}); err != nil {
				t.Errorf("%s %v: %v", s.Name, args, err)
			}
		}
	}
}
