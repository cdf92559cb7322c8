// Package inspect is the model and the engine of taskscope: it reads what the
// Linux kernel accounts for processes and threads and turns it into plain,
// immutable values.
//
//	kernel text → internal/proc → Reader → *Snapshot → Diff → rows (fields)
//
// # Contract
//
// A [Snapshot] is frozen once it is published: nobody writes to it, or to
// anything reachable from it, ever again. Consecutive snapshots share the
// *Process of every process whose kernel text did not change, so pointer
// equality means "nothing changed".
//
// Identity is (pid, start ticks), as the types [ID] and [ThreadID]; a PID alone
// never identifies anything.
//
// Unknown is not zero. Every value the kernel may refuse, lack or not have yet
// is a [Known], whose zero value is unknown, with the reason as a [Why].
//
// Every number has one scope ([Scope]): thread, process (exited threads
// included), process_live (living threads only), subtree, or host. The table
// [Fields] names unit, scope, kernel files and meaning of each, and drives
// columns, JSON, filters, sorting, help, and which files are read.
//
// Times: durations and counters of CPU time are nanoseconds; instants used in
// arithmetic are CLOCK_MONOTONIC nanoseconds ([Snapshot.MonoNS],
// [Snapshot.ReadAt]); wall-clock instants are for people only.
//
// # Totals over all threads
//
// The kernel's files know the switches and the run time of living threads only.
// A process's totals are the sum over the threads of the same pass plus
// [Process.Exited]: what taskstats says of exited threads where it can be had
// (then [Switches.Exact]), else what they had counted when they were last seen,
// which is a floor.
//
// # What is not read at every pass
//
// A process none of whose threads has run since the last pass has counted
// nothing, so no number of its own can be out of date. What others do to it is
// seen as follows, the rest of it at every sixteenth pass:
//
//   - nice value, policy, priority and state: with source bpf at once. With
//     source proc at once where it is visible or in focus and they did it to the
//     leader; else, of a visible process, within 4 s, or up to 16 s where it has
//     128 threads or more.
//   - that a thread was woken and waits for a CPU: with source bpf at once; with
//     source proc once tasks may have waited for 50 ms, of a process with 128
//     threads or more within 4 s.
//   - command line, control group and program file are read again at every
//     sixteenth pass, the first only if the process has run.
//   - PSS and USS, which change when others share its pages or no longer do: when
//     the process has had faults or has another size, and at every sixteenth pass;
//     more rarely where counting the pages would take half a percent of a CPU.
//
// # Files that block
//
// The kernel may block the read of some files for ever while the target is
// inside mmap or execve. No pass waits for them longer than [Options.Deadline]:
// the process keeps what was known of them, named in [Process.StuckFiles].
//
// # Concurrency
//
// A [Reader] belongs to one goroutine. A [Sampler] may be used from any
// goroutine once Run has been started. Snapshots, Changes, and all pure
// functions (Diff, Flatten, ParseFilter, …) may be used from anywhere.
package inspect
