//go:build ignore

// Raw system calls of the worker: the only part that knows the architecture.

#include <stddef.h>
#include <stdint.h>

typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;

#if defined(__x86_64__)

enum {
	SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_lseek = 8, SYS_mmap = 9, SYS_mprotect = 10, SYS_munmap = 11,
	SYS_brk = 12, SYS_rt_sigaction = 13, SYS_rt_sigprocmask = 14, SYS_sched_yield = 24,
	SYS_madvise = 28, SYS_getpid = 39, SYS_clone = 56, SYS_exit = 60, SYS_wait4 = 61,
	SYS_getrusage = 98, SYS_getppid = 110, SYS_setsid = 112, SYS_setpriority = 141,
	SYS_sched_setscheduler = 144, SYS_prctl = 157, SYS_gettid = 186, SYS_sched_setaffinity = 203,
	SYS_timer_create = 222, SYS_timer_settime = 223, SYS_clock_gettime = 228,
	SYS_clock_nanosleep = 230, SYS_exit_group = 231, SYS_openat = 257, SYS_unlinkat = 263,
	SYS_ppoll = 271, SYS_prlimit64 = 302,
	SYS_socket = 41, SYS_connect = 42, SYS_sendto = 44, SYS_recvfrom = 45, SYS_bind = 49, SYS_listen = 50,
	SYS_getsockname = 51, SYS_socketpair = 53, SYS_setsockopt = 54, SYS_futex = 202,
	SYS_mq_open = 240, SYS_mq_unlink = 241, SYS_mq_timedsend = 242, SYS_mq_timedreceive = 243,
	SYS_tgkill = 234, SYS_accept4 = 288, SYS_pipe2 = 293, SYS_close_range = 436,
	SYS_sched_rr_get_interval = 148, SYS_getcpu = 309, SYS_sched_setattr = 314,
};

static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

// The stack pointer moves down to a page boundary before the first C frame:
// where the kernel put it within its page is random, and the pages that the
// frames touch must not be.
__asm__(".text\n.globl _start\n_start:\n"
	"	xorl %ebp, %ebp\n"
	"	movq %rsp, %rdi\n"
	"	andq $-4096, %rsp\n"
	"	call entry\n"
	"	hlt\n");

// long clone_thread(flags, stack_top, child_tid, argument)
__asm__(".text\n.globl clone_thread\nclone_thread:\n"
	"	subq $16, %rsi\n"
	"	movq %rcx, (%rsi)\n"
	"	movq %rdx, %r10\n"
	"	xorl %edx, %edx\n"
	"	xorl %r8d, %r8d\n"
	"	movl $56, %eax\n"
	"	syscall\n"
	"	testq %rax, %rax\n"
	"	jz 1f\n"
	"	ret\n"
	"1:	xorl %ebp, %ebp\n"
	"	movq (%rsp), %rdi\n"
	"	call thread_entry\n"
	"	hlt\n");

#elif defined(__aarch64__)

enum {
	SYS_unlinkat = 35, SYS_openat = 56, SYS_close = 57, SYS_lseek = 62, SYS_write = 64,
	SYS_ppoll = 73, SYS_exit = 93, SYS_exit_group = 94, SYS_timer_create = 107,
	SYS_timer_settime = 110, SYS_clock_gettime = 113, SYS_clock_nanosleep = 115,
	SYS_sched_setscheduler = 119, SYS_sched_setaffinity = 122, SYS_sched_yield = 124,
	SYS_rt_sigaction = 134, SYS_rt_sigprocmask = 135, SYS_setpriority = 140, SYS_setsid = 157,
	SYS_getrusage = 165, SYS_prctl = 167, SYS_getpid = 172, SYS_getppid = 173, SYS_gettid = 178,
	SYS_brk = 214, SYS_munmap = 215, SYS_clone = 220, SYS_mmap = 222, SYS_mprotect = 226,
	SYS_madvise = 233, SYS_wait4 = 260, SYS_prlimit64 = 261,
	SYS_pipe2 = 59, SYS_read = 63, SYS_futex = 98, SYS_mq_open = 180, SYS_mq_unlink = 181, SYS_mq_timedsend = 182, SYS_mq_timedreceive = 183,
	SYS_tgkill = 131, SYS_close_range = 436,
	SYS_socket = 198, SYS_socketpair = 199, SYS_bind = 200, SYS_listen = 201, SYS_connect = 203,
	SYS_getsockname = 204, SYS_sendto = 206, SYS_recvfrom = 207, SYS_setsockopt = 208, SYS_accept4 = 242,
	SYS_sched_rr_get_interval = 127, SYS_getcpu = 168, SYS_sched_setattr = 274,
};

