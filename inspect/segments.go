package inspect

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/proc"
)

// deletedMark is what the kernel appends to the path of an unlinked file.
const deletedMark = " (deleted)"

// smapped is the result of reading smaps, or maps where smaps is denied.
type smapped struct {
	entries []proc.SmapsEntry
	sized   bool // with sizes: from smaps
	sizeErr error
}

// readSegments reads the segments, or takes over those of an earlier pass when
// reading them is dear.
func (f *focusRead) readSegments() {
	d, last := f.d, &f.r.focused
	now := f.r.baseNS + int64(time.Since(f.r.base))
	if last.id == f.p.ID && time.Duration(now-last.at) < segmentPause*last.cost && !last.stale(f.p) {
		d.Segments, d.Memory, d.SegmentsWhy, d.SegmentsAt = last.segments, last.memory, last.why, last.at
		return
	}
	pid := f.alive
	got, err := proc.Do(f.ctx, f.r.pool, pid, proc.FileSmaps, func(r *proc.Reader) (smapped, error) {
		return readMappings(r, pid)
	})
	switch why := f.why(proc.FileSmaps, err); {
	case why == Stuck && last.id == f.p.ID:
		d.Segments, d.Memory, d.SegmentsWhy, d.SegmentsAt = last.segments, last.memory, last.why, last.at
		return
	case why != OK:
		d.SegmentsWhy, d.Memory.Why = why, why
	case len(got.entries) == 0:
		d.SegmentsWhy = f.why(proc.FileSmaps, proc.ErrAbsent)
		d.Memory.Why = d.SegmentsWhy
	default:
		d.Segments, d.SegmentsWhy = classify(got.entries, f.p), OK
		d.Memory = sumSegments(d.Segments, got.entries)
		if !got.sized {
			d.Memory = Memory{Why: f.why(proc.FileSmaps, got.sizeErr)}
		}
		d.Memory.SharedMM = f.sharedMM()
	}
	d.SegmentsAt = now
	*last = focused{
		id: f.p.ID, segments: d.Segments, memory: d.Memory, why: d.SegmentsWhy, at: now,
		cost: time.Duration(f.r.baseNS + int64(time.Since(f.r.base)) - now),
	}
}

// stale: the process has other threads than when the segments were read, so
// other stacks.
func (f *focused) stale(p *Process) bool {
	owners := 0
	for i := range f.segments {
		if f.segments[i].OwnerTID != 0 {
			owners++
		}
	}
	return owners > len(p.Threads)
}

// readMappings reads smaps; where that is refused, maps is too on every kernel
// so far, but it is cheap to try and gives the segments without their sizes.
func readMappings(r *proc.Reader, pid int) (smapped, error) {
	var s proc.Smaps
	err := r.Smaps(pid, &s)
	if err == nil {
		return smapped{entries: s.Entries, sized: true}, nil
	}
	if c := proc.Classify(err); c != proc.ClassDenied && c != proc.ClassAbsent {
		return smapped{}, err
	}
	var m proc.Maps
	if r.Maps(pid, &m) != nil || len(m.VMAs) == 0 {
		return smapped{}, err
	}
	out := smapped{sizeErr: err}
	for _, v := range m.VMAs {
		out.entries = append(out.entries, proc.SmapsEntry{VMA: v})
	}
	return out, nil
}

// segment copies one entry; its kind and group are not known yet.
func segment(e *proc.SmapsEntry) Segment {
	name, deleted := strings.CutSuffix(e.Name, deletedMark)
	if always(name) {
		deleted = false
	}
	name, _ = proc.UnescapePath(name)
	s := Segment{
		Start: e.Start, End: e.End, Perms: string(e.Perms[:]), Offset: e.Offset,
		Device: fmt.Sprintf("%02x:%02x", e.DevMajor, e.DevMinor), Inode: e.Inode,
		Name: name, Deleted: deleted, VMFlags: e.VMFlags,
	}
	z := &e.Sizes
	s.Mem = SegmentMem{
		Size: e.End - e.Start, RSS: z.RSS, PSS: z.PSS,
		PrivateClean: z.PrivateClean, PrivateDirty: z.PrivateDirty,
		SharedClean: z.SharedClean, SharedDirty: z.SharedDirty,
		Referenced: z.Referenced, Anonymous: z.Anonymous, AnonHuge: z.AnonHugePages,
		Hugetlb: z.SharedHugetlb + z.PrivateHugetlb, Swap: z.Swap, SwapPSS: z.SwapPSS, Locked: z.Locked,
	}
	return s
}

// always reports names that never were a path and that the kernel always marks
// as deleted.
func always(name string) bool {
	return strings.HasPrefix(name, "/memfd:") || strings.HasPrefix(name, "/SYSV") ||
		name == "/dev/zero" || name == "/anon_hugepage"
}

// sumSegments adds the segments up. vsyscall lies outside of the process's
// address range and counts in no size of the kernel's.
func sumSegments(segs []Segment, entries []proc.SmapsEntry) Memory {
	m := Memory{Why: OK, Groups: make(map[Group]SegmentMem, len(Groups()))}
	for _, g := range Groups() {
		m.Groups[g] = SegmentMem{}
	}
	for i := range segs {
		mem := segs[i].Mem
		if segs[i].Name == "[vsyscall]" {
			mem.Size = 0
		}
		m.Groups[segs[i].Group] = m.Groups[segs[i].Group].Add(mem)
		m.Total = m.Total.Add(mem)
		m.USSBytes += entries[i].USS()
	}
	return m
}

// kcmpVM asks kcmp(2) whether two tasks have the same address space.
const kcmpVM = 1

// sharedMM: does a relative share this very address space? Only a parent or a
// child can (vfork, clone with CLONE_VM), and only with the same size.
func (f *focusRead) sharedMM() Known[bool] {
	if !f.r.fs.Live() {
		return Unknown[bool](SourceLacks)
	}
	p := f.p
	for _, q := range f.s.Processes {
		if q.ID == p.ID || q.PPID.V != p.ID.PID && p.PPID.V != q.ID.PID || q.VSizeBytes != p.VSizeBytes {
			continue
		}
		same, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(f.alive), uintptr(q.ID.PID), kcmpVM, 0, 0, 0)
		switch {
		case errno == unix.EPERM || errno == unix.EACCES:
			return Unknown[bool](f.r.own.denied(proc.FileMaps))
		case errno == unix.ENOSYS:
			return Unknown[bool](NotSupported)
		case errno == 0 && same == 0:
			return Know(true)
		}
	}
	return Know(false)
}
