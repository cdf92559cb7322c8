//go:build ignore

/* One record per task, written by an iter/task program: everything that the
 * stat, status, statm, schedstat and io files of a task say, in one pass and
 * without a text format in between. Loaded and read by source.go. */

#include "kernel_read.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Bits of task_rec.have: what this kernel, or this task, could supply. A field
 * whose bit is clear is unknown, not zero. Mirrored in task.go. */
enum have {
	HAVE_MM = 1 << 0,         /* rss, total_vm, hiwater_rss */
	HAVE_RSS_EXACT = 1 << 1,  /* rss includes the per-CPU parts */
	HAVE_REGS = 1 << 2,       /* user_sp, user_ip */
	HAVE_SCHED_INFO = 1 << 3, /* run_delay, pcount, last_queued */
	HAVE_RQ_CLOCK = 1 << 4,   /* rq_clock */
	HAVE_IO = 1 << 5,         /* read_bytes, ..., and their sig_ sums */
	HAVE_SEQ = 1 << 6,        /* seq */
	HAVE_DELAYS = 1 << 7,     /* blkio_delay */
	HAVE_EXEC_ID = 1 << 8,    /* exec_id */
	HAVE_CGROUPS = 1 << 9,    /* cgroups */
};
const enum have *have_layout __attribute__((unused));

/* Layout: 8-byte aligned, no padding, little-endian. Mirrored by Task in
 * task.go; TestLayout compares the two. */
struct task_rec {
	u32 tgid, tid, ppid, flags;
	u32 state, exit_state, cpu, nr_threads;
	s32 prio, static_prio;
	u32 rt_prio, policy;
	u64 utime, stime, sum_exec, start;
	u64 prev_utime, prev_stime;
	u64 nvcsw, nivcsw, run_delay, pcount;
	u64 min_flt, maj_flt;
	s64 rss[4];
	u64 total_vm;
	u64 sig_utime, sig_stime, sig_sum_sched, sig_prev_utime, sig_prev_stime;
	u64 sig_nvcsw, sig_nivcsw;
	u64 read_bytes, write_bytes;
	u32 uid, seq;
	u64 blkio_delay;
	char comm[TASK_COMM_LEN];
	/* 288 bytes up to here */
	u64 last_queued, rq_clock;
	u64 user_sp, user_ip;
	u64 migrations, exec_id, hiwater_rss;
	u64 rchar, wchar, syscr, syscw;
	u64 sig_min_flt, sig_maj_flt;
	u64 sig_rchar, sig_wchar, sig_syscr, sig_syscw, sig_read_bytes, sig_write_bytes;
	u32 euid, gid;
	u32 pgid, sid;
	u32 ktgid, ktid;
	u32 have, on_cpu;
	u64 cgroups;
};

/* What a look at a task takes that is dear to nobody: enough to tell that it has
 * not run since an earlier look, and nothing was done to its place in the tree
 * or to its priority. Mirrored by Glance in glance.go. */
struct glance_rec {
	u32 tgid, tid, ppid, state;
	s32 prio, static_prio;
	u32 policy, busy;
	u64 sum_exec;
};
const struct glance_rec *glance_layout __attribute__((unused));

#define MAX_CPUS 1024

/* Set before loading: number of possible CPUs whose offset is known, and each
 * CPU's distance from a per-CPU pointer to its own copy. 0: not known. */
volatile const u32 ncpu = 0;
volatile const u64 percpu_off[MAX_CPUS] = {};

/* Set before a pass: sum the per-CPU parts of rss (costs a read per CPU). */
volatile u32 exact_rss = 0;

/* Set before a pass: what is left out of it. These lie on cache lines of their
 * own, and with many tasks it is the cache misses that a pass costs. Mirrored in
 * source.go. */
