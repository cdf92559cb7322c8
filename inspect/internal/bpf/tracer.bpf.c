//go:build ignore

/* Scheduler tracer. Programs on the scheduler's tracepoints keep, per thread,
 * the time spent running, ready, asleep, in disk sleep and stopped, with
 * switches, wake-ups, migrations and wake-up latencies ("aggregates"), and on
 * request write every event to a ring buffer. Loaded and read by tracer*.go. */

#include "kernel_read.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* --- what is traced ------------------------------------------------------ */

enum trace_mode { MODE_ALL, MODE_ONE, MODE_SET };

/* Set before loading. */
volatile const u32 mode = MODE_ALL;
volatile const u32 follow = 0; /* MODE_SET: descendants too */
volatile const u32 do_aggregates = 0;
volatile const u32 do_events = 0;
volatile const u32 do_births = 0; /* without events: forks and execs all the same */
volatile const u32 do_pairs = 0;
volatile const u32 watermark = 65536; /* bytes in the ring that wake the reader; a power of two */

/* Set while running. */
volatile u32 enabled = 0;   /* programs attach one by one; this starts them all at once */
volatile u32 self_tgid = 0; /* the tracer's own process is never traced */
volatile u32 target = 0;    /* MODE_ONE: tgid in the initial PID namespace */
volatile u32 target_last = 0; /* MODE_ONE: the last thread of the target, once it is ending */
volatile u32 ns_level = 0;  /* the reader's PID namespace: its depth ... */
volatile u32 ns_inum = 0;   /* ... and number; 0, 0 is the initial one */

/* Steps of the seed program, set by Go before each pass. */
enum seed_step { SEED_IDENTIFY, SEED_ROOT, SEED_TREE, SEED_THREADS };
volatile u32 step = 0;
volatile u32 seed_root = 0; /* SEED_ROOT: the process looked for, as the reader numbers it */
volatile u32 seed_found = 0;

/* --- the event ------------------------------------------------------------ */

enum event_kind {
	EV_OUT = 1, EV_IN, EV_WAKE, EV_NEW, EV_FORK, EV_EXEC, EV_EXIT, EV_MIGRATE, EV_SEED,
	EV_KINDS = 16,
};

/* Classes of task state; prev_state itself needs 16 bits. */
enum state_class { ST_UNKNOWN, ST_RUN, ST_READY, ST_SLEEP, ST_DISK, ST_STOPPED, ST_DEAD, ST_CLASSES = 8 };

/* Mirrored by Event in tracer_types.go. */
struct event {
	u64 ts;
	u32 tid, tgid, other;
	u16 cpu;
	u8 kind, state;
};

/* End of a process, in the same ring; told from an event by its length.
 * Mirrored by exitRec in tracer_types.go. */
struct exit_rec {
	u64 ts, start, lifetime, exec, nvcsw, nivcsw;
	u32 tgid, ppid, code, uid;
	char comm[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4194304);
} events SEC(".maps");

/* --- counters ------------------------------------------------------------- */

/* One per CPU. Each kind has its own counters, because an interrupt may run one
 * program in the middle of another on the same CPU, but never the same one.
 * Mirrored by cpuState in tracer_types.go. */
struct cpu_state {
	u64 emitted[EV_KINDS];
	u64 dropped[EV_KINDS]; /* no room in the ring */
	u64 no_thread[EV_KINDS]; /* no room in the table of threads */
	u64 no_pair[2];        /* no room in the table of pairs */
	u64 no_process;        /* no room in the table of processes */
	u64 exits_emitted, exits_dropped;
	u64 reused;            /* entry of a dead thread overwritten by another with its number */
	u64 switches, breaks;  /* all switches; those whose prev is not the last next */
	u64 breaks_traced;     /* breaks next to a traced thread: its switch was not seen */
	u64 last_next;
	u64 last_traced;       /* last_next is traced */
	/* The traced thread that entered this CPU last: which, when, and its CPU
	 * time until then. sum_exec_runtime of a running thread is stale. */
	u64 in_task, in_time, in_exec;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_state);
} cpus SEC(".maps");

/* --- tables --------------------------------------------------------------- */

#define CPU_WORDS 4
#define HIST 32

/* What one thread did. Written by one CPU at a time: the scheduler's locks
 * order the events of a thread. seq_begin and seq_end differ while it is being
 * changed; a reader copies upwards, so it meets seq_end first.
 * Mirrored by aggRec in tracer_types.go. */
