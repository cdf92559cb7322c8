//go:build ignore

// The native worker: executes what the arena says, reports what it did, and
// ends by itself whatever happens. No libc, no TLS, no allocation: nothing
// runs here that the plan does not name.
//
// One process executes process_main: it forks the children of the plan, clones
// its threads, and becomes its own first thread. Every thread executes
// thread_main: set up, park at the gate, operations, report, park, end.
//
// What ends a worker, whatever the others do: the deadline (looked at in every
// wait and every loop), end of file on the liveness pipe, the death of its
// parent (PR_SET_PDEATHSIG), the CPU limit, and a kernel timer that sends
// SIGKILL a little after the deadline. Signals cannot: all are blocked, so that
// none disturbs the counts.

#include "sys.h"
#include "sys_life.h"
#include "arena.h"

#define atomic_load(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define atomic_store(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define atomic_add(p, v) __atomic_add_fetch(p, v, __ATOMIC_ACQ_REL)

#define NSEC 1000000000L
// An edge nearer than this counts as missed: a sleep that short hardly blocks.
#define EDGE_MARGIN 20000
// Time between two looks of busy threads at the liveness pipe.
#define LISTEN_NS 50000000L
// Iterations between two looks at the clock, about 5 microseconds.
#define SPIN_CHUNK 4096

enum { EXIT_ORPHAN = 3, EXIT_DEADLINE = 4, EXIT_SETUP = 5, EXIT_USAGE = 6 };

static struct header *head;
static struct process *procs;
static struct thread *threads;
static struct op *ops;
static struct slot *slots;
static u64 page = 4096;
static u64 leader_floor; // lowest touched page of the first thread's stack
static u32 heap_lock;
static i64 listened_ns; // when a thread of this process last looked at the liveness pipe
static u32 thread_alive[1]; // target of CLONE_CHILD_CLEARTID; nobody joins

extern struct elf_header __executable_start;
extern char _end;

static i64 clock(int id)
{
	struct timespec_ t;
	sys2(SYS_clock_gettime, id, &t);
	return t.sec * NSEC + t.nsec;
}

static i64 now(void) { return clock(CLOCK_MONOTONIC_); }
static i64 cpu_now(void) { return clock(CLOCK_THREAD_CPUTIME_); }
static i64 least(i64 a, i64 b) { return a < b ? a : b; }
static u64 page_up(u64 n) { return (n + page - 1) & ~(page - 1); }

__attribute__((noreturn)) static void quit(int code)
{
	for (;;)
		sys1(SYS_exit_group, code);
}

static struct timespec_ timespec_of(i64 ns)
{
	struct timespec_ t = {ns / NSEC, ns % NSEC};
	return t;
}

static void notify(void)
{
	u64 one = 1;
	sys3(SYS_write, FD_NOTIFY, &one, 8);
}

