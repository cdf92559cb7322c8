//go:build ignore

// --layout prints the arena as this program sees it: one "name value" per line.

static void print(const char *name, u64 value)
{
	char line[96];
	u64 n = 0;
	while (name[n] && n < 60) {
		line[n] = name[n];
		n++;
	}
	line[n++] = ' ';
	char digits[24];
	char *d = digits_of(digits + 24, value);
	while (d < digits + 24)
		line[n++] = *d++;
	line[n++] = '\n';
	sys3(SYS_write, 1, line, n);
}

#define SIZE(s) print(#s, sizeof(struct s))
#define AT(s, f) print(#s "." #f, offsetof(struct s, f))

__attribute__((noreturn)) static void layout(void)
{
	print("magic", ARENA_MAGIC);
	print("version", ARENA_VERSION);
	SIZE(header);
	AT(header, magic); AT(header, version); AT(header, size); AT(header, nprocs); AT(header, nthreads);
	AT(header, nops); AT(header, controller_pid); AT(header, procs_off); AT(header, threads_off);
	AT(header, ops_off); AT(header, slots_off); AT(header, deadline_ns); AT(header, kill_ns);
	AT(header, files_limit); AT(header, flags); AT(header, objects_off); AT(header, nobjects);
	 AT(header, gate_ns); AT(header, gate); AT(header, stop); AT(header, ready);
	AT(header, parked); AT(header, failed); AT(header, fail_thread); AT(header, fail_step);
	AT(header, fail_errno); AT(header, fail_op); AT(header, parks);
	SIZE(process);
	AT(process, parent); AT(process, first_thread); AT(process, nthreads); AT(process, first_child);
	AT(process, next_sibling); AT(process, setsid); AT(process, cpu_limit_s); AT(process, pid);
	AT(process, ppid); AT(process, flags); AT(process, data_limit); AT(process, ended);
	AT(process, wait_status); AT(process, adopter);
	SIZE(thread);
	AT(thread, name); AT(thread, policy); AT(thread, rtprio); AT(thread, nice); AT(thread, pinned);
	AT(thread, setup_first); AT(thread, setup_count); AT(thread, ops_first); AT(thread, ops_count);
	AT(thread, stack_bytes); AT(thread, cpus); AT(thread, ends);
	SIZE(op);
	AT(op, kind); AT(op, object); AT(op, a); AT(op, b); AT(op, c);
	SIZE(object);
	AT(object, kind); AT(object, count); AT(object, fd); AT(object, bytes); AT(object, memory); AT(object, port);
	SIZE(slot);
	AT(slot, phase); AT(slot, tid); AT(slot, err); AT(slot, used); AT(slot, start_ns); AT(slot, end_ns);
	AT(slot, cpu_ns); AT(slot, voluntary); AT(slot, involuntary); AT(slot, minor); AT(slot, major);
	AT(slot, loops); AT(slot, late); AT(slot, waits); AT(slot, acquired); AT(slot, bytes);
	AT(slot, park_voluntary); AT(slot, failed_op); AT(slot, result); AT(slot, job_end_ns); AT(slot, done);
	AT(slot, address); AT(slot, from_ns); AT(slot, until_ns); AT(slot, notified);
	quit(0);
}