struct agg {
	u64 seq_end;
	u64 ns[ST_CLASSES];
	u64 since; /* when the present state was entered; 0: entry not filled in yet */
	u64 first; /* when this entry was made */
	u64 start; /* start_boottime: which thread of this number it is */
	u64 task;  /* its address: see take_over() */
	u64 nvcsw, nivcsw, wakes, migrations;
	u64 exec; /* sum_exec_runtime when it last left or entered a CPU */
	u64 delay; /* sched_info.run_delay when it last left a CPU */
	u64 kvcsw, kivcsw; /* the kernel's nvcsw and nivcsw when it last left a CPU */
	/* What the kernel booked as run and ready time until it last left a CPU,
	 * and what the stamps of our own said then. See settle(). */
	u64 run, ready, run_seen, ready_seen;
	u64 missed_in; /* times it left a CPU without having been seen to enter it */
	u64 missed_out; /* switches that only the kernel counted */
	u64 missed_wake; /* times it ran again without having been seen to wake up */
	u64 lat_count, lat_sum, lat_max;
	u64 cpus[CPU_WORDS]; /* CPUs it ran on, bit by bit */
	u32 hist[HIST];      /* wake-up latency: [i] counts 2^i <= ns < 2^(i+1) */
	u32 tid, tgid;       /* as the reader's PID namespace numbers them, 0: not in it */
	u32 ktgid;
	u16 cpu;
	u8 state, flags;
	u8 slept; /* the state it was in before, with AGG_NO_WAKE */
	u8 pad[7];
	char comm[TASK_COMM_LEN];
	u64 seq_begin;
};

enum agg_flag {
	AGG_WOKEN = 1,      /* ready because of a wake-up, not of a preemption */
	AGG_SEEDED = 2,     /* known from the pass at the start */
	AGG_BORN = 4,       /* seen from its birth */
	AGG_DEAD = 8,       /* has left the CPU for the last time */
	AGG_MORE_CPUS = 16, /* ran on CPUs beyond the mask */
	AGG_NO_WAKE = 32,   /* got its CPU without having been seen to wake up */
	AGG_OLD_EXEC = 64,  /* exec is not that of when it last left a CPU */
	AGG_OLD_DELAY = 128, /* nor is delay */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32); /* pid in the initial PID namespace */
	__type(value, struct agg);
} threads SEC(".maps");

/* MODE_SET: the traced processes; the value is the last thread of a process
 * that is ending, else 0. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u32);
} tgids SEC(".maps");

/* One bit of what is in tgids: most threads of the machine can be told to be
 * untraced by this alone, at a tenth of the price of looking them up. Bits are
 * never taken back. */
#define MARKS 8192
volatile u8 marks[MARKS] = {};

enum pair_kind { PAIR_PREEMPT, PAIR_WAKE };

/* Who did it to whom. Mirrored by pairKey and pairRec in tracer_types.go. */
struct pair_key {
	u32 kind, who, whom;
};
struct pair {
	u64 count;
	u32 who_tid, who_tgid, whom_tid, whom_tgid;
	char who_comm[TASK_COMM_LEN], whom_comm[TASK_COMM_LEN];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct pair_key);
	__type(value, struct pair);
} pairs SEC(".maps");

/* The waker of each thread between sched_waking, which runs on the waker's
 * CPU, and sched_wakeup, which may run on another. Direct-mapped by pid: a
 * collision makes a waker unknown, never wrong. */
#define WAKERS 8192
struct waker {
	u32 pid, tid;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WAKERS);
	__type(key, u32);
	__type(value, struct waker);
} wakers SEC(".maps");

/* Empty values to insert; too large for the stack. */
const volatile struct agg no_agg = {};

/* Scratch of the seed program, which never runs twice at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct agg);
} seed_agg SEC(".maps");

/* Keep these in the object's type information, where the tests compare them
 * with their Go mirrors. */
const struct event *event_layout __attribute__((unused));
const struct exit_rec *exit_layout __attribute__((unused));
const enum trace_mode *mode_layout __attribute__((unused));
const enum seed_step *seed_layout __attribute__((unused));
const enum event_kind *kind_layout __attribute__((unused));
const enum state_class *class_layout __attribute__((unused));
const enum pair_kind *pair_layout __attribute__((unused));
const enum agg_flag *flag_layout __attribute__((unused));

/* --- helpers -------------------------------------------------------------- */

static __always_inline struct cpu_state *this_cpu(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&cpus, &zero);
}

static __always_inline bool wanted(struct task_struct *t)
{
	u32 tgid = t->tgid;

	if (tgid == 0 || tgid == self_tgid)
		return 0;
	if (mode == MODE_ONE)
		return tgid == target;
	if (mode == MODE_SET)
		return marks[tgid & (MARKS - 1)] && bpf_map_lookup_elem(&tgids, &tgid) != NULL;
	return 1;
}

/* Adds a process to those traced, 0 when that was done. */
static __always_inline long add_process(u32 tgid, u64 flags)
{
	u32 none = 0;

	marks[tgid & (MARKS - 1)] = 1;
	return bpf_map_update_elem(&tgids, &tgid, &none, flags);
}

/* Pointers are followed with probes here, not with typed loads: for every typed
 * hop the verifier searches the kernel's types by name, which made loading ten
 * times dearer, and these paths are rare. */

