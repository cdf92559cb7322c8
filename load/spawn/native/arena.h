//go:build ignore

// The arena: the memory shared by the controller and every worker. It holds no
// pointers. Package spawn declares the same structures; a test compares every
// offset with what this program prints for --layout.

enum {
	ARENA_MAGIC = 0x61637374, // "tsca"
	ARENA_VERSION = 2,
	REPORT_SLOTS = 16,
	CPU_WORDS = 16, // 1024 CPUs
};

// Flags of the header, for the tests of the safety net.
enum { FLAG_NO_DEATH_SIGNAL = 1 };
// No operation starts a task, so none may be started any more.
enum { FLAG_NO_MORE_TASKS = 2 };

// Flags of a process.
enum {
	PROCESS_ENDS = 1,      // while the operations run
	PROCESS_OUTLIVES = 2,  // its parent does so: it is adopted
	PROCESS_SUBREAPER = 4, // it adopts
};

// The file descriptors that the root is started with.
enum { FD_ARENA = 3, FD_LIVE = 4, FD_GATE = 5, FD_RELEASE = 6, FD_NOTIFY = 7 };

// Phases of a thread, as in load.Report.
enum { PHASE_BORN, PHASE_READY, PHASE_RUNNING, PHASE_PARKED, PHASE_ENDED };

// Steps that can fail, as named in package spawn.
enum {
	STEP_NONE, STEP_FORK, STEP_CLONE, STEP_STACK, STEP_AFFINITY, STEP_POLICY, STEP_NICE,
	STEP_OPERATION, STEP_SETSID, STEP_LIMIT, STEP_TIMER, STEP_OBJECT,
};

enum {
	OP_END, OP_SLEEP_REL, OP_SLEEP_ABS, OP_SPIN_CPU, OP_SPIN_WALL, OP_DUTY, OP_YIELD, OP_MAP,
	OP_HEAP, OP_STACK, OP_HOLD, OP_MIGRATE,
	// ops_life.h, ops_fork.h, ops_pages.h
	OP_EXIT = 40, OP_CRASH, OP_AWAIT_STATE, OP_REAP, OP_MARK, OP_ADOPTED, OP_STOP_SELF, OP_SIGNAL,
	OP_TRACE, OP_UNTRACE, OP_VFORK, OP_SPAWN, OP_STORM, OP_SUPERVISE, OP_TOUCH, OP_FILE, OP_MAP_FILE,
	OP_GROW, OP_HUGE, OP_IO,
	OP_CHECK_SLICE = 60,
	OP_SPIN_FOLLOW = 61,
	OP_TAKE = 63, OP_GIVE, OP_EDGE,
	OP_PACE,
	OP_LOCK = 20, OP_TURNS, OP_ADD, OP_COLLECT, OP_ADD_OWN, OP_READ_OWN, OP_MEET, OP_POST, OP_AWAIT,
	OP_SUM, OP_CHUNKS, OP_SEND, OP_RECEIVE, OP_PING, OP_SERVE, OP_DRAIN, OP_CONNECT, OP_REQUEST,
	OP_FETCH, OP_ANSWER,
	// For the tests of the safety net only: ignore every deadline.
	OP_TEST_WEDGE = 0x7e570001,
	OP_TEST_SPIN = 0x7e570002,
};

struct header {
	u32 magic, version;
	u64 size;
	u32 nprocs, nthreads, nops, controller_pid;
	u64 procs_off, threads_off, ops_off, slots_off;
	i64 deadline_ns; // CLOCK_MONOTONIC; nobody lives longer
	i64 kill_ns;     // CLOCK_MONOTONIC; the kernel kills what still lives
	u32 files_limit; // RLIMIT_NOFILE
	u32 flags;
	u64 objects_off;
	u32 nobjects, pad0;
	u64 pad1;

	// Written during the run.
	i64 gate_ns;
	u32 gate, stop;
	u32 ready, parked;
	u32 failed; // 0, or 1 once the fields below are being written, 2 when they are
	u32 fail_thread;
	u32 fail_step;
	i32 fail_errno;
	u32 fail_op;
	u32 parks; // threads that will park: all but those of processes that end
	u64 pad3;
};

struct process {
	i32 parent;
	u32 first_thread, nthreads;
	i32 first_child, next_sibling;
	u32 setsid;
	u32 cpu_limit_s; // RLIMIT_CPU
	u32 pid;         // written by the parent and by the process itself
	u32 ppid;
	u32 flags;
	u64 data_limit; // RLIMIT_DATA
	u32 ended;      // 1 once the parent has reaped it and wait_status is set
	u32 wait_status;
	u32 adopter; // PID of the parent it has been given
	u32 pad0;
};

struct thread {
	char name[16];
	u32 policy, rtprio;
	i32 nice;
	u32 pinned; // cpus is meant
	u32 setup_first, setup_count, ops_first, ops_count;
	u64 stack_bytes; // that the operations touch below the first page
	u64 cpus[CPU_WORDS];
	u32 ends; // it does not park: its process ends
	u32 pad0;
};

struct op {
	u32 kind, object;
	u64 a, b, c;
};

// An object that the workers share; the kinds are those of load.ObjectKind.
struct object {
	u32 kind, count;
	i32 fd[2]; // read and write end, or the one there is
	u64 bytes;
	u64 memory; // offset in the arena
	u32 port, pad0;
	u64 pad1[3];
};

struct slot {
	u32 phase, tid;
	i32 err;
	u32 used; // bit n: address[n] was reported
	i64 start_ns, end_ns;
	u64 cpu_ns, voluntary, involuntary, minor, major;
	u64 loops, late, waits, acquired, bytes;
	u64 park_voluntary; // RUSAGE_THREAD just before the newest park
	u64 failed_op;      // 1 + index of the operation that failed
	u64 result;
	i64 job_end_ns; // when the last operation but a hold was done
	u64 done;       // how much of its job: messages, additions, elements
	u64 address[REPORT_SLOTS];
	i64 from_ns, until_ns; // what is promised of live samples holds between these; 0: not said
	u64 notified;          // writes to FD_NOTIFY between the gate and the park
	u32 mayfly, pad0;      // 0: the short-lived thread that it made last has ended
	u64 pad1;
};
