package verify

import (
	"fmt"
	"slices"

	"taskscope/inspect"
	"taskscope/load"
)

const pretendArea = 0x7f0000000000

// lifeReport adds what a worker reports of an operation on processes, pages
// and files.
func lifeReport(op load.Op, r *load.Report) {
	put := func(slot, v uint64) {
		if r.Slots == nil {
			r.Slots = map[string]uint64{}
		}
		r.Slots[fmt.Sprint(slot)] = v
	}
	switch op.Kind {
	case load.OpTouch:
		r.MinorFaults += op.A / 4096
		put(op.B, pretendArea)
	case load.OpPace:
		r.MinorFaults += op.A / 4096
	case load.OpMapFile:
		r.MinorFaults += op.A / 4096
		put(op.C, pretendArea)
	case load.OpHuge:
		r.MinorFaults += op.A / op.B
		put(op.C, pretendArea)
	case load.OpGrow:
		r.MinorFaults += op.A * op.C / 4096
		r.Late, r.Involuntary = 4, 2
		r.Voluntary += op.A - r.Late
	case load.OpSpawn:
		r.Loops += op.A
		put(op.C, op.A*(20_000+70_000*op.B))
	case load.OpStorm:
		r.Loops += op.A
		r.Acquired += op.A
		put(0, op.C)
	case load.OpSupervise:
		r.Loops += op.A
		r.Acquired += op.A
	case load.OpIO:
		r.Bytes += (op.A + op.B) * (op.C & 0xffffffff)
	}
}

// paceLog is what a worker notes that is always in time.
func paceLog(op load.Op) (log []load.LogEntry) {
	for done := uint64(0); done < op.A; done += op.C {
		at := gateNS + int64(uint64(len(log)+1)*op.B)
		log = append(log, load.LogEntry{FromNS: at, UntilNS: at + 1000, Pages: min(op.C, op.A-done) / 4096})
	}
	return log
}

// pacedFaults are the faults of a thread that writes at a pace, of what it
// makes in all.
func (w *world) pacedFaults(tp *load.ThreadPlan, done float64, all uint64) uint64 {
	if !slices.ContainsFunc(tp.Ops, func(o load.Op) bool { return o.Kind == load.OpPace }) {
		return all
	}
	n := uint64(0)
	for _, o := range tp.Ops {
		if o.Kind == load.OpPace {
			_, most := writtenBy(paceLog(o), 0, gateNS+int64(done*float64(w.m.Plan.Duration)))
			n = uint64(most)
		}
	}
	return n
}

// lifeSetup adds what the set-up operations leave in a report.
func lifeSetup(p *load.Plan, i, k int, t *load.ThreadPlan, r *load.Report) {
	for _, op := range t.Setup {
		if op.Kind == load.OpMap || op.Kind == load.OpMapFile {
			if r.Slots == nil {
				r.Slots = map[string]uint64{}
			}
			r.Slots[fmt.Sprint(op.C)] = areaOf(p, i, k)
		}
		if op.Kind == load.OpMap {
			r.Bytes += (op.B + 4095) / 4096 * 4096
		}
	}
}

// areaOf is where a thread has its memory: in a pool each at another place.
func areaOf(p *load.Plan, process, thread int) uint64 {
	if p.Scenario == "pool" {
		return pretendArea + uint64(process)<<40 + uint64(thread)<<32
	}
	return pretendArea
}

// poolSegments are the areas of the threads of one process, and the root's area,
// which every process has.
func (w *world) poolSegments(i int, d *inspect.Detail) {
	add := func(process, thread int) *inspect.SegmentMem {
		at := areaOf(w.m.Plan, process, thread)
		for _, op := range w.m.Plan.Processes[process].Threads[thread].Setup {
			d.Segments = append(d.Segments, inspect.Segment{
				Start: at, Mem: inspect.SegmentMem{Size: op.A, RSS: op.A, PSS: op.A, Anonymous: op.A, PrivateDirty: op.A},
			})
		}
		return &d.Segments[len(d.Segments)-1].Mem
	}
	shared := add(0, 0)
	if n := uint64(len(w.m.Plan.Processes)); n > 1 {
		shared.PSS = shared.RSS / 4096 * (4096 * 4096 / n) / 4096 / 1024 * 1024
		shared.PrivateDirty, shared.SharedDirty = 0, shared.RSS
	}
	for k := range w.m.Plan.Processes[i].Threads {
		if i > 0 || k > 0 {
			add(i, k)
		}
	}
}

