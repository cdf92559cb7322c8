//go:build ignore

// Operations on memory and files: pages shared, copied, grown, huge.

enum { FILES = 64, GROW_SLOT = 1 };

static int files[FILES]; // descriptors of op_file, inherited by children

static void put_slot(struct slot *s, u64 n, u64 value)
{
	if (n >= REPORT_SLOTS)
		return;
	s->address[n] = value;
	s->used |= 1u << n;
}

// between_guards maps size bytes with an inaccessible page on either side.
static long between_guards(u64 size)
{
	long at = sys6(SYS_mmap, 0, (long)(size + 2 * page), PROT_NONE_,
		       MAP_PRIVATE_ | MAP_ANONYMOUS_ | MAP_NORESERVE_, -1, 0);
	return at < 0 && at > -4096 ? at : at + (long)page;
}

// op_touch writes to the first A bytes of the area in slot B of the first
// thread of process C, or of the thread itself if there is no process C, and
// reports the area as its own.
static long op_touch(struct run *r, struct op *o)
{
	struct slot *from = o->c < head->nprocs ? &slots[procs[o->c].first_thread] : r->s;
	u64 at = from->address[o->b];
	put_slot(r->s, o->b, at);
	touch_up(r->s, (char *)at, page_up(o->a));
	r->s->loops++;
	return 0;
}

// temporary_file makes a file without a name; where the file system cannot,
// one that loses its name at once.
static long temporary_file(void)
{
	long nameless = sys4(SYS_openat, AT_FDCWD_, "/tmp", O_TMPFILE_ | O_RDWR_ | O_CLOEXEC_, 0600);
	if (nameless >= 0)
		return nameless;
	char name[32] = "/tmp/taskscope-";
	u64 n = 15;
	for (u64 id = (u64)now() ^ (u64)sys0(SYS_getpid); n < 27; id >>= 5)
		name[n++] = (char)('a' + id % 26);
	name[n] = 0;
	long fd = sys4(SYS_openat, AT_FDCWD_, name, O_RDWR_ | O_CREAT_ | O_EXCL_ | O_CLOEXEC_, 0600);
	if (fd >= 0)
		sys3(SYS_unlinkat, AT_FDCWD_, name, 0);
	return fd;
}

// op_file makes file number C of A bytes: bit 0 of B asks for a file in /tmp
// instead of memory, bit 1 for its pages to be written.
static long op_file(struct op *o)
{
	long fd = o->b & 1 ? temporary_file() : sys2(SYS_memfd_create, "taskscope-load", MFD_CLOEXEC_);
	if (fd < 0)
		return fd;
	files[o->c] = (int)fd;
	long err = sys2(SYS_ftruncate, fd, o->a);
	for (u64 at = 0; o->b & 2 && at < o->a && !err; at += 4096) {
		if ((at / 4096 & 1023) == 0 && ended())
			return 0;
		long n = sys4(SYS_pwrite64, fd, head, 4096, at); // any 4096 bytes will do
		err = n < 0 ? n : 0;
	}
	return err;
}

// op_map_file maps A bytes of file number B (low byte) and reports where in
// slot C. The next byte of B says how: 0 shared and written, 1 private and
// read.
static long op_map_file(struct run *r, struct op *o)
{
	u64 size = page_up(o->a);
	int private = (o->b >> 8 & 0xff) == 1;
	long at = between_guards(size);
	if (at < 0)
		return at;
	at = sys6(SYS_mmap, at, (long)size, PROT_READ_ | PROT_WRITE_,
		  (private ? MAP_PRIVATE_ : MAP_SHARED_) | MAP_FIXED_, files[o->b & 0xff], 0);
	if (at < 0 && at > -4096)
		return at;
	put_slot(r->s, o->c, (u64)at);
	sys3(SYS_madvise, at, size, MADV_NOHUGEPAGE_);
	r->s->loops++;
	if (!private) {
		touch_up(r->s, (char *)at, size);
		return 0;
	}
	for (u64 n = 0; n < size; n += page) {
		if ((n / page & 1023) == 0 && ended())
			return 0;
		(void)*(volatile char *)(at + (long)n);
	}
	return 0;
}

// op_grow touches C bytes more of the area in the own slot 1 at each of A
// edges, B ns apart.
static long op_grow(struct run *r, struct op *o)
{
	char *area = (char *)r->s->address[GROW_SLOT];
	for (u64 i = 1; i <= o->a && !ended(); i++) {
		long err = to_edge(r->s, r->gate_ns + (i64)(i * o->b));
		if (err)
			return err;
		touch_up(r->s, area + (i - 1) * o->c, o->c);
	}
	return 0;
}

// mark is an entry of a log: what was written, and between which two instants.
struct mark {
	i64 from_ns, until_ns; // CLOCK_MONOTONIC; 0: not yet
	u64 pages, pad;
};

// op_pace writes to A bytes of the area in the own slot 1, C of them at each
// edge, B ns apart, and notes each time in the log before and after: whoever
// looks at the faults of this thread at some instant knows how many there must
// be.
static long op_pace(struct run *r, struct op *o)
{
	struct object *log = object_of(o);
	struct mark *marks = (struct mark *)object_value(log);
	char *area = (char *)r->s->address[GROW_SLOT];
	u64 done = 0;
	for (u64 i = 0; done < o->a && i < log->count && !ended(); i++) {
		long err = to_edge(r->s, r->gate_ns + (i64)((i + 1) * o->b));
		if (err)
			return err;
		u64 bytes = o->c < o->a - done ? o->c : o->a - done;
		marks[i].pages = bytes / page;
		__atomic_store_n(&marks[i].from_ns, now(), __ATOMIC_RELEASE);
		touch_up(r->s, area + done, bytes);
		__atomic_store_n(&marks[i].until_ns, now(), __ATOMIC_RELEASE);
		done += bytes;
	}
	return 0;
}

// op_huge maps and touches A bytes where huge pages of B bytes are welcome, and
// reports where in slot C.
static long op_huge(struct run *r, struct op *o)
{
	long at = between_guards(o->a + o->b);
	if (at < 0)
		return at;
	u64 area = ((u64)at + o->b - 1) & ~(o->b - 1);
	sys3(SYS_madvise, area, o->a, MADV_HUGEPAGE_);
	long err = sys3(SYS_mprotect, area, o->a, PROT_READ_ | PROT_WRITE_);
	if (err)
		return err;
	put_slot(r->s, o->c, area);
	touch_up(r->s, (char *)area, o->a);
	r->s->loops++;
	return 0;
}

// op_io makes B writes and then A reads of as many bytes as the low half of C
// says, of the file whose number is its high half, with the area in slot 1 as
// the buffer.
static long op_io(struct run *r, struct op *o)
{
	char *buffer = (char *)r->s->address[GROW_SLOT];
	u64 size = o->c & 0xffffffff;
	int fd = files[o->c >> 32];
	for (u64 i = 0; i < o->a + o->b; i++) {
		if ((i & 63) == 0 && ended())
			return 0;
		long n = sys4(i < o->b ? SYS_pwrite64 : SYS_pread64, fd, buffer, size, 0);
		if (n < 0)
			return n;
		r->s->loops++;
		r->s->bytes += (u64)n;
	}
	return 0;
}