/* The number of p as the reader's PID namespace has it. */
static __noinline u32 seen_number(struct pid *p, u32 level)
{
	struct pid_namespace *ns = NULL;
	struct upid *u;
	u32 inum = 0, own_level = 0;
	s32 nr = 0;

	if (!p || bpf_core_read(&own_level, sizeof(own_level), &p->level) || own_level < level)
		return 0;
	u = &p->numbers[level];
	if (bpf_core_read(&ns, sizeof(ns), &u->ns) || bpf_core_read(&inum, sizeof(inum), &ns->ns.inum))
		return 0;
	if (inum != ns_inum || bpf_core_read(&nr, sizeof(nr), &u->nr))
		return 0;
	return nr;
}

static __always_inline u32 seen_tid(struct task_struct *t)
{
	u32 level = ns_level;

	return level ? seen_number(BPF_CORE_READ(t, thread_pid), level) : t->pid;
}

static __always_inline u32 seen_tgid(struct task_struct *t)
{
	u32 level = ns_level;

	return level ? seen_number(BPF_CORE_READ(t, signal, pids[1]), level) : t->tgid;
}

static __always_inline u32 log2_ns(u64 v)
{
	u32 x, r = 0;

	if (v >> 32)
		return HIST - 1;
	x = v;
	if (x >> 16) { r += 16; x >>= 16; }
	if (x >> 8) { r += 8; x >>= 8; }
	if (x >> 4) { r += 4; x >>= 4; }
	if (x >> 2) { r += 2; x >>= 2; }
	if (x >> 1) { r += 1; }
	return r;
}

/* Class of a blocked (or never blocked) state. */
static __always_inline u8 class_of(u32 state)
{
	if (!state)
		return ST_READY;
	if (state & TASK_DEAD)
		return ST_DEAD;
	if (state & TASK_STOPPED_OR_TRACED)
		return ST_STOPPED;
	if ((state & TASK_UNINTERRUPTIBLE) && !(state & TASK_NOLOAD))
		return ST_DISK;
	if (state & (TASK_RTLOCK_WAIT | TASK_FROZEN)) /* shown as D, too */
		return ST_DISK;
	return ST_SLEEP;
}

/* How to hand over a record. Waking the reader for each event would triple the
 * price of a switch, and so would waking it for each one beyond the watermark
 * when it is late: it is woken by the few that cross a multiple of it. The
 * window is some events wide, so that events of several CPUs cannot all jump
 * over it; and the reader looks now and then anyway. */
#define WAKE_WINDOW 256

static __always_inline u64 how_to_submit(void)
{
	u64 filled = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);

	if (filled >= watermark && (filled & (watermark - 1)) < WAKE_WINDOW)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void emit(struct cpu_state *cs, u32 kind, u8 state, u32 tid, u32 tgid, u32 other,
				 u32 cpu, u64 now)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		cs->dropped[kind]++;
		return;
	}
	e->ts = now;
	e->tid = tid;
	e->tgid = tgid;
	e->other = other;
	e->cpu = cpu;
	e->kind = kind;
	e->state = state;
	bpf_ringbuf_submit(e, how_to_submit());
	cs->emitted[kind]++;
}

static __always_inline void open_agg(struct agg *v) { v->seq_begin++; barrier(); }
static __always_inline void close_agg(struct agg *v) { barrier(); v->seq_end++; }

/* Adds the time since the last event to the state it was spent in. */
static __always_inline void account(struct agg *v, u64 now)
{
	if (v->since && now > v->since)
		v->ns[v->state & (ST_CLASSES - 1)] += now - v->since;
	if (now > v->since)
		v->since = now;
}

static __always_inline void enter(struct agg *v, u8 state, u64 now)
{
	account(v, now);
	v->state = state;
}

static __always_inline void reset_agg(struct agg *v)
{
	int i;

	for (i = 0; i < ST_CLASSES; i++)
		v->ns[i] = 0;
	for (i = 0; i < CPU_WORDS; i++)
		v->cpus[i] = 0;
	for (i = 0; i < HIST; i++)
		v->hist[i] = 0;
	v->since = v->nvcsw = v->nivcsw = v->wakes = v->migrations = 0;
	v->run = v->ready = v->run_seen = v->ready_seen = 0;
	v->lat_count = v->lat_sum = v->lat_max = 0;
	v->missed_in = v->missed_out = v->missed_wake = 0;
	v->state = v->flags = 0;
}

static __always_inline u64 run_delay(struct task_struct *t)
{
	if (bpf_core_field_exists(t->sched_info.run_delay))
		return t->sched_info.run_delay;
	return 0;
}

/* What the kernel has booked for a thread until now. */
static __always_inline void take_books(struct agg *v, struct task_struct *t)
{
	v->task = (u64)t;
	v->exec = t->se.sum_exec_runtime;
	v->delay = run_delay(t);
	v->kvcsw = t->nvcsw;
	v->kivcsw = t->nivcsw;
}