enum part {
	PART_REGS = 1 << 0,
	PART_IO = 1 << 1,
	PART_DELAYS = 1 << 2,
	PART_CGROUPS = 1 << 3,
};
const enum part *part_layout __attribute__((unused));
volatile u32 left_out = 0;

/* The record is too large for the 512-byte stack. One pass runs at a time
 * (Source has a lock), so one element is enough. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct task_rec);
} scratch SEC(".maps");

/* The set of control groups that a task is in, in all hierarchies. */
struct task_struct___cgroups { struct css_set *cgroups; } KERNEL;

/* Our own PID namespace, as the numbers in all records are of it. */
struct viewer {
	u32 level;
	struct pid_namespace *ns;
};

static __always_inline void find_viewer(struct viewer *v)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct upid *u;

	v->level = me->thread_pid->level;
	v->ns = NULL;
	if (v->level == 0)
		return;
	u = &me->thread_pid->numbers[v->level];
	bpf_core_read(&v->ns, sizeof(v->ns), &u->ns);
}

/* Numbers of process, thread and parent. */
static __always_inline void fill_ids(u32 *tgid, u32 *tid, u32 *ppid, struct task_struct *t, struct signal_struct *sig,
				     struct viewer *v)
{
	if (v->level == 0) {
		*tgid = t->tgid;
		*tid = t->pid;
		*ppid = t->real_parent->tgid;
		return;
	}
	*tgid = pid_number(sig->pids[1], v->level, v->ns);
	*tid = pid_number(t->thread_pid, v->level, v->ns);
	*ppid = pid_number(t->real_parent->signal->pids[1], v->level, v->ns);
}

/* Numbers of process group and session. */
static __always_inline void fill_groups(struct task_rec *r, struct signal_struct *sig, struct viewer *v)
{
	if (v->level == 0) {
		r->pgid = sig->pids[2]->numbers[0].nr;
		r->sid = sig->pids[3]->numbers[0].nr;
		return;
	}
	r->pgid = pid_number(sig->pids[2], v->level, v->ns);
	r->sid = pid_number(sig->pids[3], v->level, v->ns);
}

static __always_inline void fill_sched(struct task_rec *r, struct task_struct *t)
{
	r->state = task_state(t);
	r->exit_state = t->exit_state;
	r->cpu = task_cpu(t);
	r->on_cpu = t->on_cpu;
	r->flags = t->flags;
	r->prio = t->prio;
	r->static_prio = t->static_prio;
	r->rt_prio = t->rt_priority;
	r->policy = t->policy;
	r->utime = t->utime;
	r->stime = t->stime;
	r->sum_exec = t->se.sum_exec_runtime;
	r->migrations = t->se.nr_migrations;
	r->start = t->start_boottime;
	r->prev_utime = t->prev_cputime.utime;
	r->prev_stime = t->prev_cputime.stime;
	r->nvcsw = t->nvcsw;
	r->nivcsw = t->nivcsw;
	r->min_flt = t->min_flt;
	r->maj_flt = t->maj_flt;
	if (bpf_core_field_exists(t->sched_info)) {
		r->run_delay = t->sched_info.run_delay;
		r->pcount = t->sched_info.pcount;
		r->last_queued = t->sched_info.last_queued;
		r->have |= HAVE_SCHED_INFO;
	}
	/* last_queued is in the time of the run queue, which no helper tells. */
	if (bpf_core_field_exists(t->se.cfs_rq) && bpf_core_field_exists(struct cfs_rq, rq)) {
		struct cfs_rq *q = t->se.cfs_rq;

		if (q) {
			r->rq_clock = q->rq->clock;
			r->have |= HAVE_RQ_CLOCK;
		}
	}
}

