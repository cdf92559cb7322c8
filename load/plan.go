package load

import "time"

// Plan is a run before it starts: the tasks, what they do, and what is
// promised about them.
type Plan struct {
	Scenario   string            `json:"scenario"`
	Parameters map[string]string `json:"parameters"`
	Duration   time.Duration     `json:"duration_ns"` // of the measured phase; 0: until released
	Tier       string            `json:"tier"`        // "native", "go"
	// Processes[0] is the root, started by the controller; parents come
	// before their children.
	Processes []ProcessPlan `json:"processes"`
	// Objects are what the workers share; operations name them by index.
	Objects  []Object  `json:"objects,omitempty"`
	Promises []Promise `json:"promises"`
	// Unnamed is how many processes there are at the end that the plan does
	// not list: those started in the place of others.
	Unnamed int `json:"unnamed,omitempty"`
	// Needs are the capabilities without which the plan makes no sense, as in
	// Scenario.Needs.
	Needs  []string `json:"needs,omitempty"`
	Budget Budget   `json:"budget"`
	// Quota limits the CPU time of all tasks together, by a control group.
	Quota *Quota `json:"quota,omitempty"`
}

// The tiers: which worker does the operations.
const (
	TierNative = "native" // exact
	TierGo     = "go"     // with a language runtime
)

// Quota is a limit of CPU time per period.
type Quota struct {
	Time   time.Duration `json:"time_ns"`
	Period time.Duration `json:"period_ns"`
}

// ProcessPlan is one process. Threads[0] is its leader.
type ProcessPlan struct {
	Role    string       `json:"role"`
	Parent  int          `json:"parent"` // index into Plan.Processes, -1 for the root
	Threads []ThreadPlan `json:"threads"`
	Setsid  bool         `json:"setsid,omitempty"`
	// End says that the process ends while the operations run; nil: it lives
	// until it is released.
	End *End `json:"end,omitempty"`
	// Subreaper: processes below it that lose their parent become its children.
	Subreaper bool `json:"subreaper,omitempty"`
}

// End is how a process ends by plan.
type End struct {
	Code   int `json:"code"`             // exit status
	Signal int `json:"signal,omitempty"` // not 0: this signal kills it
	// Reaped: its parent collects its wait status before it parks itself.
	// Otherwise it is a zombie until the run is released.
	Reaped bool `json:"reaped"`
}

// ThreadPlan is one thread: how it is set up before the gate, and what it does after it.
type ThreadPlan struct {
	Role   string `json:"role"`
	Name   string `json:"name"` // comm, at most 15 bytes
	CPUs   []int  `json:"cpus,omitempty"`
	Policy int    `json:"policy,omitempty"` // 0 other 1 fifo 2 rr 3 batch 5 idle 6 deadline
	RTPrio int    `json:"rt_priority,omitempty"`
	Nice   int    `json:"nice,omitempty"`
	// Setup operations run before the gate, Ops after it.
	Setup []Op `json:"setup,omitempty"`
	Ops   []Op `json:"ops,omitempty"`
}

// OpKind is what a worker can do.
type OpKind uint32

// The operations of the native worker. Every blocking one ends by itself at
// the run's deadline.
const (
	OpEnd      OpKind = iota
	OpSleepRel        // A times: clock_nanosleep of B ns, relative. Each blocks once.
	OpSleepAbs        // A periods of B ns on absolute edges from the gate; missed edges are counted as late and not slept
	OpSpinCPU         // burn A ns of the thread's own CPU time
	OpSpinWall        // stay runnable and busy until A ns after the gate
	OpDuty            // A periods of B ns: burn C ns of own CPU time in each, then sleep to the edge; late edges counted
	OpYield           // A times sched_yield; those after which nobody else has run are counted as late
	OpMap             // map A bytes anonymous private, in its own VMA, and touch B bytes of it; address reported in slot C
	OpHeap            // grow brk by A bytes and touch them
	OpStack           // touch A bytes of the thread's own stack below the current page
	OpHold            // do nothing until A ns after the gate, as one blocking wait
	OpMigrate         // A times sched_setaffinity to alternate between the CPUs B and C
)