static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

__asm__(".text\n.globl _start\n_start:\n"
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	mov x0, sp\n"
	"	and x1, x0, #-4096\n"
	"	mov sp, x1\n"
	"	bl entry\n"
	"	brk #0\n");

// Here the kernel takes the TLS argument before the address of the child TID.
__asm__(".text\n.globl clone_thread\nclone_thread:\n"
	"	str x3, [x1, #-16]!\n"
	"	mov x4, x2\n"
	"	mov x2, #0\n"
	"	mov x3, #0\n"
	"	mov x8, #220\n"
	"	svc 0\n"
	"	cbz x0, 1f\n"
	"	ret\n"
	"1:	mov x29, #0\n"
	"	mov x30, #0\n"
	"	ldr x0, [sp]\n"
	"	bl thread_entry\n"
	"	brk #0\n");

#else
#error "no system call stubs for this architecture"
#endif

long clone_thread(u64 flags, void *stack_top, u32 *child_tid, u64 argument);

#define sys0(n) sys6(n, 0, 0, 0, 0, 0, 0)
#define sys1(n, a) sys6(n, (long)(a), 0, 0, 0, 0, 0)
#define sys2(n, a, b) sys6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(n, a, b, c) sys6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(n, a, b, c, d) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys5(n, a, b, c, d, e) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

enum {
	EINTR_ = 4, EAGAIN_ = 11, ENOMEM_ = 12, EINVAL_ = 22, ENOSYS_ = 38, ETIMEDOUT_ = 110,
	SIGKILL_ = 9, SIGCHLD_ = 17,
	CLOCK_MONOTONIC_ = 1, CLOCK_THREAD_CPUTIME_ = 3, TIMER_ABSTIME_ = 1,
	PROT_NONE_ = 0, PROT_READ_ = 1, PROT_WRITE_ = 2,
	MAP_SHARED_ = 1, MAP_PRIVATE_ = 2, MAP_ANONYMOUS_ = 0x20, MAP_NORESERVE_ = 0x4000,
	MAP_POPULATE_ = 0x8000,
	MADV_DONTDUMP_ = 16, MADV_NOHUGEPAGE_ = 15, MADV_POPULATE_READ_ = 22, MADV_POPULATE_WRITE_ = 23,
	PR_SET_PDEATHSIG_ = 1, PR_SET_NAME_ = 15, PR_SET_TIMERSLACK_ = 29,
	RLIMIT_CPU_ = 0, RLIMIT_DATA_ = 2, RLIMIT_CORE_ = 4, RLIMIT_NPROC_ = 6, RLIMIT_NOFILE_ = 7, RLIMIT_MEMLOCK_ = 8,
	POLLIN_ = 1, POLLHUP_ = 16, POLLERR_ = 8, POLLNVAL_ = 32,
	AT_FDCWD_ = -100, AT_REMOVEDIR_ = 0x200, AT_PAGESZ_ = 6,
	O_WRONLY_ = 1, O_RDWR_ = 2, O_CREAT_ = 0100, O_EXCL_ = 0200, O_CLOEXEC_ = 02000000,
	AF_UNIX_ = 1, AF_INET_ = 2, SOCK_STREAM_ = 1, SOCK_NONBLOCK_ = 04000, SOCK_CLOEXEC_ = 02000000,
};

enum {
	CLONE_VM_ = 0x100, CLONE_FS_ = 0x200, CLONE_FILES_ = 0x400, CLONE_SIGHAND_ = 0x800,
	CLONE_THREAD_ = 0x10000, CLONE_SYSVSEM_ = 0x40000, CLONE_PARENT_SETTID_ = 0x100000,
	CLONE_CHILD_CLEARTID_ = 0x200000,
};

struct timespec_ { i64 sec, nsec; };
struct itimerspec_ { struct timespec_ interval, value; };
struct pollfd_ { i32 fd; int16_t events, revents; };
struct rlimit_ { u64 cur, max; };

struct sigevent_ {
	u64 value;
	i32 signo, notify;
	u64 rest[6];
};

struct rusage_ {
	i64 utime[2], stime[2];
	i64 maxrss, ixrss, idrss, isrss;
	i64 minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals;
	i64 nvcsw, nivcsw;
};

// The own program headers, to know what is mapped.
enum { PT_LOAD_ = 1, PF_W_ = 2 };
struct elf_header {
	char ident[16];
	uint16_t type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_segment {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};
