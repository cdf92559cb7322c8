package spawn

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// How the keeper waits.
const (
	stopGrace   = 200 * time.Millisecond // between release and SIGKILL
	settlePause = time.Millisecond       // between two looks at tasks going to sleep
	startPause  = 10 * time.Millisecond  // between two looks at processes being started
)

// keeper owns the processes of a run: it starts the root, sees tasks go to
// sleep, notices deaths, kills, and reaps. Everything but rootPID belongs to
// its goroutine, which is locked to one thread: the workers' parent-death
// signal is tied to that thread.
type keeper struct {
	r        *Run
	rootPID  atomic.Int64
	epoll    int
	tasks    []keptProcess
	owner    []int // process of each thread
	settle   []int // threads not yet seen asleep
	settled  chan struct{}
	killAt   time.Time // zero: not stopping
	group    *cgroup
	quota    *quota // nil without one
	oomKills uint64 // before the run
	guard    int    // PID of a guard of message queues where no cgroup has one, else 0
}

// keptProcess is one process of the plan.
type keptProcess struct {
	pidfd  int // -1 while unknown
	dead   bool
	reaped bool   // nobody waits for it any more
	start  string // clock ticks: with the number, its identity
}

func newKeeper(r *Run) *keeper {
	k := &keeper{r: r, epoll: -1, oomKills: oomKills(), tasks: make([]keptProcess, len(r.plan.Processes))}
	for i := range k.tasks {
		k.tasks[i].pidfd = -1
		for range r.plan.Processes[i].Threads {
			k.owner = append(k.owner, i)
		}
	}
	return k
}

// run is the goroutine: from the start of the root until nothing is left.
func (k *keeper) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	subreaper.acquire()
	defer subreaper.release()
	if err := k.start(); err != nil {
		k.r.fail(err)
	}
	for !k.over() {
		k.step()
	}
	k.finish()
}

// start executes the root and watches it and the two eventfds.
func (k *keeper) start() error {
	var err error
	if k.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	for _, fd := range []int{k.r.fds.notify, k.r.fds.command} {
		if err := k.watch(fd); err != nil {
			return err
		}
	}
	if k.r.without&guardCgroup == 0 {
		if k.group = newCgroup(k.r); k.group == nil {
			k.guard = startQueueGuard(k.r)
		}
	}
	if q := k.r.plan.Quota; q != nil {
		if k.quota, err = newQuota(k.r, k.group, q); err != nil {
			return err
		}
	}
	pidfd := -1
	attr := &syscall.ProcAttr{
		Files: k.r.fds.workerFiles(),
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, PidFD: &pidfd},
	}
	if k.r.without&guardDeathSignal != 0 {
		attr.Sys.Pdeathsig = 0
	}
	// Either way the terminal's signals and job control are not for the run.
	attr.Sys.Setsid = k.r.plan.Processes[0].Setsid
	attr.Sys.Setpgid = !attr.Sys.Setsid
	if k.group != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, k.group.fd
	}
	restore, err := standard(k.r.plan)
	if err != nil {
		return err
	}
	defer restore()
	pid, err := k.r.exec(attr)
	if err != nil && k.group != nil && (k.quota == nil || k.quota.v1 != nil) {
		// The cgroup is one guard of several: do without where it is refused.
		k.group.remove()
		k.group, attr.Sys.UseCgroupFD = nil, false
		k.guard = startQueueGuard(k.r)
		pid, err = k.r.exec(attr)
	}
	if err != nil {
		return fmt.Errorf("execute the root: %w", err)
	}
	k.rootPID.Store(int64(pid))
	atomic.StoreUint32(&k.r.arena.procs[0].pid, uint32(pid))
	if pidfd < 0 { // before Linux 5.4
		if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
			return fmt.Errorf("pidfd of the root: %w", err)
		}
	}
	k.tasks[0].pidfd = pidfd
	k.tasks[0].start, _ = startTime(pid)
	return k.watch(pidfd)
}

