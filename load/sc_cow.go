package load

import (
	"math"
	"time"
)

func scCow() Scenario {
	return Scenario{
		Name:  "cow",
		Title: "Parent and children share pages until one of them writes",
		Teaches: "After fork, parent and child have the same memory, and no page is copied yet: both map the same pages, so their resident sizes add up to more than there is. " +
			"A page is copied when one of them writes to it, with one minor fault; from then on that copy is private. So minor faults per second are pages per second. " +
			"PSS counts every page once among those who share it.",
		Params: []Param{
			bytesParam("bytes", "64MiB", memStep, "memory that the parent has written before it forks"),
			{Name: "dirty", Kind: ParamPercent, Default: "25%", Min: 0, Max: 100, Doc: "share of it that is written after the fork"},
			{Name: "rate", Kind: ParamRate, Default: "2000/s", Min: 1, Max: 1e7, Doc: "pages that are written per second"},
			{Name: "by", Kind: ParamEnum, Default: "parent", Enum: []string{"parent", "child"}, Doc: "who writes: the parent, or the first child"},
			workersParam("1", 1, 64), secondsParam("how long it is held; to write all of it takes its time"), cpusParam(""),
		},
		Quick: []string{"seconds=1500ms", "bytes=16MiB", "workers=2", "rate=1000/s"},
		Build: buildCow,
	}
}

// pace is how a number of pages is written at a rate: some of them at each edge.
type pace struct {
	step   uint64 // bytes
	period time.Duration
	edges  int
	span   time.Duration
}

// The time between two edges is this at least, and there are at most so many of
// them: what a worker notes of each would otherwise cost more than it tells.
const (
	pacePeriod = 5 * time.Millisecond
	paceEdges  = 1024
)

func newPace(bytes uint64, rate float64) pace {
	n := pages(bytes)
	each := max(1, math.Ceil(rate*pacePeriod.Seconds()), math.Ceil(n/paceEdges))
	p := pace{step: uint64(each) * pageBytes(), period: time.Duration(each / rate * float64(time.Second)), edges: int(math.Ceil(n / each))}
	p.span = time.Duration(p.edges) * p.period
	return p
}

func buildCow(v Values) (*Plan, error) {
	bytes, workers := v.Bytes("bytes"), v.Int("workers")
	dirty := part(bytes, v.Percent("dirty"))
	p := newPlan("cow", v)
	p.crew(asProcesses, workers, func(int) ThreadPlan { return ThreadPlan{CPUs: v.CPUs("cpus")} })
	root := &p.Processes[0].Threads[0]
	root.Setup = []Op{{Kind: OpMap, A: bytes, B: bytes, C: mapSlot}}
	writer := 0
	if v.Text("by") == "child" {
		writer = 1
	}
	pace := newPace(dirty, v.Rate("rate"))
	p.atLeast(pace.span)
	stay := Op{Kind: OpHold, A: uint64(p.Duration)}
	for i := range p.Processes {
		ops := []Op{{Kind: OpTouch, B: mapSlot}}
		if i == writer && dirty > 0 {
			log := p.object(Object{Kind: ObjectLog, Role: "pages written", Count: pace.edges + 1})
			ops = append(ops, Op{Kind: OpPace, Object: log, A: dirty, B: uint64(pace.period), C: pace.step})
		}
		p.Processes[i].Threads[0].Ops = append(ops, stay)
		p.cowProcess(i, i == writer, bytes, dirty, workers)
	}
	if dirty > 0 {
		p.cowFaults(site{writer, 0}, v.Rate("rate"), pace)
	}
	p.Budget.MemoryBytes = bytes + dirty
	p.remains()
	return p.finish(), nil
}

// cowFaults promises when the faults of the writer come.
func (p *Plan) cowFaults(writer site, rate float64, pace pace) {
	p.promise(Promise{
		Process: writer.process, Thread: writer.thread, Field: "faults_off_log", Scope: "thread", Kind: Identity, When: WhenDelta,
		Because: "between any two looks at it there are as many faults as pages that it has noted to have written between them",
	})
	if pace.span < 2*lookedAt {
		return
	}
	p.promise(Promise{
		Process: writer.process, Thread: writer.thread, Field: "minor_faults_per_second", Scope: "thread", Kind: Statistical, When: WhenLiveDelta,
		Expect: Exactly(rate), TolRel: 0.05,
		Because: "so many pages are written per second; between two samples an edge more or less",
	})
}

// cowProcess promises what one process maps: what is not written is shared by
// all, what the writer has copied is its own, and the originals of that are
// shared by the others.
func (p *Plan) cowProcess(process int, writer bool, bytes, dirty uint64, children int) {
	s := site{process, 0}
	all := children + 1
	p.segment(s, WhenReady, mapSlot, map[string]uint64{
		"segment_rss_bytes": bytes, "segment_shared_dirty_bytes": bytes, "segment_private_dirty_bytes": 0,
		"segment_pss_bytes": pss(share{bytes, all}),
	}, "right after the fork every page is shared, and counted by each process")
	sharers, faults := all-1, 0.0
	if writer {
		sharers, faults = 1, pages(dirty)
	}
	private, shared := dirty, bytes-dirty
	if sharers > 1 {
		private, shared = 0, bytes
	}
	p.segment(s, WhenParked, mapSlot, map[string]uint64{
		"segment_rss_bytes": bytes, "segment_anonymous_bytes": bytes,
		"segment_private_dirty_bytes": private, "segment_shared_dirty_bytes": shared,
		"segment_pss_bytes": pss(share{dirty, sharers}, share{bytes - dirty, all}),
	}, "what was written is copied; the originals stay with those who did not write")
	p.faults(s, faults, "one minor fault for each page that is copied, none for those who do not write")
	if !writer && p.Duration >= 2*lookedAt {
		p.promise(Promise{
			Process: process, Thread: 0, Field: "minor_faults", Scope: "thread", Kind: Equality, When: WhenLiveDelta,
			Because: "while another one writes, those who do not write have no fault",
		})
	}
	p.change(process, "rss_bytes", 0, "a copy takes the place of the page: nobody's resident size grows")
}