// fail records the first failure of the run.
static void fail(u32 thread, u32 step, long err, u32 op)
{
	u32 none = 0;
	if (!__atomic_compare_exchange_n(&head->failed, &none, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return;
	head->fail_thread = thread;
	head->fail_step = step;
	head->fail_errno = (i32)-err;
	head->fail_op = op;
	atomic_store(&head->failed, 2);
	notify();
}

__attribute__((noreturn)) static void fail_setup(u32 thread, u32 step, long err)
{
	fail(thread, step, err, 0);
	quit(EXIT_SETUP);
}

// still_controlled ends the process when the controller is gone. It does not block.
static void still_controlled(void)
{
	struct pollfd_ p = {FD_LIVE, 0, 0};
	struct timespec_ none = {0, 0};
	sys5(SYS_ppoll, &p, 1, &none, 0, 8);
	if (p.revents)
		quit(EXIT_ORPHAN);
}

// ended tells whether operations must stop, and ends the process at its
// deadline or, noticed after a while only, when the controller is gone.
static int ended(void)
{
	i64 at = now();
	if (at >= head->deadline_ns)
		quit(EXIT_DEADLINE);
	if (at - __atomic_load_n(&listened_ns, __ATOMIC_RELAXED) > LISTEN_NS) {
		__atomic_store_n(&listened_ns, at, __ATOMIC_RELAXED);
		still_controlled();
	}
	return atomic_load(&head->stop) != 0;
}

// wait_fd blocks once until fd is readable, the time has come (1), or a
// spurious return (2). It ends the process at its deadline and when the
// controller is gone.
static int wait_fd(int fd, i64 until)
{
	struct pollfd_ p[2] = {{FD_LIVE, 0, 0}, {fd, POLLIN_, 0}};
	i64 left = least(until, head->deadline_ns) - now();
	struct timespec_ t = timespec_of(left > 0 ? left : 0);
	long n = sys5(SYS_ppoll, p, 2, &t, 0, 8);
	if (p[0].revents)
		quit(EXIT_ORPHAN);
	if (n > 0 && p[1].revents)
		return 0;
	i64 at = now();
	if (at >= head->deadline_ns)
		quit(EXIT_DEADLINE);
	return at >= until ? 1 : 2;
}

static struct rusage_ rusage(void)
{
	struct rusage_ r;
	sys2(SYS_getrusage, 1, &r); // RUSAGE_THREAD
	return r;
}

static u64 voluntary(void) { return (u64)rusage().nvcsw; }

// announce tells the controller that this thread is about to park. What it
// needs to see the park happen is written before the count.
static void announce(struct slot *s, u32 phase, u32 *count, u32 total)
{
	s->park_voluntary = voluntary();
	atomic_store(&s->phase, phase);
	if (atomic_add(count, 1) != total)
		return;
	if (phase == PHASE_PARKED)
		s->notified = 1;
	notify();
}

// park is one blocking wait; every further one that a spurious return costs is
// counted in the report.
static void park(struct slot *s, int fd, u32 *word)
{
	for (;;) {
		wait_fd(fd, head->deadline_ns);
		if (atomic_load(word))
			return;
		s->waits++;
	}
}

#include "objects.h"

// ---- operations ----

// run is what an operation works with.
struct run {
	struct slot *s;
	u32 thread;
	u64 *floor;  // lowest touched page of the own stack
	i64 gate_ns; // zero of absolute edges
	i64 cpu0;    // own CPU time at the gate
	struct rusage_ before; // at the gate
};

static void spin(void)
{
	u64 x = 1;
	for (u32 n = SPIN_CHUNK; n; n--) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		__asm__ volatile("" : "+r"(x));
	}
}

// sleep_once sleeps for ns, but not beyond the deadline: 1 if that blocked, 0
// if not. It need not: a task that is preempted, or a virtual CPU that is,
// between starting the timer and leaving the CPU finds the timer expired. The
// time is relative even where an edge is meant, to keep that span short.
static long sleep_once(struct slot *s, i64 ns)
{
	struct timespec_ t = timespec_of(ns);
	u64 before = voluntary();
	long err;
	do
		err = sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC_, 0, &t, &t);
	while (err == -EINTR_);
	if (err)
		return err;
	if (voluntary() == before)
		return 0;
	s->waits++;
	return 1;
}

// op_sleep_rel repeats a sleep that did not block, so that exactly A do.
static long op_sleep_rel(struct run *r, struct op *o)
{
	for (u64 i = 0; i < o->a && !ended();) {
		i64 left = head->deadline_ns - now();
		long blocked = sleep_once(r->s, least((i64)o->b, left > 0 ? left : 1));
		if (blocked < 0)
			return blocked;
		if (blocked) {
			r->s->loops++;
			i++;
		} else {
			r->s->late++;
		}
	}
	return 0;
}

// to_edge sleeps to the end of a period, or counts the edge as missed.
static long to_edge(struct slot *s, i64 edge)
{
	i64 left = least(edge, head->deadline_ns) - now();
	long blocked = left < EDGE_MARGIN ? 0 : sleep_once(s, left);
	s->loops++;
	if (blocked == 0)
		s->late++;
	return blocked < 0 ? blocked : 0;
}

static long op_sleep_abs(struct run *r, struct op *o)
{
	for (u64 i = 1; i <= o->a && !ended(); i++) {
		long err = to_edge(r->s, r->gate_ns + (i64)(i * o->b));
		if (err)
			return err;
	}
	return 0;
}

// burn uses the CPU until the own CPU time is target, and returns it.
static i64 burn(i64 target)
{
	i64 cpu;
	while ((cpu = cpu_now()) < target && !ended())
		spin();
	return cpu;
}

