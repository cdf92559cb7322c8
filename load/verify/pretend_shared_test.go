package verify

import (
	"fmt"
	"runtime"
	"testing"

	"taskscope/inspect"
	"taskscope/load"
)

// sharedReport adds to a report what the operations on shared things would.
func sharedReport(p *load.Plan, t *load.ThreadPlan, op load.Op, r *load.Report) {
	waits := func(n uint64) { r.Waits, r.Voluntary = r.Waits+n, r.Voluntary+n }
	if op.Kind != load.OpHold && r.JobEndNS == 0 { // a sleep is most of what there is beside it
		r.JobEndNS = r.EndNS
	}
	switch op.Kind {
	case load.OpHold:
		r.Waits++
	case load.OpSleepRel:
		r.Waits += op.A
		r.JobEndNS = r.StartNS + int64(op.A*op.B)*101/100
	case load.OpSpinCPU:
		r.CPUNS += op.A
	case load.OpSpinWall:
		if p.Scenario == "cpu" {
			n := len(users(p, op.Kind))
			r.CPUNS = uint64(p.Duration) * uint64(min(runtime.NumCPU(), n)) / uint64(n)
		}
	case load.OpLock:
		waits(3)
		r.Acquired, r.Done, r.Involuntary = op.A, op.A, 2
		r.CPUNS += op.A * (op.B + op.C)
	case load.OpTurns:
		waits(4)
		r.CPUNS += op.A
	case load.OpAdd:
		r.Done = op.A
	case load.OpSum:
		r.Result, r.CPUNS = below(op.B)-below(op.A), 2e8
	case load.OpReceive:
		waits(op.A)
		r.Done, r.Result = op.A, total(p)
	case load.OpPing:
		pingReport(p, t, op, r)
	case load.OpChunks:
		if first := users(p, op.Kind)[0]; first.Name == t.Name { // the others come too late
			r.Done, r.Result, r.Acquired = op.A, below(op.A), (op.A+op.B-1)/op.B
			r.CPUNS = op.A * 5000
		}
	case load.OpAddOwn:
		r.Done, r.Slots = op.A, map[string]uint64{fmt.Sprint(op.C): 0x404000}
	case load.OpMeet:
		waits(1)
	case load.OpServe, load.OpRequest:
		waits(op.A)
		r.Done = op.A
	case load.OpDrain:
		r.Result = users(p, load.OpServe)[0].Ops[0].A
	case load.OpConnect:
		waits(op.A + op.B)
		r.Done += op.A
	case load.OpFetch:
		waits(op.A)
		r.Done, r.Bytes = op.A, op.A*op.B
		r.JobEndNS = r.StartNS + int64(op.A*users(p, load.OpAnswer)[0].Ops[0].B)*101/100
	case load.OpAnswer:
		waits(4)
		r.JobEndNS = r.StartNS + int64(op.B)
	case load.OpReadOwn:
		r.Result = r.Done * uint64(mates(p, t))
	}
}

// pingReport: under FIFO each message is a wait, otherwise half of them are
// preemptions.
func pingReport(p *load.Plan, t *load.ThreadPlan, op load.Op, r *load.Report) {
	r.Done, r.Result = op.A, op.A*4000
	switch {
	case p.Parameters["over"] == "shm":
		r.Involuntary = op.A
	case t.Policy == 1:
		r.Voluntary += op.A
	default:
		r.Voluntary, r.Involuntary = r.Voluntary+op.A/2, op.A-op.A/2
	}
}

func below(n uint64) uint64 { return n * (n - 1) / 2 }

// users are the threads of a plan that have an operation.
func users(p *load.Plan, kind load.OpKind) (list []load.ThreadPlan) {
	for i := range p.Processes {
		for _, t := range p.Processes[i].Threads {
			for _, op := range t.Ops {
				if op.Kind == kind {
					list = append(list, t)
				}
			}
		}
	}
	return list
}

// mates is how many workers the process of a thread has, itself included.
func mates(p *load.Plan, t *load.ThreadPlan) int {
	for i := range p.Processes {
		one := &load.Plan{Processes: p.Processes[i : i+1]}
		list := users(one, load.OpAddOwn)
		for _, u := range list {
			if u.Name == t.Name {
				return len(list)
			}
		}
	}
	return 0
}