func (k *keeper) watch(fd int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(k.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// over tells whether no process of the run can be alive.
func (k *keeper) over() bool {
	if k.rootPID.Load() == 0 {
		return true
	}
	for i := range k.tasks {
		if k.known(i) && !k.tasks[i].dead {
			return false
		}
	}
	return true
}

// known tells whether process i was ever started.
func (k *keeper) known(i int) bool {
	return atomic.LoadUint32(&k.r.arena.procs[i].pid) != 0
}

// step waits for one batch of events and acts on it.
func (k *keeper) step() {
	var events [64]unix.EpollEvent
	n, err := unix.EpollWait(k.epoll, events[:], k.timeout())
	if err != nil && !errors.Is(err, unix.EINTR) {
		k.r.fail(fmt.Errorf("epoll: %w", err))
		k.killAt = time.Now()
	}
	ended := false
	for i := 0; i < n; i++ {
		switch fd := int(events[i].Fd); fd {
		case k.r.fds.notify, k.r.fds.command:
			drainFD(fd)
		default:
			ended = true
		}
	}
	k.adopt()
	if ended {
		k.bury()
	}
	k.advance()
	k.kill()
}

// timeout is how long step may sleep, in milliseconds; -1 for ever.
func (k *keeper) timeout() int {
	switch {
	case !k.killAt.IsZero():
		return max(1, int(time.Until(k.killAt).Milliseconds()))
	case len(k.settle) > 0:
		return int(settlePause.Milliseconds())
	case k.settled == nil: // nobody tells of one that is killed before it is known
		return int(startPause.Milliseconds())
	}
	return -1
}

// adopt opens a pidfd for every process that has been started since. Until
// its parent or the keeper reaps it, the number cannot mean another process;
// if that has happened, the arguments tell: then it has ended before anybody
// could watch it. One that is just executing its program is looked at again.
func (k *keeper) adopt() {
	var missed []*DeathError
	for i := range k.tasks {
		t := &k.tasks[i]
		if t.pidfd >= 0 || t.dead || !k.known(i) {
			continue
		}
		pid := int(atomic.LoadUint32(&k.r.arena.procs[i].pid))
		fd, err := unix.PidfdOpen(pid, 0)
		whose := ownerOther
		if err == nil {
			whose = ownerOf(pid, k.r.id)
		}
		if errors.Is(err, unix.ESRCH) || err == nil && whose == ownerOther {
			t.dead = true
			missed = k.unplanned(missed, i, pid, 0, false)
		}
		if err != nil {
			continue
		}
		if whose != ownerRun {
			unix.Close(fd)
			continue
		}
		t.pidfd = fd
		t.start, _ = startTime(pid)
		if err := k.watch(fd); err != nil {
			k.r.fail(err)
		}
	}
	k.blame(missed)
}

// advance moves the run to the phases ready and parked.
func (k *keeper) advance() {
	r := k.r
	a := r.arena
	if err := a.failure(r.plan); err != nil {
		r.fail(err)
	}
	total := a.head.nthreads
	switch {
	case k.settled == nil && atomic.LoadUint32(&a.head.ready) == total:
		k.watchSleep(r.ready)
	case k.settled == r.ready && len(k.settle) == 0 && atomic.LoadUint32(&a.head.parked) == a.head.parks && k.allEnded():
		k.watchSleep(r.parked)
	}
	if isClosed(r.failed) || k.stopping() { // not all will ever be asleep, or they are let go
		k.settle = nil
	}
	if len(k.settle) == 0 {
		return
	}
	if k.settle = k.awake(k.settle); len(k.settle) > 0 {
		return
	}
	if k.settled == r.parked {
		r.setParked()
	} else if k.quota != nil {
		if err := k.quota.admit(r); err != nil {
			r.fail(err)
			return
		}
	}
	close(k.settled)
}

// setParked notes the instant at which the last worker ended its operations.
func (r *Run) setParked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.arena.slots {
		r.parkedNS = max(r.parkedNS, atomic.LoadInt64(&r.arena.slots[i].endNS))
	}
}

// wake lets go what stands still, so that it can leave by itself: tasks of a
// frozen cgroup, and stopped ones. A traced one is let go when its tracer ends.
func (k *keeper) wake() {
	if k.group != nil {
		k.group.thaw()
	}
	for i := range k.tasks {
		if fd := k.tasks[i].pidfd; fd >= 0 {
			_ = unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0) //nolint:errcheck // ESRCH: it has ended
		}
	}
}

// stopping tells whether the run is being stopped.
func (k *keeper) stopping() bool {
	k.r.mu.Lock()
	defer k.r.mu.Unlock()
	return k.r.stopping
}

// kill sends SIGKILL to what has not left by itself.
func (k *keeper) kill() {
	if !k.stopping() {
		return
	}
	if k.killAt.IsZero() {
		k.killAt = time.Now().Add(stopGrace)
		k.wake()
	}
	if time.Now().Before(k.killAt) {
		return
	}
	if k.group != nil {
		k.group.kill()
	}
	for i := range k.tasks {
		if fd := k.tasks[i].pidfd; fd >= 0 {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) //nolint:errcheck // ESRCH: it has ended
		}
	}
	k.killAt = time.Now().Add(10 * time.Millisecond) // and again for newcomers
}

// finish reaps what the dead have left to us and closes everything.
func (k *keeper) finish() {
	r := k.r
	for i := range k.tasks {
		t := &k.tasks[i]
		if pid := int(atomic.LoadUint32(&r.arena.procs[i].pid)); pid != 0 && !t.reaped {
			k.reap(i, pid)
		}
		if t.pidfd >= 0 {
			unix.Close(t.pidfd)
		}
	}
	k.reapRest()
	if k.epoll >= 0 {
		unix.Close(k.epoll)
	}
	if k.quota != nil {
		k.quota.remove()
	}
	if k.group != nil {
		k.group.remove()
	}
	for i := range r.plan.Objects {
		if r.plan.Objects[i].Kind == load.ObjectQueue {
			unlinkQueue(r.id, i)
		}
	}
	endGuard(k.guard)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = r.manifest()
	r.last.Phase = "ended"
	r.arena.unmap()
	r.arena = nil
	r.fds.close()
	r.left = countLeft(r.id)
	close(r.done)
}
