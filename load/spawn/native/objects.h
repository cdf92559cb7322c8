//go:build ignore

// What the workers of a run share. Memory lies in the arena, at the places
// that package spawn gives it; descriptors are opened by the root, before it
// forks, so that every process has them.

enum {
	OBJECT_NONE, OBJECT_LOCK, OBJECT_COUNTER, OBJECT_WORDS, OBJECT_BARRIER, OBJECT_SHARED,
	OBJECT_PIPE, OBJECT_SOCKET, OBJECT_QUEUE, OBJECT_LISTENER, OBJECT_LOG,
};

// The first cache line of an object in memory holds its value; what it is made
// of follows on lines of its own.
enum { OBJECT_LINE = 64 };

static struct object *objects;

static struct object *object_of(struct op *o) { return &objects[o->object]; }

static u64 *object_value(struct object *o) { return (u64 *)((char *)head + o->memory); }

static u32 *object_word(struct object *o, u32 n)
{
	return (u32 *)((char *)head + o->memory + OBJECT_LINE * (1 + n));
}

struct mq_attr_ { i64 flags, maxmsg, msgsize, curmsgs, pad[4]; };
struct sockaddr_in_ { uint16_t family, port; u32 addr; u64 zero; };

static const u32 loopback = 0x0100007f; // 127.0.0.1 in network order, on a little-endian machine

static uint16_t swap16(uint16_t n) { return (uint16_t)(n << 8 | n >> 8); }

// open_queue removes the name at once: nobody else opens it, and nothing is
// left of it when the last process ends.
static long open_queue(struct object *o)
{
	const char *name = (const char *)object_value(o);
	struct mq_attr_ attr = {0, o->count, (i64)o->bytes, 0, {0}};
	long fd = sys4(SYS_mq_open, name, O_RDWR_ | O_CREAT_ | O_EXCL_ | O_CLOEXEC_, 0600, &attr);
	if (fd >= 0)
		sys1(SYS_mq_unlink, name);
	return fd;
}

static long open_listener(struct object *o)
{
	struct sockaddr_in_ at = {AF_INET_, 0, loopback, 0};
	u32 size = sizeof at;
	long fd = sys3(SYS_socket, AF_INET_, SOCK_STREAM_ | SOCK_CLOEXEC_ | SOCK_NONBLOCK_, 0);
	if (fd < 0)
		return fd;
	long err = sys3(SYS_bind, fd, &at, size);
	if (!err)
		err = sys2(SYS_listen, fd, 4096);
	if (!err)
		err = sys3(SYS_getsockname, fd, &at, &size);
	o->port = swap16(at.port);
	return err ? err : fd;
}

static long open_object(struct object *o)
{
	long fd;
	switch (o->kind) {
	case OBJECT_PIPE: return sys2(SYS_pipe2, o->fd, O_CLOEXEC_);
	case OBJECT_SOCKET: return sys4(SYS_socketpair, AF_UNIX_, SOCK_STREAM_ | SOCK_CLOEXEC_, 0, o->fd);
	case OBJECT_QUEUE: fd = open_queue(o); break;
	case OBJECT_LISTENER: fd = open_listener(o); break;
	default: return 0; // memory
	}
	if (fd < 0)
		return fd;
	o->fd[0] = (i32)fd;
	return 0;
}

// close_inherited leaves a worker with nothing but what it was started with:
// whoever started the controller may have left it more.
static void close_inherited(void)
{
	if (sys3(SYS_close_range, FD_NOTIFY + 1, ~0U, 0) != -ENOSYS_)
		return;
	for (int fd = FD_NOTIFY + 1; fd < 4096; fd++) // before Linux 5.9
		sys1(SYS_close, fd);
}

static void open_objects(void)
{
	for (u32 i = 0; i < head->nobjects; i++) {
		long err = open_object(&objects[i]);
		if (err < 0) {
			fail(0, STEP_OBJECT, err, i);
			quit(EXIT_SETUP);
		}
	}
}