// total is what all parts of a sum make.
func total(p *load.Plan) (sum uint64) {
	for _, t := range users(p, load.OpSum) {
		sum += below(t.Ops[0].B) - below(t.Ops[0].A)
	}
	return sum
}

// sharedObjects gives the objects of a plan the values its workers leave.
func sharedObjects(m *load.Manifest) {
	for i, o := range m.Plan.Objects {
		mo := load.ManifestObject{Role: o.Role}
		for k := range m.Processes {
			for n, t := range m.Plan.Processes[k].Threads {
				for _, op := range t.Ops {
					switch {
					case op.Object != i:
					case op.Kind == load.OpLock, op.Kind == load.OpAdd:
						mo.Value += op.A
					case op.Kind == load.OpPace:
						mo.Log = paceLog(op)
					case op.Kind == load.OpCollect:
						mo.Value += m.Processes[k].Threads[n].Report.Result
					}
				}
			}
		}
		m.Objects = append(m.Objects, mo)
	}
}

// sharedProcess adds the threads and the descriptors of connections.
func (w *world) sharedProcess(p *inspect.Process, i int, done float64) {
	live := done > 0 && done < 1
	for k := range p.Threads {
		t := &p.Threads[k]
		ops := w.m.Plan.Processes[i].Threads[k].Ops
		switch {
		case !live || len(ops) == 0:
		case ops[0].Kind == load.OpFetch:
			t.Wait.WChan, t.Wait.Syscall = inspect.Know("wait_woken"), inspect.Know("recvfrom")
		case ops[0].Kind == load.OpTurns:
			t.Wait.WChan = inspect.Know("futex_do_wait")
		}
	}
	if w.m.Plan.Scenario != "server" {
		p.FDs = inspect.Know(7)
		return
	}
	client := w.m.Plan.Processes[1].Threads[0].Ops
	n := 0
	switch {
	case done == 1:
		n = int(client[0].A - client[2].B)
	case done > 0:
		n = int(client[0].A)
	}
	p.FDs = inspect.Know(8 + n)
	if i == 0 {
		p.ThreadCount = inspect.Know(2 + n)
		for k := range n {
			p.Threads = append(p.Threads, inspect.Thread{
				ID: inspect.ThreadID{TID: p.ID.PID + 10 + k, Start: 78}, Comm: "connection", State: 'S',
				Wait: inspect.Wait{WChan: inspect.Know("wait_woken")},
			})
		}
	}
}

// waitElsewhere has one thread that waited for the network, or with gil every
// thread that waited for the lock, wait for something else in every sample.
func (w *world) waitElsewhere(function string) {
	for _, s := range w.samples {
		if s.Phase != load.WhenLive || s.Reach != ReachOne {
			continue
		}
		for k := range s.Processes[0].Threads {
			t := &s.Processes[0].Threads[k]
			if w.m.Plan.Scenario == "gil" || t.Wait.WChan.V == "wait_woken" || t.Wait.Syscall.V == "recvfrom" {
				t.Wait.WChan, t.Wait.Syscall = inspect.Know(function), inspect.Known[string]{}
				if w.m.Plan.Scenario != "gil" {
					break
				}
			}
		}
	}
}

// fetcher is the report of the first worker.
func (w *world) fetcher() *load.Report {
	if t := w.m.Processes[0].Threads; len(t) > 1 {
		return &t[1].Report
	}
	return &w.m.Processes[1].Threads[0].Report
}

// sharedHost keeps every CPU busy beside a load that asks for all of them.
func sharedHost(p *load.Plan, s *inspect.Snapshot) *inspect.Snapshot {
	if p.Scenario == "cpu" {
		s.Host.PerCPU = make([]inspect.CPUTimes, runtime.NumCPU())
		for i := range s.Host.PerCPU {
			s.Host.PerCPU[i].User = float64(s.MonoNS) / 1e9
		}
	}
	return s
}

// counted are the loads that promise every voluntary switch to be a wait they
// have counted.
const counted = " lock gil counter sum pool map isolation hybrid server crawl "