static __always_inline void fill_signal(struct task_rec *r, struct signal_struct *sig)
{
	u32 seq = 0;

	if (bpf_core_field_exists(sig->stats_lock.seqcount.seqcount.sequence)) {
		seq = sig->stats_lock.seqcount.seqcount.sequence;
		r->have |= HAVE_SEQ;
	}
	r->nr_threads = sig->nr_threads;
	r->sig_utime = sig->utime;
	r->sig_stime = sig->stime;
	r->sig_sum_sched = sig->sum_sched_runtime;
	r->sig_prev_utime = sig->prev_cputime.utime;
	r->sig_prev_stime = sig->prev_cputime.stime;
	r->sig_nvcsw = sig->nvcsw;
	r->sig_nivcsw = sig->nivcsw;
	r->sig_min_flt = sig->min_flt;
	r->sig_maj_flt = sig->maj_flt;
	if (bpf_core_field_exists(sig->ioac.read_bytes) && !(left_out & PART_IO)) {
		r->sig_rchar = sig->ioac.rchar;
		r->sig_wchar = sig->ioac.wchar;
		r->sig_syscr = sig->ioac.syscr;
		r->sig_syscw = sig->ioac.syscw;
		r->sig_read_bytes = sig->ioac.read_bytes;
		r->sig_write_bytes = sig->ioac.write_bytes;
	}
	/* A thread that exits meanwhile moves its counts into these sums: then
	 * the sequence is made odd, which means "do not trust the sums". */
	if (bpf_core_field_exists(sig->stats_lock.seqcount.seqcount.sequence) &&
	    seq != sig->stats_lock.seqcount.seqcount.sequence)
		seq |= 1;
	r->seq = seq;
}

static __always_inline void fill_io(struct task_rec *r, struct task_struct *t)
{
	if (!bpf_core_field_exists(t->ioac.read_bytes) || (left_out & PART_IO))
		return;
	r->rchar = t->ioac.rchar;
	r->wchar = t->ioac.wchar;
	r->syscr = t->ioac.syscr;
	r->syscw = t->ioac.syscw;
	r->read_bytes = t->ioac.read_bytes;
	r->write_bytes = t->ioac.write_bytes;
	r->have |= HAVE_IO;
}

/* Adds the per-CPU parts of the four counters, which lie side by side. */
static __always_inline void add_percpu_rss(struct task_rec *r, struct mm_struct *mm)
{
	s32 *base = mm->rss_stat[0].counters;
	s32 v[4];
	u32 c;

	if ((u64)mm->rss_stat[3].counters - (u64)base != 3 * sizeof(s32))
		return;
	for (c = 0; c < MAX_CPUS; c++) {
		if (c >= ncpu)
			break;
		if (bpf_probe_read_kernel(v, sizeof(v), (void *)((u64)base + percpu_off[c])))
			return;
		r->rss[0] += v[0];
		r->rss[1] += v[1];
		r->rss[2] += v[2];
		r->rss[3] += v[3];
	}
	r->have |= HAVE_RSS_EXACT;
}

static __always_inline void fill_mm(struct task_rec *r, struct task_struct *t)
{
	struct mm_struct *mm = t->mm;

	if (!mm || (t->flags & PF_KTHREAD))
		return;
	r->total_vm = mm->total_vm;
	r->hiwater_rss = mm->hiwater_rss;
	/* Literal indexes: a loop index would not be relocated. */
	if (bpf_core_type_exists(struct mm_rss_stat)) {
		struct mm_struct___old *old = (void *)mm;

		r->rss[0] = old->rss_stat.count[0].counter;
		r->rss[1] = old->rss_stat.count[1].counter;
		r->rss[2] = old->rss_stat.count[2].counter;
		r->rss[3] = old->rss_stat.count[3].counter;
	} else {
		r->rss[0] = mm->rss_stat[0].count;
		r->rss[1] = mm->rss_stat[1].count;
		r->rss[2] = mm->rss_stat[2].count;
		r->rss[3] = mm->rss_stat[3].count;
		/* Once per process: for the leader, and for every thread of a
		 * process whose leader has exited before them. */
		if (exact_rss && ncpu && (t->pid == t->tgid || t->group_leader->exit_state))
			add_percpu_rss(r, mm);
	}
	/* The task may have dropped its mm meanwhile; then the above is noise. */
	if (t->mm == mm)
		r->have |= HAVE_MM;
}

