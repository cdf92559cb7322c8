package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"taskscope/inspect"
	"taskscope/views/model"
)

// writeShown prints a process for people.
func (a *app) writeShown(s *shown) error {
	var b bytes.Buffer
	p := s.row.Process
	fmt.Fprintf(&b, "process %d  %s\n", p.ID.PID, a.clean(p.Comm))
	if line := strings.Join(p.Cmdline.V, " "); line != "" {
		fmt.Fprintf(&b, "%s\n", a.clean(line))
	}
	for _, g := range s.pcb() {
		fmt.Fprintf(&b, "\n%s\n", g.title)
		for _, x := range g.items {
			fmt.Fprintf(&b, "  %-28s %s\n", x.key, x.text(a))
		}
	}
	a.sharesText(&b, s)
	a.threadsText(&b, s)
	a.memoryText(&b, s)
	a.segmentsText(&b, s)
	a.limitsText(&b, s)
	a.filesText(&b, s)
	a.namespacesText(&b, s)
	return a.writeLines(b.Bytes())
}

// writeLines prints text whose lines are cut at the width of the terminal.
func (a *app) writeLines(text []byte) error {
	width := a.stdout.width()
	if width == 0 {
		_, err := a.stdout.Write(text)
		return err
	}
	var out []byte
	for line := range bytes.Lines(text) {
		out = append(out, cutText(strings.TrimSuffix(string(line), "\n"), width)...)
		out = append(out, '\n')
	}
	_, err := a.stdout.Write(out)
	return err
}

// section starts a part of the text; with a reason instead of content when
// there is none.
func (a *app) section(b *bytes.Buffer, title string, why inspect.Why) bool {
	fmt.Fprintf(b, "\n%s\n", title)
	if why != inspect.OK {
		fmt.Fprintf(b, "  %s  (%s)\n", a.unknown(), why.Text())
		return false
	}
	return true
}

func (a *app) sharesText(b *bytes.Buffer, s *shown) {
	interval := ""
	if s.row.Delta != nil {
		interval = fmt.Sprintf(" over %.3f s", s.row.Delta.Interval.Seconds())
	}
	fmt.Fprintf(b, "\nShare of time%s, of one CPU\n", interval)
	for _, x := range fieldItems(s.row, "cpu_percent", "running_percent", "ready_percent", "blocked_percent", "parallelism", "migrations",
		"voluntary_switches_per_second", "involuntary_switches_per_second") {
		fmt.Fprintf(b, "  %-32s %s\n", x.key, x.text(a))
	}
	s.trace.text(b, a, s.row.Process.ID)
}

func (a *app) threadsText(b *bytes.Buffer, s *shown) {
	if !a.section(b, "Threads", s.row.Process.ThreadsWhy) {
		return
	}
	fields := mustFields("tid", "comm", "state", "running_percent", "ready_percent", "blocked_percent",
		"voluntary_switches", "involuntary_switches", "cpu_last", "policy", "priority", "nice")
	t := table{columns: append(fieldColumns(fields), column{"STACK", false}, column{"SYSCALL", true}, column{"WAITS IN", true})}
	for i := range s.row.Process.Threads {
		row := threadRow(s.row, i)
		var cells []string
		for _, f := range fields {
			cells = append(cells, a.cell(f, row))
		}
		th := row.Thread
		cells = append(cells, a.valueText("", hexItem("", th.StackStart).value),
			a.valueText("", textItem("", th.Wait.Syscall).value), a.valueText("", textItem("", th.Wait.WChan).value))
		t.add(cells...)
	}
	t.appendTo(b)
	if n := s.row.Process.Exited.Threads; n > 0 {
		fmt.Fprintf(b, "  %d threads have exited since they were first seen\n", n)
	}
}

// sizeColumns are the columns of tables of memory.
var sizeColumns = []column{
	{"SIZE", false},
	{"RSS", false},
	{"PSS", false},
	{"PRIVATE", false},
	{"SHARED", false},
	{"SWAP", false},
}

func (a *app) sizeCells(m inspect.SegmentMem, why inspect.Why) []string {
	cells := []string{model.Bytes(m.Size)}
	for _, n := range []uint64{m.RSS, m.PSS, m.PrivateClean + m.PrivateDirty, m.SharedClean + m.SharedDirty, m.Swap} {
		if why != inspect.OK {
			cells = append(cells, a.unknown())
			continue
		}
		cells = append(cells, model.Bytes(n))
	}
	return cells
}

func (a *app) memoryText(b *bytes.Buffer, s *shown) {
	d := s.detail
	if !a.section(b, "Memory", d.SegmentsWhy) {
		return
	}
	t := table{columns: append([]column{{"GROUP", true}, {"SEGMENTS", false}}, sizeColumns...)}
	for _, g := range inspect.Groups() {
		mem, n := s.group(g)
		t.add(append([]string{string(g), strconv.Itoa(n)}, a.sizeCells(mem, d.Memory.Why)...)...)
	}
	t.appendTo(b)
	if d.Memory.Why != inspect.OK {
		fmt.Fprintf(b, "  (%s)\n", d.Memory.Why.Text())
	}
}

func (a *app) segmentsText(b *bytes.Buffer, s *shown) {
	d := s.detail
	if !a.section(b, "Segments", d.SegmentsWhy) {
		return
	}
	t := table{columns: append(append([]column{{"START", false}, {"END", false}, {"PERM", true}, {"KIND", true}}, sizeColumns...), column{"OWNER", false}, column{"NAME", true})}
	for i := range d.Segments {
		g := &d.Segments[i]
		mem := g.Mem
		mem.Size = g.End - g.Start
		owner := ""
		if g.OwnerTID != 0 {
			owner = strconv.Itoa(g.OwnerTID)
		}
		cells := append([]string{model.Address(g.Start), model.Address(g.End), g.Perms, g.Kind}, a.sizeCells(mem, d.Memory.Why)...)
		t.add(append(cells, owner, a.clean(g.Name))...)
	}
	t.appendTo(b)
}

func (a *app) limitsText(b *bytes.Buffer, s *shown) {
	if !a.section(b, "Limits", s.detail.Limits.Why) {
		return
	}
	t := table{columns: []column{{"LIMIT", true}, {"SOFT", false}, {"HARD", false}, {"USED", false}, {"UNIT", true}}}
	for _, l := range s.detail.Limits.V {
		used := ""
		if n, ok := l.Used.Get(); ok {
			used = strconv.FormatUint(n, 10)
		}
		t.add(a.clean(l.Name), limitText(l.Soft), limitText(l.Hard), used, a.clean(l.Unit))
	}
	t.appendTo(b)
}

func limitText(n uint64) string {
	if n == ^uint64(0) {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

func (a *app) filesText(b *bytes.Buffer, s *shown) {
	if !a.section(b, "Files", s.detail.Files.Why) {
		return
	}
	t := table{columns: []column{{"FD", false}, {"KIND", true}, {"OFFSET", false}, {"TARGET", true}}}
	for _, f := range s.detail.Files.V {
		offset := a.unknown()
		if n, ok := f.Offset.Get(); ok {
			offset = strconv.FormatInt(n, 10)
		}
		t.add(strconv.Itoa(f.FD), f.Kind, offset, a.clean(f.Target))
	}
	t.appendTo(b)
}

func (a *app) namespacesText(b *bytes.Buffer, s *shown) {
	if !a.section(b, "Namespaces", s.detail.Namespaces.Why) {
		return
	}
	for _, n := range s.detail.Namespaces.V {
		fmt.Fprintf(b, "  %-20s %d\n", a.clean(n.Type), n.Inode)
	}
}
