/* Reads that differ between kernels or between PID namespaces. */
#ifndef TASKSCOPE_KERNEL_READ_H
#define TASKSCOPE_KERNEL_READ_H

#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

static __always_inline u32 task_state(struct task_struct *t)
{
	if (bpf_core_field_exists(t->__state))
		return t->__state;
	return (u32)((struct task_struct___514 *)t)->state;
}

static __always_inline u32 task_cpu(struct task_struct *t)
{
	if (bpf_core_field_exists(t->thread_info.cpu))
		return t->thread_info.cpu;
	return ((struct task_struct___514 *)t)->cpu;
}

/* The number of p in the namespace ns of that level, 0 where it has none:
 * the same rule as pid_nr_ns(). level is a variable, so the element is read
 * with a probe, which typed loads cannot do. */
static __always_inline u32 pid_number(struct pid *p, u32 level, struct pid_namespace *ns)
{
	struct pid_namespace *own = NULL;
	struct upid *u;
	s32 nr = 0;

	if (!p || p->level < level)
		return 0;
	u = &p->numbers[level];
	if (bpf_core_read(&own, sizeof(own), &u->ns) || own != ns)
		return 0;
	if (bpf_core_read(&nr, sizeof(nr), &u->nr))
		return 0;
	return nr;
}

#endif