// Operations on the life of processes, and on pages and files (native tier).
const (
	OpExit       OpKind = iota + 40 // end the process with exit status A
	OpCrash                         // write to address 8: the kernel ends the process with SIGSEGV
	OpAwaitState                    // wait until process A of the plan is in the state whose letter is B
	OpReap                          // wait for those children that the plan lets end; each counts as acquired
	OpMark                          // what is promised of live samples holds from now on (A = MarkFrom) or no longer (MarkUntil)
	OpAdopted                       // wait until process A of the plan is the parent
	OpStopSelf                      // SIGSTOP to the own process
	OpSignal                        // send signal A to process B of the plan, a child
	OpTrace                         // stop process A of the plan, a child, as a debugger does
	OpUntrace                       // let it go
	OpVfork                         // a child by CLONE_VFORK that ends A ns after the gate: uninterruptible until then
	OpSpawn                         // make A threads (B = 0) or processes (B = 1), one after the other; times in the slots C, C+1, C+2: starts, starts and ends, shortest start
	OpStorm                         // make A processes that live for B ns, at most C at a time
	OpSupervise                     // replace each child that ends, A times in all; the C children take turns, B ns apart
	OpTouch                         // write to the first A bytes of what slot B of the leader of process C has (no such process: the own), and report it in the own slot B
	OpFile                          // make file number C of A bytes: B&1 in /tmp instead of memory, B&2 with all its pages written
	OpMapFile                       // map A bytes of file number B&0xff, reported in slot C; B>>8: FileShared, FilePrivate
	OpGrow                          // at each of A edges, B ns apart, touch C bytes more of what the own slot 1 has
	OpHuge                          // map and touch A bytes where huge pages of B bytes are welcome; reported in slot C
	OpIO                            // B writes, then A reads, of C&0xffffffff bytes each, of file number C>>32; what slot 1 has is the buffer
)

// Values of OpMark.A and of OpMapFile.B>>8.
const (
	MarkFrom  = 0
	MarkUntil = 1

	FileShared  = 0 // MAP_SHARED, every page written
	FilePrivate = 1 // MAP_PRIVATE, every page read
)

// Operations about the scheduler.
const (
	OpCheckSlice OpKind = 60 + iota // fail unless the thread's time slice (sched_rr_get_interval) is A ns, give or take a tick
	OpSpinFollow                    // stay runnable and busy until thread A of the plan (counted over all processes) is done, or B ns after the gate; counts in Acquired how often that one's Loops have moved between two looks
	OpGoroutines                    // tier go only: A goroutines work in turns, B at a time, until C ns after the gate
	OpTake                          // Object lock: take it
	OpGive                          // Object lock: give it back
	OpEdge                          // sleep until A ns after the gate, or count that as late if it is over
	OpPace                          // Object log: write to A bytes of what the own slot 1 has, C at each edge, B ns apart, and note each time
)

// Operations on what the workers share. Every wait in them is counted in
// Report.Waits when it blocks, except where it says otherwise.
const (
	OpLock    OpKind = 20 + iota // Object lock: A times take it, burn B ns of own CPU time, give it back, burn C ns
	OpTurns                      // Object lock, handed over in order of arrival: burn A ns of own CPU time, only while holding it, at most B ns at a time
	OpAdd                        // Object counter: A times add one, in the way B (AddRacy, …); C is the lock of AddLocked
	OpCollect                    // Object counter: add the own result
	OpAddOwn                     // A times add one to a variable of the process; its address reported in slot C
	OpReadOwn                    // the own result is the value of that variable
	OpMeet                       // Object barrier: wait until A workers are there
	OpPost                       // Object words: add one to word A
	OpAwait                      // Object words: wait until word A is B
	OpSum                        // add the integers from A to below B to the own result
	OpChunks                     // Object shared, a byte per element: take chunks of B of its A elements, by counter C, until none is left
	OpSend                       // Object pipe, socket or queue: send the own result
	OpReceive                    // Object pipe, socket or queue: add the values of A messages to the own result
	OpPing                       // Object to receive from, B to send to: A messages and their answers; C says which side and how it waits; the one wait that each message may take is not counted; the result is the time in ns
	OpServe                      // Object listener: accept A connections, a thread of its own for each, at most B at a time
	OpDrain                      // wait until only A threads of OpServe are left
	OpConnect                    // Object listener: open A connections and make a request on each; with B, close B of those that are open, C ns after each other, instead
	OpRequest                    // Object listener: A times open a connection, make one request, close it
	OpFetch                      // Object listener: A times connect, send a request for a page, read B bytes of it
	OpAnswer                     // Object listener: answer requests for pages until A were answered by all workers together, counted by counter C, each B ns after it came
)

