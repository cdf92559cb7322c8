package spawn

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// goThread is one worker thread of the Go tier: a goroutine locked to its
// thread. It does what native/worker.c does, as well as a runtime permits.
type goThread struct {
	p      *goProcess
	index  uint32
	s      *arenaSlot
	gateNS int64
	cpu0   int64
}

func (t *goThread) run() {
	runtime.LockOSThread()
	t.begin()
	if err := t.setup(); err != nil {
		os.Exit(exitSetup)
	}
	t.live()
}

// begin names the thread and blocks its signals, so that none interrupts a sleep.
func (t *goThread) begin() {
	t.s = &t.p.a.slots[t.index]
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil)                                                  //nolint:errcheck // best effort
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)                                                  //nolint:errcheck // best effort
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&t.p.a.threads[t.index].name[0])), 0, 0, 0) //nolint:errcheck // best effort
	atomic.StoreUint32(&t.s.tid, uint32(unix.Gettid()))
}

func (t *goThread) setup() error {
	th := &t.p.a.threads[t.index]
	t.gateNS, t.cpu0 = monotonic(), cpuTime()
	if n, err := t.execute(th.setupFirst, th.setupCount); err != nil {
		t.p.fail(t.index, stepOperation, err, n)
		return err
	}
	t.s.loops, t.s.late, t.s.waits, t.s.acquired, t.s.cpuNS, t.s.result = 0, 0, 0, 0, 0, 0
	return nil
}

// schedule sets affinity, nice value and policy; on error it names the step.
func (t *goThread) schedule(th *arenaThread) (uint32, error) {
	if th.pinned != 0 {
		_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(th.cpus), uintptr(unsafe.Pointer(&th.cpus)))
		if errno != 0 {
			return 4, errno
		}
	}
	if th.nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, int(th.nice)); err != nil {
			return 6, err
		}
	}
	if th.policy != 0 {
		if err := setPolicy(th.policy, th.rtprio); err != nil {
			return 5, err
		}
	}
	return 0, nil
}

// live is a thread's life from the gate on.
func (t *goThread) live() {
	h := t.p.a.head
	if step, err := t.schedule(&t.p.a.threads[t.index]); err != nil {
		t.p.fail(t.index, step, err, 0)
		os.Exit(exitSetup)
	}
	t.announce(phaseReady, &h.ready)
	t.park(fdGate, &h.gate)
	atomic.StoreUint32(&t.s.phase, phaseRunning)
	if atomic.LoadUint32(&h.stop) == 0 { // else the gate opened to let us out
		t.measure()
	}
	t.announce(phaseParked, &h.parked)
	t.park(fdRelease, &h.stop)
	atomic.StoreUint32(&t.s.phase, phaseEnded)
}

// measure executes the operations between two readings of the own counters.
func (t *goThread) measure() {
	th, s := &t.p.a.threads[t.index], t.s
	atomic.StoreInt64(&s.startNS, monotonic())
	before := threadUsage()
	t.cpu0, t.gateNS = cpuTime(), atomic.LoadInt64(&t.p.a.head.gateNS)
	n, err := t.execute(th.opsFirst, th.opsCount)
	atomic.StoreUint64(&s.cpuNS, uint64(cpuTime()-t.cpu0))
	after := threadUsage()
	atomic.StoreInt64(&s.endNS, monotonic())
	atomic.StoreUint64(&s.voluntary, uint64(after.Nvcsw-before.Nvcsw))
	atomic.StoreUint64(&s.involuntary, uint64(after.Nivcsw-before.Nivcsw))
	atomic.StoreUint64(&s.minor, uint64(after.Minflt-before.Minflt))
	atomic.StoreUint64(&s.major, uint64(after.Majflt-before.Majflt))
	if err != nil {
		t.p.fail(t.index, stepOperation, err, n)
	}
}

func threadUsage() (r unix.Rusage) {
	_ = unix.Getrusage(unix.RUSAGE_THREAD, &r) //nolint:errcheck // cannot fail
	return r
}

func cpuTime() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) //nolint:errcheck // cannot fail
	return ts.Nano()
}

// announce tells the controller that this thread is about to park. What it
// needs to see the park happen is written before the count.
func (t *goThread) announce(phase uint32, count *uint32) {
	atomic.StoreUint64(&t.s.parkVoluntary, voluntary())
	atomic.StoreUint32(&t.s.phase, phase)
	if atomic.AddUint32(count, 1) == t.p.a.head.nthreads {
		_ = signalFD(fdNotify) //nolint:errcheck // an eventfd of ours
	}
}

func voluntary() uint64 { return uint64(threadUsage().Nvcsw) }

// park is one blocking wait; spurious returns are counted.
func (t *goThread) park(fd int, word *uint32) {
	for {
		t.waitFD(fd, t.p.a.head.deadlineNS)
		if atomic.LoadUint32(word) != 0 {
			return
		}
		t.s.waits++
	}
}

// waitFD waits until fd is readable (true) or the time has come. It ends the
// process at its deadline and when the controller is gone.
func (t *goThread) waitFD(fd int, until int64) bool {
	deadline := t.p.a.head.deadlineNS
	list := []unix.PollFd{{Fd: fdLive}, {Fd: int32(fd), Events: unix.POLLIN}}
	left := unix.NsecToTimespec(max(0, min(until, deadline)-monotonic()))
	n, err := unix.Ppoll(list, &left, nil)
	if list[0].Revents != 0 {
		os.Exit(exitOrphan)
	}
	if monotonic() >= deadline {
		os.Exit(exitDeadline)
	}
	return err == nil && n > 0 && list[1].Revents != 0
}

// ended tells whether operations must stop, and ends the process at its deadline.
func (t *goThread) ended() bool {
	if monotonic() >= t.p.a.head.deadlineNS {
		os.Exit(exitDeadline)
	}
	return atomic.LoadUint32(&t.p.a.head.stop) != 0
}

// execute runs operations until one fails, and gives that one's number.
func (t *goThread) execute(first, count uint32) (uint32, error) {
	for i := uint32(0); i < count; i++ {
		o := &t.p.a.ops[first+i]
		if load.OpKind(o.kind) == load.OpEnd {
			break
		}
		if err := t.operate(o); err != nil {
			var errno unix.Errno
			if errors.As(err, &errno) {
				atomic.StoreInt32(&t.s.err, int32(errno))
				atomic.StoreUint64(&t.s.failedOp, uint64(i)+1)
			}
			return i, err
		}
		if load.OpKind(o.kind) != load.OpHold {
			atomic.StoreInt64(&t.s.jobEndNS, monotonic())
		}
	}
	return 0, nil
}