static long op_spin_cpu(struct run *r, struct op *o)
{
	burn(cpu_now() + (i64)o->a);
	r->s->loops++;
	return 0;
}

static long op_spin_wall(struct run *r, struct op *o)
{
	i64 until = o->a ? r->gate_ns + (i64)o->a : head->deadline_ns;
	while (now() < until && !ended())
		spin();
	r->s->loops++;
	return 0;
}

// op_duty measures its budget from the gate, so that what a period burns too
// much the next one burns less.
static long op_duty(struct run *r, struct op *o)
{
	for (u64 i = 1; i <= o->a && !ended(); i++) {
		r->s->cpu_ns = (u64)(burn(r->cpu0 + (i64)(i * o->c)) - r->cpu0);
		long err = to_edge(r->s, r->gate_ns + (i64)(i * o->b));
		if (err)
			return err;
	}
	return 0;
}

static void touch(char *at)
{
	*(volatile char *)at = 1;
}

// touch_up writes to every page of [at, at+bytes) once.
static void touch_up(struct slot *s, char *at, u64 bytes)
{
	for (u64 n = 0; n < bytes; n += page) {
		if ((n / page & 1023) == 0 && ended())
			return;
		touch(at + n);
		s->bytes += page;
	}
}

// op_map puts an inaccessible page on either side, so that the kernel never
// merges the area with a neighbour.
static long op_map(struct run *r, struct op *o)
{
	u64 size = page_up(o->a);
	long at = sys6(SYS_mmap, 0, (long)(size + 2 * page), PROT_NONE_,
		       MAP_PRIVATE_ | MAP_ANONYMOUS_ | MAP_NORESERVE_, -1, 0);
	if (at < 0 && at > -4096)
		return at;
	char *area = (char *)at + page;
	sys3(SYS_madvise, area, size, MADV_NOHUGEPAGE_);
	long err = sys3(SYS_mprotect, area, size, PROT_READ_ | PROT_WRITE_);
	if (err)
		return err;
	if (o->c < REPORT_SLOTS) {
		r->s->address[o->c] = (u64)area;
		r->s->used |= 1u << o->c;
	}
	touch_up(r->s, area, page_up(o->b));
	r->s->loops++;
	return 0;
}

// op_heap: the break belongs to the process, so threads take turns.
static long op_heap(struct run *r, struct op *o)
{
	u64 size = page_up(o->a);
	while (__atomic_exchange_n(&heap_lock, 1, __ATOMIC_ACQUIRE))
		if (ended())
			return 0;
	u64 old = (u64)sys1(SYS_brk, 0);
	u64 top = (u64)sys1(SYS_brk, old + size);
	__atomic_store_n(&heap_lock, 0, __ATOMIC_RELEASE);
	if (top != old + size)
		return -ENOMEM_;
	sys3(SYS_madvise, old, size, MADV_NOHUGEPAGE_);
	touch_up(r->s, (char *)old, size);
	r->s->loops++;
	return 0;
}

// op_stack goes down page by page: the first thread's stack grows that way.
static long op_stack(struct run *r, struct op *o)
{
	u64 size = page_up(o->a);
	for (u64 n = 0; n < size; n += page) {
		if ((n / page & 1023) == 0 && ended())
			return 0;
		*r->floor -= page;
		touch((char *)*r->floor);
		r->s->bytes += page;
	}
	r->s->loops++;
	return 0;
}

static long op_hold(struct run *r, struct op *o)
{
	i64 until = o->a ? r->gate_ns + (i64)o->a : head->deadline_ns;
	int why;
	do {
		if (now() >= until)
			break;
		u64 before = voluntary();
		why = wait_fd(FD_RELEASE, until);
		r->s->waits += voluntary() - before;
	} while (why == 2);
	r->s->loops++;
	return 0;
}

#include "ops_sched.h"

static void end_report(struct run *r);
static void arm_timer(u32 leader);

#include "ops_pages.h"
#include "ops_life.h"
#include "ops_fork.h"

#include "ops_ipc.h"

