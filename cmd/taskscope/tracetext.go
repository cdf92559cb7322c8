package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"taskscope/inspect"
	"taskscope/views/model"
)

// How much of each list the text of `trace` shows.
const (
	traceThreads = 40
	tracePairs   = 10
	traceExits   = 40
)

// text is the summary for people.
func (t *tracing) text(s *inspect.TraceSums) []byte {
	var b bytes.Buffer
	a := t.a
	if s.Source == inspect.TraceExact {
		fmt.Fprintf(&b, "%s: traced for %s, every switch\n", a.clean(t.title), seconds(s.Elapsed))
	} else {
		fmt.Fprintf(&b, "%s: SAMPLED for %s, every %s on average\n", a.clean(t.title), seconds(s.Elapsed), model.Duration(uint64(s.Resolution)))
		b.WriteString("times and switches are the kernel's own counts; when they happened, wake-ups and preemptions are not known\n")
	}
	t.parallelText(&b, s)
	t.threadsText(&b, s)
	t.waitsText(&b, s)
	t.pairsText(&b, "Preemptions: who took the CPU of whom", "TOOK IT", "LOST IT", s.Preemptions)
	t.pairsText(&b, "Wake-ups: who was running when whom was woken", "RUNNING", "WOKEN", s.WakeUps)
	t.exitsText(&b, s)
	t.dropsText(&b, s)
	return b.Bytes()
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) + " s" }

func (t *tracing) parallelText(b *bytes.Buffer, s *inspect.TraceSums) {
	live, exited := 0, 0
	for i := range s.Processes {
		live += s.Processes[i].Live
		exited += s.Processes[i].Exited
	}
	fmt.Fprintf(b, "processes %d, threads %d (%d of them ended)", len(s.Processes), live+exited, exited)
	if p, ok := s.Parallelism.Get(); ok {
		fmt.Fprintf(b, ", running at once %.3f on average", p)
	}
	b.WriteByte('\n')
	levels, ok := s.Levels.Get()
	var all time.Duration
	for _, d := range levels {
		all += d
	}
	if !ok || all == 0 {
		return
	}
	b.WriteString("share of time with so many running:")
	for k, d := range levels {
		if d > 0 {
			fmt.Fprintf(b, "  %d: %.1f %%", k, 100*float64(d)/float64(all))
		}
	}
	b.WriteByte('\n')
}

func (t *tracing) threadsText(b *bytes.Buffer, s *inspect.TraceSums) {
	b.WriteString("\nThreads: time in each state, switches, wait from wake-up to running\n")
	list := slices.Clone(s.Threads)
	more := 0
	if len(list) > traceThreads {
		slices.SortStableFunc(list, func(x, y inspect.ThreadTrace) int { return cmp.Compare(y.RunNS.V, x.RunNS.V) })
		more = len(list) - traceThreads
		list = list[:traceThreads]
	}
	tab := table{columns: []column{
		{"PID", false},
		{"TID", false},
		{"NAME", true},
		{"STATE", true},
		{"RUN", false},
		{"READY", false},
		{"BLOCKED", false},
		{"DISK", false},
		{"STOPPED", false},
		{"RUN%", false},
		{"VOL", false},
		{"INVOL", false},
		{"WAKES", false},
		{"MIGR", false},
		{"MEAN", false},
		{"P99", false},
		{"MAX", false},
		{"CPUS", true},
	}}
	for i := range list {
		tab.add(t.threadCells(&list[i], s.Elapsed)...)
	}
	tab.appendTo(b)
	if more > 0 {
		fmt.Fprintf(b, "  and %d more threads that ran less\n", more)
	}
	if s.FoldedThreads > 0 {
		fmt.Fprintf(b, "  and %d that ended, counted for their processes only\n", s.FoldedThreads)
	}
}

