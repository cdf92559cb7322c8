package verify

import (
	"fmt"
	"testing"

	"taskscope/inspect"
	"taskscope/load"
)

// world is a run that never happened, as it would look if everything were as
// promised. Tests break it in one place and expect the judge to notice.
type world struct {
	m       *load.Manifest
	samples []Sample
	left    *LeftBehind
}

const (
	gateNS    = int64(10e9)
	firstPID  = 1000
	pidStep   = 100
	selfPID   = 900 // the controller
	otherPID  = 800
	otherBusy = 2 // percent of one CPU somebody else uses
)

// pretend acts out a scenario. busy is how much of one CPU others use.
func pretend(t *testing.T, name string, busy float64, args ...string) *world {
	t.Helper()
	s, err := load.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if args == nil {
		args = s.Quick
	}
	plan, err := s.Plan(args)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{m: actors(plan), left: &LeftBehind{}}
	end := gateNS + int64(plan.Duration)
	w.m.GateMonoNS, w.m.ParkedMonoNS, w.m.Phase = gateNS, end+1e6, "ended"
	at := func(phase load.When, mono int64, done float64) {
		w.samples = append(w.samples, Sample{Phase: phase, Snapshot: w.snapshot(mono, done, phase == load.WhenLive)})
		if phase != load.WhenLive {
			w.samples = append(w.samples, Sample{Phase: phase, Reach: ReachHost, Snapshot: sharedHost(plan, host(w.snapshot(mono, done, false), busy))})
		}
		for i := range w.m.Processes {
			if phase == load.WhenLive && NeedsOf(plan).Detail == 0 {
				break
			}
			if s := w.segments(mono, i, done); s != nil {
				w.samples = append(w.samples, Sample{Phase: phase, Reach: ReachOne, Snapshot: s})
			}
		}
	}
	at(load.WhenReady, gateNS-5e6, 0)
	for i := 1; i <= 4; i++ {
		at(load.WhenLive, gateNS+int64(plan.Duration)*int64(i)/5, float64(i)/5)
	}
	at(load.WhenParked, end+2e6, 1)
	gone := &inspect.Snapshot{MonoNS: end + 3e6, Source: "proc"}
	w.samples = append(w.samples, Sample{Phase: load.WhenGone, Reach: ReachHost, Snapshot: host(gone, busy)})
	return w
}

// actors gives a plan live numbers and the reports of workers that did exactly
// what it says.
func actors(p *load.Plan) *load.Manifest {
	m := &load.Manifest{RunID: "test", Plan: p}
	for i := range p.Processes {
		pid := firstPID + pidStep*i
		mp := load.ManifestProcess{Role: p.Processes[i].Role, PID: pid, PPID: selfPID}
		if parent := p.Processes[i].Parent; parent >= 0 {
			mp.PPID = firstPID + pidStep*parent
		}
		for k, t := range p.Processes[i].Threads {
			mp.Threads = append(mp.Threads, load.ManifestThread{Role: t.Role, TID: pid + k, Name: t.Name, Report: report(p, &t)})
		}
		m.Processes = append(m.Processes, mp)
	}
	sharedObjects(m)
	lifeActors(m)
	return m
}

func report(p *load.Plan, t *load.ThreadPlan) load.Report {
	r := load.Report{Phase: load.ReportParked, StartNS: gateNS, EndNS: gateNS + int64(p.Duration), CPUNS: 20_000}
	for _, op := range t.Ops {
		switch op.Kind {
		case load.OpSleepRel:
			r.Voluntary += op.A
			r.Loops += op.A
		case load.OpDuty:
			r.Late, r.Involuntary = 4, 2
			r.Voluntary += op.A - r.Late
			r.CPUNS = op.A * op.C
		case load.OpHold:
			r.Voluntary++
		case load.OpMap:
			r.MinorFaults += op.B / 4096
			r.Slots = map[string]uint64{fmt.Sprint(op.C): 0x7f0000000000}
		case load.OpHeap, load.OpStack:
			r.MinorFaults += op.A / 4096
		}
		schedReport(p, t, op, &r)
		sharedReport(p, t, op, &r)
		lifeReport(op, &r)
	}
	return r
}