// How OpAdd adds.
const (
	AddRacy   = iota // read, add, write: another worker may come between
	AddLocked        // the same with a lock around it
	AddAtomic        // in one step
)

// The argument C of OpPing: which side the worker is on, and how it waits for
// a word of shared memory.
const (
	PingFirst  = 0 // sends and waits for the answer
	PingSecond = 1 // answers
	PingSleep  = 0 << 1
	PingLook   = 1 << 1
	PingYield  = 2 << 1
)

// Op is one operation with its arguments. Object is an index into
// Plan.Objects for the kinds that work on one.
type Op struct {
	Kind    OpKind `json:"kind"`
	Object  int    `json:"object,omitempty"`
	A, B, C uint64 `json:",omitempty"`
}

// Budget is what a plan will use at the most; a runner refuses a plan above
// its limits before starting anything.
type Budget struct {
	Tasks       int     `json:"tasks"`
	MemoryBytes uint64  `json:"memory_bytes"`
	CPUs        float64 `json:"cpus"` // cores kept busy
	Files       int     `json:"files"`
	Realtime    bool    `json:"realtime"`
}

// CheckKind is how a promise is judged.
type CheckKind string

// The kinds: see reference loads.md 2.2.
const (
	Equality    CheckKind = "equality"    // exact
	Identity    CheckKind = "identity"    // between counters; needs no quiet machine; with AtLeast one-sided
	Statistical CheckKind = "statistical" // within a tolerance; gated on noise
	Bound       CheckKind = "bound"       // one-sided: observed <= expected + tolerance (or >= when AtLeast)
)

// When says which samples a promise is about.
type When string

// The moments.
const (
	WhenReady  When = "ready"  // parked at the gate
	WhenLive   When = "live"   // while the operations run; the middle value of all live samples
	WhenParked When = "parked" // after the operations, parked
	WhenDelta  When = "delta"  // parked minus ready
	WhenGone   When = "gone"   // after the end
	// WhenLiveDelta is the last live sample minus the first: what happened
	// while nothing but the operations could happen.
	WhenLiveDelta When = "live_delta"
)

// Promise is one checkable fact about one task, the whole tree, or the host.
type Promise struct {
	// Process and Thread are indices into the plan; Process -1 is the whole
	// tree, Thread -1 the process itself.
	Process int `json:"process"`
	Thread  int `json:"thread"`
	// Field is a field of the inspector's table ("voluntary_switches"), or a
	// derived one that verify documents ("descendants", "thread_names",
	// "children", "ppid", "segment_rss_bytes", "state_all", "ready_tasks", …).
	Field string    `json:"field"`
	Scope string    `json:"scope"`
	Kind  CheckKind `json:"kind"`
	When  When      `json:"when"`
	// Expect is the promised number: computed before the run, except for the
	// terms taken from the self-report. ExpectText is used instead where the
	// value is a text (a name, a state, a sorted list joined with ",").
	Expect     Formula `json:"expect"`
	ExpectText string  `json:"expect_text,omitempty"`
	// Self is the same quantity from the worker's own report.
	Self    *Formula `json:"self,omitempty"`
	TolAbs  float64  `json:"tolerance_absolute"`
	TolRel  float64  `json:"tolerance_relative"` // of the expected value
	AtLeast bool     `json:"at_least,omitempty"` // for Bound and Identity
	// Slot names a reported address (OpMap) for segment fields.
	Slot    int    `json:"slot,omitempty"`
	Because string `json:"because"`
	// WithRuntime: it holds too for workers that have a language runtime beside
	// them, which adds threads, switches and memory of its own.
	WithRuntime bool   `json:"with_runtime,omitempty"`
	Needs       string `json:"needs,omitempty"` // capability id
}