static long operate(struct run *r, struct op *o)
{
	if (o->kind >= OP_LOCK && o->kind <= OP_ANSWER)
		return operate_shared(r, o);
	switch (o->kind) {
	case OP_END: return 0;
	case OP_SLEEP_REL: return op_sleep_rel(r, o);
	case OP_SLEEP_ABS: return op_sleep_abs(r, o);
	case OP_SPIN_CPU: return op_spin_cpu(r, o);
	case OP_SPIN_WALL: return op_spin_wall(r, o);
	case OP_DUTY: return op_duty(r, o);
	case OP_YIELD: return op_yield(r, o);
	case OP_MAP: return op_map(r, o);
	case OP_HEAP: return op_heap(r, o);
	case OP_STACK: return op_stack(r, o);
	case OP_HOLD: return op_hold(r, o);
	case OP_MIGRATE: return op_migrate(r, o);
	case OP_EXIT: return op_exit(r, o);
	case OP_CRASH: return op_crash(r);
	case OP_AWAIT_STATE: return op_await_state(r, o);
	case OP_REAP: return op_reap(r, o);
	case OP_MARK: return op_mark(r, o);
	case OP_ADOPTED: return op_adopted(r, o);
	case OP_STOP_SELF: return op_stop_self();
	case OP_SIGNAL: return op_signal(o);
	case OP_TRACE: return op_trace(o);
	case OP_UNTRACE: return op_untrace(o);
	case OP_VFORK: return op_vfork(r, o);
	case OP_SPAWN: return op_spawn(r, o);
	case OP_STORM: return op_storm(r, o);
	case OP_SUPERVISE: return op_supervise(r, o);
	case OP_TOUCH: return op_touch(r, o);
	case OP_FILE: return op_file(o);
	case OP_MAP_FILE: return op_map_file(r, o);
	case OP_GROW: return op_grow(r, o);
	case OP_HUGE: return op_huge(r, o);
	case OP_IO: return op_io(r, o);
	case OP_CHECK_SLICE: return op_check_slice(o);
	case OP_SPIN_FOLLOW: return op_spin_follow(r, o);
	case OP_TAKE: take(r->s, object_of(o)); return 0;
	case OP_GIVE: give(object_of(o)); return 0;
	case OP_EDGE: return to_edge(r->s, r->gate_ns + (i64)o->a);
	case OP_PACE: return op_pace(r, o);
	case OP_TEST_WEDGE: {
		struct timespec_ hour = {3600, 0};
		sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC_, 0, &hour, 0);
		return 0;
	}
	case OP_TEST_SPIN:
		for (;;)
			spin();
	}
	return -ENOSYS_;
}

// execute runs operations until one fails; 0 or the negative error number.
static long execute(struct run *r, u32 first, u32 count)
{
	for (u32 i = 0; i < count && ops[first + i].kind != OP_END; i++) {
		long err = operate(r, &ops[first + i]);
		if (err) {
			r->s->err = (i32)-err;
			r->s->failed_op = i + 1;
			return err;
		}
		if (ops[first + i].kind != OP_HOLD)
			r->s->job_end_ns = now();
	}
	return 0;
}

// ---- a thread ----

static void set_scheduling(u32 index)
{
	struct thread *t = &threads[index];
	if (t->pinned) {
		long err = sys3(SYS_sched_setaffinity, 0, sizeof t->cpus, t->cpus);
		if (err < 0)
			fail_setup(index, STEP_AFFINITY, err);
	}
	if (t->nice) {
		long err = sys3(SYS_setpriority, 0, 0, t->nice);
		if (err < 0)
			fail_setup(index, STEP_NICE, err);
	}
	if (t->policy) {
		long err = set_policy(t->policy, t->rtprio);
		if (err < 0)
			fail_setup(index, STEP_POLICY, err);
	}
}

// end_report takes the second reading of the own counters.
static void end_report(struct run *r)
{
	struct slot *s = r->s;
	s->cpu_ns = (u64)(cpu_now() - r->cpu0);
	struct rusage_ after = rusage();
	s->end_ns = now();
	s->voluntary = (u64)(after.nvcsw - r->before.nvcsw);
	s->involuntary = (u64)(after.nivcsw - r->before.nivcsw);
	s->minor = (u64)(after.minflt - r->before.minflt);
	s->major = (u64)(after.majflt - r->before.majflt);
}

