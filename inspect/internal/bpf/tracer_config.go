package bpf

import (
	"math/bits"
	"os"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// configure sets constants and sizes and drops the programs that are not
// needed.
func (t *Tracer) configure(spec *ebpf.CollectionSpec, types *Types) error {
	ringBytes := t.ringBytes()
	consts := map[string]uint32{
		tracerVarMode:         t.mode,
		tracerVarFollow:       flag(t.opt.Descendants),
		tracerVarDoAggregates: flag(t.opt.Aggregates),
		tracerVarDoEvents:     flag(t.opt.Events),
		tracerVarDoPairs:      flag(t.opt.Pairs),
		tracerVarDoBirths:     flag(t.opt.Births),
		tracerVarWatermark:    uint32(min(ringWatermark, ringBytes/4)),
	}
	for name, v := range consts {
		if err := spec.Variables[name].Set(v); err != nil {
			return err
		}
	}
	spec.Maps[tracerMapEvents].MaxEntries = uint32(ringBytes)
	spec.Maps[tracerMapThreads].MaxEntries = uint32(t.maxThreads())
	spec.Maps[tracerMapPairs].MaxEntries = 1
	if t.opt.Pairs {
		spec.Maps[tracerMapPairs].MaxEntries = uint32(orDefault(t.opt.MaxPairs, defaultPairs))
	}
	if t.mode != modeSet {
		spec.Maps[tracerMapTgids].MaxEntries = 1
	}
	// Since 5.18 sched_switch passes the state of the thread that leaves,
	// since 6.16 sched_process_exit whether it is the last of its process.
	for _, v := range []struct {
		point      string
		args       int
		newer, old string
	}{
		{"sched_switch", 4, tracerProgOnSwitch, tracerProgOnSwitchOld},
		{"sched_process_exit", 2, tracerProgOnExit, tracerProgOnExitOld},
	} {
		args, err := countArgs(types, v.point)
		if err != nil {
			return err
		}
		if args >= v.args && !t.oldKernel {
			delete(spec.Programs, v.old)
		} else {
			delete(spec.Programs, v.newer)
		}
	}
	if !t.opt.Events && !t.opt.Pairs {
		delete(spec.Programs, tracerProgOnWaking)
	}
	return nil
}

// countArgs is the number of arguments of a tracepoint. Its type in the kernel's
// type information has one more, for the tracepoint itself.
func countArgs(types *Types, point string) (int, error) {
	kernel, err := types.cache.Kernel()
	if err != nil {
		return 0, missingBTF(err)
	}
	var def *btf.Typedef
	if err := kernel.TypeByName("btf_trace_"+point, &def); err != nil {
		return 0, &Error{Reason: NotSupported, Op: "find tracepoint " + point, Err: err}
	}
	if ptr, ok := def.Type.(*btf.Pointer); ok {
		if proto, ok := ptr.Target.(*btf.FuncProto); ok {
			return len(proto.Params) - 1, nil
		}
	}
	return 0, &Error{Reason: NotSupported, Op: "find tracepoint " + point, Detail: "unexpected type"}
}

func (t *Tracer) ringBytes() int {
	n := t.opt.RingBytes
	switch {
	case n > 0:
	case !t.opt.Events:
		n = ringExits
	case runtime.NumCPU() > 8:
		n = 2 * ringEvents
	default:
		n = ringEvents
	}
	n = max(n, os.Getpagesize())
	return 1 << bits.Len(uint(n-1)) // the kernel wants a power of two
}

func (t *Tracer) maxThreads() int { return orDefault(t.opt.MaxThreads, defaultThreads) }

func orDefault(v, def int) int {
	if v > 0 {
		return v
	}
	return def
}

func flag(on bool) uint32 {
	if on {
		return 1
	}
	return 0
}
