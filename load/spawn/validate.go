package spawn

import (
	"errors"
	"fmt"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// maxName is TASK_COMM_LEN without its terminator.
const maxName = 15

// maxConnections bounds the threads of OpServe.
const maxConnections = 4096

// validate refuses a plan that the workers could not execute as it stands.
func validate(p *load.Plan) error {
	if len(p.Processes) == 0 {
		return planError("no process")
	}
	if err := validateObjects(p); err != nil {
		return planError("%w", err)
	}
	for i := range p.Processes {
		pp := &p.Processes[i]
		switch {
		case i == 0 && pp.Parent != -1:
			return planError("process 0 is the root: its parent must be -1, not %d", pp.Parent)
		case i > 0 && (pp.Parent < 0 || pp.Parent >= i):
			return planError("process %d: parent %d does not come before it", i, pp.Parent)
		case len(pp.Threads) == 0:
			return planError("process %d has no thread", i)
		}
		for j := range pp.Threads {
			if err := validateThread(p, &pp.Threads[j], j == 0); err != nil {
				return planError("process %d, thread %d: %w", i, j, err)
			}
		}
	}
	return validateEnds(p)
}

func planError(format string, args ...any) error {
	return fmt.Errorf("plan: "+format, args...)
}

func validateThread(p *load.Plan, t *load.ThreadPlan, leader bool) error {
	if len(t.Name) > maxName {
		return fmt.Errorf("name %q is longer than %d bytes", t.Name, maxName)
	}
	for _, cpu := range t.CPUs {
		if cpu < 0 || cpu >= 64*cpuWords {
			return fmt.Errorf("CPU %d: want 0 to %d", cpu, 64*cpuWords-1)
		}
	}
	switch t.Policy {
	case unix.SCHED_NORMAL, unix.SCHED_BATCH, unix.SCHED_IDLE, unix.SCHED_DEADLINE:
	case unix.SCHED_FIFO, unix.SCHED_RR:
		if t.RTPrio < 1 || t.RTPrio > 99 {
			return fmt.Errorf("real-time priority %d: want 1 to 99", t.RTPrio)
		}
	default:
		return fmt.Errorf("scheduling policy %d is not supported", t.Policy)
	}
	var stack uint64
	for _, list := range [][]load.Op{t.Setup, t.Ops} {
		for n, o := range list {
			err := validateOp(o)
			if err == nil {
				err = validateOpObject(p, o)
			}
			if err != nil {
				return fmt.Errorf("operation %d: %w", n, err)
			}
			if o.Kind == load.OpStack {
				stack += pageUp(o.A)
			}
		}
	}
	if max := stackLimit(); leader && stack > 0 && stack+1<<18 > max {
		return fmt.Errorf("%w: %d bytes of stack wanted, RLIMIT_STACK allows %d (ulimit -s)", ErrBudget, stack, max)
	}
	return nil
}

// stackLimit is what the stack of a process' first thread may grow to.
func stackLimit() uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_STACK, &l) != nil {
		return 8 << 20
	}
	return l.Cur
}

func validateOp(o load.Op) error {
	switch o.Kind {
	case load.OpEnd, load.OpSpinCPU, load.OpSpinWall, load.OpYield, load.OpHeap, load.OpStack, load.OpHold,
		load.OpCheckSlice, load.OpSpinFollow, load.OpGoroutines, load.OpTake, load.OpGive, load.OpEdge, opTestWedge, opTestSpin:
	case load.OpSleepRel, load.OpSleepAbs, load.OpDuty:
		if o.B == 0 {
			return fmt.Errorf("kind %d: a period of 0 ns", o.Kind)
		}
	case load.OpMap:
		if o.B > o.A {
			return fmt.Errorf("map: %d bytes touched of %d", o.B, o.A)
		}
		if o.C >= reportSlots {
			return fmt.Errorf("map: slot %d: want 0 to %d", o.C, reportSlots-1)
		}
	case load.OpLock, load.OpCollect, load.OpReadOwn, load.OpPost, load.OpAwait, load.OpSend, load.OpReceive, load.OpPing,
		load.OpDrain, load.OpConnect, load.OpRequest, load.OpFetch, load.OpAnswer:
	case load.OpTurns, load.OpChunks:
		if o.B == 0 {
			return fmt.Errorf("kind %d: a part of 0", o.Kind)
		}
	case load.OpAdd:
		if o.B > load.AddAtomic {
			return fmt.Errorf("add: way %d is not known", o.B)
		}
	case load.OpAddOwn:
		if o.C >= reportSlots {
			return fmt.Errorf("own variable: slot %d: want 0 to %d", o.C, reportSlots-1)
		}
	case load.OpMeet:
		if o.A == 0 {
			return errors.New("nobody is to meet")
		}
	case load.OpSum:
		if o.A > o.B {
			return fmt.Errorf("sum from %d to below %d", o.A, o.B)
		}
	case load.OpServe:
		if o.B == 0 || o.B > maxConnections {
			return fmt.Errorf("serve: %d connections at a time: want 1 to %d", o.B, maxConnections)
		}
	case load.OpMigrate:
		if o.B >= 64*cpuWords || o.C >= 64*cpuWords {
			return fmt.Errorf("migrate: CPU %d or %d: want 0 to %d", o.B, o.C, 64*cpuWords-1)
		}
	default:
		return validateLife(o)
	}
	return nil
}
