package main

import (
	"strconv"

	"taskscope/inspect"
)

// notAStack is why a segment has no owner.
const notAStack = "not the stack of one known thread"

// appendJSON writes the document of `show --json`.
func (s *shown) appendJSON(b []byte) []byte {
	e := newProcessJSON(s.changes, nil, false)
	e.children = map[int][]int{s.row.Process.ID.PID: s.children}
	b = e.append(b, s.row, -1, func(o *jsonObject) {
		o.header(s.row.Snapshot)
		if s.row.Delta != nil {
			o.float("interval_seconds", s.row.Delta.Interval.Seconds())
		} else {
			o.null("interval_seconds", inspect.NeedsTwoSamples.Text())
		}
		s.trace.json(o, s.row.Process.ID)
		o.wait(s.detail.Syscall)
		for _, x := range s.programCounter() {
			x.json(o)
		}
		e.threads(o, "thread_list", s.row, func(o *jsonObject, t *inspect.Thread) {
			o.wait(t.Wait)
			knownHex(o, "program_counter", t.PC)
			knownHex(o, "stack_pointer", t.SP)
			knownHex(o, "stack_segment", t.StackStart)
		})
		s.segmentsJSON(o)
		o.object("memory", s.memoryJSON)
		s.pcbJSON(o)
		s.limitsJSON(o)
		s.filesJSON(o)
		s.namespacesJSON(o)
		o.object("credentials", func(o *jsonObject) {
			for _, x := range s.credentials() {
				x.json(o)
			}
		})
		o.detailsJSON(s.detail)
	})
	return append(b, '\n')
}

func (o *jsonObject) wait(w inspect.Wait) {
	o.object("wait", func(o *jsonObject) {
		knownName(o, "syscall", w.Syscall)
		knownName(o, "wchan", w.WChan)
		knownNames(o, "kernel_stack", w.Stack)
	})
}

// detailsJSON writes the rest of what was read for this process only.
func (o *jsonObject) detailsJSON(d *inspect.Detail) {
	knownNames(o, "environment", d.Environ)
	knownName(o, "cwd", d.Cwd)
	knownName(o, "root", d.Root)
	knownInt(o, "oom_score", d.OOMScore)
	knownInt(o, "oom_score_adj", d.OOMAdj)
	knownNames(o, "cgroups", d.Cgroups)
}

func (s *shown) segmentsJSON(o *jsonObject) {
	d := s.detail
	if d.SegmentsWhy != inspect.OK {
		o.null("segments", d.SegmentsWhy.Text())
		return
	}
	o.list("segments", len(d.Segments), func(i int, o *jsonObject) {
		g := &d.Segments[i]
		o.hex("start", g.Start)
		o.hex("end", g.End)
		o.str("perms", g.Perms)
		o.str("kind", g.Kind)
		o.str("group", string(g.Group))
		o.name("name", g.Name)
		if g.OwnerTID != 0 {
			o.int("owner_tid", int64(g.OwnerTID))
		} else {
			o.null("owner_tid", notAStack)
		}
		o.hex("offset", g.Offset)
		o.str("device", g.Device)
		o.uint("inode", g.Inode)
		o.bool("deleted", g.Deleted)
		mem := g.Mem
		mem.Size = g.End - g.Start
		o.sizes(mem, d.Memory.Why)
	})
}

// sizes writes what a segment, or several, take up. The size of the address
// range is known even where the kernel tells nothing about the pages.
func (o *jsonObject) sizes(m inspect.SegmentMem, why inspect.Why) {
	o.uint("size_bytes", m.Size)
	for _, x := range []struct {
		key string
		n   uint64
	}{
		{"rss_bytes", m.RSS},
		{"pss_bytes", m.PSS},
		{"private_clean_bytes", m.PrivateClean},
		{"private_dirty_bytes", m.PrivateDirty},
		{"shared_clean_bytes", m.SharedClean},
		{"shared_dirty_bytes", m.SharedDirty},
		{"swap_bytes", m.Swap},
		{"anonymous_bytes", m.Anonymous},
		{"referenced_bytes", m.Referenced},
		{"anon_huge_bytes", m.AnonHuge},
		{"hugetlb_bytes", m.Hugetlb},
		{"locked_bytes", m.Locked},
	} {
		knownUint(o, x.key, inspect.Known[uint64]{V: x.n, Why: why})
	}
}

