package model

import (
	"fmt"
	"strings"

	"taskscope/inspect"
)

// PCB is the process control block as far as the kernel lets it be read: the
// nine groups of the textbook, live.
func (a *Attached) PCB(g *Glyphs) []Line {
	p := a.Process
	if p == nil {
		return []Line{Plain("waiting for the first sample of this process", Muted)}
	}
	groups := []struct {
		title string
		lines func(*Glyphs) []Line
	}{
		{"1  Process identity", a.pcbIdentity},
		{"2  State", a.pcbState},
		{"3  Program counter", a.pcbCounter},
		{"4  Scheduling priority", a.pcbScheduling},
		{"5  Credentials", a.pcbCredentials},
		{"6  Parent and children", a.pcbFamily},
		{"7  Pointers to code and data", a.pcbPointers},
		{"8  Resources held", a.pcbResources},
		{"9  Execution context", a.pcbContext},
	}
	var lines []Line
	for i, gr := range groups {
		if i > 0 {
			lines = append(lines, nil)
		}
		lines = append(lines, section(gr.title))
		lines = append(lines, gr.lines(g)...)
	}
	return lines
}

func (a *Attached) pcbIdentity(g *Glyphs) []Line {
	p := a.Process
	lines := []Line{
		item("PID", Span{Text: fmt.Sprint(p.ID.PID), Style: Strong}),
		item("started", a.field(g, "start_time"), Span{Text: fmt.Sprintf("   %d ticks after boot", p.ID.Start), Style: Muted}),
		item("name", Span{Text: Sanitize(p.Comm)}),
		item("process group", KnownText(g, p.PGID, itoa), Span{Text: "   session ", Style: Muted}, KnownText(g, p.Session, itoa)),
	}
	if len(p.NSPIDs) > 1 {
		lines = append(lines, item("in namespaces", Span{Text: strings.Trim(fmt.Sprint(p.NSPIDs), "[]")}, Span{Text: "   outermost first", Style: Muted}))
	}
	return lines
}

func (a *Attached) pcbState(g *Glyphs) []Line {
	p := a.Process
	counts := map[inspect.State]int{}
	for i := range p.Threads {
		counts[p.Threads[i].State]++
	}
	var parts []string
	for _, s := range []inspect.State{'R', 'S', 'D', 'T', 't', 'Z', 'X', 'I', 'P'} {
		if n := counts[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, StateWord(s)))
		}
	}
	return []Line{
		item("main thread", Span{Text: StateWord(p.LeaderState), Style: StateStyle(p.LeaderState)}, Span{Text: "   " + StateMeaning(p.LeaderState), Style: Muted}),
		item("threads by state", Span{Text: strings.Join(parts, ", ")}),
	}
}

// main is the main thread, nil when the threads were not read.
func (a *Attached) main() *inspect.Thread {
	for i := range a.Process.Threads {
		if a.Process.Threads[i].ID.TID == a.ID.PID {
			return &a.Process.Threads[i]
		}
	}
	return nil
}

func (a *Attached) pcbCounter(g *Glyphs) []Line {
	pc := inspect.Unknown[uint64](a.Process.ThreadsWhy)
	if t := a.main(); t != nil {
		pc = t.PC
	}
	line := WithReason(g, pc, Address)
	if pc.OK() {
		line = append(line, a.where(pc.V))
	}
	return []Line{item("main thread", line...)}
}

// where names the segment that holds an address.
func (a *Attached) where(addr uint64) Span {
	if a.Detail != nil {
		for _, s := range a.Detail.Segments {
			if addr >= s.Start && addr < s.End {
				return Span{Text: fmt.Sprintf("   in %s %s", strings.ReplaceAll(s.Kind, "_", " "), Sanitize(s.Name)), Style: Muted}
			}
		}
	}
	return Span{}
}

func (a *Attached) pcbScheduling(g *Glyphs) []Line {
	p := a.Process
	return []Line{
		item("policy", KnownText(g, p.Policy, PolicyWord)),
		item("nice", KnownText(g, p.Nice, itoa), Span{Text: "   -20 most favoured, 19 least", Style: Muted}),
		item("priority", KnownText(g, p.Priority, itoa), Span{Text: "   real-time ", Style: Muted}, KnownText(g, p.RTPriority, itoa)),
		item("last on CPU", KnownText(g, p.CPULast, itoa), Span{Text: "   may run on ", Style: Muted}, KnownText(g, p.CPUsAllowed, Sanitize)),
	}
}