static __always_inline void name_agg(struct agg *v, struct task_struct *t, u64 now)
{
	v->first = v->since = now;
	v->start = t->start_boottime;
	take_books(v, t);
	v->flags = 0;
	if (t->on_cpu)
		v->flags |= AGG_OLD_EXEC;
	if (!bpf_core_field_exists(t->sched_info.last_queued) || t->sched_info.last_queued)
		v->flags |= AGG_OLD_DELAY;
	v->tid = seen_tid(t);
	v->tgid = seen_tgid(t);
	v->ktgid = t->tgid;
	v->cpu = task_cpu(t);
	bpf_probe_read_kernel(v->comm, sizeof(v->comm), t->comm);
}

/* A thread that executes a program gets the number and the birth of the leader,
 * which has ended: what the kernel booked for that one is not its own. */
static __always_inline void take_over(struct agg *v, struct task_struct *t)
{
	open_agg(v);
	take_books(v, t);
	v->flags &= ~AGG_DEAD;
	v->flags |= AGG_OLD_EXEC | AGG_OLD_DELAY;
	close_agg(v);
}

/* The entry of a thread, made if there is none. Not inlined: five programs
 * use it. */
static __noinline struct agg *get_agg(struct task_struct *t, struct cpu_state *cs, u32 kind, u64 now)
{
	u32 pid = t->pid;
	struct agg *v = bpf_map_lookup_elem(&threads, &pid);

	if (v && v->start == t->start_boottime) {
		if (v->task != (u64)t)
			take_over(v, t);
		return v;
	}
	if (v) {
		/* The number belongs to another thread now, and Go has not
		 * collected the old one. */
		cs->reused++;
		open_agg(v);
		reset_agg(v);
		name_agg(v, t, now);
		close_agg(v);
		return v;
	}
	bpf_map_update_elem(&threads, &pid, (const void *)&no_agg, BPF_NOEXIST);
	v = bpf_map_lookup_elem(&threads, &pid);
	if (!v) {
		cs->no_thread[kind & (EV_KINDS - 1)]++;
		return NULL;
	}
	/* A seed may have come first. */
	if (!v->since) {
		open_agg(v);
		name_agg(v, t, now);
		close_agg(v);
	}
	return v;
}

static __noinline int count_pair(struct cpu_state *cs, u32 kind, struct task_struct *who,
				 struct task_struct *whom)
{
	struct pair_key k = { .kind = kind, .who = who->pid, .whom = whom->pid };
	struct pair *p = bpf_map_lookup_elem(&pairs, &k);
	struct pair n = {};

	if (p) {
		__sync_fetch_and_add(&p->count, 1);
		return 0;
	}
	n.count = 1;
	n.who_tid = seen_tid(who);
	n.who_tgid = seen_tgid(who);
	n.whom_tid = seen_tid(whom);
	n.whom_tgid = seen_tgid(whom);
	bpf_probe_read_kernel(n.who_comm, sizeof(n.who_comm), who->comm);
	bpf_probe_read_kernel(n.whom_comm, sizeof(n.whom_comm), whom->comm);
	if (!bpf_map_update_elem(&pairs, &k, &n, BPF_NOEXIST))
		return 0;
	p = bpf_map_lookup_elem(&pairs, &k);
	if (p)
		__sync_fetch_and_add(&p->count, 1);
	else
		cs->no_pair[kind & 1]++;
	return 0;
}

/* --- programs ------------------------------------------------------------- */

/* The thread has a CPU, and was blocked as far as we know: its wake-up was not
 * shown to us. What it waited since is known when it leaves the CPU. */
static __always_inline void note_no_wake(struct agg *v)
{
	if (v->state != ST_SLEEP && v->state != ST_DISK && v->state != ST_STOPPED)
		return;
	v->slept = v->state;
	v->flags |= AGG_NO_WAKE;
}

/* The thread leaves a CPU that it was not seen to enter: the kernel did not run
 * the program for that switch. How long it ran is in its CPU time. */
static __always_inline void repair_in(struct agg *v, struct task_struct *t, u64 now)
{
	u64 ran = t->se.sum_exec_runtime - v->exec;

	if (v->since == now) /* just made: nothing is known about before */
		return;
	if (ran > now - v->since)
		ran = now - v->since;
	account(v, now - ran);
	note_no_wake(v);
	v->state = ST_RUN;
	v->missed_in++;
}

/* The thread slept, by all we saw, but the kernel has booked a wait for a CPU
 * since: that part of the sleep was spent ready. */
static __always_inline void repair_wake(struct agg *v, u64 delay)
{
	u64 waited = delay - v->delay;
	u32 from = v->slept & (ST_CLASSES - 1);

	if (waited > v->ns[from])
		waited = v->ns[from];
	v->ns[from] -= waited;
	v->ns[ST_READY] += waited;
	v->missed_wake++;
	v->flags &= ~AGG_NO_WAKE;
}

