//go:build ignore

// The guard outlives a controller that is killed, by the moment it takes to
// empty and remove the cgroup of the run. It lives outside that cgroup.

enum { FD_CGROUP_PARENT = 3, FD_GUARD_LIVE = 4, GUARD_SECONDS = 10 };

__attribute__((noreturn)) static void guard(const char *name)
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
	while (now() < until) {
		long dir = sys4(SYS_openat, FD_CGROUP_PARENT, name, 0200000 | O_CLOEXEC_, 0);
		if (dir < 0)
			break;
		long kill = sys4(SYS_openat, dir, "cgroup.kill", O_WRONLY_ | O_CLOEXEC_, 0);
		if (kill >= 0) {
			sys3(SYS_write, kill, "1", 1);
			sys1(SYS_close, kill);
		}
		sys1(SYS_close, dir);
		if (sys3(SYS_unlinkat, FD_CGROUP_PARENT, name, AT_REMOVEDIR_) == 0)
			break;
		struct timespec_ ms = {0, 2000000};
		sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC_, 0, &ms, 0);
	}
	quit(0);
}
