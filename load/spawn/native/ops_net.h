//go:build ignore

// Operations on TCP connections over the loopback device: a server that gives
// each connection a thread, its clients, and a small web server with its
// visitors. Threads that read are blocked in recv, as in a real server; the
// socket's own time limit ends that wait at the deadline, and the end of the
// process ends it before.

enum {
	SOL_SOCKET_ = 1, SO_LINGER_ = 13, SO_RCVTIMEO_ = 20, SO_SNDTIMEO_ = 21, MSG_NOSIGNAL_ = 0x4000,
};

struct timeval_ { i64 sec, usec; };
struct linger_ { i32 on, seconds; };

// limit_waits has every wait on a socket end at the deadline.
static void limit_waits(int fd)
{
	i64 left = head->deadline_ns - now();
	struct timeval_ t = {left > 0 ? left / NSEC : 0, 1000};
	sys5(SYS_setsockopt, fd, SOL_SOCKET_, SO_RCVTIMEO_, &t, sizeof t);
	sys5(SYS_setsockopt, fd, SOL_SOCKET_, SO_SNDTIMEO_, &t, sizeof t);
}

// hang_up closes a connection at once and for good: nothing of it stays in the
// kernel to wait for late packets.
static void hang_up(int fd)
{
	struct linger_ now_ = {1, 0};
	sys5(SYS_setsockopt, fd, SOL_SOCKET_, SO_LINGER_, &now_, sizeof now_);
	sys1(SYS_close, fd);
}

static long send_bytes(int fd, const char *text, u64 n)
{
	while (n) {
		long sent = sys6(SYS_sendto, fd, (long)text, (long)n, MSG_NOSIGNAL_, 0, 0);
		if (sent <= 0)
			return sent ? sent : -EBADMSG_;
		text += sent;
		n -= (u64)sent;
	}
	return 0;
}

// receive_bytes reads n bytes: what it got before the end or an error.
static u64 receive_bytes(int fd, char *into, u64 n)
{
	u64 got = 0;
	while (got < n) {
		long more = sys6(SYS_recvfrom, fd, (long)(into + got), (long)(n - got), 0, 0, 0);
		if (more <= 0)
			break;
		got += (u64)more;
	}
	return got;
}

// dial connects to the listener of an object.
static long dial(struct object *o)
{
	struct sockaddr_in_ to = {AF_INET_, swap16((uint16_t)o->port), loopback, 0};
	long fd = sys3(SYS_socket, AF_INET_, SOCK_STREAM_ | SOCK_CLOEXEC_, 0);
	if (fd < 0)
		return fd;
	limit_waits((int)fd);
	long err = sys3(SYS_connect, fd, &to, sizeof to);
	if (err < 0) {
		sys1(SYS_close, fd);
		return err;
	}
	return fd;
}

// answer_call waits for a connection; 0 when the run is over before.
static long answer_call(struct run *r, struct object *o)
{
	for (;;) {
		u64 before = voluntary(), waits = r->s->waits;
		int there = await_readable(r->s, o->fd[0]);
		r->s->waits = waits + voluntary() - before;
		if (!there)
			return 0;
		long fd = sys4(SYS_accept4, o->fd[0], 0, 0, SOCK_CLOEXEC_);
		if (fd != -EAGAIN_) { // else another worker took it
			if (fd > 0)
				limit_waits((int)fd);
			return fd;
		}
	}
}

// ---- a server with a thread for each connection ----

struct connection {
	u32 alive; // cleared by the kernel when the thread ends
	u32 tid;
	i32 fd;
	u32 pad;
};

static struct connection *connections;
static u32 connection_places;
static u64 connection_stacks;
static u64 requests_served;

enum { CONNECTION_THREAD = 1, REQUEST = 8 };

// connection_entry is the life of a connection's thread: answer until the
// other end hangs up. Its argument is the index of its place.
__attribute__((noreturn)) static void connection_entry(u64 index)
{
	struct connection *c = &connections[index];
	char request[REQUEST];
	sys2(SYS_prctl, PR_SET_NAME_, "connection");
	while (receive_bytes(c->fd, request, REQUEST) == REQUEST && !send_bytes(c->fd, request, REQUEST))
		__atomic_fetch_add(&requests_served, 1, __ATOMIC_RELAXED);
	hang_up(c->fd);
	for (;;)
		sys1(SYS_exit, 0);
}

// thread_lives asks the kernel whether it still knows a thread.
static int thread_lives(u32 tid)
{
	return sys3(SYS_tgkill, sys0(SYS_getpid), tid, 0) != -ESRCH_;
}

static long prepare_places(u64 n)
{
	u64 size = page_up(n * sizeof *connections);
	long at = sys6(SYS_mmap, 0, (long)(size + n * 2 * page), PROT_READ_ | PROT_WRITE_,
		       MAP_PRIVATE_ | MAP_ANONYMOUS_ | MAP_NORESERVE_, -1, 0);
	if (at < 0 && at > -4096)
		return at;
	connection_stacks = (u64)at + size;
	for (u64 i = 0; i < n; i++) // a stack of one page, and a guard below
		sys3(SYS_mprotect, connection_stacks + i * 2 * page, page, PROT_NONE_);
	connections = (struct connection *)at;
	connection_places = (u32)n;
	return 0;
}

// free_place finds a place whose thread has gone, and waits for one.
static long free_place(struct run *r)
{
	while (!ended()) {
		for (u32 i = 0; i < connection_places; i++)
			if (!atomic_load(&connections[i].alive))
				return i;
		sleep_once(r->s, 1000000);
	}
	return -1;
}