// lifeActors lets processes end and be adopted as planned.
func lifeActors(m *load.Manifest) {
	m.Image = &load.Image{CodeBytes: 24 << 10, DataBytes: 8 << 10}
	for i := range m.Processes {
		p, plan := &m.Processes[i], &m.Plan.Processes[i]
		for k := range p.Threads {
			lifeSetup(m.Plan, i, k, &plan.Threads[k], &p.Threads[k].Report)
		}
		if plan.End == nil {
			continue
		}
		p.Exit = &load.Exit{Code: plan.End.Code, Signal: plan.End.Signal, By: "parent"}
		for k := range p.Threads {
			r := &p.Threads[k].Report
			r.Phase, r.EndNS = load.ReportRunning, 0
			for _, op := range plan.Threads[k].Ops {
				if op.Kind == load.OpExit || op.Kind == load.OpCrash {
					r.Phase, r.EndNS = load.ReportEnded, gateNS+1000
				}
			}
		}
		root := &m.Processes[0].Threads[0].Report
		if !supervised(m.Plan) {
			root.Acquired++
		}
	}
	for i := range m.Processes {
		if parent := m.Plan.Processes[i].Parent; parent > 0 && m.Plan.Processes[parent].End != nil {
			m.Processes[i].AdopterPID = m.Processes[0].PID
		}
	}
	last := &m.Processes[len(m.Processes)-1]
	last.Threads[len(last.Threads)-1].Report.Notified = 1
}

func supervised(p *load.Plan) bool { return p.Unnamed > 0 }

// lifeSnapshot changes a snapshot of the whole plan to what is there of it.
func (w *world) lifeSnapshot(s *inspect.Snapshot, done float64, live bool) {
	s.Host.Forks = inspect.Know(uint64(1000 + 100_000*done))
	root := w.m.Processes[0].PID
	first := load.Op{}
	if ops := w.m.Plan.Processes[0].Threads[0].Ops; len(ops) > 0 {
		first = ops[0]
	}
	var kept []*inspect.Process
	for i, p := range s.Processes {
		plan := &w.m.Plan.Processes[i]
		p.Cmdline = inspect.Know([]string{"taskscope-worker"})
		p.PGID, p.Session, p.TracerPID = inspect.Know(root), inspect.Know(1), inspect.Know(0)
		if plan.Setsid {
			p.PGID, p.Session = inspect.Know(p.ID.PID), inspect.Know(p.ID.PID)
		}
		w.lifeMemory(p, i, done)
		w.lifeIO(p, i, done)
		if done > 0 && w.m.Processes[i].AdopterPID != 0 {
			p.PPID = inspect.Know(root)
		}
		if live {
			w.lifeStates(p, i)
		}
		if plan.End != nil && done > 0 {
			if done == 1 || first.Kind == load.OpReap || first.Kind == load.OpSupervise {
				continue
			}
			p.State, p.Threads[0].State = 'Z', 'Z'
			p.RSSBytes, p.Cmdline = inspect.Unknown[uint64](inspect.Zombie), inspect.Unknown[[]string](inspect.Zombie)
		}
		kept = append(kept, p)
	}
	if done > 0 {
		for k := range w.m.Plan.Unnamed {
			p := *s.Processes[0]
			p.ID, p.PPID = inspect.ID{PID: root + 1 + k, Start: 99}, inspect.Know(root)
			kept = slices.Insert(kept, 1+k, &p)
		}
	}
	s.Processes = kept
	s.ReadAt = s.ReadAt[:0]
	for range kept {
		s.ReadAt = append(s.ReadAt, s.MonoNS)
	}
}

// lifeStates puts a process into the state that its operation brings about.
func (w *world) lifeStates(p *inspect.Process, i int) {
	t := &p.Threads[0]
	t.Wait.WChan = inspect.Know("do_sys_poll.constprop.0")
	for _, op := range w.m.Plan.Processes[i].Threads[0].Ops {
		switch op.Kind {
		case load.OpStopSelf:
			t.State, t.Wait.WChan = 'T', inspect.Know("do_signal_stop")
		case load.OpVfork:
			t.State, t.Wait.WChan = 'D', inspect.Know("kernel_clone")
		}
	}
	for _, op := range w.m.Plan.Processes[0].Threads[0].Ops {
		if op.Kind == load.OpTrace && int(op.A) == i {
			t.State, t.Wait.WChan = 't', inspect.Know("ptrace_stop")
			p.TracerPID = inspect.Know(w.m.Processes[0].PID)
		}
	}
}

