package inspect

import (
	"strconv"
	"strings"

	"taskscope/inspect/internal/proc"
)

// classify gives every mapping its kind and group. What the kernel does not
// label is told from its permissions, its neighbours, and the stack pointers
// of the threads (where the process's threads carry them).
func classify(entries []proc.SmapsEntry, p *Process) []Segment {
	segs := make([]Segment, len(entries))
	for i := range entries {
		segs[i] = segment(&entries[i])
	}
	c := classifier{segs: segs, p: p, programs: programs(segs)}
	for i := range segs {
		segs[i].Kind, segs[i].Group = c.kind(i)
	}
	c.arenas()
	c.stacks()
	return segs
}

type classifier struct {
	segs     []Segment
	p        *Process
	programs map[string]bool // files that have executable mappings
}

// programs are the files of which some part is mapped executable: programs and
// libraries. Everything else of them is their data.
func programs(segs []Segment) map[string]bool {
	out := make(map[string]bool)
	for i := range segs {
		if s := &segs[i]; s.isFile() && s.perm('x') {
			out[s.Name] = true
		}
	}
	return out
}

func (s *Segment) perm(c byte) bool { return strings.IndexByte(s.Perms, c) >= 0 }

// isFile: it maps a path. Names in brackets are the kernel's labels.
func (s *Segment) isFile() bool { return s.Name != "" && s.Name[0] != '[' }

// reservedRange: no access at all, address space without memory.
func (s *Segment) reservedRange() bool { return !s.perm('r') && !s.perm('w') && !s.perm('x') }

func (c *classifier) kind(i int) (kind string, g Group) {
	s := &c.segs[i]
	switch {
	case s.Name == "[heap]":
		return "heap", GroupHeap
	case s.Name == "[stack]":
		s.OwnerTID = c.p.ID.PID
		return "main_stack", GroupStacks
	case strings.HasPrefix(s.Name, "[stack:"):
		s.OwnerTID, _ = strconv.Atoi(strings.Trim(s.Name, "[stack:]"))
		return "thread_stack", GroupStacks
	case s.reservedRange():
		return "reserved", GroupReserved
	case strings.HasPrefix(s.Name, "[anon"):
		return "anonymous", GroupAnonymous
	case s.Name != "" && s.Name[0] == '[':
		return strings.Trim(s.Name, "[]"), GroupKernel
	case s.perm('s'):
		return c.sharedKind(s)
	case s.isFile():
		return c.fileKind(s)
	case s.perm('x'):
		return "jit", GroupCode
	case i > 0 && c.afterData(&c.segs[i-1], s):
		return "bss", GroupData
	}
	return "anonymous", GroupAnonymous
}

// sharedKind: mappings of the shared type. Memory that has no file of its own
// is shared memory; a shared mapping of a file is that file.
func (c *classifier) sharedKind(s *Segment) (string, Group) {
	switch {
	case strings.HasPrefix(s.Name, "/memfd:"):
		return "memfd", GroupShared
	case strings.HasPrefix(s.Name, "/SYSV"):
		return "sysv_shm", GroupShared
	case strings.HasPrefix(s.Name, "/dev/shm/"):
		return "shm", GroupShared
	case s.Name == "/anon_hugepage":
		return "huge_pages", GroupShared
	case s.Name == "/dev/zero" || s.Name == "":
		return "shared_anonymous", GroupShared
	case s.perm('x'):
		return "code", GroupCode
	}
	return "shared_file", GroupMappedFiles
}

// fileKind: private mappings of files.
func (c *classifier) fileKind(s *Segment) (string, Group) {
	switch {
	case s.Name == "/anon_hugepage":
		return "huge_pages", GroupAnonymous
	case s.perm('x'):
		return "code", GroupCode
	case !c.programs[s.Name]:
		return "file", GroupMappedFiles
	case s.perm('w'):
		return "data", GroupData
	}
	return "rodata", GroupData
}

// afterData: anonymous memory right behind the writable data of a program is
// its zero-initialised data (bss).
func (c *classifier) afterData(prev, s *Segment) bool {
	return prev.Kind == "data" && prev.End == s.Start && s.perm('w')
}

// arenaSize is the size and alignment of malloc's per-thread arenas in glibc:
// the part in use, followed by the reserved rest.
const arenaSize = 64 << 20

func (c *classifier) arenas() {
	for i := 0; i+1 < len(c.segs); i++ {
		s, rest := &c.segs[i], &c.segs[i+1]
		if s.Kind == "anonymous" && s.perm('w') && s.Start%arenaSize == 0 &&
			rest.Kind == "reserved" && rest.Start == s.End && rest.End-s.Start == arenaSize {
			s.Kind, s.Group = "arena", GroupHeap
		}
	}
}
