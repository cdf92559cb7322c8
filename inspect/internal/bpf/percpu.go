package bpf

import (
	"context"
	"fmt"

	"github.com/cilium/ebpf"
)

// maxCPUs is the size of the tables in tasks.bpf.c and percpu.bpf.c.
const maxCPUs = 1024

// percpuOffsets asks the kernel where each possible CPU keeps its copy of
// per-CPU data, relative to a per-CPU pointer. Constant until reboot.
func percpuOffsets(ctx context.Context, t *Types) ([]uint64, error) {
	n, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, explain("count possible CPUs", err)
	}
	if n > maxCPUs {
		return nil, &Error{Reason: NotSupported, Op: "find per-CPU data", Detail: fmt.Sprintf("%d CPUs", n)}
	}
	spec, err := loadPercpu()
	if err != nil {
		return nil, explain("read object percpu", err)
	}
	if err := spec.Variables[percpuVarNcpu].Set(uint32(n)); err != nil {
		return nil, explain("set up percpu", err)
	}
	coll, err := t.load(ctx, "load percpu", spec)
	if err != nil {
		return nil, err
	}
	defer coll.Close()
	code, err := coll.Programs[percpuProgFindPercpuOff].Run(&ebpf.RunOptions{})
	if err != nil {
		return nil, explain("run percpu", err)
	}
	if code != 0 {
		return nil, &Error{Reason: NotSupported, Op: "run percpu", Detail: fmt.Sprintf("step %d failed", code)}
	}
	var all [maxCPUs]uint64
	if err := coll.Variables[percpuVarPercpuOff].Get(&all); err != nil {
		return nil, explain("read percpu offsets", err)
	}
	return all[:n], nil
}
