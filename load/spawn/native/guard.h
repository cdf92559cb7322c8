//go:build ignore

// The guard outlives a controller that is killed, by the moment it takes to
// empty and remove the cgroup of the run, and message queues whose root was
// killed between making and unlinking them. It lives outside that cgroup.

enum { FD_CGROUP_PARENT = 3, FD_GUARD_LIVE = 4, GUARD_SECONDS = 10, GUARD_QUEUES = 64, GUARD_LOOKS = 40 };

// unlink_queues removes every queue that a run may have left, by queueName of
// package spawn.
static void unlink_queues(const char *run)
{
	char name[96] = "ts-", digits[24];
	u64 n = 3;
	while (*run && n < 60)
		name[n++] = *run++;
	name[n++] = '-';
	for (u64 i = 0; i < GUARD_QUEUES; i++) {
		u64 end = n;
		for (char *d = digits_of(digits + 24, i); d < digits + 24; d++)
			name[end++] = *d;
		name[end] = 0;
		sys1(SYS_mq_unlink, name);
	}
}

__attribute__((noreturn)) static void guard(const char *run, const char *name)
{
	block_signals();
	sys2(SYS_prctl, PR_SET_NAME_, "taskscope-guard");
	limit(RLIMIT_CORE_, 0);
	limit(RLIMIT_CPU_, 60);
	struct pollfd_ p = {FD_GUARD_LIVE, 0, 0};
	// The workers have deadlines; the controller's death is all to wait for.
	while (!p.revents)
		sys5(SYS_ppoll, &p, 1, 0, 0, 8);
	i64 until = now() + GUARD_SECONDS * NSEC;
	struct timespec_ ms = {0, 2000000};
	int empty = 0;
	while (now() < until) {
		long dir = sys4(SYS_openat, FD_CGROUP_PARENT, name, O_DIRECTORY_ | O_CLOEXEC_, 0);
		if (dir < 0)
			break;
		long kill = sys4(SYS_openat, dir, "cgroup.kill", O_WRONLY_ | O_CLOEXEC_, 0);
		if (kill >= 0) {
			sys3(SYS_write, kill, "1", 1);
			sys1(SYS_close, kill);
		}
		sys1(SYS_close, dir);
		empty = sys3(SYS_unlinkat, FD_CGROUP_PARENT, name, AT_REMOVEDIR_) == 0;
		if (empty)
			break;
		sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC_, 0, &ms, 0);
	}
	// Nobody can make a queue once the cgroup is empty. Without one, the root
	// is on its way to its death, and may be making a last queue.
	for (int i = empty ? GUARD_LOOKS - 1 : 0; i < GUARD_LOOKS; i++) {
		unlink_queues(run);
		if (!empty)
			sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC_, 0, &ms, 0);
	}
	quit(0);
}
