//go:build ignore

// Operations on the life of planned processes: ending, waiting for others,
// stopping and tracing them.

enum { MARK_FROM, MARK_UNTIL };

static void die_with_parent(void)
{
	if (!(head->flags & FLAG_NO_DEATH_SIGNAL))
		sys2(SYS_prctl, PR_SET_PDEATHSIG_, SIGKILL_);
}

// process_of is the process of the plan that a thread belongs to.
static u32 process_of(u32 thread)
{
	u32 i = 0;
	while (i + 1 < head->nprocs && procs[i + 1].first_thread <= thread)
		i++;
	return i;
}

// note_end records the wait status of a child that has been reaped.
static void note_end(u32 pid, u32 status)
{
	for (u32 i = 0; i < head->nprocs; i++) {
		if (procs[i].pid != pid || atomic_load(&procs[i].ended))
			continue;
		procs[i].wait_status = status;
		atomic_store(&procs[i].ended, 1);
		return;
	}
}

// breathe waits for about a millisecond, and ends the process like every wait.
static void breathe(void) { wait_fd(FD_RELEASE, now() + 1000000); }

// last_words completes the report of a process that is about to end.
static void last_words(struct run *r)
{
	r->s->loops++;
	end_report(r);
	atomic_store(&r->s->phase, PHASE_ENDED);
}

static long op_exit(struct run *r, struct op *o)
{
	last_words(r);
	quit((int)o->a);
}

// op_crash writes to an address where nothing is. The signal is blocked, as
// all are: then the kernel ends the process with it all the same.
static long op_crash(struct run *r)
{
	char *nowhere = (char *)8;
	__asm__ volatile("" : "+r"(nowhere));
	last_words(r);
	touch(nowhere);
	return 0;
}

static char *digits_of(char *end, u64 n)
{
	do
		*--end = (char)('0' + n % 10);
	while (n /= 10);
	return end;
}

// state_of reads the state letter of a process, 0 if there is no such process.
static char state_of(u32 pid)
{
	char path[40] = "/proc/", text[128], digits[24];
	u64 n = 6;
	for (char *d = digits_of(digits + 24, pid); d < digits + 24; d++)
		path[n++] = *d;
	for (const char *tail = "/stat"; *tail; tail++)
		path[n++] = *tail;
	path[n] = 0;
	long fd = sys4(SYS_openat, AT_FDCWD_, path, O_RDONLY_ | O_CLOEXEC_, 0);
	if (fd < 0)
		return 0;
	long got = sys3(SYS_read, fd, text, sizeof text);
	sys1(SYS_close, fd);
	for (long i = got - 1; i >= 0; i--) // the name may contain parentheses
		if (text[i] == ')')
			return i + 2 < got ? text[i + 2] : 0;
	return 0;
}

// op_await_state waits until process A is in the state whose letter is B.
static long op_await_state(struct run *r, struct op *o)
{
	for (;;) {
		char state = state_of(procs[o->a].pid);
		if (state == (char)o->b)
			break;
		if (!state)
			return -ESRCH_;
		if (ended())
			return 0;
		breathe();
	}
	r->s->loops++;
	return 0;
}

// op_reap waits for the children that the plan lets end.
static long op_reap(struct run *r, struct op *o)
{
	(void)o;
	for (i32 c = procs[process_of(r->thread)].first_child; c >= 0; c = procs[c].next_sibling) {
		u32 status = 0;
		long pid;
		if (!(procs[c].flags & PROCESS_ENDS) || procs[c].ended)
			continue;
		do
			pid = sys4(SYS_wait4, procs[c].pid, &status, 0, 0);
		while (pid == -EINTR_);
		if (pid < 0)
			return pid;
		note_end((u32)pid, status);
		r->s->acquired++;
	}
	return 0;
}

// op_mark says from when (A = 0) or until when (A = 1) what the plan promises
// of live samples holds.
static long op_mark(struct run *r, struct op *o)
{
	__atomic_store_n(o->a == MARK_FROM ? &r->s->from_ns : &r->s->until_ns, now(), __ATOMIC_RELEASE);
	return 0;
}

// op_adopted waits until process A is the parent, and from then on dies with it.
static long op_adopted(struct run *r, struct op *o)
{
	u32 parent = procs[o->a].pid;
	while ((u32)sys0(SYS_getppid) != parent) {
		if (ended())
			return 0;
		breathe();
	}
	die_with_parent();
	if ((u32)sys0(SYS_getppid) != parent)
		quit(EXIT_ORPHAN);
	atomic_store(&procs[process_of(r->thread)].adopter, parent);
	r->s->loops++;
	return 0;
}

// op_stop_self stops until somebody continues the process.
static long op_stop_self(void) { return sys2(SYS_kill, sys0(SYS_getpid), SIGSTOP_); }

// op_signal sends signal A to process B, a child that nobody has reaped.
static long op_signal(struct op *o) { return sys2(SYS_kill, procs[o->b].pid, o->a); }

// op_trace stops process A as a debugger does. The kernel ends it if we end.
static long op_trace(struct op *o)
{
	u32 pid = procs[o->a].pid, status;
	long err = sys4(SYS_ptrace, PTRACE_SEIZE_, pid, 0, PTRACE_O_EXITKILL_);
	if (!err)
		err = sys4(SYS_ptrace, PTRACE_INTERRUPT_, pid, 0, 0);
	if (err)
		return err;
	do
		err = sys4(SYS_wait4, pid, &status, WALL_, 0);
	while (err == -EINTR_);
	return err < 0 ? err : 0;
}

static long op_untrace(struct op *o) { return sys4(SYS_ptrace, PTRACE_DETACH_, procs[o->a].pid, 0, 0); }
