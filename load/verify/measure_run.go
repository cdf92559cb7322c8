package verify

import (
	"fmt"
	"slices"

	"taskscope/inspect"
	"taskscope/load"
)

// MeasureNeeds is what the observer of a plan must read so that a run of it can
// be judged and measured.
func MeasureNeeds(p *load.Plan) Needs {
	n := NeedsOf(p)
	n.Still = inspect.WantRollup | inspect.WantFDs | inspect.WantStatusRest
	return n
}

// FiguresOf measures a run: every measure of [Measures], in that order. Pure;
// the manifest and the samples are only read.
func FiguresOf(m *load.Manifest, samples []Sample) []Figure {
	if m.Plan == nil {
		return nil
	}
	r := runMeasure{judge: newJudge(m, samples, nil)}
	r.before = r.newest(&load.Promise{}, load.WhenReady)
	r.after = r.newest(&load.Promise{}, load.WhenParked)
	wall, cpu := r.wall(), r.grown(func(p *inspect.Process) inspect.Known[uint64] { return p.CPUTimeNS }, runTime, processesVanish)
	vol := r.grown(func(p *inspect.Process) inspect.Known[uint64] { return p.Switches.Voluntary }, voluntary, tasksVanish)
	inv := r.grown(func(p *inspect.Process) inspect.Known[uint64] { return p.Switches.Involuntary }, preempted, tasksVanish)
	got := map[string]reading{
		MeasureWall:        wall,
		MeasureCPU:         cpu,
		measureReady:       r.grown(func(p *inspect.Process) inspect.Known[uint64] { return p.ReadyNS }, readyTime, tasksVanish),
		MeasureParallelism: r.parallelism(cpu, wall),
		MeasureCreation:    r.creation(),
		MeasureStartCPU:    r.sumIn(r.before, func(p *inspect.Process) inspect.Known[uint64] { return p.CPUTimeNS }),
		MeasurePSS:         r.memory(func(p *inspect.Process) inspect.Known[uint64] { return p.PSSBytes }),
		MeasurePrivate:     r.memory(func(p *inspect.Process) inspect.Known[uint64] { return p.USSBytes }),
		MeasureRSS:         r.memory(func(p *inspect.Process) inspect.Known[uint64] { return p.RSSBytes }),
		MeasurePageTables:  r.memory(func(p *inspect.Process) inspect.Known[uint64] { return p.PageTableBytes }),
		MeasureVoluntary:   vol,
		MeasureInvoluntary: inv,
		MeasureSwitchCost:  r.switchCost(vol, inv),
		MeasureFaults:      r.grown(func(p *inspect.Process) inspect.Known[uint64] { return p.MinorFaults }, nil, processesVanish),
		measureStartFaults: r.sumIn(r.before, func(p *inspect.Process) inspect.Known[uint64] { return p.MinorFaults }),
		MeasureFDs:         r.memory(func(p *inspect.Process) inspect.Known[uint64] { return asUint(p.FDs) }),
		MeasureProcesses:   r.sumIn(r.after, func(*inspect.Process) inspect.Known[uint64] { return inspect.Know(uint64(1)) }),
		MeasureTasks:       r.sumIn(r.after, func(p *inspect.Process) inspect.Known[uint64] { return asUint(p.ThreadCount) }),
		MeasureEnded:       r.ended(),
		MeasureResult:      r.result(),
	}
	var out []Figure
	for _, m := range Measures() {
		out = append(out, got[m.ID].figure(m.ID))
	}
	return out
}

// runMeasure measures one run between its two still moments.
type runMeasure struct {
	*judge
	before, after *inspect.Snapshot // of the tree, at the gate and at the end; nil: not taken
}

func asUint(k inspect.Known[int]) inspect.Known[uint64] {
	return inspect.Known[uint64]{V: uint64(k.V), Why: k.Why}
}

// parallelism is the CPU time of the job divided by its wall time. Between the
// same two instants only the workers themselves have measured: from outside, what
// waking up and parking takes is in the CPU time, which for a short job is most of
// it. Their word is not all there is where tasks have come and gone.
func (r *runMeasure) parallelism(cpu, wall reading) reading {
	if own, ok := r.m.Eval(&load.Formula{Terms: []load.Term{{Key: "cpu_ns", Factor: 1}}}, -1, -1); ok && tasksVanish(r.m.Plan) == "" {
		cpu = number(own)
		cpu.source = "report"
	}
	switch {
	case !cpu.ok:
		return cpu
	case !wall.ok:
		return wall
	case wall.num <= 0:
		return unknown("the wall time is 0")
	}
	p := number(cpu.num / wall.num)
	p.source = cpu.source
	if cpus := r.cpus(); cpus > 0 && p.num > float64(cpus)*1.01 {
		return unknown(fmt.Sprintf("%.1f would run at once on %d CPUs: the job is so short that beginning and ending it took most of the CPU time", p.num, cpus))
	}
	return p
}