/* Takes over what the kernel booked since the thread last left a CPU: at this
 * tracepoint both of its accounts are closed up to this switch. They differ from
 * our stamps, because the kernel takes the time when it decides and we when it
 * switches: a thread preempted by a wake-up in an interrupt is charged up to that
 * wake-up only, and whoever follows it for the rest of the interrupt.
 *
 * Where the account of the last time is not known, the stamps must do: that of a
 * thread that was running when it was first seen was up to a tick old, that of one
 * that was waiting for a CPU lacked this wait. */
static __always_inline void settle(struct agg *v, struct task_struct *t)
{
	u64 exec = t->se.sum_exec_runtime, delay = run_delay(t);

	v->run += v->flags & AGG_OLD_EXEC ? v->ns[ST_RUN] - v->run_seen : exec - v->exec;
	if (v->flags & AGG_OLD_DELAY)
		v->ready += v->ns[ST_READY] - v->ready_seen;
	else
		v->ready += delay - v->delay;
	v->run_seen = v->ns[ST_RUN];
	v->ready_seen = v->ns[ST_READY];
	v->exec = exec;
	v->delay = delay;
	v->flags &= ~(AGG_OLD_EXEC | AGG_OLD_DELAY);
	if (!bpf_core_field_exists(t->sched_info.run_delay))
		v->flags |= AGG_OLD_DELAY;
}

/* Takes over what the kernel counted since the thread last left a CPU: this
 * switch, and those that were not shown to the program. The state does not tell
 * which it is: a thread that wanted to sleep and has a signal goes on, but has
 * left of its own will. */
static __always_inline void count_switch(struct agg *v, struct task_struct *t, u8 state)
{
	u64 vol = t->nvcsw - v->kvcsw, invol = t->nivcsw - v->kivcsw;

	if (!(vol + invol)) { /* the entry was made from counts that have this one */
		vol = state != ST_READY;
		invol = !vol;
	}
	v->nvcsw += vol;
	v->nivcsw += invol;
	if (vol + invol > 1)
		v->missed_out += vol + invol - 1;
	v->kvcsw = t->nvcsw;
	v->kivcsw = t->nivcsw;
}

static __always_inline void leave_cpu(struct cpu_state *cs, struct task_struct *prev, u32 next_tid, u8 state,
				      u32 cpu, u64 now)
{
	if (do_aggregates) {
		struct agg *v = get_agg(prev, cs, EV_OUT, now);

		if (v) {
			open_agg(v);
			if (v->state != ST_RUN)
				repair_in(v, prev, now);
			if (v->flags & AGG_NO_WAKE)
				repair_wake(v, run_delay(prev));
			enter(v, state, now);
			settle(v, prev);
			v->flags &= ~AGG_WOKEN;
			count_switch(v, prev, state);
			if (state == ST_DEAD)
				v->flags |= AGG_DEAD;
			close_agg(v);
		}
	}
	if (do_events)
		emit(cs, EV_OUT, state, seen_tid(prev), seen_tgid(prev), next_tid, cpu, now);
}

static __always_inline void count_latency(struct agg *v, u64 now)
{
	u64 d = now - v->since;

	if (now < v->since)
		d = 0;
	v->lat_count++;
	v->lat_sum += d;
	if (d > v->lat_max)
		v->lat_max = d;
	v->hist[log2_ns(d) & (HIST - 1)]++;
}

static __always_inline void enter_cpu(struct cpu_state *cs, struct task_struct *next, u32 prev_tid, u32 cpu,
				      u64 now)
{
	cs->in_task = (u64)next;
	cs->in_time = now;
	cs->in_exec = next->se.sum_exec_runtime;
	if (do_aggregates) {
		struct agg *v = get_agg(next, cs, EV_IN, now);

		if (v) {
			open_agg(v);
			if (v->state == ST_READY && (v->flags & AGG_WOKEN))
				count_latency(v, now);
			v->flags &= ~AGG_WOKEN;
			/* The seed may have caught it on its way off a CPU. */
			if (v->state == ST_RUN)
				v->state = ST_READY;
			note_no_wake(v);
			enter(v, ST_RUN, now);
			v->exec = cs->in_exec;
			v->cpu = cpu;
			if (cpu < CPU_WORDS * 64)
				v->cpus[(cpu >> 6) & (CPU_WORDS - 1)] |= 1ULL << (cpu & 63);
			else
				v->flags |= AGG_MORE_CPUS;
			close_agg(v);
		}
	}
	if (do_events)
		emit(cs, EV_IN, ST_RUN, seen_tid(next), seen_tgid(next), prev_tid, cpu, now);
}

/* When the last thread of a process leaves its CPU for good, the process is no
 * longer wanted: its number may be given to another. */
static __always_inline void forget_process(struct task_struct *prev)
{
	u32 tgid = prev->tgid;
	u32 *last;

	if (mode == MODE_ONE && target_last == prev->pid)
		target = 0;
	if (mode != MODE_SET)
		return;
	last = bpf_map_lookup_elem(&tgids, &tgid);
	if (last && *last == prev->pid)
		bpf_map_delete_elem(&tgids, &tgid);
}

