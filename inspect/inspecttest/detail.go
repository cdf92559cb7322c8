package inspecttest

import (
	"math"

	"taskscope/inspect"
)

// stackOf is where the stack of thread t of the focus starts.
func stackOf(t int) uint64 { return 0x7f0000000000 + uint64(t)*0x801000 }

// Detail is the attach page of a canned process: segments of every group, a
// stack of each thread, limits, files, namespaces, credentials.
func Detail(p *inspect.Process) *inspect.Detail {
	segs := segments(p)
	d := &inspect.Detail{
		ID: p.ID, Segments: segs, SegmentsWhy: inspect.OK, SegmentsAt: int64(uptime), Memory: memory(segs),
		Limits: know([]inspect.Limit{
			{Name: "max_cpu_time", Soft: math.MaxUint64, Hard: math.MaxUint64, Unit: "seconds"},
			{Name: "max_stack_size", Soft: 8 * mib, Hard: math.MaxUint64, Unit: "bytes", Used: p.StackBytes},
			{Name: "max_open_files", Soft: 1024, Hard: 20000, Unit: "files", Used: know(uint64(3))},
		}),
		Files: know([]inspect.File{
			{FD: 0, Target: "/dev/pts/0", Kind: "device", Flags: know(uint64(0o100002)), Offset: know(int64(0))},
			{FD: 1, Target: "pipe:[4242]", Kind: "pipe", Flags: know(uint64(1)), Offset: know(int64(0))},
			{FD: 2, Target: "/tmp/a b\nc (deleted)", Kind: "deleted", Flags: know(uint64(0o100002)), Offset: know(int64(4096))},
		}),
		Namespaces: know([]inspect.Namespace{{Type: "mnt", Inode: 4026531841}, {Type: "pid", Inode: 4026531836}}),
		Environ:    know([]string{"HOME=/home/alice", "LANG=C.UTF-8"}),
		Cwd:        know("/home/alice"), Root: know("/"),
		Groups:   know([]uint32{1000, 27}),
		UIDs:     know([4]uint32{1000, 1000, 1000, 1000}),
		GIDs:     know([4]uint32{1000, 1000, 1000, 1000}),
		OOMScore: know(666), OOMAdj: know(0), Autogroup: know("/autogroup-7 nice 0"),
		Cgroups: know([]string{"0::/user.slice"}),
		Syscall: inspect.Wait{
			Syscall: unknown[string](inspect.OnCPU), WChan: unknown[string](inspect.OnCPU),
			Stack: unknown[[]string](inspect.NeedsSysAdmin),
		},
	}
	return d
}

func segments(p *inspect.Process) []inspect.Segment {
	exe := "/usr/bin/" + p.Comm
	full := func(size uint64) inspect.SegmentMem {
		return inspect.SegmentMem{Size: size, RSS: size, PSS: size, PrivateDirty: size, Anonymous: size, Referenced: size}
	}
	shared := func(size uint64) inspect.SegmentMem {
		return inspect.SegmentMem{Size: size, RSS: size, PSS: size / 2, SharedClean: size, Referenced: size}
	}
	seg := func(start, size uint64, perms, name, kind string, g inspect.Group, m inspect.SegmentMem) inspect.Segment {
		m.Size = size
		return inspect.Segment{Start: start, End: start + size, Perms: perms, Device: "00:00", Name: name, Kind: kind, Group: g, Mem: m}
	}
	out := []inspect.Segment{
		seg(0x400000, 512*kib, "r-xp", exe, "code", inspect.GroupCode, shared(512*kib)),
		seg(0x500000, 256*kib, "r--p", exe, "rodata", inspect.GroupData, shared(256*kib)),
		seg(0x600000, 64*kib, "rw-p", exe, "data", inspect.GroupData, full(64*kib)),
		seg(0x610000, 128*kib, "rw-p", "", "bss", inspect.GroupData, full(64*kib)),
		seg(0x800000, 2*mib, "rw-p", "[heap]", "heap", inspect.GroupHeap, full(mib)),
	}
	for t := range p.Threads {
		if t == 0 {
			continue
		}
		out = append(out, seg(stackOf(t)-4*kib, 4*kib, "---p", "", "guard", inspect.GroupReserved, inspect.SegmentMem{}))
		s := seg(stackOf(t), 8*mib, "rw-p", "", "thread_stack", inspect.GroupStacks, full(16*kib))
		s.OwnerTID = p.Threads[t].ID.TID
		out = append(out, s)
	}
	return append(out,
		seg(0x7f1000000000, 4*mib, "rw-p", "", "anonymous", inspect.GroupAnonymous, full(3*mib)),
		seg(0x7f2000000000, mib, "rw-s", "/memfd:shared", "memfd", inspect.GroupShared, shared(mib)),
		seg(0x7f3000000000, 64*mib, "---p", "", "reserved", inspect.GroupReserved, inspect.SegmentMem{}),
		seg(0x7f4000000000, mib, "r--p", "/usr/lib/locale/locale-archive", "file", inspect.GroupMappedFiles, shared(128*kib)),
		seg(0x7ffd00000000, 132*kib, "rw-p", "[stack]", "main_stack", inspect.GroupStacks, full(32*kib)),
		seg(0x7ffd00100000, 16*kib, "r--p", "[vvar]", "vvar", inspect.GroupKernel, inspect.SegmentMem{}),
		seg(0x7ffd00104000, 8*kib, "r-xp", "[vdso]", "vdso", inspect.GroupKernel, shared(4*kib)),
	)
}

func memory(segs []inspect.Segment) inspect.Memory {
	m := inspect.Memory{Why: inspect.OK, Groups: map[inspect.Group]inspect.SegmentMem{}, SharedMM: know(false)}
	for _, s := range segs {
		m.Groups[s.Group] = m.Groups[s.Group].Add(s.Mem)
		m.Total = m.Total.Add(s.Mem)
	}
	m.USSBytes = m.Total.PrivateClean + m.Total.PrivateDirty
	return m
}