func (w *world) lifeMemory(p *inspect.Process, i int, done float64) {
	shmem := uint64(1 << 30)
	p.VSizeBytes = inspect.Know(uint64(1 << 32))
	p.TextBytes = inspect.Know(w.m.Image.CodeBytes)
	p.DataBytes.V += w.m.Image.DataBytes + 4096*uint64(len(w.m.Processes[i].Threads)-1) - 16384
	if done > 0 {
		for k := range w.m.Plan.Processes[i].Threads {
			for _, op := range w.m.Plan.Processes[i].Threads[k].Ops {
				switch {
				case op.Kind == load.OpMapFile:
					shmem += op.A
					p.RSSBytes.V += op.A
				case op.Kind == load.OpHuge:
					p.RSSAnonBytes.V += op.A
				case op.Kind == load.OpGrow:
					p.RSSBytes.V += uint64(float64(op.A*op.C) * done)
					p.RSSAnonBytes.V += uint64(float64(op.A*op.C) * done)
				case op.Kind == load.OpTouch && op.C == ^uint64(0):
					p.RSSAnonBytes.V += op.A
					shmem -= op.A
				}
			}
		}
	}
	p.RSSShmemBytes, p.PeakRSSBytes = inspect.Know(shmem), p.RSSBytes
}

func (w *world) lifeIO(p *inspect.Process, i int, done float64) {
	var reads, writes, read, written uint64
	if done > 0 {
		for k := range w.m.Plan.Processes[i].Threads {
			for _, op := range w.m.Plan.Processes[i].Threads[k].Ops {
				if op.Kind == load.OpIO {
					reads, writes = reads+op.A, writes+op.B
					read, written = read+op.A*(op.C&0xffffffff), written+op.B*(op.C&0xffffffff)
				}
			}
			n := w.m.Processes[i].Threads[k].Report.Notified
			writes, written = writes+n, written+8*n
		}
	}
	p.ReadCalls, p.WriteCalls = inspect.Know(40+reads), inspect.Know(7+writes)
	p.ReadChars, p.WriteChars = inspect.Know(900+read), inspect.Know(70+written)
}

// lifeGroup is the control group of the run.
func (w *world) lifeGroup(d *inspect.Detail) {
	g := inspect.GroupPressure{Path: "/run", StallNS: 7000}
	for i := range w.m.Processes {
		g.Members = append(g.Members, w.m.Processes[i].PID)
	}
	d.Pressure = inspect.Know(g)
}

// lifeSegments adds the areas of the operations on pages. Each is at the same
// address, so there may be one in a process.
func (w *world) lifeSegments(i int, done float64, d *inspect.Detail) {
	plan := &w.m.Plan.Processes[i]
	if w.m.Plan.Scenario == "pool" {
		w.poolSegments(i, d)
		return
	}
	var m inspect.SegmentMem
	for k := range plan.Threads {
		for _, op := range append(append([]load.Op(nil), plan.Threads[k].Setup...), plan.Threads[k].Ops...) {
			setUp := len(plan.Threads[k].Setup) > 0
			switch {
			case op.Kind == load.OpMapFile && op.B>>8 == load.FilePrivate:
				m = inspect.SegmentMem{Size: op.A, RSS: op.A, PSS: op.A}
			case op.Kind == load.OpMapFile && done > 0:
				n := uint64(w.mapping(load.OpMapFile))
				m = inspect.SegmentMem{Size: op.A, RSS: op.A, PSS: op.A / n / 1024 * 1024, SharedDirty: op.A}
				if n == 1 {
					m.PrivateDirty, m.SharedDirty = op.A, 0
				}
			case op.Kind == load.OpHuge && done > 0:
				m = inspect.SegmentMem{Size: op.A, RSS: op.A, PrivateDirty: op.A, AnonHuge: op.A}
			case op.Kind == load.OpMap && setUp && op.B == 0:
				m = inspect.SegmentMem{Size: op.A}
			case op.Kind == load.OpGrow && done > 0:
				m.RSS, m.PrivateDirty = op.A*op.C, op.A*op.C
			case op.Kind == load.OpTouch && op.C == ^uint64(0) && done > 0:
				m.Anonymous = op.A
			case op.Kind == load.OpTouch && op.C != ^uint64(0):
				m = w.cowSegment(plan.Threads[k].Ops[1].Kind == load.OpPace, done)
			}
		}
	}
	if m.Size != 0 {
		d.Segments = append([]inspect.Segment{{Start: pretendArea, Mem: m}}, d.Segments...)
	}
}

