// Package cold adapts github.com/prometheus/procfs for the files that are read
// seldom: limits, io, cgroup, ns/, and of the host stat, meminfo and pressure/.
// It returns plain structs of its own; no type of procfs leaves it.
//
// What procfs gets wrong stays out: names (trimmed, escaped), command lines (cut
// at 1 MiB), schedstat and context switches (of the leader only), smaps. Where
// procfs leaves a number at 0 because its line was missing, an error is
// returned or the value is marked as unknown.
//
// Every method reads anew; an [FS] has no state and may be used from any
// goroutine. io and ns/ can hang while the target is inside execve: call IO and
// Namespaces where that does no harm.
package cold
