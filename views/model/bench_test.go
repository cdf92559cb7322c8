package model

import "testing"

// BenchmarkArrange is what a key costs on a machine with 10,000 processes.
func BenchmarkArrange(b *testing.B) {
	for _, c := range []struct {
		name string
		flat bool
		sort string
	}{{"tree", false, "pid"}, {"tree_by_cpu", false, "cpu_percent"}, {"list_by_cpu", true, "cpu_percent"}} {
		b.Run(c.name, func(b *testing.B) {
			p := processes(10_000, 120)
			p.Flat = c.flat
			*p.Order() = Order{Field: c.sort, Desc: c.sort != "pid"}
			b.ReportAllocs()
			for b.Loop() {
				p.Arrange()
				for i := range 50 {
					p.Row(i)
				}
			}
		})
	}
}
