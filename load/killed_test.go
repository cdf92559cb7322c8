package load

import (
	"strings"
	"testing"
)

func TestIfKilled(t *testing.T) {
	for _, tt := range []struct {
		load    string
		process int
		want    string
	}{
		{"vol", 0, "all workers are threads of one process"},
		{"vol as=processes", 0, "it is the root: every process"},
		{"vol as=processes", 2, "it ends, the others go on"},
		{"tree depth=2 width=3 threads=2", 1, "it ends with its 2 threads and the 3 processes below it"},
		{"tree depth=2 width=3 threads=1", 12, "it ends, the others go on"},
		{"respawn", 1, "its supervisor starts another in its place"},
		{"pool respawn=true", 2, "its supervisor starts another in its place"},
		{"crash as=threads workers=3", 2, "it ends with its 4 threads, the others"},
	} {
		p := planOf(t, strings.Fields(tt.load)...)
		got := p.IfKilled(tt.process)
		if !strings.Contains(got, tt.want) || !strings.Contains(got, "the verdict is fail") {
			t.Errorf("%s, process %d: %q, want %q", tt.load, tt.process, got, tt.want)
		}
	}
}