// cpus is how many CPUs the run may use, 0 when that is not known.
func (r *runMeasure) cpus() int {
	if used := r.usedCPUs(); used != nil {
		return len(used)
	}
	if wide := r.judge.wide[load.WhenParked]; len(wide) > 0 {
		return wide[0].Host.CPUs
	}
	return 0
}

// wall is the time the job took; of a load that only waits, that of the wait.
func (r *runMeasure) wall() reading {
	span, ok := r.jobSpanNS()
	if !ok {
		f := load.Formula{Terms: []load.Term{
			{Key: "end_mono_ns", Factor: 1, Agg: load.AggMax},
			{Key: "start_mono_ns", Factor: -1, Agg: load.AggMin},
		}}
		if span, ok = r.m.Eval(&f, -1, -1); !ok || span <= 0 {
			return unknown("the workers have not reported")
		}
	}
	w := number(span)
	w.source = "report"
	return w
}

// creation is the mean time to make a worker. A job that makes tasks tells it
// itself.
func (r *runMeasure) creation() reading {
	for i := range r.m.Plan.Promises {
		q := &r.m.Plan.Promises[i]
		if q.Self != nil && (q.Field == "thread_creation_ns" || q.Field == "process_creation_ns") {
			got := r.selfReported(q)
			got.source = "report"
			return got
		}
	}
	tasks := -1 // the leader of the root is no worker
	for i := range r.m.Processes {
		tasks += len(r.m.Processes[i].Threads)
	}
	switch {
	case r.m.StartNS <= 0:
		return unknown("when the workers were ready is not known")
	case tasks < 1:
		return unknown("the job makes no workers")
	}
	got := number(float64(r.m.StartNS) / float64(tasks))
	got.source = "runner"
	return got
}

// sumIn adds a value over all processes of the tree.
func (r *runMeasure) sumIn(s *inspect.Snapshot, get func(*inspect.Process) inspect.Known[uint64]) reading {
	if s == nil {
		return unknown("no sample was taken while all of it stood still")
	}
	found := r.tree(s)
	if found == nil {
		return unknown("the root was not seen")
	}
	sum := number(0)
	sum.source = s.Source
	for _, i := range found {
		v, ok := get(s.Processes[i]).Get()
		if !ok {
			return unread(get(s.Processes[i]).Why)
		}
		sum.num += float64(v)
	}
	return sum
}

// ended counts the tasks of the manifest that are not there any more.
func (r *runMeasure) ended() reading {
	if r.after == nil {
		return unknown("no sample was taken while all of it stood still")
	}
	n := number(0)
	n.source = r.after.Source
	for i := range r.m.Processes {
		tasks := r.m.Processes[i].Threads
		p := r.process(r.after, i)
		switch {
		case p == nil || p.LeaderState == 'Z':
			n.num += float64(len(tasks))
			continue
		case p.Threads == nil:
			return unread(p.ThreadsWhy)
		}
		for k := range tasks {
			if r.thread(p, i, k) == nil {
				n.num++
			}
		}
	}
	return n
}

// memory adds a value over those processes of the tree that have one at the
// end: one that has ended and waits to be reaped has given all its memory and
// files back.
func (r *runMeasure) memory(get func(*inspect.Process) inspect.Known[uint64]) reading {
	return r.sumIn(r.after, func(p *inspect.Process) inspect.Known[uint64] {
		if v := get(p); v.OK() || p.LeaderState != 'Z' {
			return v
		}
		return inspect.Know(uint64(0))
	})
}

// grown is by how much a counter of all tasks of the run grew between the gate
// and the end. Where tasks have gone meanwhile that had their share of it, only
// the tracer has counted them all; traced is nil for what it does not count.
func (r *runMeasure) grown(get func(*inspect.Process) inspect.Known[uint64], traced counter, vanish func(*load.Plan) string) reading {
	if gone := vanish(r.m.Plan); gone != "" {
		if traced == nil {
			return unknown(gone + ", and nobody else counts it for them")
		}
		sum := r.tracedAll(traced)
		if !sum.ok {
			sum.why = gone + ", and " + sum.why
		}
		return sum
	}
	before, after := r.sumIn(r.before, get), r.sumIn(r.after, get)
	switch {
	case !before.ok:
		return before
	case !after.ok:
		return after
	case after.num < before.num:
		return unknown("the counter went back")
	}
	after.num -= before.num
	return after
}