func (a *Attached) pcbCredentials(g *Glyphs) []Line {
	p := a.Process
	u32 := func(v uint32) string { return fmt.Sprint(v) }
	lines := []Line{item("user", a.field(g, "user"), Span{Text: "   real ", Style: Muted}, KnownText(g, p.UID, u32),
		Span{Text: "  effective ", Style: Muted}, KnownText(g, p.EUID, u32))}
	if d := a.Detail; d != nil {
		ids := func(v [4]uint32) string { return fmt.Sprintf("%d %d %d %d", v[0], v[1], v[2], v[3]) }
		lines = append(lines,
			item("user IDs", append(WithReason(g, d.UIDs, ids), Span{Text: "   real effective saved filesystem", Style: Muted})...),
			item("group IDs", WithReason(g, d.GIDs, ids)...),
			item("further groups", WithReason(g, d.Groups, func(v []uint32) string {
				if len(v) == 0 {
					return "none"
				}
				return strings.Trim(fmt.Sprint(v), "[]")
			})...))
	}
	hex := func(v uint64) string { return fmt.Sprintf("%016x", v) }
	return append(lines,
		item("capabilities", WithReason(g, p.CapEff, hex)...),
		item("seccomp", KnownText(g, p.Seccomp, func(n int) string { return [...]string{"off", "strict", "filter"}[min(max(n, 0), 2)] }),
			Span{Text: "   no new privileges ", Style: Muted}, KnownText(g, p.NoNewPrivs, yesNo)))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a *Attached) pcbFamily(g *Glyphs) []Line {
	p := a.Process
	parent := KnownText(g, p.PPID, itoa)
	if q := a.Frame.ByPID(p.PPID.Or(-1)); q != nil {
		parent.Text += " " + Sanitize(q.Comm)
	}
	lines := []Line{item("parent", parent), item("children", Span{Text: childrenText(a.Children)})}
	if t := p.TracerPID.Or(0); t != 0 {
		lines = append(lines, item("traced by", Span{Text: fmt.Sprint(t), Style: Warn}))
	}
	return lines
}

func (a *Attached) pcbPointers(g *Glyphs) []Line {
	p := a.Process
	pair := func(label string, from, to inspect.Known[uint64]) Line {
		if from.OK() && from.V == 0 && to.Or(0) == 0 {
			return item(label, Span{Text: g.Unknown, Style: Muted}, Span{Text: "  the kernel hides it without the right to trace the process", Style: Muted})
		}
		l := WithReason(g, from, Address)
		if from.OK() && to.OK() {
			l = append(l, Span{Text: " to ", Style: Muted}, Span{Text: Address(to.V)}, Span{Text: "   " + Bytes(to.V-min(from.V, to.V)), Style: Muted})
		}
		return item(label, l...)
	}
	var brk inspect.Known[uint64]
	if d := a.Detail; d != nil {
		for _, s := range d.Segments {
			if s.Group == inspect.GroupHeap {
				brk = inspect.Know(s.End)
			}
		}
	}
	return []Line{
		pair("code", p.StartCode, p.EndCode),
		pair("data", p.StartData, p.EndData),
		pair("heap from", p.StartBrk, brk),
		pair("main stack from", p.StartStack, inspect.Known[uint64]{}),
	}
}

func (a *Attached) pcbResources(g *Glyphs) []Line {
	p := a.Process
	lines := []Line{
		item("memory", append(WithReason(g, p.RSSBytes, BytesLong), Span{Text: " resident of ", Style: Muted}, KnownText(g, p.VSizeBytes, BytesLong))...),
	}
	if d := a.Detail; d != nil {
		lines = append(lines,
			item("open files", WithReason(g, d.Files, func(f []inspect.File) string { return fmt.Sprint(len(f)) })...),
			item("directory", WithReason(g, d.Cwd, Sanitize)...),
			item("root", WithReason(g, d.Root, Sanitize)...),
			item("namespaces", WithReason(g, d.Namespaces, func(ns []inspect.Namespace) string {
				var parts []string
				for _, n := range ns {
					parts = append(parts, fmt.Sprintf("%s:%d", Sanitize(n.Type), n.Inode))
				}
				return strings.Join(parts, " ")
			})...))
	}
	return append(lines, item("control group", WithReason(g, p.Cgroup, Sanitize)...))
}

func (a *Attached) pcbContext(g *Glyphs) []Line {
	p := a.Process
	sp := inspect.Unknown[uint64](p.ThreadsWhy)
	wait := Span{Text: g.Unknown, Style: Muted}
	if t := a.main(); t != nil {
		sp = t.SP
		wait = WaitSpan(g, t)
	}
	line := WithReason(g, sp, Address)
	if sp.OK() {
		line = append(line, a.where(sp.V))
	}
	return []Line{
		item("stack pointer", line...),
		item("waits in", wait),
		item("CPU time", KnownText(g, p.CPUTimeNS, Duration), Span{Text: "   user ", Style: Muted}, KnownText(g, p.UserNS, Duration),
			Span{Text: "  system ", Style: Muted}, KnownText(g, p.SystemNS, Duration)),
		item("switches", KnownText(g, p.Switches.Voluntary, Grouped), Span{Text: " voluntary  ", Style: Muted},
			KnownText(g, p.Switches.Involuntary, Grouped), Span{Text: " involuntary", Style: Muted}),
		item("signals blocked", signalSet(g, p.SigBlk)...),
		item("signals caught", signalSet(g, p.SigCgt)...),
		item("signals ignored", signalSet(g, p.SigIgn)...),
	}
}

// signalSet lists the numbers of a signal mask.
func signalSet(g *Glyphs, k inspect.Known[uint64]) Line {
	return WithReason(g, k, func(v uint64) string {
		if v == 0 {
			return "none"
		}
		var parts []string
		for n := 1; n <= 64; n++ {
			if v&(1<<(n-1)) != 0 {
				parts = append(parts, fmt.Sprint(n))
			}
		}
		return strings.Join(parts, " ")
	})
}
