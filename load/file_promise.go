package load

import "time"

// What a thread of a load file does, summed up.
type threadSum struct {
	run            time.Duration
	sleeps         int // that block for certain
	waits          int // that may block: timers, and waits until an instant
	takes          int // of locks
	other          bool
	bytes, mapped  uint64
	pages, calls   float64
	messages, ends bool
	forks          bool
}

func sumUp(t *ThreadPlan) threadSum {
	var s threadSum
	s.bytes, s.mapped = touched(t)
	s.pages = pages(s.bytes)
	for _, o := range t.Ops {
		s.calls++
		switch o.Kind {
		case OpSpinCPU:
			s.run += time.Duration(o.A)
		case OpSleepRel:
			s.sleeps += int(o.A)
		case OpEdge, OpHold:
			s.waits++
		case OpTake:
			s.takes++
			s.other = true
		case OpReceive:
			s.calls += float64(o.A)
			s.messages, s.other = true, true
		case OpSend:
			s.messages, s.other = true, true
		case OpYield:
			s.calls += float64(o.A)
		case OpSpawn: // what is copied when both write is a matter of moments
			s.calls += 2 * float64(o.A)
			s.forks, s.other = true, true
		case OpExit, OpCrash:
			s.ends = true
		}
	}
	return s
}

// What an operation and a page may cost at the most, generously: a system call
// with a cold cache and an interrupt.
const (
	callCost = time.Millisecond
	pageCost = 100 * time.Microsecond
)

// promises derives what is promised from what the threads do.
func (f *filePlan) promises() {
	p := f.p
	if f.ends || f.forked > 0 {
		p.switches(Identity, "the kernel tells the worker itself the same number, before the final park", func(site) Formula {
			return Formula{}.Plus(1, "voluntary_switches")
		})
	} else {
		p.onlyCountedWaits("a thread blocks only in the waits it counts, and once more when it parks")
	}
	takes := 0
	var span time.Duration
	for i := range p.Processes {
		var total, data uint64
		for j := range p.Processes[i].Threads {
			t := &p.Processes[i].Threads[j]
			s := sumUp(t)
			takes += s.takes
			total, data = total+s.bytes, data+s.mapped
			p.Budget.MemoryBytes += s.bytes
			p.Budget.Realtime = p.Budget.Realtime || t.Real()
			span += s.run
			if len(t.Ops) == 0 || p.Processes[i].End != nil || i == 0 && j == 0 {
				continue
			}
			f.threadPromises(site{i, j}, &s)
		}
		if total > 0 && p.Processes[i].End == nil {
			f.memoryPromises(i, total, data)
		}
	}
	if takes > 0 {
		f.lockPromises(takes)
	}
	if f.forked > 0 {
		p.forks(f.forked)
		p.Budget.Tasks += f.forkers // one at a time each
		p.Budget.MemoryBytes += uint64(f.forkers) * processBytes
		p.remains()
	}
	p.Budget.CPUs = span.Seconds() / max(p.Duration.Seconds(), 1e-3)
}

func (f *filePlan) threadPromises(s site, sum *threadSum) {
	p := f.p
	p.scheduled(s)
	p.booking(s)
	at := func(field string, atLeast bool, v float64, self *Formula, because string) {
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: field, Scope: "thread", Kind: Bound, AtLeast: atLeast, When: WhenDelta,
			Expect: Exactly(v), Self: self, Because: because,
		})
	}
	at("voluntary_switches", true, float64(sum.sleeps+finalPark), selfVoluntary(1), "each sleep blocks, and the final park")
	if !sum.other {
		at("voluntary_switches", false, float64(sum.sleeps+sum.waits+finalPark), selfVoluntary(1), "it does not wait more often than its phases say")
	}
	if sum.run > 0 {
		cpu := Formula{}.Plus(1, "cpu_ns")
		at("run_ns", true, float64(sum.run), &cpu, "it runs until its own CPU clock says that it has used what its phases say")
		most := float64(sum.run) + sum.calls*float64(callCost) + sum.pages*float64(pageCost)
		at("run_ns", false, most, &cpu, "beside what its phases say, it only makes system calls and touches pages")
	}
	if sum.bytes > 0 && !sum.messages && !sum.forks {
		p.memFaults(s)
	}
}

// maxObserved is in how many processes at the most the observer reads the
// segments.
const maxObserved = 32

func (f *filePlan) memoryPromises(process int, total, data uint64) {
	p := f.p
	at := func(field string, bytes uint64, because string) {
		p.promise(Promise{
			Process: process, Thread: -1, Field: field, Scope: "process", Kind: Equality, When: WhenDelta,
			Expect: Exactly(float64(bytes)), Because: because,
		})
	}
	at("rss_bytes", total, "exactly the touched pages become resident")
	at("rss_anon_bytes", total, "all of them are anonymous: no file is behind them")
	at("data_bytes", data, "heap and private mappings count as data, a stack does not")
	if process >= maxObserved {
		return
	}
	var heap, stack uint64
	for j := range p.Processes[process].Threads {
		for _, o := range p.Processes[process].Threads[j].Ops {
			switch {
			case o.Kind == OpHeap:
				heap += o.A
			case o.Kind == OpStack && j == 0:
				stack += o.A
			case o.Kind == OpMap:
				f.mapPromises(site{process, j}, o)
			}
		}
	}
	if heap > 0 {
		at("heap_size_bytes", heap, "the heap grows by what is asked for")
		at("heap_rss_bytes", heap, "every page of the new heap is touched")
	}
	if stack > 0 {
		at("main_stack_rss_bytes", stack, "every page of that much stack is touched")
	}
}

func (f *filePlan) mapPromises(s site, o Op) {
	for _, field := range []string{"segment_size_bytes", "segment_rss_bytes"} {
		f.p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: field, Scope: "segment", Kind: Equality, When: WhenParked, Slot: int(o.C),
			Expect: Exactly(float64(o.A)), Because: "one mapping of its own, every page of it touched",
		})
	}
}

// lockPromises: every taking of every lock is counted by the owner alone.
func (f *filePlan) lockPromises(takes int) {
	value := Formula{}
	for i := range f.p.Objects {
		if f.p.Objects[i].Kind == ObjectLock {
			value = value.Plus(1, objectKey(i))
		}
	}
	f.p.told(wholeTree, "value", Equality, Exactly(float64(takes)), value,
		"each owner adds one to its lock without any other protection: had there been two owners at once, some would be lost")
}