/* The last thread begins to exit. */
static __always_inline void end_process(struct task_struct *p)
{
	u32 tgid = p->tgid, pid = p->pid;

	if (mode == MODE_ONE)
		target_last = pid;
	if (mode == MODE_SET)
		bpf_map_update_elem(&tgids, &tgid, &pid, BPF_EXIST);
}

static __always_inline int handle_switch(bool preempt, struct task_struct *prev, struct task_struct *next,
					 u32 prev_state)
{
	struct cpu_state *cs;
	bool out, in;
	u8 state;
	u32 cpu;
	u64 now;

	if (!enabled)
		return 0;
	cs = this_cpu();
	if (!cs)
		return 0;
	/* The chain: who leaves a CPU is who entered it last. A break means that
	 * this program was not run for a switch. */
	out = wanted(prev);
	in = wanted(next);
	if (cs->last_next && cs->last_next != (u64)prev) {
		cs->breaks++;
		if (out || cs->last_traced)
			cs->breaks_traced++;
	}
	cs->last_next = (u64)next;
	cs->last_traced = in;
	cs->switches++;
	/* Once its process is forgotten a thread may still be ending. */
	if (!out && mode != MODE_ALL && (prev_state & TASK_DEAD)) {
		u32 pid = prev->pid;

		out = bpf_map_lookup_elem(&threads, &pid) != NULL;
	}
	if (!out && !in)
		return 0;
	now = bpf_ktime_get_ns();
	cpu = bpf_get_smp_processor_id();
	state = preempt ? ST_READY : class_of(prev_state);
	if (out)
		leave_cpu(cs, prev, seen_tid(next), state, cpu, now);
	if (in)
		enter_cpu(cs, next, seen_tid(prev), cpu, now);
	if (do_pairs && state == ST_READY && prev->pid && next->pid)
		count_pair(cs, PAIR_PREEMPT, next, prev);
	if (out && state == ST_DEAD)
		forget_process(prev);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next, u32 prev_state)
{
	return handle_switch(preempt, prev, next, prev_state);
}

/* < 5.18: the tracepoint does not pass the state. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch_old, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return handle_switch(preempt, prev, next, task_state(prev));
}

/* Runs on the CPU of the waker, whichever CPU the woken one is queued on. In
 * an interrupt the "waker" is whoever was interrupted. */
SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *p)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct cpu_state *cs;
	struct waker *w;
	bool woken;
	u32 slot;

	if (!enabled)
		return 0;
	woken = wanted(p);
	if (!woken && !(do_pairs && wanted(me)))
		return 0;
	if (do_pairs) {
		cs = this_cpu();
		if (cs)
			count_pair(cs, PAIR_WAKE, me, p);
	}
	if (!do_events || !woken)
		return 0;
	slot = p->pid & (WAKERS - 1);
	w = bpf_map_lookup_elem(&wakers, &slot);
	if (w) {
		w->pid = p->pid;
		w->tid = seen_tid(me);
	}
	return 0;
}

static __always_inline u32 take_waker(struct task_struct *p)
{
	u32 slot = p->pid & (WAKERS - 1);
	struct waker *w = bpf_map_lookup_elem(&wakers, &slot);

	if (!w || w->pid != p->pid)
		return 0;
	w->pid = 0;
	return w->tid;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *p)
{
	struct cpu_state *cs;
	u64 now;

	if (!enabled || !wanted(p))
		return 0;
	cs = this_cpu();
	if (!cs)
		return 0;
	now = bpf_ktime_get_ns();
	if (do_aggregates) {
		struct agg *v = get_agg(p, cs, EV_WAKE, now);

		if (v) {
			open_agg(v);
			v->wakes++;
			/* It may not have left the CPU yet. */
			if (v->state != ST_RUN && v->state != ST_READY) {
				enter(v, ST_READY, now);
				v->flags |= AGG_WOKEN;
			}
			close_agg(v);
		}
	}
	if (do_events)
		emit(cs, EV_WAKE, ST_READY, seen_tid(p), seen_tgid(p), take_waker(p), task_cpu(p), now);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *p)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct cpu_state *cs;
	u64 now;

	if (!enabled || !wanted(p))
		return 0;
	cs = this_cpu();
	if (!cs)
		return 0;
	now = bpf_ktime_get_ns();
	if (do_aggregates) {
		struct agg *v = get_agg(p, cs, EV_NEW, now);

		if (v) {
			open_agg(v);
			enter(v, ST_READY, now);
			v->flags |= AGG_WOKEN | AGG_BORN;
			close_agg(v);
		}
	}
	if (do_events)
		emit(cs, EV_NEW, ST_READY, seen_tid(p), seen_tgid(p), seen_tid(me), task_cpu(p), now);
	return 0;
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(on_migrate, struct task_struct *p, int dest)
{
	struct cpu_state *cs;
	u32 from;
	u64 now;

	if (!enabled || !wanted(p))
		return 0;
	from = task_cpu(p);
	cs = this_cpu();
	if (!cs || from == dest)
		return 0;
	now = bpf_ktime_get_ns();
	if (do_aggregates) {
		struct agg *v = get_agg(p, cs, EV_MIGRATE, now);

		if (v) {
			open_agg(v);
			v->migrations++;
			close_agg(v);
		}
	}
	if (do_events)
		emit(cs, EV_MIGRATE, ST_UNKNOWN, seen_tid(p), seen_tgid(p), dest, from, now);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	bool process = parent->tgid != child->tgid;
	struct cpu_state *cs;

	if (!enabled || !wanted(parent))
		return 0;
	cs = this_cpu();
	if (!cs)
		return 0;
	if (process && mode == MODE_SET && follow && add_process(child->tgid, BPF_ANY))
		cs->no_process++;
	if (do_events || do_births)
		emit(cs, EV_FORK, process, seen_tid(child), seen_tgid(child), seen_tgid(parent),
		     bpf_get_smp_processor_id(), bpf_ktime_get_ns());
	return 0;
}

