package spawn

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
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
)

// keeper owns the processes of a run: it starts the root, sees tasks go to
// sleep, notices deaths, kills, and reaps. Everything but rootPID belongs to
// its goroutine, which is locked to one thread: the workers' parent-death
// signal is tied to that thread.
type keeper struct {
	r       *Run
	rootPID atomic.Int64
	epoll   int
	tasks   []keptProcess
	owner   []int // process of each thread
	settle  []int // threads not yet seen asleep
	settled chan struct{}
	killAt  time.Time // zero: not stopping
	group   *cgroup
	quota   *quota // nil without one
}

// keptProcess is one process of the plan.
type keptProcess struct {
	pidfd  int // -1 while unknown
	dead   bool
	reaped bool   // nobody waits for it any more
	start  string // clock ticks: with the number, its identity
}

func newKeeper(r *Run) *keeper {
	k := &keeper{r: r, epoll: -1, tasks: make([]keptProcess, len(r.plan.Processes))}
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
		k.group = newCgroup(k.r)
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
	pid, err := k.r.exec(attr)
	if err != nil && k.group != nil && (k.quota == nil || k.quota.v1 != nil) {
		// The cgroup is one guard of several: do without where it is refused.
		k.group.remove()
		k.group, attr.Sys.UseCgroupFD = nil, false
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
	}
	return -1
}

// adopt opens a pidfd for every process that has been started since. Until
// its parent or the keeper reaps it, the number cannot mean another process;
// if that has happened, the arguments tell.
func (k *keeper) adopt() {
	for i := range k.tasks {
		t := &k.tasks[i]
		if t.pidfd >= 0 || t.dead || !k.known(i) {
			continue
		}
		pid := int(atomic.LoadUint32(&k.r.arena.procs[i].pid))
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) || err == nil && !belongs(pid, k.r.id) {
			t.dead = true
		}
		if err != nil {
			continue
		}
		if t.dead {
			unix.Close(fd)
			continue
		}
		t.pidfd = fd
		t.start, _ = startTime(pid)
		if err := k.watch(fd); err != nil {
			k.r.fail(err)
		}
	}
}

// bury notes every process that has ended and reports the first whose parent
// lives: a process takes those below it along, and they may be seen first.
func (k *keeper) bury() {
	var deaths []*DeathError
	for i := range k.tasks {
		t := &k.tasks[i]
		if t.pidfd < 0 || t.dead || !readable(t.pidfd) {
			continue
		}
		t.dead = true
		pid := int(atomic.LoadUint32(&k.r.arena.procs[i].pid))
		status, known := k.reap(i, pid)
		k.r.noteExit(i, status, known)
		if d := (&DeathError{
			Process: i, Role: k.r.plan.Processes[i].Role, PID: pid, Status: status, Known: known,
		}); !d.planned(k.r.plan.Processes[i].End) {
			deaths = append(deaths, d)
		}
		_ = unix.EpollCtl(k.epoll, unix.EPOLL_CTL_DEL, t.pidfd, nil) //nolint:errcheck // it was added
		unix.Close(t.pidfd)
		t.pidfd = -1
	}
	if err := k.r.arena.failure(k.r.plan); err != nil {
		k.r.fail(err)
	}
	for _, d := range deaths {
		if parent := k.guardian(d.Process); parent < 0 || !k.ending(parent) {
			k.r.fail(d)
		}
	}
}

// guardian is the nearest process above process i that does not end by plan.
func (k *keeper) guardian(i int) int {
	for i = k.r.plan.Processes[i].Parent; i >= 0 && k.r.plan.Processes[i].End != nil; {
		i = k.r.plan.Processes[i].Parent
	}
	return i
}

// ending tells whether a process has ended or is about to. The parent-death
// signal leaves before the pidfd of the dying parent becomes readable.
func (k *keeper) ending(i int) bool {
	if k.tasks[i].dead {
		return true
	}
	f, ok := statFields(int(atomic.LoadUint32(&k.r.arena.procs[i].pid)))
	if !ok || len(f) < 7 {
		return true
	}
	const exiting = 0x4 // PF_EXITING in field 9 of /proc/PID/stat
	flags, err := strconv.ParseUint(f[6], 10, 64)
	return err == nil && flags&exiting != 0
}

// readable tells whether the process of a pidfd has ended.
func readable(pidfd int) bool {
	p := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1
}

// reap waits for a dead process if it is this process' child, and otherwise
// reads the wait status that it keeps for its parent. Another process may have
// got the number meanwhile; that one has another start time.
func (k *keeper) reap(i, pid int) (unix.WaitStatus, bool) {
	var status unix.WaitStatus
	if start, ok := startTime(pid); !ok || start != k.tasks[i].start {
		return 0, false
	}
	got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
	if err == nil && got == pid {
		k.tasks[i].reaped = true
		return status, true
	}
	return zombieStatus(pid)
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
	if isClosed(r.failed) { // not all will ever be asleep
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

// watchSleep looks at every thread until it is asleep, then closes done. Those
// of processes that end by plan do not park.
func (k *keeper) watchSleep(done chan struct{}) {
	k.settled = done
	k.settle = make([]int, 0, len(k.r.arena.slots))
	for i, process := range k.owner {
		if done == k.r.ready || k.r.plan.Processes[process].End == nil {
			k.settle = append(k.settle, i)
		}
	}
}

// allEnded tells whether every process that ends by plan has done so.
func (k *keeper) allEnded() bool {
	for i := range k.tasks {
		if k.r.plan.Processes[i].End != nil && !k.tasks[i].dead {
			return false
		}
	}
	return true
}

// noteExit keeps the wait status of a process for the manifest.
func (r *Run) noteExit(i int, status unix.WaitStatus, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !known || r.stopping {
		return
	}
	if r.exits == nil {
		r.exits = map[int]unix.WaitStatus{}
	}
	r.exits[i] = status
}

// awake keeps those threads that have not blocked in their park yet. A worker
// says "ready" a moment before it is: what counts is that the kernel has
// counted the switch.
func (k *keeper) awake(list []int) []int {
	left := list[:0]
	var buf [8192]byte
	for _, i := range list {
		s := &k.r.arena.slots[i]
		pid := int(atomic.LoadUint32(&k.r.arena.procs[k.owner[i]].pid))
		voluntary, ok := voluntarySwitches(pid, int(atomic.LoadUint32(&s.tid)), buf[:])
		if !ok || voluntary <= atomic.LoadUint64(&s.parkVoluntary) {
			left = append(left, i)
		}
	}
	return left
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

// kill sends SIGKILL to what has not left by itself.
func (k *keeper) kill() {
	k.r.mu.Lock()
	stopping := k.r.stopping
	k.r.mu.Unlock()
	if !stopping {
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
	if k.quota != nil {
		k.quota.remove()
	}
	for i := range r.plan.Objects {
		if r.plan.Objects[i].Kind == load.ObjectQueue {
			unlinkQueue(r.id, i)
		}
	}
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

// reapRest waits for processes that the plan does not name: a worker that was
// killed leaves its own to us. They are in the root's process group, and have
// been killed with the worker.
func (k *keeper) reapRest() {
	root := int(k.rootPID.Load())
	if root == 0 {
		return
	}
	for until := time.Now().Add(stopTimeout); time.Now().Before(until); time.Sleep(settlePause) {
		for {
			pid, err := unix.Wait4(-root, nil, unix.WNOHANG, nil)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil { // nobody is left
				return
			}
			if pid == 0 {
				break
			}
		}
	}
}