/* The registers saved at the last entry into the kernel: those of right now
 * unless the task is running in user mode this moment. */
static __always_inline void fill_regs(struct task_rec *r, struct task_struct *t)
{
	struct pt_regs *regs;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs) ||
	    !bpf_core_field_exists(struct pt_regs, sp))
		return;
	if (!t->mm || (t->flags & PF_KTHREAD) || t->exit_state || (left_out & PART_REGS))
		return;
	regs = (struct pt_regs *)bpf_task_pt_regs(t);
	r->user_sp = regs->sp;
	if (bpf_core_field_exists(regs->ip))
		r->user_ip = regs->ip;
	else if (bpf_core_field_exists(((struct pt_regs___arm64 *)regs)->pc))
		r->user_ip = ((struct pt_regs___arm64 *)regs)->pc;
	else if (bpf_core_field_exists(((struct pt_regs___riscv *)regs)->epc))
		r->user_ip = ((struct pt_regs___riscv *)regs)->epc;
	else
		return;
	r->have |= HAVE_REGS;
}

SEC("iter/task")
int dump_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct signal_struct *sig;
	struct viewer viewer;
	struct task_rec *r;
	u32 zero = 0;

	if (!t)
		return 0;
	sig = t->signal;
	if (!sig) /* already reaped */
		return 0;
	r = bpf_map_lookup_elem(&scratch, &zero);
	if (!r)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	find_viewer(&viewer);
	fill_ids(&r->tgid, &r->tid, &r->ppid, t, sig, &viewer);
	if (!r->tid || !r->tgid)
		return 0;
	r->ktgid = t->tgid;
	r->ktid = t->pid;
	fill_groups(r, sig, &viewer);
	fill_sched(r, t);
	fill_signal(r, sig);
	fill_io(r, t);
	fill_mm(r, t);
	fill_regs(r, t);
	r->uid = t->cred->uid.val;
	r->euid = t->cred->euid.val;
	r->gid = t->cred->gid.val;
	if (bpf_core_field_exists(t->self_exec_id)) {
		r->exec_id = t->self_exec_id;
		r->have |= HAVE_EXEC_ID;
	}
	if (bpf_core_field_exists(t->delays) && !(left_out & PART_DELAYS) && t->delays) {
		r->blkio_delay = t->delays->blkio_delay;
		r->have |= HAVE_DELAYS;
	}
	if (bpf_core_field_exists(((struct task_struct___cgroups *)t)->cgroups) && !(left_out & PART_CGROUPS)) {
		r->cgroups = (u64)((struct task_struct___cgroups *)t)->cgroups;
		r->have |= HAVE_CGROUPS;
	}
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), t->comm);
	bpf_seq_write(ctx->meta->seq, r, sizeof(*r));
	return 0;
}

SEC("iter/task")
int glance_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct signal_struct *sig = NULL;
	struct viewer viewer;
	struct glance_rec r = {};

	if (!t)
		return 0;
	find_viewer(&viewer);
	/* It lies on a cache line that nothing else here needs; only what has
	 * exited may be reaped already. */
	if (viewer.level || t->exit_state) {
		sig = t->signal;
		if (!sig)
			return 0;
	}
	fill_ids(&r.tgid, &r.tid, &r.ppid, t, sig, &viewer);
	if (!r.tid || !r.tgid)
		return 0;
	r.state = task_state(t) | t->exit_state;
	r.prio = t->prio;
	r.static_prio = t->static_prio;
	r.policy = t->policy;
	/* On a CPU, or waiting for one. */
	r.busy = t->on_cpu || !r.state;
	r.sum_exec = t->se.sum_exec_runtime;
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}