// snapshot is the tree when a part of the work is done; 1 means parked.
func (w *world) snapshot(mono int64, done float64, live bool) *inspect.Snapshot {
	s := &inspect.Snapshot{MonoNS: mono, Source: "proc", Host: inspect.Host{CPUs: 2}}
	for i := range w.m.Processes {
		mp := &w.m.Processes[i]
		pp := &w.m.Plan.Processes[i]
		p := &inspect.Process{
			ID: inspect.ID{PID: mp.PID, Start: 77}, PPID: inspect.Know(mp.PPID), Comm: pp.Threads[0].Name,
			ThreadCount: inspect.Know(len(mp.Threads)), ThreadsWhy: inspect.OK, State: 'S',
			CPUTimeNS: inspect.Know(uint64(0)),
		}
		var vol, inv, run, ready, slices uint64
		for k := range mp.Threads {
			t := w.thread(&pp.Threads[k], &mp.Threads[k], done, live)
			p.Threads = append(p.Threads, t)
			vol, inv, run, ready, slices = vol+t.Voluntary.V, inv+t.Involuntary.V, run+t.RunNS.V, ready+t.ReadyNS.V, slices+t.Slices.V
		}
		p.Switches = inspect.Switches{Voluntary: inspect.Know(vol), Involuntary: inspect.Know(inv), Scope: inspect.ScopeProcess}
		p.RunNS, p.ReadyNS, p.Slices = inspect.Know(run), inspect.Know(ready), inspect.Know(slices)
		p.CPUTimeNS = inspect.Know(run)
		w.memory(p, i, done)
		w.sharedProcess(p, i, done)
		s.Processes = append(s.Processes, p)
		s.ReadAt = append(s.ReadAt, mono)
	}
	w.lifeSnapshot(s, done, live)
	return s
}

// thread is one task: counters start at 10 (its set-up) and grow by its report
// and, once parked, by the park.
func (w *world) thread(tp *load.ThreadPlan, mt *load.ManifestThread, done float64, live bool) inspect.Thread {
	r := &mt.Report
	waits, spins := false, false
	for _, op := range tp.Ops {
		waits = waits || op.Kind == load.OpHold
		spins = spins || op.Kind == load.OpSpinWall
	}
	part := func(n uint64) uint64 { return uint64(float64(n) * done) }
	if waits || len(tp.Ops) == 0 { // at once, then blocked until the end
		part = func(n uint64) uint64 {
			if done > 0 {
				return n
			}
			return 0
		}
	}
	vol := part(r.Voluntary)
	if done == 1 || (done > 0 && len(tp.Ops) == 0) {
		vol++
	}
	t := inspect.Thread{
		ID: inspect.ThreadID{TID: mt.TID, Start: 77}, Comm: mt.Name, State: 'S',
		Voluntary: inspect.Know(10 + vol), Involuntary: inspect.Know(10 + part(r.Involuntary)),
		RunNS: inspect.Know(1000 + part(r.CPUNS)), ReadyNS: inspect.Know(uint64(1000)),
		Slices:      inspect.Know(20 + vol + part(r.Involuntary)),
		MinorFaults: inspect.Know(5 + w.pacedFaults(tp, done, part(r.MinorFaults))), CPULast: inspect.Know(0),
		CPUsAllowed: inspect.Know("0-1"),
	}
	if len(tp.CPUs) > 0 {
		t.CPUsAllowed, t.CPULast = inspect.Know(load.CPUList(tp.CPUs)), inspect.Know(tp.CPUs[0])
	}
	schedThread(tp, done, live, &t)
	if spins {
		t.ReadyNS = inspect.Know(1000 + part(uint64(w.m.Plan.Duration)-r.CPUNS))
		if live {
			t.State = 'R'
		}
	}
	return t
}

func (w *world) memory(p *inspect.Process, i int, done float64) {
	var total, data uint64
	if done > 0 {
		for k := range w.m.Plan.Processes[i].Threads {
			for _, op := range w.m.Plan.Processes[i].Threads[k].Ops {
				switch op.Kind {
				case load.OpHeap, load.OpMap:
					total, data = total+op.A, data+op.A
				case load.OpStack:
					total += op.A
				}
			}
		}
	}
	p.RSSBytes, p.RSSAnonBytes = inspect.Know(40960+total), inspect.Know(8192+total)
	p.DataBytes, p.StackBytes = inspect.Know(16384+data), inspect.Know(uint64(132<<10)+total)
}