// measure executes the operations between two readings of the own counters.
static void measure(struct run *r)
{
	struct thread *t = &threads[r->thread];
	r->s->start_ns = now();
	r->before = rusage();
	r->cpu0 = cpu_now();
	r->gate_ns = head->gate_ns;
	long err = execute(r, t->ops_first, t->ops_count);
	end_report(r);
	if (err)
		fail(r->thread, STEP_OPERATION, err, (u32)r->s->failed_op - 1);
}

static void setup(struct run *r)
{
	struct thread *t = &threads[r->thread];
	r->gate_ns = now();
	r->cpu0 = cpu_now();
	long err = execute(r, t->setup_first, t->setup_count);
	if (err)
		fail_setup(r->thread, STEP_OPERATION, err);
	// Counters are about what happens after the gate; memory stays.
	r->s->loops = r->s->late = r->s->waits = r->s->acquired = r->s->cpu_ns = r->s->result = r->s->done = 0;
}

// live is a thread's life from the gate on.
static void live(struct run *r)
{
	struct slot *s = r->s;
	set_scheduling(r->thread);
	announce(s, PHASE_READY, &head->ready, head->nthreads);
	park(s, FD_GATE, &head->gate);
	atomic_store(&s->phase, PHASE_RUNNING);
	if (!atomic_load(&head->stop)) // else the gate opened to let us out
		measure(r);
	if (threads[r->thread].ends) // its process ends when another thread of it does
		atomic_store(&s->phase, PHASE_PARKED);
	else
		announce(s, PHASE_PARKED, &head->parked, head->parks);
	park(s, FD_RELEASE, &head->stop);
	atomic_store(&s->phase, PHASE_ENDED);
}

static void begin(u32 index)
{
	slots[index].tid = (u32)sys0(SYS_gettid);
	sys2(SYS_prctl, PR_SET_NAME_, threads[index].name);
}

// thread_entry is where clone_thread continues in the new thread. The lowest
// touched page of its stack is the page of this frame.
__attribute__((noreturn, used)) void thread_entry(u64 index)
{
	if (index == MAYFLY)
		for (;;)
			sys1(SYS_exit, 0);
	if (index >> 63)
		connection_entry(index & 0xffffffff);
	u64 floor = (u64)__builtin_frame_address(0) & ~(page - 1);
	struct run r;
	r.s = &slots[index];
	r.thread = (u32)index;
	r.floor = &floor;
	begin((u32)index);
	setup(&r);
	live(&r);
	for (;;)
		sys1(SYS_exit, 0);
}

// ---- a process ----

static void limit(int which, u64 value)
{
	struct rlimit_ r;
	if (sys4(SYS_prlimit64, 0, which, 0, &r))
		return;
	if (r.max < value)
		value = r.max; // limits are lowered, never raised
	r.cur = r.max = value;
	sys4(SYS_prlimit64, 0, which, &r, 0);
}

// arm_timer has the kernel kill the process a little after its deadline: the
// last backstop, which needs no cooperation and no unblocked signal.
static void arm_timer(u32 leader)
{
	struct sigevent_ event = {0, SIGKILL_, 0, {0}};
	struct itimerspec_ at = {{0, 0}, timespec_of(head->kill_ns)};
	i32 id = 0;
	long err = sys3(SYS_timer_create, CLOCK_MONOTONIC_, &event, &id);
	if (!err)
		err = sys4(SYS_timer_settime, id, TIMER_ABSTIME_, &at, 0);
	if (err)
		fail_setup(leader, STEP_TIMER, err);
}

// populate maps everything the process will ever read, so that no page is
// faulted in while the operations run. A fork drops the mappings of files.
// Kernels before 5.14 lack MADV_POPULATE; then every page is touched.
static void populate(u64 from, u64 to, int writable)
{
	from &= ~(page - 1);
	to = page_up(to);
	if (!sys3(SYS_madvise, from, to - from, writable ? MADV_POPULATE_WRITE_ : MADV_POPULATE_READ_))
		return;
	for (u64 at = from; at < to; at += page)
		if (writable)
			__atomic_fetch_add((u32 *)at, 0, __ATOMIC_RELAXED);
		else
			(void)*(volatile char *)at;
}

