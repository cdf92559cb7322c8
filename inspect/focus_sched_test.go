package inspect

import "testing"

func TestSchedNumber(t *testing.T) {
	const text = "head (17302, #threads: 1)\n-----\n" +
		"se.exec_start                                :       4413055.174430\n" +
		"se.nr_migrations                             :                    7\n" +
		"nr_switches                                  :                   31\n"
	for _, tt := range []struct {
		key  string
		want uint64
		ok   bool
	}{
		{"se.nr_migrations", 7, true},
		{"nr_switches", 31, true},
		{"se.exec_start", 0, false}, // no whole number
		{"nr_migrations", 0, false},
		{"", 0, false},
	} {
		if got, ok := schedNumber([]byte(text), tt.key); got != tt.want || ok != tt.ok {
			t.Errorf("%q = %d, %v; want %d, %v", tt.key, got, ok, tt.want, tt.ok)
		}
	}
}