/* execve from another thread than the leader: the thread goes on under the
 * leader's number, and its own number is no more. */
static __always_inline void end_agg(u32 old_pid, u64 now)
{
	struct agg *v = bpf_map_lookup_elem(&threads, &old_pid);

	if (v) {
		open_agg(v);
		enter(v, ST_DEAD, now);
		v->flags |= AGG_DEAD;
		close_agg(v);
	}
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *p, u32 old_pid)
{
	struct cpu_state *cs;
	u32 cpu;
	u64 now;

	if (!enabled || !wanted(p))
		return 0;
	cs = this_cpu();
	if (!cs)
		return 0;
	now = bpf_ktime_get_ns();
	cpu = bpf_get_smp_processor_id();
	if (do_aggregates) {
		struct agg *v = get_agg(p, cs, EV_EXEC, now);

		if (v) {
			open_agg(v);
			bpf_probe_read_kernel(v->comm, sizeof(v->comm), p->comm);
			if (old_pid != p->pid) {
				enter(v, ST_RUN, now);
				v->cpu = cpu;
			}
			close_agg(v);
		}
		if (old_pid != p->pid)
			end_agg(old_pid, now);
	}
	if (do_events || do_births)
		emit(cs, EV_EXEC, ST_RUN, seen_tid(p), seen_tgid(p), old_pid, cpu, now);
	return 0;
}

/* What wait() will report, and what the process used. Threads that are ending
 * at the same moment on other CPUs may be missing in the sums. */
static __always_inline void emit_exit(struct cpu_state *cs, struct task_struct *p, u64 now)
{
	struct exit_rec *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	struct task_struct *leader = BPF_CORE_READ(p, group_leader);
	struct signal_struct *sig = BPF_CORE_READ(p, signal);
	struct task_struct *parent;
	u32 ppid;

	if (!e) {
		cs->exits_dropped++;
		return;
	}
	e->ts = now;
	e->start = BPF_CORE_READ(leader, start_boottime);
	e->lifetime = now - BPF_CORE_READ(leader, start_time);
	e->exec = BPF_CORE_READ(sig, sum_sched_runtime);
	if (cs->in_task == (u64)p && cs->last_next == (u64)p)
		e->exec += cs->in_exec + (now - cs->in_time);
	else
		e->exec += p->se.sum_exec_runtime;
	e->nvcsw = BPF_CORE_READ(sig, nvcsw) + p->nvcsw;
	e->nivcsw = BPF_CORE_READ(sig, nivcsw) + p->nivcsw;
	if ((u64)leader != (u64)p) {
		e->exec += BPF_CORE_READ(leader, se.sum_exec_runtime);
		e->nvcsw += BPF_CORE_READ(leader, nvcsw);
		e->nivcsw += BPF_CORE_READ(leader, nivcsw);
	}
	e->tgid = seen_tgid(p);
	parent = BPF_CORE_READ(leader, real_parent);
	ppid = BPF_CORE_READ(parent, tgid);
	e->ppid = ns_level ? seen_number(BPF_CORE_READ(parent, signal, pids[1]), ns_level) : ppid;
	e->code = BPF_CORE_READ(sig, flags) & SIGNAL_GROUP_EXIT ? BPF_CORE_READ(sig, group_exit_code)
								: BPF_CORE_READ(leader, exit_code);
	e->uid = BPF_CORE_READ(p, cred, uid.val);
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), leader->comm);
	bpf_ringbuf_submit(e, how_to_submit());
	cs->exits_emitted++;
}

