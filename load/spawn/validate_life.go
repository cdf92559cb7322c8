package spawn

import (
	"fmt"
	"slices"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// maxFiles and maxSupervised are as in native/ops_pages.h and ops_fork.h.
const (
	maxFiles      = 64
	maxSupervised = 64
)

// validateLife checks the operations on processes, pages and files.
func validateLife(o load.Op) error {
	slots := func(first, count uint64) error {
		if first > reportSlots || first+count > reportSlots {
			return fmt.Errorf("kind %d: slot %d: want 0 to %d", o.Kind, first, reportSlots-count)
		}
		return nil
	}
	switch o.Kind {
	case load.OpExit, load.OpCrash, load.OpReap, load.OpMark, load.OpStopSelf, load.OpVfork,
		load.OpAwaitState, load.OpAdopted, load.OpSignal, load.OpTrace, load.OpUntrace:
	case load.OpSpawn:
		return slots(o.C, 3)
	case load.OpTouch:
		return slots(o.B, 1)
	case load.OpStorm:
		if o.C == 0 {
			return fmt.Errorf("storm: 0 at a time")
		}
	case load.OpSupervise:
		if o.C == 0 || o.C > maxSupervised {
			return fmt.Errorf("supervise: %d workers: want 1 to %d", o.C, maxSupervised)
		}
	case load.OpFile:
		if o.C >= maxFiles {
			return fmt.Errorf("file %d: want 0 to %d", o.C, maxFiles-1)
		}
	case load.OpMapFile:
		if o.B&0xff >= maxFiles {
			return fmt.Errorf("file %d: want 0 to %d", o.B&0xff, maxFiles-1)
		}
		return slots(o.C, 1)
	case load.OpGrow:
		if o.B == 0 {
			return fmt.Errorf("grow: a period of 0 ns")
		}
	case load.OpPace:
		if o.B == 0 || o.C == 0 || o.C%uint64(unix.Getpagesize()) != 0 {
			return fmt.Errorf("pace: %d bytes every %d ns", o.C, o.B)
		}
	case load.OpHuge:
		if o.B == 0 || o.B&(o.B-1) != 0 || o.A%o.B != 0 {
			return fmt.Errorf("huge: %d bytes in pages of %d", o.A, o.B)
		}
		return slots(o.C, 1)
	case load.OpIO:
		if o.C>>32 >= maxFiles {
			return fmt.Errorf("file %d: want 0 to %d", o.C>>32, maxFiles-1)
		}
	default:
		return fmt.Errorf("kind %d is not known", o.Kind)
	}
	return nil
}

// validateEnds checks what operations say about other processes of the plan,
// and that what ends by plan can.
func validateEnds(p *load.Plan) error {
	for i := range p.Processes {
		pp := &p.Processes[i]
		if i == 0 && pp.End != nil {
			return planError("the root must not end")
		}
		if pp.End != nil && !slices.ContainsFunc(pp.Threads, ends) {
			return planError("process %d: nothing in it brings about its end", i)
		}
		for j := range pp.Threads {
			for n, o := range pp.Threads[j].Ops {
				other, ok := targetOf(o)
				if !ok {
					continue
				}
				if other >= uint64(len(p.Processes)) {
					return planError("process %d, thread %d: operation %d: there is no process %d", i, j, n, other)
				}
				// A signal goes to a number that only a parent can keep from being reused.
				if isChild := p.Processes[other].Parent == i; !isChild && o.Kind != load.OpAdopted && o.Kind != load.OpAwaitState {
					return planError("process %d, thread %d: operation %d: process %d is not its child", i, j, n, other)
				}
			}
		}
	}
	return nil
}

// ends tells whether a thread ends its process.
func ends(t load.ThreadPlan) bool {
	return slices.ContainsFunc(t.Ops, func(o load.Op) bool { return o.Kind == load.OpExit || o.Kind == load.OpCrash })
}

// targetOf is the process of the plan that an operation acts on.
func targetOf(o load.Op) (uint64, bool) {
	switch o.Kind {
	case load.OpAwaitState, load.OpAdopted, load.OpTrace, load.OpUntrace:
		return o.A, true
	case load.OpSignal:
		return o.B, true
	}
	return 0, false
}

// lifeMemory is what one of these operations makes resident at the most, or maps.
func lifeMemory(o load.Op, mapped bool) uint64 {
	switch o.Kind {
	case load.OpTouch, load.OpFile, load.OpPace:
		return o.A
	case load.OpMapFile: // the file itself was counted where it was made
		if mapped {
			return o.A
		}
	case load.OpGrow:
		return o.A * o.C
	case load.OpHuge:
		return o.A + o.B
	}
	return 0
}

// lifeSeconds bounds the CPU time of one of these operations.
func lifeSeconds(o load.Op) float64 {
	const perTask, perCall = 1e-3, 50e-6
	switch o.Kind {
	case load.OpSpawn, load.OpStorm, load.OpSupervise:
		return perTask * float64(o.A)
	case load.OpGrow:
		return perCall * float64(o.A)
	case load.OpPace:
		return perCall * float64(o.A/o.C+1)
	case load.OpIO:
		return float64(o.A+o.B) * (perCall + float64(o.C&0xffffffff)/1e9)
	}
	return 0
}