func (t *tracing) threadCells(th *inspect.ThreadTrace, elapsed time.Duration) []string {
	a := t.a
	ns := func(k inspect.Known[uint64]) string { return knownCell(a, k, model.Duration) }
	n := func(k inspect.Known[uint64]) string { return knownCell(a, k, model.Count) }
	share := a.unknown()
	if th.RunNS.OK() && elapsed > 0 {
		share = model.Percent(100 * float64(th.RunNS.V) / float64(elapsed))
	}
	mean, p99, most := a.unknown(), a.unknown(), a.unknown()
	if h, ok := th.Latency.Get(); ok && h.Count > 0 {
		m, _ := h.MeanNS()
		q, _ := h.QuantileNS(0.99)
		mean, p99, most = model.Duration(uint64(m)), model.Duration(q), model.Duration(h.MaxNS)
	}
	var cpus []string
	for _, c := range th.CPUs.V {
		cpus = append(cpus, strconv.Itoa(c))
	}
	where := strings.Join(cpus, ",")
	if !th.CPUs.OK() {
		where = a.unknown()
	}
	return []string{
		strconv.Itoa(th.PID), strconv.Itoa(th.ID.TID), a.clean(th.Comm), th.State.String(),
		ns(th.RunNS), ns(th.ReadyNS), ns(th.BlockedNS), ns(th.DiskNS), ns(th.StoppedNS), share,
		n(th.Voluntary), n(th.Involuntary), n(th.Wakes), n(th.Migrations), mean, p99, most, where,
	}
}

// knownCell is a value, or the mark for unknown.
func knownCell[T any](a *app, k inspect.Known[T], text func(T) string) string {
	if v, ok := k.Get(); ok {
		return text(v)
	}
	return a.unknown()
}

// waitsText draws how long the traced threads waited for a CPU.
func (t *tracing) waitsText(b *bytes.Buffer, s *inspect.TraceSums) {
	var latency, waits inspect.Histogram
	known := false
	for i := range s.Processes {
		p := &s.Processes[i]
		if p.Latency.OK() && p.Waits.OK() {
			known = true
			latency.Merge(&p.Latency.V)
			waits.Merge(&p.Waits.V)
		}
	}
	if !known {
		return
	}
	b.WriteString("\nWaits for a CPU: after a wake-up, and all (also after a preemption)\n")
	if waits.Count == 0 {
		b.WriteString("  none\n")
		return
	}
	first, last, most := len(waits.Buckets), 0, uint64(1)
	for i := range waits.Buckets {
		if n := max(waits.Buckets[i], latency.Buckets[i]); n > 0 {
			first, last, most = min(first, i), i, max(most, n)
		}
	}
	tab := table{columns: []column{{"FROM", false}, {"WAKE-UPS", false}, {"ALL", false}, {"", true}}}
	for i := first; i <= last; i++ {
		from := "0"
		if i > 0 {
			from = model.Duration(1 << i)
		}
		tab.add(from, strconv.FormatUint(latency.Buckets[i], 10), strconv.FormatUint(waits.Buckets[i], 10),
			strings.Repeat("#", int((40*waits.Buckets[i]+most-1)/most)))
	}
	tab.appendTo(b)
	line := func(name string, h *inspect.Histogram) {
		mean, ok := h.MeanNS()
		if !ok {
			return
		}
		p50, _ := h.QuantileNS(0.5)
		p99, _ := h.QuantileNS(0.99)
		fmt.Fprintf(b, "  %s: mean %s, half of them below %s, 99 %% below %s, longest %s\n", name,
			model.Duration(uint64(mean)), model.Duration(p50), model.Duration(p99), model.Duration(h.MaxNS))
	}
	line("after a wake-up", &latency)
	line("all", &waits)
}

