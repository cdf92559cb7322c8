package inspect

import "strings"

// Bounds of the guess that a mapping is a thread's stack, where no stack
// pointer tells. Guards are a page, or a few where pages are large.
const (
	maxGuard = 64 << 10
	minStack = 16 << 10
	maxStack = 256 << 20
)

// stacks finds the stacks of threads. The kernel labels only the main one.
//
//   - A mapping with a guard below it, or made with MAP_STACK (flag nh), is the
//     stack of the one thread whose stack pointer lies in it.
//   - With several stack pointers it is several stacks that have merged (glibc
//     from 2.42 on protects them in another way), and has no owner. Without
//     guard and flag it is a heap in which a runtime keeps its stacks (Go), and
//     stays anonymous memory.
//   - Where not all stack pointers are known, guard and size decide, or the
//     flag; the owner is not known then.
func (c *classifier) stacks() {
	owners := c.owners()
	for i := range c.segs {
		s := &c.segs[i]
		if s.Kind != "anonymous" || !s.perm('w') || s.perm('x') || s.perm('s') {
			continue
		}
		guarded, flagged := c.guarded(i), s.flag("nh")
		if !guarded && !flagged {
			continue
		}
		size := s.End - s.Start
		tids := owners[i]
		switch {
		case len(tids) == 1:
			s.Kind, s.OwnerTID = "thread_stack", tids[0]
		case len(tids) > 1 && flagged:
			s.Kind = "thread_stacks"
		case len(tids) > 1 || size < minStack || size > maxStack || c.allKnown() && !flagged:
			continue
		default:
			s.Kind = "thread_stack"
		}
		s.Group = GroupStacks
		if guarded {
			c.segs[i-1].Kind = "guard"
		}
	}
}

// allKnown: the stack pointer of every thread is known, so that whatever none
// points to is no stack (or one that waits to be used again).
func (c *classifier) allKnown() bool {
	for i := range c.p.Threads {
		if !c.p.Threads[i].SP.OK() {
			return false
		}
	}
	return len(c.p.Threads) > 0
}

// owners maps segments to the threads whose stack pointer lies in them.
func (c *classifier) owners() map[int][]int {
	out := make(map[int][]int)
	for k := range c.p.Threads {
		t := &c.p.Threads[k]
		sp, ok := t.SP.Get()
		if !ok {
			continue
		}
		if i, found := segmentIndex(c.segs, sp); found {
			out[i] = append(out[i], t.ID.TID)
		}
	}
	return out
}

// guarded: right below lies a small range without access, and that is not the
// unused rest of an arena.
func (c *classifier) guarded(i int) bool {
	if i == 0 {
		return false
	}
	g, s := &c.segs[i-1], &c.segs[i]
	if g.Kind != "reserved" && g.Kind != "guard" || g.isFile() || g.End != s.Start || g.End-g.Start > maxGuard {
		return false
	}
	return i < 2 || c.segs[i-2].Kind != "arena" || c.segs[i-2].End != g.Start
}

// flag reports whether the two-letter flag is in VmFlags.
func (s *Segment) flag(f string) bool {
	for rest := s.VMFlags; rest != ""; {
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		if word == f {
			return true
		}
	}
	return false
}