static void populate_all(void)
{
	struct elf_segment *p = (struct elf_segment *)((char *)&__executable_start + __executable_start.phoff);
	for (u32 i = 0; i < __executable_start.phnum; i++)
		if (p[i].type == PT_LOAD_)
			populate(p[i].vaddr, p[i].vaddr + p[i].memsz, p[i].flags & PF_W_);
	populate((u64)head, (u64)head + head->size, 1);
}

static void start_threads(struct process *p)
{
	u64 total = 0;
	if (p->nthreads < 2)
		return;
	for (u32 i = 1; i < p->nthreads; i++)
		total += 2 * page + page_up(threads[p->first_thread + i].stack_bytes);
	long at = sys6(SYS_mmap, 0, (long)(total + page), PROT_NONE_,
		       MAP_PRIVATE_ | MAP_ANONYMOUS_ | MAP_NORESERVE_, -1, 0);
	if (at < 0 && at > -4096)
		fail_setup(p->first_thread, STEP_STACK, at);
	for (u32 i = 1; i < p->nthreads; i++) {
		u32 index = p->first_thread + i;
		u64 size = page + page_up(threads[index].stack_bytes);
		u64 low = (u64)at + page; // the page below stays inaccessible
		u64 top = low + size;
		if (size > 2 * page)
			sys3(SYS_madvise, low, size, MADV_NOHUGEPAGE_);
		long err = sys3(SYS_mprotect, low, size, PROT_READ_ | PROT_WRITE_);
		if (err)
			fail_setup(index, STEP_STACK, err);
		err = clone_thread(CLONE_VM_ | CLONE_FS_ | CLONE_FILES_ | CLONE_SIGHAND_ | CLONE_THREAD_ |
				   CLONE_SYSVSEM_ | CLONE_CHILD_CLEARTID_,
				   (void *)top, thread_alive, index);
		if (err < 0)
			fail_setup(index, STEP_CLONE, err);
		at = (long)top;
	}
}

// fork_children forks the children of process index in plan order. In a child
// it returns the child's index, in the parent index itself.
static u32 fork_children(u32 index)
{
	for (i32 c = procs[index].first_child; c >= 0; c = procs[c].next_sibling) {
		long pid = sys5(SYS_clone, SIGCHLD_ | CLONE_PARENT_SETTID_, 0, &procs[c].pid, 0, 0);
		if (pid == 0)
			return (u32)c;
		if (pid < 0)
			fail_setup(procs[c].first_thread, STEP_FORK, pid);
	}
	return index;
}

static void begin_process(u32 index, u32 parent)
{
	struct process *p = &procs[index];
	if (p->flags & PROCESS_OUTLIVES) // until it is adopted
		sys2(SYS_prctl, PR_SET_PDEATHSIG_, 0);
	else
		die_with_parent();
	if (p->flags & PROCESS_SUBREAPER)
		sys2(SYS_prctl, PR_SET_CHILD_SUBREAPER_, 1);
	if (parent && (u32)sys0(SYS_getppid) != parent)
		quit(EXIT_ORPHAN);
	p->pid = (u32)sys0(SYS_getpid);
	p->ppid = (u32)sys0(SYS_getppid);
	arm_timer(p->first_thread);
	if (p->setsid) {
		long err = sys0(SYS_setsid);
		if (err < 0)
			fail_setup(p->first_thread, STEP_SETSID, err);
	}
	populate_all();
	begin(p->first_thread);
}

// reap_children waits for all children, those that were adopted and those that
// the plan does not name included. All have deadlines of their own.
static void reap_children(void)
{
	long pid;
	u32 status;
	while ((pid = sys4(SYS_wait4, -1, &status, WALL_, 0)) > 0 || pid == -EINTR_)
		if (pid > 0)
			note_end((u32)pid, status);
}