static __always_inline int handle_exit(struct task_struct *p, bool last)
{
	struct cpu_state *cs = this_cpu();
	u64 now = bpf_ktime_get_ns();

	if (!cs)
		return 0;
	if (do_aggregates) {
		struct agg *v = get_agg(p, cs, EV_EXIT, now);

		if (v)
			bpf_probe_read_kernel(v->comm, sizeof(v->comm), p->comm);
	}
	if (do_events)
		emit(cs, EV_EXIT, last, seen_tid(p), seen_tgid(p), p->exit_code, bpf_get_smp_processor_id(), now);
	if (!last)
		return 0;
	emit_exit(cs, p, now);
	end_process(p);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *p, bool group_dead)
{
	if (!enabled || !wanted(p))
		return 0;
	return handle_exit(p, group_dead);
}

/* Births of the processes that ended last, by tgid. */
#define ENDED 4096
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENDED);
	__type(key, u32);
	__type(value, u64);
} ended SEC(".maps");

/* < 6.16: the tracepoint does not say who is the last. When nobody is left, all
 * threads that are ending at the same moment see that; the first one counts. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_old, struct task_struct *p)
{
	u32 slot = p->tgid & (ENDED - 1);
	bool last = 0;
	u64 *seen;

	if (!enabled || !wanted(p))
		return 0;
	seen = bpf_map_lookup_elem(&ended, &slot);
	if (seen && BPF_CORE_READ(p, signal, live.counter) == 0) {
		u64 birth = BPF_CORE_READ(p, group_leader, start_boottime);

		last = *seen != birth;
		*seen = birth;
	}
	return handle_exit(p, last);
}

/* --- seeding: nothing is known about a thread until it moves --------------- */

static __always_inline void seed_identify(void)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct pid *p = BPF_CORE_READ(me, thread_pid);
	u32 level = BPF_CORE_READ(p, level), inum = 0;
	struct pid_namespace *ns = NULL;
	struct upid *u = &p->numbers[level];

	self_tgid = me->tgid;
	if (bpf_core_read(&ns, sizeof(ns), &u->ns) || bpf_core_read(&inum, sizeof(inum), &ns->ns.inum))
		return;
	ns_inum = inum;
	ns_level = level;
	seed_found = 1;
}

static __always_inline void seed_add_root(struct task_struct *t)
{
	if (seen_tgid(t) != seed_root)
		return;
	if (mode == MODE_ONE)
		target = t->tgid;
	else if (add_process(t->tgid, BPF_ANY))
		return;
	seed_found = 1;
}

static __always_inline u8 seed_state(struct task_struct *t)
{
	u32 state = task_state(t);

	if (t->exit_state)
		return ST_DEAD;
	if (t->on_cpu)
		return ST_RUN;
	/* On the run queue: ready, unless the scheduler only keeps a sleeper
	 * there for a while to let it lose its lag (>= 6.12). */
	if (t->on_rq) {
		if (!bpf_core_field_exists(t->se.sched_delayed) || !t->se.sched_delayed)
			return ST_READY;
	}
	return class_of(state);
}

static __always_inline void seed_thread(struct task_struct *t)
{
	struct cpu_state *cs = this_cpu();
	u64 now = bpf_ktime_get_ns(); /* before the state: what happens from now on wins */
	u32 zero = 0, pid = t->pid;
	struct agg *v = bpf_map_lookup_elem(&seed_agg, &zero);
	u8 state = seed_state(t);

	if (!v || !cs || state == ST_DEAD)
		return;
	if (do_aggregates) {
		reset_agg(v);
		name_agg(v, t, now);
		v->state = state;
		v->flags |= AGG_SEEDED;
		if (state == ST_RUN && v->cpu < CPU_WORDS * 64)
			v->cpus[(v->cpu >> 6) & (CPU_WORDS - 1)] = 1ULL << (v->cpu & 63);
		/* An entry made by an event is newer than what we saw. */
		if (bpf_map_update_elem(&threads, &pid, v, BPF_NOEXIST) &&
		    !bpf_map_lookup_elem(&threads, &pid))
			cs->no_thread[EV_SEED]++;
	}
	if (do_events)
		emit(cs, EV_SEED, state, seen_tid(t), seen_tgid(t), 0, task_cpu(t), now);
}

/* A descendant born before the programs were attached. */
static __always_inline void seed_descendant(struct task_struct *t)
{
	u32 parent = BPF_CORE_READ(t, real_parent, tgid), tgid = t->tgid;

	if (tgid == self_tgid || !bpf_map_lookup_elem(&tgids, &parent))
		return;
	if (!add_process(tgid, BPF_NOEXIST))
		seed_found = 1;
}

SEC("iter/task")
int seed(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;

	if (!t)
		return 0;
	if (step == SEED_IDENTIFY) {
		seed_identify();
		return 0;
	}
	if (step == SEED_ROOT) {
		seed_add_root(t);
		return 0;
	}
	if (step == SEED_TREE) {
		seed_descendant(t);
		return 0;
	}
	if (wanted(t))
		seed_thread(t);
	return 0;
}
