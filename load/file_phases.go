package load

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// phaseReader turns the phases of one thread into operations.
type phaseReader struct {
	*filePlan
	path     string
	leader   bool // main thread of a process below the root: it may exit
	repeated bool
	ops      []Op
	held     []string
	maps     int
	ended    bool
	forks    bool
	takes    time.Duration // at the least
}

// round adds the operations of one loop.
func (o *phaseReader) round(phases []filePhase, loop int) {
	for i := range phases {
		path := fmt.Sprintf("%s.phases[%d]", o.path, i)
		if o.ended {
			o.complain(path, "nothing comes after exit or crash")
			return
		}
		o.phase(path, &phases[i], loop)
		if len(o.errs) > 0 {
			return
		}
	}
	for _, name := range o.held {
		o.complain(o.path, "lock %q is not given back at the end of the phases", name)
	}
}

func (o *phaseReader) add(ops ...Op) { o.ops = append(o.ops, ops...) }

// phase adds the operations of one phase.
func (o *phaseReader) phase(path string, f *filePhase, loop int) {
	key := o.only(path, f)
	at := path + "." + key
	switch key {
	case "run":
		d := o.duration(at, *f.Run)
		o.takes += d
		o.add(Op{Kind: OpSpinCPU, A: uint64(d)})
	case "sleep":
		d := o.positive(at, *f.Sleep)
		o.takes += d
		o.add(Op{Kind: OpSleepRel, A: 1, B: uint64(d)})
	case "timer":
		edge := time.Duration(loop+1) * o.positive(at, *f.Timer)
		o.takes = max(o.takes, edge)
		o.add(Op{Kind: OpEdge, A: uint64(edge)})
	case "hold":
		d := o.positive(at, *f.Hold)
		o.takes = max(o.takes, d)
		o.add(Op{Kind: OpHold, A: uint64(d)})
	case "lock":
		o.lock(at, *f.Lock)
	case "unlock":
		o.unlock(at, *f.Unlock)
	case "send":
		o.sent[*f.Send]++
		o.add(Op{Kind: OpSend, Object: o.object(ObjectPipe, *f.Send)})
	case "receive":
		n := o.times(path+".count", f.Count, maxThreadOps)
		o.wanted[*f.Receive] += n
		o.add(Op{Kind: OpReceive, Object: o.object(ObjectPipe, *f.Receive), A: uint64(n)})
	case "map":
		n := o.size(at, *f.Map)
		if o.maps++; o.maps > maxFileMaps {
			o.complain(at, "more than %d mapped areas", maxFileMaps)
		}
		o.add(Op{Kind: OpMap, A: n, B: n, C: uint64(o.maps)})
	case "heap":
		o.add(Op{Kind: OpHeap, A: o.size(at, *f.Heap)})
	case "stack":
		n := o.size(at, *f.Stack)
		if n > maxStack {
			o.complain(at, "a stack of more than %s", formatBytes(maxStack))
		}
		o.add(Op{Kind: OpStack, A: n})
	case "yield":
		o.add(Op{Kind: OpYield, A: uint64(o.times(at, f.Yield, 1_000_000))})
	case "fork", "clone":
		o.fork(at, f)
	case "exit":
		if *f.Exit < 0 || *f.Exit > 255 {
			o.complain(at, "%d is not an exit status from 0 to 255", *f.Exit)
		}
		o.end(at, Op{Kind: OpExit, A: uint64(*f.Exit)})
	case "crash":
		if !*f.Crash {
			o.complain(at, "leave the phase out instead")
		}
		o.end(at, Op{Kind: OpCrash})
	}
}

// maxFileForks bounds the processes and threads that the phases of a file make:
// they come and go one after the other, for each thread that makes them.
const maxFileForks = 10_000

// fork makes processes (fork) or threads (clone).
func (o *phaseReader) fork(path string, f *filePhase) {
	count, kind := f.Fork, uint64(1) // as OpSpawn has it
	if f.Clone != nil {
		count, kind = f.Clone, 0
	}
	n := o.times(path, count, maxFileForks)
	if o.forked += n; o.forked > maxFileForks {
		o.complain(path, "that makes more than %d processes and threads in all", maxFileForks)
	}
	if !o.forks {
		o.forks = true
		o.forkers++
	}
	o.takes += time.Duration(n) * forkCost
	o.add(Op{Kind: OpSpawn, A: uint64(n), B: kind, C: fileForkSlot})
}

// forkCost is about what it takes to make a process, or a thread, and to wait for its end.
const forkCost = 500 * time.Microsecond

// maxFileMaps are the areas of a thread whose addresses it can report: slot 0
// is not used, and the last three are for the times of forks.
const (
	maxFileMaps  = 12
	fileForkSlot = 13
)

// only gives the one key of a phase, "" after a complaint.
func (o *phaseReader) only(path string, f *filePhase) string {
	var keys []string
	for _, k := range []struct {
		name  string
		given bool
	}{
		{"run", f.Run != nil},
		{"sleep", f.Sleep != nil},
		{"timer", f.Timer != nil},
		{"hold", f.Hold != nil},
		{"lock", f.Lock != nil},
		{"unlock", f.Unlock != nil},
		{"send", f.Send != nil},
		{"receive", f.Receive != nil},
		{"map", f.Map != nil},
		{"heap", f.Heap != nil},
		{"stack", f.Stack != nil},
		{"yield", f.Yield != nil},
		{"fork", f.Fork != nil},
		{"clone", f.Clone != nil},
		{"exit", f.Exit != nil},
		{"crash", f.Crash != nil},
	} {
		if k.given {
			keys = append(keys, k.name)
		}
	}
	switch {
	case len(keys) == 0:
		o.complain(path, "a phase without anything to do (example: {run = \"5ms\"})")
		return ""
	case len(keys) > 1:
		o.complain(path, "a phase does one thing, not %s", strings.Join(keys, " and "))
		return ""
	case f.Count != nil && f.Receive == nil:
		o.complain(path+".count", "count goes with receive; use loops, or write the phase twice")
	}
	return keys[0]
}

func (o *phaseReader) positive(path, text string) time.Duration {
	d := o.duration(path, text)
	if d <= 0 && len(o.errs) == 0 {
		o.complain(path, "%q is no time to wait", text)
	}
	return d
}

func (o *phaseReader) lock(path, name string) {
	if slices.Contains(o.held, name) {
		o.complain(path, "lock %q is held already: the thread would wait for itself", name)
		return
	}
	for _, h := range o.held {
		if !slices.Contains(o.order[h], name) {
			o.order[h] = append(o.order[h], name)
		}
	}
	o.held = append(o.held, name)
	o.add(Op{Kind: OpTake, Object: o.object(ObjectLock, name)})
}

func (o *phaseReader) unlock(path, name string) {
	i := slices.Index(o.held, name)
	if i < 0 {
		o.complain(path, "lock %q is not held here", name)
		return
	}
	o.held = slices.Delete(o.held, i, i+1)
	o.add(Op{Kind: OpGive, Object: o.object(ObjectLock, name)})
}

// end adds the operation that ends the process.
func (o *phaseReader) end(path string, how Op) {
	switch {
	case !o.leader:
		o.complain(path, "only the main thread of a [[process]] ends its process")
	case o.repeated:
		o.complain(path, "a process ends once: no loops beside exit or crash")
	case len(o.held) > 0:
		o.complain(path, "lock %q is held", o.held[0])
	}
	o.ended = true
	o.add(how)
}
