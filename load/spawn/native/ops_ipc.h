//go:build ignore

// Operations on what workers share: locks, counters, a place to meet, and
// messages. Every wait counts in the report how often it blocked, by the
// thread's own count of voluntary switches: a wait need not block.

enum {
	FUTEX_WAKE_ = 1, FUTEX_WAIT_BITSET_ = 9, FUTEX_WAKE_BITSET_ = 10, EVERYBODY = 0x7fffffff,
	// The longest wait at a time, in nanoseconds: a worker that waits for
	// another one looks that often whether the run is over.
	WAIT_SLICE = 250000000,
	EBADF_ = 9, EBADMSG_ = 74,
};

// An object that an operation names by its index.

// futex_sleep waits for one slice at most and tells whether that was too short.
// A process that waits for others only does not hear of the controller's death
// while it is in the futex: so it looks after each slice.
static int futex_sleep(u32 *word, u32 value, u32 bits)
{
	struct timespec_ until = timespec_of(least(now() + WAIT_SLICE, head->deadline_ns)), none = {0, 0};
	if (sys6(SYS_futex, (long)word, FUTEX_WAIT_BITSET_, value, (long)&until, 0, bits) != -ETIMEDOUT_)
		return 0;
	struct pollfd_ live = {FD_LIVE, 0, 0};
	sys5(SYS_ppoll, &live, 1, &none, 0, 8);
	if (live.revents)
		quit(EXIT_ORPHAN);
	return 1;
}

static void futex_wait(struct slot *s, u32 *word, u32 value, u32 bits)
{
	u64 before = voluntary();
	futex_sleep(word, value, bits);
	s->waits += voluntary() - before;
}

static void futex_wake(u32 *word, u32 n, u32 bits)
{
	sys6(SYS_futex, (long)word, FUTEX_WAKE_BITSET_, n, 0, 0, bits);
}

static void burn_for(u64 ns)
{
	if (ns)
		burn(cpu_now() + (i64)ns);
}

// ---- a lock: 0 free, 1 held, 2 held and waited for ----

// take gives 0 when the run is over before the lock is free.
static int take(struct slot *s, struct object *o)
{
	u32 *word = object_word(o, 0);
	u32 was = 0;
	if (!__atomic_compare_exchange_n(word, &was, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE)) {
			if (ended())
				return 0;
			futex_wait(s, word, 2, ~0U);
		}
	}
	++*object_value(o); // by the owner alone
	s->acquired++;
	return 1;
}

static void give(struct object *o)
{
	u32 *word = object_word(o, 0);
	if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
		futex_wake(word, 1, ~0U);
}

static long op_lock(struct run *r, struct op *o)
{
	for (u64 i = 0; i < o->a && !ended() && take(r->s, object_of(o)); i++) {
		burn_for(o->b);
		give(object_of(o));
		r->s->done++;
		burn_for(o->c);
	}
	return 0;
}

// ---- a lock that is handed over in the order of arrival ----

// op_turns uses the CPU only while it has the lock. Whoever arrives draws a
// number and waits until it is served; each is woken for its own number.
static long op_turns(struct run *r, struct op *o)
{
	struct object *l = object_of(o);
	u32 *drawn = object_word(l, 0), *served = object_word(l, 1);
	i64 done = cpu_now() + (i64)o->a;
	do {
		u32 mine = __atomic_fetch_add(drawn, 1, __ATOMIC_ACQ_REL);
		for (u32 at; (at = atomic_load(served)) != mine;) {
			if (ended())
				return 0;
			futex_wait(r->s, served, at, 1U << (mine & 31));
		}
		++*object_value(l);
		r->s->acquired++;
		burn(least(done, cpu_now() + (i64)o->b));
		u32 next = atomic_add(served, 1);
		futex_wake(served, EVERYBODY, 1U << (next & 31));
		r->s->done++;
	} while (cpu_now() < done && !ended());
	return 0;
}

// ---- a counter ----

enum { ADD_RACY, ADD_LOCKED, ADD_ATOMIC };

