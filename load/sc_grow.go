package load

import (
	"errors"
	"time"
)

func scGrow() Scenario {
	limit := bytesParam("limit", "64MiB", memStep, "where a worker stops growing")
	limit.Also = []string{"cap"}
	return Scenario{
		Name:  "grow",
		Title: "Memory that grows step by step, like a leak",
		Teaches: "Address space costs nothing until it is touched: the worker reserves all of it before it begins, and then touches a little more at every tick. " +
			"Its resident size grows by exactly that, and the peak with it. As long as there is enough, nobody waits for memory.",
		Params: []Param{
			asParam(), workersParam("1", 1, 64),
			bytesParam("step", "256KiB", memStep, "what is touched at every tick"),
			{Name: "period", Kind: ParamDuration, Default: "20ms", Min: 1e6, Max: 10e9, Doc: "time between two ticks"},
			limit,
			secondsParam("how long they grow, if the limit does not come first"), cpusParam(""),
		},
		Quick:   []string{"seconds=1500ms", "period=10ms", "step=64KiB"},
		Aliases: []Alias{{Name: "leak"}},
		Build:   buildGrow,
	}
}

func buildGrow(v Values) (*Plan, error) {
	step, period := v.Bytes("step"), v.Duration("period")
	steps := min(uint64(v.Duration("seconds")/period), v.Bytes("limit")/step)
	if steps == 0 {
		return nil, errors.New("seconds is shorter than one period, or limit smaller than one step")
	}
	total := steps * step
	p := newPlan("grow", v)
	p.Duration = time.Duration(steps) * period
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		return ThreadPlan{
			CPUs:  v.CPUs("cpus"),
			Setup: []Op{{Kind: OpMap, A: total, C: mapSlot}},
			Ops:   []Op{{Kind: OpGrow, A: steps, B: uint64(period), C: step}},
		}
	})
	p.dutySwitches(workers, float64(steps))
	perProcess := map[int]uint64{}
	for _, s := range workers {
		p.segment(s, WhenReady, mapSlot, map[string]uint64{"segment_size_bytes": total, "segment_rss_bytes": 0},
			"reserved, not touched")
		p.segment(s, WhenParked, mapSlot, map[string]uint64{
			"segment_size_bytes": total, "segment_rss_bytes": total, "segment_private_dirty_bytes": total,
		}, "every step touches what it is told to")
		p.faults(s, pages(total), "one minor fault per page, when it is first touched")
		perProcess[s.process]++
	}
	for i := range p.Processes {
		if n := perProcess[i]; n > 0 {
			p.growth(i, n*total, float64(n*step)/period.Seconds())
		}
	}
	p.promise(Promise{
		Process: 0, Thread: -1, Field: "memory_stall_ns", Scope: "cgroup", Kind: Equality, When: WhenDelta,
		Because: "it asks for less than the machine has free, so no task of it ever waits for memory",
	})
	p.Budget.MemoryBytes = uint64(len(workers)) * total
	p.remains()
	return p.finish(), nil
}

// growth promises how a process grows: by how much, how fast, and its peak.
func (p *Plan) growth(process int, total uint64, perSecond float64) {
	p.change(process, "rss_bytes", float64(total), "exactly the touched pages become resident")
	p.change(process, "rss_anon_bytes", float64(total), "all of them are its own")
	p.change(process, "vsize_bytes", 0, "the address space was reserved before")
	p.promise(Promise{
		Process: process, Thread: -1, Field: "peak_minus_rss_bytes", Scope: "process", Kind: Equality, When: WhenParked,
		Because: "memory that only grows is never larger than now",
	})
	p.promise(Promise{
		Process: process, Thread: -1, Field: "rss_bytes_per_second", Scope: "process", Kind: Statistical, When: WhenLiveDelta,
		Expect: Exactly(perSecond), TolRel: 0.05,
		Because: "one step per period; between two samples a step more or less",
	})
}