// mapping counts the threads with an operation.
func (w *world) mapping(kind load.OpKind) (n int) {
	eachThread(w.m.Plan, func(t *load.ThreadPlan) {
		for _, op := range append(append([]load.Op(nil), t.Setup...), t.Ops...) {
			if op.Kind == kind {
				n++
			}
		}
	})
	return n
}

// cowSegment goes through the pages one by one: who maps each?
func (w *world) cowSegment(writer bool, done float64) inspect.SegmentMem {
	bytes := w.m.Plan.Processes[0].Threads[0].Setup[0].A
	all := uint64(len(w.m.Plan.Processes))
	written := uint64(0)
	eachThread(w.m.Plan, func(t *load.ThreadPlan) {
		if t.Ops[1].Kind == load.OpPace {
			written = t.Ops[1].A
		}
	})
	m := inspect.SegmentMem{Size: bytes, RSS: bytes, Anonymous: bytes}
	var share float64
	for at := uint64(0); at < bytes; at += 4096 {
		sharers := all
		if done > 0 && at < written {
			sharers = all - 1
			if writer {
				sharers = 1
			}
		}
		if sharers == 1 {
			m.PrivateDirty += 4096
		} else {
			m.SharedDirty += 4096
		}
		share += float64(4096*4096/sharers) / 4096
	}
	m.PSS = uint64(share) / 1024 * 1024
	return m
}

