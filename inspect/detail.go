package inspect

// Detail is what is read only for the process in focus: the attach page and
// `show`. Its process and threads are in the same Snapshot.
type Detail struct {
	ID          ID
	Segments    []Segment // in address order
	SegmentsWhy Why       // OK, or why there are none
	// SegmentsAt is the CLOCK_MONOTONIC instant at which the segments were
	// read; they may be older than the snapshot (they are dear to read).
	SegmentsAt int64
	Memory     Memory
	Limits     Known[[]Limit]
	Files      Known[[]File]
	Namespaces Known[[]Namespace]
	Environ    Known[[]string]
	Cwd, Root  Known[string]
	Groups     Known[[]uint32]  // supplementary groups
	UIDs, GIDs Known[[4]uint32] // real, effective, saved, filesystem
	OOMScore   Known[int]
	OOMAdj     Known[int]
	Autogroup  Known[string]
	Cgroups    Known[[]string] // all lines of cgroup
	Syscall    Wait            // of the leader
	// Migrations are the moves of each thread between CPUs since it began, by
	// TID (nr_migrations in task/TID/sched). Threads that ended meanwhile lack.
	Migrations Known[map[int]uint64]
	Pressure   Known[GroupPressure] // with DetailPressure
}

// Group is what a segment is for.
type Group string

// The groups of segments, in the order in which they are shown.
const (
	GroupCode        Group = "code"
	GroupData        Group = "data"
	GroupHeap        Group = "heap"
	GroupStacks      Group = "stacks"
	GroupMappedFiles Group = "mapped_files"
	GroupShared      Group = "shared"
	GroupAnonymous   Group = "anonymous"
	GroupReserved    Group = "reserved"
	GroupKernel      Group = "kernel"
)

// Groups lists all groups in display order.
func Groups() []Group {
	return []Group{
		GroupCode, GroupData, GroupHeap, GroupStacks, GroupMappedFiles,
		GroupShared, GroupAnonymous, GroupReserved, GroupKernel,
	}
}

// Segment is one VMA with its share of memory (/proc/PID/smaps).
type Segment struct {
	Start, End uint64
	Perms      string // "r-xp"
	Offset     uint64
	Device     string // "08:01"
	Inode      uint64
	Name       string // raw path, "[heap]", "" for anonymous; "/memfd:x", "/SYSV…", "/dev/zero" (shared memory)
	Deleted    bool   // the kernel appended " (deleted)", which is cut off; a file that is named so cannot be told from it
	Kind       string // finer than Group: code, rodata, data, bss, heap, main_stack, thread_stack, guard, file, shm, memfd, anonymous, reserved, vdso, ...
	Group      Group
	OwnerTID   int // thread whose stack this is, 0 none or unknown
	Mem        SegmentMem
	VMFlags    string
}

// SegmentMem are the sizes of one segment, or the sum over several, in bytes.
type SegmentMem struct {
	Size, RSS, PSS             uint64
	PrivateClean, PrivateDirty uint64
	SharedClean, SharedDirty   uint64
	Referenced, Anonymous      uint64
	AnonHuge, Hugetlb          uint64 // Hugetlb = Shared_Hugetlb + Private_Hugetlb
	Swap, SwapPSS, Locked      uint64
}

// Memory sums the segments.
type Memory struct {
	Why      Why // OK, or why the sums are not known
	Groups   map[Group]SegmentMem
	Total    SegmentMem
	USSBytes uint64
	// SharedMM: another process shares this address space (vfork, CLONE_VM),
	// so both report the whole of it.
	SharedMM Known[bool]
}

// Limit is one line of /proc/PID/limits. Infinite limits are MaxUint64.
type Limit struct {
	Name       string // snake_case of the kernel's text: "max_open_files"
	Soft, Hard uint64
	Unit       string
	Used       Known[uint64] // present use where it can be told
}

// File is one open file descriptor.
type File struct {
	FD     int
	Target string // readlink text, raw bytes
	Kind   string // file, directory (if opened as one), socket, pipe, anon, device, memfd, deleted
	Flags  Known[uint64]
	Offset Known[int64]
}

// Namespace is one entry of /proc/PID/ns.
type Namespace struct {
	Type  string
	Inode uint64
}

// Add sums two sizes member by member.
func (a SegmentMem) Add(b SegmentMem) SegmentMem {
	return SegmentMem{
		Size: a.Size + b.Size, RSS: a.RSS + b.RSS, PSS: a.PSS + b.PSS,
		PrivateClean: a.PrivateClean + b.PrivateClean, PrivateDirty: a.PrivateDirty + b.PrivateDirty,
		SharedClean: a.SharedClean + b.SharedClean, SharedDirty: a.SharedDirty + b.SharedDirty,
		Referenced: a.Referenced + b.Referenced, Anonymous: a.Anonymous + b.Anonymous,
		AnonHuge: a.AnonHuge + b.AnonHuge, Hugetlb: a.Hugetlb + b.Hugetlb,
		Swap: a.Swap + b.Swap, SwapPSS: a.SwapPSS + b.SwapPSS, Locked: a.Locked + b.Locked,
	}
}