__attribute__((noreturn)) static void process_main(u32 index, u32 parent)
{
	struct run r;
	r.floor = &leader_floor;
	for (;;) {
		begin_process(index, parent);
		r.thread = procs[index].first_thread;
		r.s = &slots[r.thread];
		setup(&r);
		u32 self = procs[index].pid;
		u32 next = fork_children(index);
		if (next == index)
			break;
		index = next;
		parent = self;
	}
	// The forks have made the page of it shared: the fault of the first write
	// must not come while the operations are counted.
	__atomic_store_n(&listened_ns, now(), __ATOMIC_RELAXED);
	start_threads(&procs[index]);
	limit(RLIMIT_CPU_, procs[index].cpu_limit_s);
	limit(RLIMIT_DATA_, procs[index].data_limit);
	if (head->flags & FLAG_NO_MORE_TASKS)
		limit(RLIMIT_NPROC_, 0);
	live(&r);
	reap_children();
	quit(0);
}

// ---- the image ----

static u64 page_size(u64 *sp)
{
	u64 *at = sp + 1 + sp[0] + 1;
	while (*at)
		at++;
	for (at++; at[0]; at += 2)
		if (at[0] == AT_PAGESZ_)
			return at[1];
	return 4096;
}

static void write_file(const char *path, const char *text, u64 size)
{
	long fd = sys4(SYS_openat, AT_FDCWD_, path, O_WRONLY_ | O_CLOEXEC_, 0);
	if (fd < 0)
		return;
	sys3(SYS_write, fd, text, size);
	sys1(SYS_close, fd);
}

static void block_signals(void)
{
	u64 all = ~0UL;
	u64 action[4] = {0, 0, 0, 0};
	sys4(SYS_rt_sigprocmask, 0, &all, 0, 8);
	// An inherited "ignore" would have the kernel reap our children.
	sys4(SYS_rt_sigaction, SIGCHLD_, action, 0, 8);
}

__attribute__((noreturn)) static void worker(u64 stack)
{
	long size = sys3(SYS_lseek, FD_ARENA, 0, 2);
	if (size < (long)sizeof *head)
		quit(EXIT_USAGE);
	long at = sys6(SYS_mmap, 0, size, PROT_READ_ | PROT_WRITE_, MAP_SHARED_ | MAP_POPULATE_, FD_ARENA, 0);
	if (at < 0 && at > -4096)
		quit(EXIT_USAGE);
	head = (struct header *)at;
	if (head->magic != ARENA_MAGIC || head->version != ARENA_VERSION || head->size != (u64)size)
		quit(EXIT_USAGE);
	sys1(SYS_close, FD_ARENA);
	procs = (struct process *)(at + (long)head->procs_off);
	threads = (struct thread *)(at + (long)head->threads_off);
	ops = (struct op *)(at + (long)head->ops_off);
	slots = (struct slot *)(at + (long)head->slots_off);
	objects = (struct object *)(at + (long)head->objects_off);

	block_signals();
	write_file("/proc/self/oom_score_adj", "1000", 4);
	sys2(SYS_prctl, PR_SET_TIMERSLACK_, 1); // edges are met to the microsecond
	limit(RLIMIT_CORE_, 0);
	limit(RLIMIT_MEMLOCK_, 0);
	limit(RLIMIT_NOFILE_, head->files_limit);
	// The kernel makes the stack 128 kB larger than what is used; without
	// that, the area grows by exactly what is touched.
	leader_floor = (stack & ~(page - 1)) - page;
	sys2(SYS_munmap, leader_floor - 256 * 1024, 256 * 1024);
	// Different flags keep the heap from merging with data and bss.
	u64 data = (u64)&page & ~(page - 1);
	sys3(SYS_madvise, data, page_up((u64)&_end) - data, MADV_DONTDUMP_);
	close_inherited();
	open_objects();
	process_main(0, head->controller_pid);
}

#include "guard.h"
#include "layout.h"

static int begins(const char *text, const char *with)
{
	while (*with)
		if (*text++ != *with++)
			return 0;
	return 1;
}

__attribute__((noreturn, used)) void entry(u64 *sp)
{
	char **argv = (char **)(sp + 1);
	page = page_size(sp);
	if (sp[0] >= 2 && begins(argv[1], "--layout"))
		layout();
	if (sp[0] >= 3 && begins(argv[1], "taskscope-guard="))
		guard(argv[1] + sizeof "taskscope-guard=" - 1, argv[2]);
	if (sp[0] >= 2 && begins(argv[1], "taskscope-run="))
		worker((u64)sp);
	quit(EXIT_USAGE);
}