// segments is one process with its segments.
func (w *world) segments(mono int64, i int, done float64) *inspect.Snapshot {
	all := w.snapshot(mono, done, done > 0 && done < 1)
	k := all.Index(w.m.Processes[i].PID)
	if k < 0 { // it has ended
		return nil
	}
	s := &inspect.Snapshot{MonoNS: mono, Source: "proc", Processes: all.Processes[k : k+1], ReadAt: all.ReadAt[k : k+1]}
	d := &inspect.Detail{ID: s.Processes[0].ID, SegmentsWhy: inspect.OK, SegmentsAt: mono, Memory: inspect.Memory{Why: inspect.OK}}
	stack := inspect.Segment{Name: "[stack]", Start: 0x7ffc00000000, Mem: inspect.SegmentMem{Size: 132 << 10, RSS: 8192}}
	if done > 0 {
		for k := range w.m.Plan.Processes[i].Threads {
			for _, op := range w.m.Plan.Processes[i].Threads[k].Ops {
				switch op.Kind {
				case load.OpHeap:
					d.Segments = append(d.Segments, inspect.Segment{Name: "[heap]", Start: 0x1000, Mem: inspect.SegmentMem{Size: op.A, RSS: op.A}})
				case load.OpMap:
					d.Segments = append(d.Segments, inspect.Segment{Start: 0x7f0000000000, Mem: inspect.SegmentMem{Size: op.A, RSS: op.B, PSS: op.B, Anonymous: op.B, PrivateDirty: op.B}})
				case load.OpStack:
					stack.Mem.RSS += op.A
				}
			}
		}
	}
	d.Segments = append(d.Segments, stack)
	w.schedDetail(i, done, d)
	w.lifeSegments(i, done, d)
	w.lifeGroup(d)
	for i := range d.Segments {
		d.Memory.Total.RSS += d.Segments[i].Mem.RSS
		d.Memory.Total.PSS += d.Segments[i].Mem.PSS
	}
	s.Detail = d
	return s
}

// host adds the rest of the machine to a snapshot: somebody who is busy.
func host(s *inspect.Snapshot, busy float64) *inspect.Snapshot {
	used := uint64(busy / 100 * float64(s.MonoNS))
	other := &inspect.Process{ID: inspect.ID{PID: otherPID, Start: 5}, Comm: "busybody", PPID: inspect.Know(1), CPUTimeNS: inspect.Know(used), CPULast: inspect.Know(1)}
	controller := &inspect.Process{ID: inspect.ID{PID: selfPID, Start: 6}, Comm: "taskscope", PPID: inspect.Know(1), CPUTimeNS: inspect.Know(uint64(0))}
	s.Processes = append([]*inspect.Process{other, controller}, s.Processes...)
	s.ReadAt = append([]int64{s.MonoNS, s.MonoNS}, s.ReadAt...)
	s.Host.CPUs, s.Host.MemoryStallNS = 2, inspect.Know(uint64(500_000))
	return s
}

func (w *world) judge() *Result { return Judge(w.m, w.samples, w.left) }

// of gives the samples of a phase that cover the tree.
func (w *world) of(phase load.When) []*inspect.Snapshot {
	var out []*inspect.Snapshot
	for _, s := range w.samples {
		if s.Phase == phase && s.Reach == ReachTree {
			out = append(out, s.Snapshot)
		}
	}
	return out
}

// worker is the last thread of the last process that the plan names: it has
// work in every scenario.
func (w *world) worker(s *inspect.Snapshot) (*inspect.Process, *inspect.Thread) {
	p := s.Processes[0]
	for i := range w.m.Processes {
		if q := s.ByPID(w.m.Processes[i].PID); q != nil {
			p = q
		}
	}
	return p, &p.Threads[len(p.Threads)-1]
}

func (w *world) report() *load.Report {
	p := &w.m.Processes[len(w.m.Processes)-1]
	return &p.Threads[len(p.Threads)-1].Report
}

func expectVerdict(t *testing.T, r *Result, want Verdict) {
	t.Helper()
	if r.Verdict == want {
		return
	}
	t.Errorf("verdict %s (%s), want %s", r.Verdict, r.Why, want)
	for i := range r.Checks {
		if c := &r.Checks[i]; c.Verdict != Pass {
			t.Logf("%s %s %s %s: expected %v, self %v, observed %v: %s", c.Verdict, c.Subject, c.Field, c.When, c.Expected, c.SelfReported, c.Observed, c.Why)
		}
	}
}