// op_add adds one at a time. Racy is what a program does that forgets the
// lock: two steps, between which another thread's may fall.
static long op_add(struct run *r, struct op *o)
{
	u64 *value = object_value(object_of(o));
	struct object *l = &objects[o->c];
	for (u64 i = 0; i < o->a; i++) {
		if ((i & 1023) == 0 && ended())
			return 0;
		switch (o->b) {
		case ADD_RACY:
			__atomic_store_n(value, __atomic_load_n(value, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
			break;
		case ADD_LOCKED:
			if (!take(r->s, l))
				return 0;
			__atomic_store_n(value, __atomic_load_n(value, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
			give(l);
			break;
		default:
			__atomic_fetch_add(value, 1, __ATOMIC_RELAXED);
		}
		r->s->done++;
	}
	return 0;
}

// op_collect adds the own result to a counter that all workers see.
static long op_collect(struct run *r, struct op *o)
{
	__atomic_fetch_add(object_value(object_of(o)), r->s->result, __ATOMIC_ACQ_REL);
	r->s->done++;
	return 0;
}

// ---- a variable of the process ----

static u64 own_variable;

static long op_add_own(struct run *r, struct op *o)
{
	for (u64 i = 0; i < o->a; i++)
		__atomic_fetch_add(&own_variable, 1, __ATOMIC_RELAXED);
	if (o->c < REPORT_SLOTS) {
		r->s->address[o->c] = (u64)&own_variable;
		r->s->used |= 1u << o->c;
	}
	r->s->done += o->a;
	return 0;
}

static long op_read_own(struct run *r)
{
	r->s->result = __atomic_load_n(&own_variable, __ATOMIC_RELAXED);
	return 0;
}

// ---- a place to meet ----

static long op_meet(struct run *r, struct op *o)
{
	u32 *arrived = object_word(object_of(o), 0), *round = object_word(object_of(o), 1);
	u32 was = atomic_load(round);
	if (atomic_add(arrived, 1) == (u32)o->a) {
		++*object_value(object_of(o));
		atomic_store(arrived, 0);
		atomic_store(round, was + 1);
		futex_wake(round, EVERYBODY, ~0U);
		return 0;
	}
	while (atomic_load(round) == was && !ended())
		futex_wait(r->s, round, was, ~0U);
	return 0;
}

// op_post raises a word; op_await waits until a word has that value.
static long op_post(struct op *o)
{
	u32 *word = object_word(object_of(o), (u32)o->a);
	atomic_add(word, 1);
	futex_wake(word, EVERYBODY, ~0U);
	return 0;
}

static long op_await(struct run *r, struct op *o)
{
	u32 *word = object_word(object_of(o), (u32)o->a);
	for (u32 at; (at = atomic_load(word)) < (u32)o->b && !ended();)
		futex_wait(r->s, word, at, ~0U);
	return 0;
}

// ---- work whose result is known ----

static long op_sum(struct run *r, struct op *o)
{
	u64 sum = 0;
	for (u64 i = o->a; i < o->b; i++) {
		if ((i & 0xfffff) == 0 && ended())
			return 0;
		sum += i;
		__asm__ volatile("" : "+r"(sum)); // one addition at a time
	}
	r->s->result += sum;
	return 0;
}

// op_chunks takes chunks of an array until none is left. Each element has a
// byte that counts how often it was done.
static long op_chunks(struct run *r, struct op *o)
{
	u64 *next = object_value(&objects[o->c]);
	unsigned char *done = (unsigned char *)object_value(object_of(o));
	for (;;) {
		u64 from = __atomic_fetch_add(next, o->b, __ATOMIC_RELAXED);
		if (from >= o->a)
			return 0;
		r->s->acquired++;
		for (u64 i = from; i < from + o->b && i < o->a; i++) {
			if (ended())
				return 0;
			spin();
			if (__atomic_fetch_add(&done[i], 1, __ATOMIC_RELAXED))
				r->s->late++; // somebody has done it before
			r->s->result += i;
			r->s->done++;
		}
	}
}

// ---- messages of eight bytes ----

enum { MESSAGE = 8 };

// await_readable waits until a descriptor can be read; 0 when the run is over
// before. Waits beyond the one that every message may take are counted.
static int await_readable(struct slot *s, int fd)
{
	while (wait_fd(fd, now() + WAIT_SLICE)) {
		if (ended())
			return 0;
		s->waits++;
	}
	return 1;
}

// send_message sends from one of the two sides of an object.
static long send_message(struct object *o, u32 side, u64 value)
{
	long n = MESSAGE;
	switch (o->kind) {
	case OBJECT_PIPE: n = sys3(SYS_write, o->fd[1], &value, MESSAGE); break;
	case OBJECT_SOCKET: n = sys3(SYS_write, o->fd[side], &value, MESSAGE); break;
	case OBJECT_QUEUE: n = sys5(SYS_mq_timedsend, o->fd[0], &value, MESSAGE, 0, 0) ?: MESSAGE; break;
	}
	return n < 0 ? n : n == MESSAGE ? 0 : -EBADMSG_;
}

// receive_message reads a message that is there.
static long receive_message(struct object *o, u32 side, u64 *value)
{
	long n = sys5(o->kind == OBJECT_QUEUE ? SYS_mq_timedreceive : SYS_read,
		      o->fd[o->kind == OBJECT_SOCKET ? side : 0], value, MESSAGE, 0, 0);
	return n < 0 ? n : n == MESSAGE ? 0 : -EBADMSG_;
}

static int message_fd(struct object *o, u32 side) { return o->fd[o->kind == OBJECT_SOCKET ? side : 0]; }

static long op_send(struct run *r, struct op *o)
{
	u64 before = voluntary();
	long err = send_message(object_of(o), 0, r->s->result);
	r->s->waits += voluntary() - before; // the queue may be full
	r->s->done++;
	return err;
}

// op_receive adds up the values of that many messages.
static long op_receive(struct run *r, struct op *o)
{
	struct object *q = object_of(o);
	for (u64 i = 0; i < o->a; i++) {
		u64 value = 0, before = voluntary(), waits = r->s->waits;
		int there = await_readable(r->s, message_fd(q, 1));
		r->s->waits = waits + voluntary() - before;
		if (!there)
			return 0;
		long err = receive_message(q, 1, &value);
		if (err)
			return err;
		r->s->result += value;
		r->s->done++;
	}
	return 0;
}

// ---- two workers that wait for each other in turn ----

// How a player of words waits: asleep in the kernel, looking all the time, or
// giving up the CPU between two looks.
enum { WORDS_SLEEP, WORDS_LOOK, WORDS_YIELD };

// The second word of the object carries the first player's messages, the third
// the second's; a message is one more.
static void send_word(struct object *o, u32 side, u32 how)
{
	u32 *word = object_word(o, 1 + side);
	atomic_add(word, 1);
	if (how == WORDS_SLEEP)
		futex_wake(word, 1, ~0U);
}

static int await_word(struct run *r, struct object *o, u32 side, u32 how, u32 value)
{
	u32 *word = object_word(o, 2 - side);
	u32 looks = 0;
	for (u32 at; (at = atomic_load(word)) < value;) {
		if (how == WORDS_SLEEP) {
			r->s->waits += (u64)futex_sleep(word, at, ~0U);
		} else if (how == WORDS_YIELD) {
			sys0(SYS_sched_yield);
		}
		if ((how == WORDS_SLEEP || (++looks & 1023) == 0) && ended())
			return 0;
	}
	return 1;
}

static long await_number(struct run *r, struct object *o, u32 side, u32 how, u64 number)
{
	u64 value = 0;
	if (o->kind == OBJECT_WORDS)
		return await_word(r, o, side, how, (u32)number) ? 0 : 1;
	if (!await_readable(r->s, message_fd(o, side)))
		return 1;
	long err = receive_message(o, side, &value);
	return err ? err : value == number ? 0 : -EBADMSG_;
}

static long send_number(struct object *o, u32 side, u32 how, u64 number)
{
	if (o->kind != OBJECT_WORDS)
		return send_message(o, side, number);
	send_word(o, side, how);
	return 0;
}

// op_ping sends A messages and waits for the answer to each (side 0), or
// answers A messages (side 1). The object is where it receives; B is where it
// sends; C is the side and, above it, how a player of words waits.
static long op_ping(struct run *r, struct op *o)
{
	struct object *in = object_of(o), *out = &objects[o->b];
	u32 side = o->c & 1, how = (u32)(o->c >> 1);
	i64 begin = now();
	for (u64 i = 1; i <= o->a && !atomic_load(&head->stop); i++) {
		long err = side ? 0 : send_number(out, side, how, i);
		if (!err)
			err = await_number(r, in, side, how, i);
		if (!err && side)
			err = send_number(out, side, how, i);
		if (err)
			return err < 0 ? err : 0;
		r->s->done++;
	}
	r->s->result = (u64)(now() - begin);
	return 0;
}

#include "ops_net.h"

static long operate_shared(struct run *r, struct op *o)
{
	switch (o->kind) {
	case OP_LOCK: return op_lock(r, o);
	case OP_TURNS: return op_turns(r, o);
	case OP_ADD: return op_add(r, o);
	case OP_COLLECT: return op_collect(r, o);
	case OP_ADD_OWN: return op_add_own(r, o);
	case OP_READ_OWN: return op_read_own(r);
	case OP_MEET: return op_meet(r, o);
	case OP_POST: return op_post(o);
	case OP_AWAIT: return op_await(r, o);
	case OP_SUM: return op_sum(r, o);
	case OP_CHUNKS: return op_chunks(r, o);
	case OP_SEND: return op_send(r, o);
	case OP_RECEIVE: return op_receive(r, o);
	case OP_PING: return op_ping(r, o);
	case OP_SERVE: return op_serve(r, o);
	case OP_DRAIN: return op_drain(r, o);
	case OP_CONNECT: return op_connect(r, o);
	case OP_REQUEST: return op_request(r, o);
	case OP_FETCH: return op_fetch(r, o);
	case OP_ANSWER: return op_answer(r, o);
	}
	return -ENOSYS_;
}