// tracedAll is what the tracer has counted of all processes of the tree.
func (r *runMeasure) tracedAll(get counter) reading {
	if r.before == nil || r.after == nil {
		return unknown("no sample was taken before and after")
	}
	before, after := r.traces[r.before], r.traces[r.after]
	if before == nil || after == nil {
		return unknown("the scheduler could not be traced")
	}
	if n := lostBetween(&before.Drops, &after.Drops); n > 0 {
		return unknown(fmt.Sprintf("the tracer lost %d events", n))
	}
	total := func(s *inspect.TraceSums) (sum float64, why inspect.Why) {
		for i := range s.Processes {
			v, ok := get(&s.Processes[i].TraceCounts).Get()
			if !ok {
				return 0, get(&s.Processes[i].TraceCounts).Why
			}
			sum += float64(v)
		}
		return sum, inspect.OK
	}
	a, why := total(before)
	if why != inspect.OK {
		return unread(why)
	}
	b, why := total(after)
	if why != inspect.OK {
		return unread(why)
	}
	sum := number(b - a)
	sum.source = after.Source
	return sum
}

// processesVanish says that processes end while the job goes on, whose counters
// go with them; "" when none do by plan.
func processesVanish(p *load.Plan) string {
	const gone = "processes of the job have ended, with their counters"
	for i := range p.Processes {
		if p.Processes[i].End != nil {
			return gone
		}
		for _, t := range p.Processes[i].Threads {
			for _, op := range t.Ops {
				switch {
				case op.Kind == load.OpSpawn && op.B == 1, op.Kind == load.OpStorm, op.Kind == load.OpSupervise, op.Kind == load.OpVfork:
					return gone
				}
			}
		}
	}
	return ""
}

// tasksVanish is the same for counters that go with a thread.
func tasksVanish(p *load.Plan) string {
	if gone := processesVanish(p); gone != "" {
		return gone
	}
	for i := range p.Processes {
		for _, t := range p.Processes[i].Threads {
			if slices.ContainsFunc(t.Ops, func(op load.Op) bool { return op.Kind == load.OpSpawn || op.Kind == load.OpServe }) {
				return "threads of the job have ended, with their counters"
			}
		}
	}
	return ""
}

// switchCost is what the job itself says of it, if it was switching indeed.
func (r *runMeasure) switchCost(voluntary, involuntary reading) reading {
	var cost, messages reading
	for i := range r.m.Plan.Promises {
		q := &r.m.Plan.Promises[i]
		switch q.Field {
		case "cost_per_switch_ns":
			cost = r.selfReported(q)
		case "messages":
			got := r.selfReported(q)
			messages.ok = got.ok
			messages.num += got.num
		}
	}
	switches := voluntary.num + involuntary.num
	switch {
	case cost == reading{}:
		return unknown("the time of this job does not go into switching; compare pingpong tells what a switch costs")
	case !cost.ok:
		return cost
	case !messages.ok || !voluntary.ok || !involuntary.ok:
		return unknown("how often it was switched is not known")
	case switches < messages.num*0.9 || switches > messages.num*1.1:
		return unknown(fmt.Sprintf("%.0f messages took %.0f switches: the time of a message is not that of a switch", messages.num, switches))
	}
	cost.source = "report"
	return cost
}

// resultFields are what a job computes, the most telling first.
var resultFields = [...]string{"result", "value", "items", "made", "pages", "requests", "messages", "acquisitions"}

// result is what the job computed: of the tree, or of the leader that has put
// it together, or else of each worker.
func (r *runMeasure) result() reading {
	for _, field := range resultFields {
		var each []reading
		for i := range r.m.Plan.Promises {
			q := &r.m.Plan.Promises[i]
			if q.Field != field || q.Self == nil {
				continue
			}
			got := r.selfReported(q)
			got.source = "report"
			if !got.ok || q.Process < 0 || q.Process == 0 && q.Thread == 0 {
				return got
			}
			each = append(each, got)
		}
		if len(each) > 0 {
			return together(each)
		}
	}
	return unknown("the job computes nothing: its verdict says whether it was done")
}

// together puts the results of workers into one text: "4 x 1000", "1000, 2000".
func together(each []reading) reading {
	if len(each) == 1 {
		return each[0]
	}
	const most = 8
	text := ""
	for i, parts := 0, 0; i < len(each); parts++ {
		n := i + 1
		for n < len(each) && each[n].num == each[i].num {
			n++
		}
		if parts == most {
			text += ", …"
			break
		}
		if text != "" {
			text += ", "
		}
		if n-i > 1 {
			text += fmt.Sprintf("%d x ", n-i)
		}
		text += each[i].text()
		i = n
	}
	r := words(text)
	r.source = each[0].source
	return r
}
