package load

import "errors"

func scMem() Scenario {
	kib := func(name, def, least, doc string) Param {
		lo, _ := parseNumber(ParamBytes, least)
		return Param{Name: name, Kind: ParamBytes, Default: def, Min: lo, Max: 1 << 40, Step: memStep, Doc: doc}
	}
	mapped := kib("map", "8MiB", "64KiB", "anonymous memory mapped and touched by each worker")
	mapped.Also = []string{"mmap"}
	return Scenario{
		Name:  "mem",
		Title: "Heap, stack and mapped memory of known size",
		Teaches: "A process has its own address space with a heap that grows up and a stack that grows down. " +
			"Memory becomes resident page by page, with one page fault each, when it is first touched. " +
			"Threads share the heap; every process has its own.",
		Params: []Param{
			asParam(), workersParam("1", 1, 256),
			kib("heap", "4MiB", "64KiB", "heap grown and touched by the main thread of each working process"),
			kib("stack", "1MiB", "256KiB", "stack touched by the main thread of each working process"),
			mapped,
			secondsParam("how long it is held"), cpusParam(""),
		},
		Quick: []string{"seconds=800ms"},
		Build: buildMem,
	}
}

const (
	// memStep is a multiple of every page size Linux uses, so that sizes come
	// out exact in pages.
	memStep = 64 << 10
	// maxStack stays below the usual stack limit of 8 MiB.
	maxStack = 6 << 20
	mapSlot  = 1
)

func buildMem(v Values) (*Plan, error) {
	if v.Bytes("stack") > maxStack {
		return nil, errors.New("stack must be at most 6MiB: the usual limit of a main stack is 8MiB")
	}
	own := []Op{{Kind: OpHeap, A: v.Bytes("heap")}, {Kind: OpStack, A: v.Bytes("stack")}}
	mapped := Op{Kind: OpMap, A: v.Bytes("map"), B: v.Bytes("map"), C: mapSlot}
	p := newPlan("mem", v)
	threads := v.Text("as") == asThreads
	workers := p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
		t := ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{mapped, hold(v)}}
		if !threads {
			t.Ops = append(append([]Op(nil), own...), t.Ops...)
		}
		return t
	})
	heaps := workers
	if threads {
		p.Processes[0].Threads[0].Ops = append(own, hold(v))
		heaps = []site{{0, 0}}
	}
	for _, s := range workers {
		p.memWorker(s, v.Bytes("map"))
	}
	for _, s := range heaps {
		p.memProcess(s.process, v)
	}
	for i := range p.Processes {
		p.image(i)
		for j := range p.Processes[i].Threads {
			p.memFaults(site{i, j})
		}
	}
	p.Budget.MemoryBytes = uint64(len(heaps))*(v.Bytes("heap")+v.Bytes("stack")) + uint64(len(workers))*v.Bytes("map")
	return p.finish(), nil
}

// memWorker promises the segment a worker has mapped.
func (p *Plan) memWorker(s site, size uint64) {
	for _, field := range []string{
		"segment_size_bytes", "segment_rss_bytes", "segment_anonymous_bytes", "segment_private_dirty_bytes", "segment_pss_bytes",
	} {
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: field, Scope: "segment", Kind: Equality, When: WhenParked, Slot: mapSlot,
			Expect: Exactly(float64(size)), Because: "one mapping of its own, every page of it touched",
		})
	}
}

// image promises the memory that a process has from its program: code, data
// and bss as the file says, and for each further thread a page of stack.
func (p *Plan) image(process int) {
	at := func(field, key string, more uint64, because string) {
		p.promise(Promise{
			Process: process, Thread: -1, Field: field, Scope: "process", Kind: Equality, When: WhenReady,
			Expect: Exactly(float64(more)).with(Term{Key: key, Factor: 1, Agg: AggMax}), Because: because,
		})
	}
	stacks := uint64(len(p.Processes[process].Threads)-1) * pageBytes()
	at("text_bytes", imageCode, 0, "the code is as large as the program's file says")
	at("data_bytes", imageData, stacks, "data and bss are as large as the program's file says, and each further thread has a page of stack")
}

// touched is how many bytes the operations of a thread make resident.
func touched(t *ThreadPlan) (total, data uint64) {
	for _, op := range t.Ops {
		switch op.Kind {
		case OpHeap:
			total, data = total+op.A, data+op.A
		case OpMap:
			total, data = total+op.B, data+op.A
		case OpStack:
			total += op.A
		}
	}
	return total, data
}

// memProcess promises what a process with heap, stack and maps has gained.
func (p *Plan) memProcess(process int, v Values) {
	var total, data uint64
	for j := range p.Processes[process].Threads {
		a, b := touched(&p.Processes[process].Threads[j])
		total, data = total+a, data+b
	}
	at := func(field string, when When, kind CheckKind, bytes uint64, because string) {
		p.promise(Promise{
			Process: process, Thread: -1, Field: field, Scope: "process", Kind: kind, When: when,
			AtLeast: kind == Bound, Expect: Exactly(float64(bytes)), Because: because,
		})
	}
	at("heap_size_bytes", WhenDelta, Equality, v.Bytes("heap"), "the heap grows by what is asked for")
	at("heap_rss_bytes", WhenDelta, Equality, v.Bytes("heap"), "every page of the new heap is touched")
	at("main_stack_rss_bytes", WhenDelta, Equality, v.Bytes("stack"), "every page of that much stack is touched")
	at("stack_bytes", WhenParked, Bound, v.Bytes("stack"), "the stack has grown at least that far down")
	at("data_bytes", WhenDelta, Equality, data, "heap and private mappings count as data, a stack does not")
	at("rss_bytes", WhenDelta, Equality, total, "exactly the touched pages become resident")
	at("rss_anon_bytes", WhenDelta, Equality, total, "all of them are anonymous: no file is behind them")
}

// memFaults promises one minor fault per touched page.
func (p *Plan) memFaults(s site) {
	total, _ := touched(&p.Processes[s.process].Threads[s.thread])
	p.faults(s, pages(total), "one minor fault per page, when it is first touched")
}