func sharedMutations() []mutation {
	return []mutation{
		{"a voluntary switch that is no wait", counted, func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Voluntary, func(n uint64) uint64 { return n + 1 })
		}},
		{"a wait that is not reported", counted, func(w *world) { w.report().Waits-- }},
		{"a message that made no switch", " pingpong ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Voluntary, less)
			know(&th.Slices, less)
		}},
		{"the players did not take turns", " pingpong ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			th.Voluntary, th.Involuntary = inspect.Know(uint64(12)), inspect.Know(uint64(10))
			th.Slices = inspect.Know(uint64(22))
		}},
		{"a slice without a switch", " lock gil map pingpong ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.Slices, func(n uint64) uint64 { return n + 1 })
		}},
		{"half the CPU time", " gil ", func(w *world) {
			_, th := w.worker(w.last(load.WhenParked))
			know(&th.RunNS, func(n uint64) uint64 { return n / 2 })
		}},
		{"a result is off by one", " sum isolation hybrid map ", func(w *world) { w.report().Result++ }},
		{"a value in shared memory is off by one", " lock counter ", func(w *world) { w.m.Objects[0].Value-- }},
		{"the thread of a closed connection stays", " server ", func(w *world) { w.last(load.WhenParked).Processes[0].ThreadCount.V++ }},
		{"a connection has no thread", " server ", func(w *world) {
			for _, s := range w.of(load.WhenLive) {
				s.Processes[0].ThreadCount.V--
			}
		}},
		{"a thread that should wait for the network waits for something else", " server crawl ", func(w *world) {
			w.waitElsewhere("nanosleep")
		}},
		{"a descriptor stays", " server ", func(w *world) { w.last(load.WhenParked).Processes[1].FDs.V++ }},
		{"a request is not answered", " server ", func(w *world) { w.report().Done-- }},
		{"a page is not fetched", " crawl ", func(w *world) { w.fetcher().Done-- }},
		{"a page is cut short", " crawl ", func(w *world) { w.fetcher().Bytes-- }},
		{"a page before its time", " crawl ", func(w *world) {
			for i := range w.m.Processes {
				for k := range w.m.Processes[i].Threads {
					w.m.Processes[i].Threads[k].Report.JobEndNS = w.m.Processes[i].Threads[k].Report.StartNS + 1000
				}
			}
		}},
		{"a lock was taken once less", " lock map ", func(w *world) { w.report().Acquired-- }},
		{"a part of the job was not done", " counter map pingpong ", func(w *world) { w.report().Done-- }},
		{"an element was done twice", " map ", func(w *world) { w.report().Late++ }},
		{"the variable is elsewhere", " isolation hybrid ", func(w *world) { w.report().Slots["0"]++ }},
		{"a process died while it worked", " pool/p hybrid ", func(w *world) {
			for _, s := range w.of(load.WhenLive) {
				s.Processes = s.Processes[:len(s.Processes)-1]
			}
		}},
		{"a pool worker computes in its sleep", " pool ", func(w *world) {
			_, th := w.worker(w.last(load.WhenLive))
			th.State = 'R'
		}},
		{"more cores than there are", " gil map cpu ", func(w *world) {
			p, _ := w.worker(w.last(load.WhenParked))
			know(&p.RunNS, func(n uint64) uint64 { return n + 1e12 })
		}},
		{"done before it can be", " lock ", func(w *world) {
			for i := range w.m.Processes {
				for k := range w.m.Processes[i].Threads {
					w.m.Processes[i].Threads[k].Report.JobEndNS = w.m.Processes[i].Threads[k].Report.StartNS + 1000
				}
			}
		}},
		{"a CPU idles beside workers that are ready", " cpu ", func(w *world) {
			for _, s := range w.samples {
				for i := range s.Host.PerCPU {
					s.Host.PerCPU[i] = inspect.CPUTimes{Idle: float64(s.MonoNS) / 1e9}
				}
			}
		}},
	}
}

// TestNobodyWaitsForTheLock: threads of one interpreter must be seen waiting.
func TestNobodyWaitsForTheLock(t *testing.T) {
	for busy, want := range map[float64]Verdict{otherBusy: Fail, 150: Undecided} {
		w := pretend(t, "gil", busy)
		w.waitElsewhere("pipe_read")
		expectVerdict(t, w.judge(), want)
	}
}
