//go:build ignore

/* Exact totals of a process over its living and its exited threads. The kernel
 * keeps the sum of the exited ones in signal_struct; the living ones are added
 * here, inside one run, and the sequence of stats_lock tells whether a thread
 * moved from one sum to the other meanwhile. Needs the open-coded task
 * iterator (6.7), so it is an object of its own. Read by totals.go. */

#include "kernel_read.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct bpf_iter_task {
	u64 __opaque[3];
} __attribute__((aligned(8)));

/* bpf_iter_task_new: the threads of the process of the given task. The enum
 * has no name in the kernel, hence the literal. */
#define BPF_TASK_ITER_PROC_THREADS 2

extern int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task, unsigned int flags) __weak __ksym;
extern struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it) __weak __ksym;
extern void bpf_iter_task_destroy(struct bpf_iter_task *it) __weak __ksym;

/* Mirrored by totalRec in totals.go. */
struct total_rec {
	u32 tgid, nthreads;
	u64 start;
	u64 nvcsw_alive, nivcsw_alive, exec_alive;
	u64 nvcsw_dead, nivcsw_dead, exec_dead;
	u32 seq0, seq1;
};

/* Keeps the layout in the object's type information, for TestLayout. */
const struct total_rec *total_layout __attribute__((unused));

SEC("iter/task")
int dump_totals(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task, *pos;
	struct task_struct *me = bpf_get_current_task_btf();
	struct total_rec r = {};
	struct bpf_iter_task it;
	struct signal_struct *sig;
	u32 level;

	if (!t || t->pid != t->tgid)
		return 0;
	sig = t->signal;
	if (!sig) /* already reaped */
		return 0;
	level = me->thread_pid->level;
	if (level == 0) {
		r.tgid = t->tgid;
	} else {
		struct upid *u = &me->thread_pid->numbers[level];
		struct pid_namespace *ns = NULL;

		bpf_core_read(&ns, sizeof(ns), &u->ns);
		r.tgid = pid_number(t->thread_pid, level, ns);
	}
	if (!r.tgid)
		return 0;
	r.start = t->start_boottime;
	r.seq0 = sig->stats_lock.seqcount.seqcount.sequence;
	r.nvcsw_dead = sig->nvcsw;
	r.nivcsw_dead = sig->nivcsw;
	r.exec_dead = sig->sum_sched_runtime;
	bpf_iter_task_new(&it, t, BPF_TASK_ITER_PROC_THREADS);
	while ((pos = bpf_iter_task_next(&it))) {
		r.nthreads++;
		r.nvcsw_alive += pos->nvcsw;
		r.nivcsw_alive += pos->nivcsw;
		r.exec_alive += pos->se.sum_exec_runtime;
	}
	bpf_iter_task_destroy(&it);
	r.seq1 = sig->stats_lock.seqcount.seqcount.sequence;
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}
