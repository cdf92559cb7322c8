// Package bpf reads tasks and traces the scheduler through BPF programs. It is
// an option, never a requirement: every failure to start is a typed *Error with
// its reason, and the caller goes on with /proc.
//
// # What there is
//
//   - Source: an iter/task program gives one Task record per task, about thirty
//     times cheaper than the task files of /proc (Open, Pass, One).
//   - TotalsSource: switches and CPU time of a process over its living and its
//     exited threads, exact (OpenTotals, Totals, All). Needs Linux 6.7; Sum is
//     the rule for older kernels.
//   - Tracer: programs on the scheduler's tracepoints add up, per thread, the
//     time spent in each state, or deliver every event (NewTracer, Start,
//     ReadAggregates, Events, Drops, Close).
//
// # Data flow
//
//	task_struct → tasks.bpf.c → seq_file → Task (raw) → methods (converted)
//	scheduler   → tracer.bpf.c → hash maps → Aggregates
//	                           → ring buffer → Batch of Event and Exit
//
// Task holds what the kernel holds; conversions to the numbers of /proc (ticks,
// letters, nice values) are pure functions beside it. What the kernel or the
// task could not supply is marked absent in Task.Have and is then unknown, not
// zero.
//
// # Probing
//
// Opening is probing: the program is loaded, linked and run, and our own record
// is compared with /proc/self. Kernel versions are never consulted. The object
// files need BTF (/sys/kernel/btf/vmlinux), CAP_BPF and CAP_PERFMON in the
// initial user namespace, and Linux 5.8 (Source), 6.7 (TotalsSource), 5.8
// (Tracer). Loading costs some 40 to 60 ms of CPU time once, about a third of it
// decoding the kernel's BTF: give all openings the same Types.
//
// # What a pass cannot promise
//
// A BPF iterator may not return every task: a security module can hide some. A
// caller that needs all of them unites a pass with a listing of /proc. Names of
// kernel threads are cut at 15 bytes (/proc/PID/comm has them whole).
//
// # Concurrency
//
// All methods of Source, TotalsSource and Tracer may be called from several
// goroutines; passes of one source run one after the other. Tracer.Events has
// one caller at a time. Close ends a running Events.
//
// # PID namespaces
//
// All numbers are those of the reader's PID namespace, as in a /proc mounted
// there; tasks outside it are not listed. KernelTGID and KernelTID of a Task are
// the numbers of the initial namespace.
package bpf
