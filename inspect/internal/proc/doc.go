// Package proc is the fast reader of /proc. It reads with openat, read and
// close on reused buffers, parses into raw structs of its own, and keeps reads
// that the kernel may block for ever away from the caller.
//
//	FS ── one mount of procfs (the root is a value; tests use a directory)
//	Reader ── buffers of one goroutine: PIDs, TIDs, File, Stat, Status, …
//	Held ── optional: descriptors kept open and re-read with pread (R2)
//	Pool ── deadline for reads that can block: Do (one read), Scanner (all PIDs)
//
// # Identity
//
// A path names a PID, not a process: the PID may be reused between two reads.
// Either take the start time out of the same read that supplies the data
// ([Stat].StartTicks), or read several files through one [Dir], or hold
// descriptors ([Held]); the last two answer [ErrGone] for a reaped process, also
// when its number is in use again.
//
// # Errors
//
// Every reading function returns nil, one of [ErrGone], [ErrDenied],
// [ErrAbsent], [ErrStuck], [ErrMalformed] (test with [Classify]), or another
// error of the system call. Absent means: the task lives, but has no such file
// or has no such content (no address space, kernel without the file).
//
// # Blocking
//
// The kernel blocks readers of some files while the target is inside mmap or
// execve, without a bound ([File.Locks]). Those files may be read directly
// through a Reader only by a goroutine that can afford to hang. All others
// read them through a [Pool].
//
// # Concurrency
//
// FS, Held and Pool may be used from any goroutine. A Reader, and what it
// returned last, belongs to one goroutine; a Scanner too.
package proc
