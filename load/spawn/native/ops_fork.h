//go:build ignore

// Operations that start short-lived processes and threads which the plan does
// not name one by one. Each of them dies with the process that started it.

#define MAYFLY (~0UL) // argument of clone_thread for a thread that only ends

enum { MOST_WORKERS = 64 };

// fork_process starts a child; it returns 0 in the child, like fork.
static long fork_process(u64 flags)
{
	u32 self = (u32)sys0(SYS_getpid);
	long pid = sys5(SYS_clone, flags | SIGCHLD_, 0, 0, 0, 0);
	if (pid)
		return pid;
	die_with_parent();
	if ((u32)sys0(SYS_getppid) != self)
		quit(EXIT_ORPHAN);
	return 0;
}

// sleep_until sleeps to an instant, and not beyond the deadline.
static void sleep_until(i64 at)
{
	struct timespec_ t = timespec_of(least(at, head->deadline_ns));
	while (sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC_, TIMER_ABSTIME_, &t, 0) == -EINTR_)
		;
}

static long wait_for(long pid)
{
	u32 status;
	long got;
	do
		got = sys4(SYS_wait4, pid, &status, 0, 0);
	while (got == -EINTR_);
	if (got > 0)
		note_end((u32)got, status);
	return got;
}

// op_vfork is in uninterruptible sleep until its child ends, A ns after the gate.
static long op_vfork(struct run *r, struct op *o)
{
	long pid = fork_process(CLONE_VFORK_);
	if (pid == 0) {
		sleep_until(r->gate_ns + (i64)o->a);
		quit(0);
	}
	if (pid > 0)
		pid = wait_for(pid);
	r->s->loops++;
	return pid < 0 ? pid : 0;
}

// make_thread starts a thread that ends at once, and waits for that: the kernel
// clears alive, which nobody else may use, however late that is. It returns how
// long the start took.
static i64 make_thread(char *stack_top, u32 *alive)
{
	atomic_store(alive, 1);
	i64 began = now();
	long tid = clone_thread(CLONE_VM_ | CLONE_FS_ | CLONE_FILES_ | CLONE_SIGHAND_ | CLONE_THREAD_ |
				CLONE_SYSVSEM_ | CLONE_CHILD_CLEARTID_, stack_top, alive, MAYFLY);
	i64 took = now() - began;
	if (tid < 0)
		return tid;
	struct timespec_ limit = {1, 0};
	while (atomic_load(alive) && !ended())
		sys4(SYS_futex, alive, LIFE_FUTEX_WAIT_, 1, &limit);
	return took;
}

// make_process is the same for a process.
static i64 make_process(void)
{
	i64 began = now();
	long pid = sys5(SYS_clone, SIGCHLD_, 0, 0, 0, 0);
	if (pid == 0)
		quit(0);
	i64 took = now() - began;
	if (pid < 0)
		return pid;
	long got = wait_for(pid);
	return got < 0 ? got : took;
}

// op_spawn makes A threads (B = 0) or processes (B = 1) one after the other.
// It reports the time to start all of them in slot C, to start and end all of
// them in C+1, and the shortest start in C+2.
static long op_spawn(struct run *r, struct op *o)
{
	u64 start = 0, shortest = ~0UL;
	char *top = 0;
	if (!o->b) {
		long at = sys6(SYS_mmap, 0, (long)(2 * page), PROT_READ_ | PROT_WRITE_,
			       MAP_PRIVATE_ | MAP_ANONYMOUS_, -1, 0);
		if (at < 0 && at > -4096)
			return at;
		top = (char *)at + 2 * page;
	}
	i64 began = now();
	for (u64 i = 0; i < o->a && !ended(); i++) {
		i64 took = o->b ? make_process() : make_thread(top, &r->s->mayfly);
		if (took < 0)
			return took;
		start += (u64)took;
		if ((u64)took < shortest)
			shortest = (u64)took;
		r->s->loops++;
	}
	put_slot(r->s, o->c, start);
	put_slot(r->s, o->c + 1, (u64)(now() - began));
	put_slot(r->s, o->c + 2, shortest);
	if (top)
		sys2(SYS_munmap, top - 2 * page, 2 * page);
	return 0;
}

// op_storm makes A processes that live for B ns each, at most C at a time. It
// reports the most there were at a time in slot 0.
static long op_storm(struct run *r, struct op *o)
{
	u64 alive = 0, most = 0;
	for (u64 i = 0; i < o->a && !ended(); i++) {
		if (alive == o->c) {
			long got = wait_for(-1);
			if (got < 0)
				return got;
			r->s->acquired++;
			alive--;
		}
		long pid = fork_process(0);
		if (pid == 0) {
			sleep_until(now() + (i64)o->b);
			quit(0);
		}
		if (pid < 0)
			return pid;
		r->s->loops++;
		if (++alive > most)
			most = alive;
	}
	for (; alive; alive--) {
		long got = wait_for(-1);
		if (got < 0)
			return got;
		r->s->acquired++;
	}
	put_slot(r->s, 0, most);
	return 0;
}

// replacement is the life of a worker that takes the place of one that failed:
// until the run is released, or until it fails itself.
__attribute__((noreturn)) static void replacement(struct run *r, i64 fails_at)
{
	sys2(SYS_prctl, PR_SET_NAME_, "respawn-new");
	arm_timer(r->thread);
	i64 until = fails_at ? fails_at : head->deadline_ns;
	for (;;) {
		int why = wait_fd(FD_RELEASE, until);
		if (why == 0)
			quit(0);
		if (why == 1)
			quit(1);
	}
}

struct siginfo_ {
	i32 signo, error, code, pad;
	i32 pid;
	u32 uid;
	i32 status;
	u32 rest[25];
};

// op_supervise replaces each of its children that ends, A times in all. The
// children take turns to fail, B ns apart; there are C of them. The new one
// is there before the old one is gone, so never are there fewer. One that was
// killed has not failed by itself: whoever did that, the kernel for want of
// memory or a person, wants it gone, so that it is not replaced.
static long op_supervise(struct run *r, struct op *o)
{
	static u32 pids[MOST_WORKERS], failures[MOST_WORKERS];
	u64 n = 0;
	for (i32 c = procs[process_of(r->thread)].first_child; c >= 0 && n < MOST_WORKERS; c = procs[c].next_sibling)
		pids[n++] = procs[c].pid;
	for (u64 done = 0; done < o->a && !ended(); done++) {
		struct siginfo_ info;
		long err;
		do
			err = sys5(SYS_waitid, 0, 0, &info, WEXITED_ | WNOWAIT_, 0);
		while (err == -EINTR_);
		if (err)
			return err;
		if (info.code == CLD_KILLED_ && info.status == SIGKILL_)
			return -EOWNERDEAD_;
		u64 place = 0;
		while (place < n && pids[place] != (u32)info.pid)
			place++;
		if (place == n)
			return -ESRCH_;
		// Failure number m, from 1 on, hits place (m-1) mod n at m periods.
		u64 next = ++failures[place] * n + place + 1;
		long pid = fork_process(0);
		if (pid == 0)
			replacement(r, next <= o->a ? r->gate_ns + (i64)(next * o->b) : 0);
		if (pid < 0)
			return pid;
		pids[place] = (u32)pid;
		r->s->loops++;
		long got = wait_for(info.pid);
		if (got < 0)
			return got;
		r->s->acquired++;
	}
	return 0;
}
