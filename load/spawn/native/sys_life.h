//go:build ignore

// What the operations on processes, pages and files need of the kernel.

#if defined(__x86_64__)
enum {
	SYS_pread64 = 17, SYS_pwrite64 = 18, SYS_kill = 62, SYS_ftruncate = 77, SYS_ptrace = 101,
	SYS_waitid = 247, SYS_memfd_create = 319,
	O_DIRECTORY_ = 0200000,
};
#else
enum {
	SYS_ftruncate = 46, SYS_pread64 = 67, SYS_pwrite64 = 68, SYS_waitid = 95, SYS_ptrace = 117,
	SYS_kill = 129, SYS_memfd_create = 279,
	O_DIRECTORY_ = 040000,
};
#endif

enum {
	ESRCH_ = 3, EOWNERDEAD_ = 130,
	CLD_KILLED_ = 2,
	SIGSTOP_ = 19,
	O_RDONLY_ = 0, O_TMPFILE_ = 020000000 | O_DIRECTORY_,
	MAP_FIXED_ = 0x10, MADV_HUGEPAGE_ = 14, MFD_CLOEXEC_ = 1,
	PR_SET_CHILD_SUBREAPER_ = 36,
	CLONE_VFORK_ = 0x4000,
	WEXITED_ = 4, WNOWAIT_ = 0x01000000, WALL_ = 0x40000000,
	LIFE_FUTEX_WAIT_ = 0,
	PTRACE_DETACH_ = 17, PTRACE_SEIZE_ = 0x4206, PTRACE_INTERRUPT_ = 0x4207, PTRACE_O_EXITKILL_ = 0x100000,
};