func lifeMutations() []mutation {
	parked := func(f func(p *inspect.Process)) func(w *world) {
		return func(w *world) {
			p, _ := w.worker(w.last(load.WhenParked))
			f(p)
		}
	}
	area := func(f func(m *inspect.SegmentMem)) func(w *world) {
		return func(w *world) {
			w.eachDetail(load.WhenParked, func(d *inspect.Detail) {
				for i := range d.Segments {
					if d.Segments[i].Start == pretendArea {
						f(&d.Segments[i].Mem)
					}
				}
			})
		}
	}
	const areas = " cow mem-shared cow-file "
	return []mutation{
		{"the share of an area is a kilobyte more", areas, area(func(m *inspect.SegmentMem) { m.PSS += 1024 })},
		{"a page less of an area is resident", areas + " grow huge ", area(func(m *inspect.SegmentMem) { m.RSS -= 4096 })},
		{"a page more has been copied", " cow mem-shared grow huge ", area(func(m *inspect.SegmentMem) { m.PrivateDirty += 4096 })},
		{"a page less is shared", " cow mem-shared ", area(func(m *inspect.SegmentMem) { m.SharedDirty -= 4096 })},
		{"a page more belongs to no file", " mem-shared cow-file ", area(func(m *inspect.SegmentMem) { m.Anonymous += 4096 })},
		{"a huge page is none", " huge ", area(func(m *inspect.SegmentMem) { m.AnonHuge -= 2 << 20 })},
		{"the worker knows of a fault that the kernel has not counted", " huge ", func(w *world) { w.report().MinorFaults++ }},
		{"a fault less than pages", " mem cow cow-file grow huge mem-shared/p ", func(w *world) {
			p := w.last(load.WhenParked).Processes
			th := &p[min(1, len(p)-1)].Threads[0]
			if w.m.Plan.Scenario == "cow" {
				th = &p[0].Threads[0] // the parent writes
			} else if th.MinorFaults.V == 5 {
				_, th = w.worker(w.last(load.WhenParked))
			}
			know(&th.MinorFaults, less)
		}},
		{"a fault more than pages", " cow cow-file grow mem-shared/p ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.MinorFaults, func(n uint64) uint64 { return n + 1 })
		}},
		{"a page less of shared memory", " cow-file mem-shared/p ", parked(func(p *inspect.Process) { p.RSSShmemBytes.V -= 4096 })},
		{"the peak is above the present size", " grow ", parked(func(p *inspect.Process) { p.PeakRSSBytes.V += 4096 })},
		{"a read call too many", " io ", parked(func(p *inspect.Process) { p.ReadCalls.V++ })},
		{"a byte less written", " io ", parked(func(p *inspect.Process) { p.WriteChars.V-- })},
		{"a process that has ended is still there", " orphans crash ", func(w *world) {
			s := w.last(load.WhenParked)
			dead := w.last(load.WhenReady).Processes[1]
			s.Processes = append([]*inspect.Process{s.Processes[0], dead}, s.Processes[1:]...)
		}},
		{"it has ended otherwise", " zombies orphans crash respawn states ", func(w *world) { w.m.Processes[len(w.m.Processes)-1-w.sinceEnd()].Exit.Signal = 9 }},
		{"nobody has seen it end", " zombies crash ", func(w *world) { w.m.Processes[1].Exit = nil }},
		{"one has not been reaped", " zombies orphans crash respawn states forkstorm ", func(w *world) { w.m.Processes[0].Threads[0].Report.Acquired-- }},
		{"one less was made", " respawn spawn forkstorm ", func(w *world) { w.m.Processes[0].Threads[0].Report.Loops-- }},
		{"more than allowed at a time", " forkstorm ", func(w *world) { w.m.Processes[0].Threads[0].Report.Slots["0"]++ }},
		{"a zombie is asleep", " zombies states ", func(w *world) {
			for _, s := range w.of(load.WhenLive) {
				s.Processes[len(s.Processes)-1].Threads[0].State = 'S'
			}
		}},
		{"a zombie has memory", " zombies ", func(w *world) {
			for _, s := range w.of(load.WhenLive) {
				s.Processes[len(s.Processes)-1].RSSBytes = inspect.Know(uint64(4096))
			}
		}},
		{"a zombie has a command line", " zombies ", func(w *world) {
			for _, s := range w.of(load.WhenLive) {
				s.Processes[len(s.Processes)-1].Cmdline = inspect.Know([]string{"sh"})
			}
		}},
		{"an orphan has the wrong parent", " orphans ", parked(func(p *inspect.Process) { p.PPID.V = 1 })},
		{"an orphan is in another session", " orphans ", parked(func(p *inspect.Process) { p.Session.V++ })},
		{"a survivor has lost a thread", " crash ", parked(func(p *inspect.Process) { p.ThreadCount.V-- })},
		{"a worker too few at the end", " respawn ", func(w *world) {
			s := w.last(load.WhenParked)
			s.Processes = s.Processes[:len(s.Processes)-1]
		}},
		{"nobody traces it", " states ", func(w *world) {
			for _, s := range w.of(load.WhenLive) {
				for _, p := range s.Processes {
					p.TracerPID = inspect.Know(0)
				}
			}
		}},
		{"it waits for something else", " states ", func(w *world) {
			for _, s := range w.samples {
				if s.Phase == load.WhenLive && s.Reach == ReachOne {
					s.Processes[0].Threads[0].Wait.WChan = inspect.Know("futex_wait_queue")
				}
			}
		}},
		{"two are runnable", " states ", func(w *world) {
			for _, s := range w.of(load.WhenLive) {
				s.Processes[0].Threads[0].State = 'R'
			}
		}},
		{"the code is a page larger", " mem ", func(w *world) {
			p, _ := w.worker(w.last(load.WhenReady))
			p.TextBytes.V += 4096
		}},
		{"a name is cut at its line feed", " names ", func(w *world) {
			for _, s := range w.of(load.WhenParked) {
				for _, p := range s.Processes {
					for k := range p.Threads {
						if p.Threads[k].Comm == "new\nline" {
							p.Threads[k].Comm = "new"
						}
					}
				}
			}
		}},
	}
}

// lifeBounds are those of them that break nothing but a bound.
const lifeBounds = "more than allowed at a time"

// sinceEnd is how many processes come after the last one that ends.
func (w *world) sinceEnd() (n int) {
	for i := len(w.m.Plan.Processes) - 1; w.m.Plan.Processes[i].End == nil; i-- {
		n++
	}
	return n
}