// group is what a group of segments takes up, and how many they are.
func (s *shown) group(g inspect.Group) (mem inspect.SegmentMem, n int) {
	mem = s.detail.Memory.Groups[g]
	mem.Size = 0
	for i := range s.detail.Segments {
		if seg := &s.detail.Segments[i]; seg.Group == g {
			mem.Size += seg.End - seg.Start
			n++
		}
	}
	return mem, n
}

func (s *shown) memoryJSON(o *jsonObject) {
	d, p := s.detail, s.row.Process
	o.object("groups", func(o *jsonObject) {
		for _, g := range inspect.Groups() {
			if d.SegmentsWhy != inspect.OK {
				o.null(string(g), d.SegmentsWhy.Text())
				continue
			}
			mem, n := s.group(g)
			o.object(string(g), func(o *jsonObject) {
				o.int("segments", int64(n))
				o.sizes(mem, d.Memory.Why)
			})
		}
	})
	total := func(key string, sum uint64, other inspect.Known[uint64]) {
		if d.Memory.Why == inspect.OK {
			other = inspect.Know(sum)
		}
		knownUint(o, key, other)
	}
	total("rss_bytes", d.Memory.Total.RSS, p.RSSBytes)
	total("pss_bytes", d.Memory.Total.PSS, p.PSSBytes)
	total("uss_bytes", d.Memory.USSBytes, p.USSBytes)
	total("swap_bytes", d.Memory.Total.Swap, p.SwapBytes)
	knownBool(o, "shared_address_space", d.Memory.SharedMM)
}

func (s *shown) pcbJSON(o *jsonObject) {
	o.key("pcb")
	var groups jsonObject
	groups.begin(o.b)
	for _, g := range s.pcb() {
		groups.object(g.name, func(o *jsonObject) {
			for _, x := range g.items {
				x.json(o)
			}
		})
	}
	o.b = groups.endPlain() // exactly nine members
}

func (s *shown) limitsJSON(o *jsonObject) {
	limits, ok := s.detail.Limits.Get()
	if !ok {
		o.null("limits", s.detail.Limits.Why.Text())
		return
	}
	o.key("limits")
	var all jsonObject
	all.begin(o.b)
	for _, l := range limits {
		all.object(l.Name, func(o *jsonObject) {
			o.limit("soft", l.Soft)
			o.limit("hard", l.Hard)
			o.str("unit", l.Unit)
			knownUint(o, "used", l.Used)
		})
	}
	o.b = all.endPlain()
}

func (o *jsonObject) limit(key string, n uint64) {
	if n == ^uint64(0) {
		o.null(key, "unlimited")
		return
	}
	o.uint(key, n)
}

func (s *shown) filesJSON(o *jsonObject) {
	files, ok := s.detail.Files.Get()
	if !ok {
		o.null("files", s.detail.Files.Why.Text())
		return
	}
	o.list("files", len(files), func(i int, o *jsonObject) {
		f := &files[i]
		o.int("fd", int64(f.FD))
		o.name("target", f.Target)
		o.str("kind", f.Kind)
		if n, ok := f.Flags.Get(); ok {
			o.str("flags", "0"+strconv.FormatUint(n, 8)) // octal, as open(2) and fdinfo write them
		} else {
			o.null("flags", f.Flags.Why.Text())
		}
		knownInt(o, "offset", f.Offset)
	})
}

func (s *shown) namespacesJSON(o *jsonObject) {
	list, ok := s.detail.Namespaces.Get()
	if !ok {
		o.null("namespaces", s.detail.Namespaces.Why.Text())
		return
	}
	o.key("namespaces")
	var all jsonObject
	all.begin(o.b)
	for _, n := range list {
		all.uint(n.Type, n.Inode)
	}
	o.b = all.endPlain()
}
