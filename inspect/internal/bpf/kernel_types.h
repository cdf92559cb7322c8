/* The fields of kernel structures that the programs of this package read, and
 * nothing else. Offsets here mean nothing: preserve_access_index makes the
 * loader replace each of them by that of the running kernel. Types ending in
 * ___something are other shapes of the same structure in other kernels. */
#ifndef TASKSCOPE_KERNEL_TYPES_H
#define TASKSCOPE_KERNEL_TYPES_H

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;
typedef _Bool bool;

#define KERNEL __attribute__((preserve_access_index))

#define TASK_COMM_LEN 16

/* linux/sched.h, include/linux/sched.h: bits of task_struct.__state */
#define TASK_INTERRUPTIBLE 0x0001
#define TASK_UNINTERRUPTIBLE 0x0002
#define TASK_STOPPED_OR_TRACED 0x000c
#define TASK_DEAD 0x0080
#define TASK_NOLOAD 0x0400
#define TASK_RTLOCK_WAIT 0x1000
#define TASK_FROZEN 0x8000
/* task_struct.flags */
#define PF_KTHREAD 0x00200000
/* signal_struct.flags */
#define SIGNAL_GROUP_EXIT 0x00000004

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID };

/* Only the members' values that are used; see uapi/linux/bpf.h. */
enum bpf_func_id { BPF_FUNC_task_pt_regs = 175 };
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };

typedef struct { int counter; } KERNEL atomic_t;
typedef struct { s64 counter; } KERNEL atomic_long_t;
typedef struct { u32 val; } KERNEL kuid_t;
typedef struct { u32 val; } KERNEL kgid_t;

struct seqcount { u32 sequence; } KERNEL;
struct seqcount_spinlock { struct seqcount seqcount; } KERNEL;
typedef struct { struct seqcount_spinlock seqcount; } KERNEL seqlock_t;

struct ns_common { u32 inum; } KERNEL;
struct pid_namespace { struct ns_common ns; } KERNEL;
struct upid { s32 nr; struct pid_namespace *ns; } KERNEL;
struct pid { u32 level; struct upid numbers[1]; } KERNEL;

struct prev_cputime { u64 utime, stime; } KERNEL;
struct task_io_accounting {
	u64 rchar, wchar, syscr, syscw, read_bytes, write_bytes;
} KERNEL;
struct task_delay_info { u64 blkio_delay; } KERNEL;
struct sched_info {
	unsigned long pcount;
	u64 run_delay, last_arrival, last_queued;
} KERNEL;

struct rq { u64 clock; } KERNEL;
struct cfs_rq { struct rq *rq; } KERNEL;
struct sched_entity {
	u64 exec_start, sum_exec_runtime, nr_migrations;
	struct cfs_rq *cfs_rq;
	u8 sched_delayed;
} KERNEL;

/* >= 6.2; the four counters of one mm are contiguous per CPU since 6.6. */
struct percpu_counter { s64 count; s32 *counters; } KERNEL;
/* < 6.2 */
struct mm_rss_stat { atomic_long_t count[4]; } KERNEL;
struct mm_struct {
	unsigned long total_vm, hiwater_rss;
	struct percpu_counter rss_stat[4];
} KERNEL;
struct mm_struct___old {
	struct mm_rss_stat rss_stat;
} KERNEL;

struct cred { kuid_t uid, euid; kgid_t gid; } KERNEL;

struct signal_struct {
	atomic_t live;
	int nr_threads;
	int group_exit_code;
	u32 flags;
	struct pid *pids[4];
	seqlock_t stats_lock;
	u64 utime, stime;
	struct prev_cputime prev_cputime;
	unsigned long nvcsw, nivcsw, min_flt, maj_flt;
	struct task_io_accounting ioac;
	u64 sum_sched_runtime;
} KERNEL;

struct thread_info { u32 cpu; } KERNEL;
struct task_struct {
	struct thread_info thread_info; /* .cpu: >= 5.16 */
	u32 __state;                    /* >= 5.14 */
	u32 flags;
	int on_cpu, on_rq;
	int prio, static_prio;
	u32 rt_priority, policy;
	struct sched_entity se;
	struct sched_info sched_info;
	struct mm_struct *mm;
	int exit_state, exit_code;
	int pid, tgid;
	struct task_struct *real_parent, *group_leader;
	struct pid *thread_pid;
	u64 utime, stime;
	struct prev_cputime prev_cputime;
	unsigned long nvcsw, nivcsw;
	u64 start_time, start_boottime;
	unsigned long min_flt, maj_flt;
	struct cred *cred;
	char comm[TASK_COMM_LEN];
	struct signal_struct *signal;
	u64 self_exec_id;
	struct task_io_accounting ioac;
	struct task_delay_info *delays;
} KERNEL;
struct task_struct___514 {
	long state;
	u32 cpu;
} KERNEL;

/* Saved user registers: x86, arm64, riscv name them differently. */
struct pt_regs { unsigned long sp, ip; } KERNEL;
struct pt_regs___arm64 { u64 pc; } KERNEL;
struct pt_regs___riscv { unsigned long epc; } KERNEL;

struct seq_file;
struct linux_binprm;
struct bpf_iter_meta { struct seq_file *seq; u64 session_id, seq_num; } KERNEL;
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} KERNEL;

/* kernel/bpf/arraymap.c: the array of per-CPU pointers starts here */
struct bpf_array { void *pptrs[1]; } KERNEL;

#endif