// op_serve gives every connection a thread.
static long op_serve(struct run *r, struct op *o)
{
	long err = prepare_places(o->b);
	if (err)
		return err;
	for (u64 i = 0; i < o->a; i++) {
		long fd = answer_call(r, object_of(o));
		if (fd <= 0)
			return fd;
		long place = free_place(r);
		if (place < 0)
			return 0;
		struct connection *c = &connections[place];
		c->fd = (i32)fd;
		atomic_store(&c->alive, 1);
		err = clone_thread(CLONE_VM_ | CLONE_FS_ | CLONE_FILES_ | CLONE_SIGHAND_ | CLONE_THREAD_ |
				   CLONE_SYSVSEM_ | CLONE_CHILD_CLEARTID_,
				   (void *)(connection_stacks + (u64)(place + 1) * 2 * page), &c->alive,
				   (u64)place | (u64)CONNECTION_THREAD << 63);
		if (err < 0)
			return err;
		c->tid = (u32)err;
		r->s->done++;
	}
	return 0;
}

// op_drain waits until no more than A threads of connections are left. A place
// is clear a little before its thread is gone: so it asks for the thread.
static long op_drain(struct run *r, struct op *o)
{
	for (u32 left = ~0U; left > o->a && !ended();) {
		left = 0;
		for (u32 i = 0; i < connection_places; i++)
			left += connections[i].tid && thread_lives(connections[i].tid);
		if (left > o->a) {
			long slept = sleep_once(r->s, 1000000);
			if (slept < 0)
				return slept;
		}
	}
	r->s->result = requests_served;
	return 0;
}

// make_request sends one request and reads its answer.
static long make_request(struct run *r, int fd, u64 number)
{
	u64 answer = 0;
	long err = send_bytes(fd, (char *)&number, REQUEST);
	if (err)
		return err;
	if (receive_bytes(fd, (char *)&answer, REQUEST) != REQUEST || answer != number)
		return ended() ? 0 : -EBADMSG_;
	r->s->done++;
	return 0;
}

static i32 first_connection, open_connections; // descriptors in a row

static long connect_all(struct run *r, struct op *o)
{
	for (u64 i = 0; i < o->a && !ended(); i++) {
		long fd = dial(object_of(o));
		if (fd < 0)
			return fd;
		if (!open_connections)
			first_connection = (i32)fd;
		if (fd != first_connection + open_connections)
			return -EBADF_;
		open_connections++;
		long err = make_request(r, (int)fd, i + 1);
		if (err)
			return err;
	}
	return 0;
}

// op_connect counts, as waits, all that blocked: connecting and reading.
static long op_connect(struct run *r, struct op *o)
{
	u64 before = voluntary(), waits = r->s->waits;
	long err = 0;
	if (!o->b)
		err = connect_all(r, o);
	for (u64 i = 0; i < o->b && open_connections && !ended(); i++) {
		hang_up(first_connection + --open_connections);
		if (o->c)
			sleep_once(r->s, (i64)o->c);
	}
	r->s->waits = waits + voluntary() - before;
	return err;
}

static long op_request(struct run *r, struct op *o)
{
	u64 before = voluntary(), waits = r->s->waits;
	long err = 0;
	for (u64 i = 0; i < o->a && !err && !ended(); i++) {
		long fd = dial(object_of(o));
		if (fd < 0)
			return fd;
		err = make_request(r, (int)fd, i + 1);
		hang_up((int)fd);
	}
	r->s->waits = waits + voluntary() - before;
	return err;
}

// ---- pages ----

static const char page_request[] = "GET / HTTP/1.0\r\n\r\n";
static const char page_answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";

enum { PAGE_REQUEST = sizeof page_request - 1, PAGE_ANSWER = sizeof page_answer - 1 };

static long op_fetch(struct run *r, struct op *o)
{
	char answer[PAGE_ANSWER];
	u64 before = voluntary(), waits = r->s->waits;
	for (u64 i = 0; i < o->a && !ended(); i++) {
		long fd = dial(object_of(o));
		if (fd < 0)
			return fd;
		long err = send_bytes((int)fd, page_request, PAGE_REQUEST);
		u64 got = err ? 0 : receive_bytes((int)fd, answer, PAGE_ANSWER);
		hang_up((int)fd);
		for (u64 n = 0; !err && n < PAGE_ANSWER; n++)
			if (got != PAGE_ANSWER || answer[n] != page_answer[n])
				err = -EBADMSG_;
		if (err)
			return ended() ? 0 : err;
		r->s->bytes += got;
		r->s->done++;
		r->s->waits = waits + voluntary() - before;
	}
	return 0;
}

// op_answer takes calls until all pages of the run are taken on.
static long op_answer(struct run *r, struct op *o)
{
	u64 *taken = object_value(&objects[o->c]);
	char request[PAGE_REQUEST];
	while (__atomic_fetch_add(taken, 1, __ATOMIC_RELAXED) < o->a) {
		long fd = answer_call(r, object_of(o));
		if (fd <= 0)
			return fd;
		i64 due = now() + (i64)o->b;
		u64 before = voluntary(), waits = r->s->waits;
		receive_bytes((int)fd, request, PAGE_REQUEST);
		for (i64 left; (left = due - now()) > 0 && !ended();)
			sleep_once(r->s, least(left, WAIT_SLICE));
		long err = send_bytes((int)fd, page_answer, PAGE_ANSWER);
		receive_bytes((int)fd, request, 1); // the other end hangs up
		sys1(SYS_close, fd);
		r->s->waits = waits + voluntary() - before;
		if (err)
			return ended() ? 0 : err;
		r->s->done++;
	}
	return 0;
}