func (t *tracing) pairsText(b *bytes.Buffer, title, who, whom string, k inspect.Known[[]inspect.TracePair]) {
	pairs, ok := k.Get()
	if !ok {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	if len(pairs) == 0 {
		b.WriteString("  none\n")
		return
	}
	tab := table{columns: []column{{"COUNT", false}, {who, true}, {whom, true}}}
	for _, p := range pairs[:min(len(pairs), tracePairs)] {
		tab.add(strconv.FormatUint(p.Count, 10), t.task(p.WhoTID, p.WhoComm), t.task(p.WhomTID, p.WhomComm))
	}
	tab.appendTo(b)
	if n := len(pairs) - tracePairs; n > 0 {
		fmt.Fprintf(b, "  and %d more pairs\n", n)
	}
}

func (t *tracing) task(tid int, comm string) string {
	if tid == 0 && comm == "" || strings.HasPrefix(comm, "swapper/") {
		return "(idle or interrupt)"
	}
	return t.a.clean(comm) + " " + strconv.Itoa(tid)
}

func (t *tracing) exitsText(b *bytes.Buffer, s *inspect.TraceSums) {
	if len(s.Exits) == 0 {
		return
	}
	b.WriteString("\nProcesses that ended\n")
	tab := table{columns: []column{
		{"PID", false},
		{"PARENT", false},
		{"NAME", true},
		{"LIVED", false},
		{"BORN HERE", true},
		{"PROGRAMS", false},
		{"RUN", false},
		{"VOL", false},
		{"INVOL", false},
		{"END", true},
	}}
	shown := s.Exits[max(0, len(s.Exits)-traceExits):]
	for i := range shown {
		e := &shown[i]
		tab.add(strconv.Itoa(e.ID.PID), strconv.Itoa(e.PPID), t.a.clean(e.Comm), model.Duration(uint64(e.Lifetime)), yesNo(e.BornInTrace),
			strconv.Itoa(e.Execs), model.Duration(e.RunNS), model.Count(e.Voluntary), model.Count(e.Involuntary), endText(e))
	}
	tab.appendTo(b)
	if n := len(s.Exits) - len(shown) + s.ExitsForgotten; n > 0 {
		fmt.Fprintf(b, "  and %d before them\n", n)
	}
}

// endText is how a process ended.
func endText(e *inspect.ProcessExit) string {
	if e.Signal == 0 {
		return "exit " + strconv.Itoa(e.ExitCode)
	}
	text := "signal " + strconv.Itoa(e.Signal)
	if e.CoreDumped {
		text += ", core dumped"
	}
	return text
}

// dropsText says what is missing: always, so that nothing stands for nothing.
func (t *tracing) dropsText(b *bytes.Buffer, s *inspect.TraceSums) {
	d := &s.Drops
	b.WriteString("\nCompleteness\n")
	if s.Source == inspect.TraceExact {
		fmt.Fprintf(b, "  %d events, %d dropped; %d switches of the machine seen, %d not seen\n",
			d.Events, d.EventsDropped, d.Switches, d.ChainBreaks)
	} else {
		fmt.Fprintf(b, "  %d readings, %d much too late\n", d.Samples, d.SamplesMissed)
	}
	if d.ChainBreaks > 0 {
		t.hiddenText(b, d)
	}
	for _, x := range []struct {
		n    uint64
		what string
	}{
		{d.ExitsDropped, "ends of processes dropped"},
		{d.ThreadsFull, "events of threads for which there was no room"},
		{d.PairsFull, "pairs of threads for which there was no room"},
		{d.ProcessesFull, "descendants for which there was no room, not traced"},
		{d.Reused, "ended threads forgotten because their number was used again"},
		{d.ProgramMisses, "times that the kernel did not run the tracer"},
		{d.Gaps, "unknown stretches of a thread's history"},
	} {
		if x.n > 0 {
			fmt.Fprintf(b, "  %s: %d\n", x.what, x.n)
		}
	}
	if !d.Lost() {
		b.WriteString("  nothing of the traced threads was lost\n")
	}
	if t.writer != nil {
		c := t.writer.Counts()
		fmt.Fprintf(b, "  %s: %d slices, %d of CPUs, %d arrows, %d marks\n", t.a.clean(t.fl.file), c.Slices, c.CPUSlices, c.Arrows, c.Marks)
	}
}

// hiddenText says whose switches were not seen.
func (t *tracing) hiddenText(b *bytes.Buffer, d *inspect.TraceDrops) {
	b.WriteString("  not seen, by CPU:")
	for _, c := range d.CPUs {
		fmt.Fprintf(b, "  %d: %d of %d", c.CPU, c.Breaks, c.Breaks+c.Switches)
	}
	fmt.Fprintf(b, "\n  they are of tasks that the kernel hides from BPF programs; beside a traced thread: %d\n", d.TracedBreaks)
}
