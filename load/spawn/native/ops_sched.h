//go:build ignore

// Operations about the scheduler: who runs, where, and what that costs.

static u64 involuntary(void) { return (u64)rusage().nivcsw; }

// op_yield counts as late the yields after which nobody else has run: with
// others ready on the same CPU there are none, and each is one involuntary
// switch. What else took the CPU meanwhile comes on top.
static long op_yield(struct run *r, struct op *o)
{
	u64 before = involuntary();
	for (u64 i = 0; i < o->a; i++) {
		if ((i & 63) == 0 && ended())
			return 0;
		sys0(SYS_sched_yield);
		u64 after = involuntary();
		if (after == before)
			r->s->late++;
		before = after;
		r->s->loops++;
	}
	return 0;
}

static long set_cpu(u64 cpu)
{
	u64 mask[CPU_WORDS];
	for (u32 i = 0; i < CPU_WORDS; i++)
		((volatile u64 *)mask)[i] = i == cpu / 64 ? 1UL << (cpu % 64) : 0;
	return sys3(SYS_sched_setaffinity, 0, sizeof mask, mask);
}

// op_migrate counts the moves after which it is where it wanted to be.
static long op_migrate(struct run *r, struct op *o)
{
	for (u64 i = 0; i < o->a && !ended(); i++) {
		u32 cpu = 0;
		u64 to = i & 1 ? o->c : o->b;
		long err = set_cpu(to);
		if (err < 0)
			return err;
		sys3(SYS_getcpu, &cpu, 0, 0);
		if (cpu == to)
			r->s->loops++;
		else
			r->s->late++;
	}
	return 0;
}

enum { SLICE_SLACK = 10000000 }; // a tick: slices are counted in ticks

// op_check_slice refuses to go on where the time slice of the policy is not
// what was promised.
static long op_check_slice(struct op *o)
{
	struct timespec_ t;
	long err = sys2(SYS_sched_rr_get_interval, 0, &t);
	if (err)
		return err;
	i64 off = t.sec * NSEC + t.nsec - (i64)o->a;
	return off < -SLICE_SLACK || off > SLICE_SLACK ? -EINVAL_ : 0;
}

// op_spin_follow spins until another thread is done with its operations. Each
// time it sees that the other has done something since it last looked, it has
// been off the CPU in between, if both share one.
static long op_spin_follow(struct run *r, struct op *o)
{
	if (o->a >= head->nthreads)
		return -EINVAL_;
	struct slot *other = &slots[o->a];
	i64 until = r->gate_ns + (i64)o->b;
	u64 seen = atomic_load(&other->loops);
	while (atomic_load(&other->phase) < PHASE_PARKED && now() < until && !ended()) {
		spin();
		u64 n = atomic_load(&other->loops);
		if (n != seen)
			r->s->acquired++;
		seen = n;
	}
	r->s->loops++;
	return 0;
}

// A deadline thread may run a hundredth of its period: it only waits here.
struct sched_attr_ {
	u32 size, policy;
	u64 flags;
	i32 nice;
	u32 priority;
	u64 runtime, deadline, period;
};

enum { POLICY_DEADLINE = 6, DEADLINE_RUNTIME = 1000000, DEADLINE_PERIOD = 100000000 };

static long set_policy(u32 policy, u32 rtprio)
{
	if (policy == POLICY_DEADLINE) {
		struct sched_attr_ a = {sizeof a, policy, 0, 0, 0, DEADLINE_RUNTIME, DEADLINE_PERIOD, DEADLINE_PERIOD};
		return sys3(SYS_sched_setattr, 0, &a, 0);
	}
	i32 priority = (i32)rtprio;
	return sys3(SYS_sched_setscheduler, 0, policy, &priority);
}
