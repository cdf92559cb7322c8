package export

import (
	"bufio"
	"cmp"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"taskscope/inspect"
)

// The CPUs are shown as the threads of a process with numbers that no task can
// have: PID_MAX_LIMIT is 1<<22.
const (
	cpuProcess = 1 << 22
	cpuThread  = cpuProcess + 1 // plus the number of the CPU
)

// TraceInfo is what a trace file says about itself.
type TraceInfo struct {
	Title   string // what was traced
	Version string // of the program
}

// TraceWriter writes a trace as Chrome trace-event JSON ("JSON object format")
// while it is being taken: one track per CPU with the threads that ran there,
// one per thread with its states, arrows from who woke to who was woken, and
// marks for forks, executions, ends and migrations. Times are µs since the
// start, with three decimals; slices are written one nanosecond shorter than
// they were.
//
// Add and Close remember the first error of the writer and return it.
type TraceWriter struct {
	w       *bufio.Writer
	info    TraceInfo
	zero    int64 // CLOCK_MONOTONIC, ns: time 0 of the file
	start   time.Time
	err     error
	buf     []byte
	some    bool
	names   map[int]string // TID → name
	seen    map[thread]bool
	pids    map[int]int // TID → PID of those seen
	cpus    map[int]bool
	pending map[int]wake // TID → wake-up whose run has not ended yet
	spans   map[int]span // TID of those with slices → when
	counts  TraceFileCounts
}

// TraceFileCounts is how much a TraceWriter has written.
type TraceFileCounts struct {
	Slices, CPUSlices, Arrows, Marks uint64
}

type thread struct{ pid, tid int }

// span is from when a thread has slices, and when it left its CPU for the last
// time, 0 while it has not.
type span struct{ from, end int64 }

type wake struct {
	at, run   int64 // when it was woken, when it got a CPU
	by, byPID int
}

// NewTraceWriter begins a file.
func NewTraceWriter(w io.Writer, info TraceInfo) *TraceWriter {
	t := &TraceWriter{
		w: bufio.NewWriterSize(w, 256<<10), info: info, names: map[int]string{}, seen: map[thread]bool{},
		pids: map[int]int{}, cpus: map[int]bool{}, pending: map[int]wake{}, spans: map[int]span{},
	}
	t.raw(`{"displayTimeUnit":"ns","traceEvents":[`)
	return t
}

// Begin tells when tracing began, which is time 0 of the file, and the names of
// the threads that lived then. It comes before the first Add.
func (t *TraceWriter) Begin(start time.Time, s *inspect.TraceSums) {
	t.start, t.zero = start, s.MonoNS-int64(s.Elapsed)
	for i := range s.Threads {
		th := &s.Threads[i]
		t.names[th.ID.TID] = th.Comm
		t.meet(th.PID, th.ID.TID)
	}
}

// Add writes a batch.
func (t *TraceWriter) Add(b *inspect.TraceBatch) error {
	for _, n := range b.Names {
		t.names[n.TID] = n.Comm
		t.meet(n.PID, n.TID)
	}
	for i := range b.Events {
		t.event(&b.Events[i])
	}
	for i := range b.Slices {
		t.slice(&b.Slices[i])
	}
	for i := range b.Exits {
		t.exit(&b.Exits[i])
	}
	return t.err
}

// Close writes names and what is known about the whole trace, and ends the
// file. It does not close the writer.
func (t *TraceWriter) Close(s *inspect.TraceSums) error {
	for i := range s.Threads {
		th := &s.Threads[i]
		t.names[th.ID.TID] = th.Comm
	}
	t.metadata()
	t.raw("\n],\n\"otherData\":")
	t.about(s)
	t.raw("}\n")
	if err := t.w.Flush(); t.err == nil {
		t.err = err
	}
	return t.err
}

// Counts is what has been written so far.
func (t *TraceWriter) Counts() TraceFileCounts { return t.counts }

func (t *TraceWriter) meet(pid, tid int) {
	if t.pids[tid] != pid || !t.seen[thread{pid, tid}] {
		t.pids[tid] = pid
		t.seen[thread{pid, tid}] = true
	}
}

// slice writes a state of a thread, and where it ran also to the track of the
// CPU.
func (t *TraceWriter) slice(s *inspect.TraceSlice) {
	t.meet(s.PID, s.TID)
	t.begin('X', s.State.String(), "state", s.PID, s.TID, s.From)
	t.dur(s.To - s.From)
	if c := colour[s.State]; c != "" {
		t.str("cname", c)
	}
	t.openArgs()
	if s.CPU >= 0 {
		t.num("cpu", s.CPU)
	}
	switch s.Cause {
	case inspect.CauseWoken:
		t.num("woken_by_tid", s.By)
	case inspect.CausePreempt:
		t.num("preempted_by_tid", s.By)
	case inspect.CauseBorn:
		t.num("created_by_tid", s.By)
	}
	t.closeArgs()
	t.end()
	t.counts.Slices++
	if _, ok := t.spans[s.TID]; !ok {
		t.spans[s.TID] = span{from: s.From}
	}
	t.arrow(s)
	if s.State != inspect.TraceRunning || s.CPU < 0 {
		return
	}
	t.cpus[s.CPU] = true
	t.begin('X', t.label(s.TID), "cpu", cpuProcess, cpuThread+s.CPU, s.From)
	t.dur(s.To - s.From)
	t.openArgs()
	t.num("pid", s.PID)
	t.num("tid", s.TID)
	t.closeArgs()
	t.end()
	t.counts.CPUSlices++
}

// colour names the colours that chrome://tracing has for states.
var colour = map[inspect.TraceState]string{
	inspect.TraceRunning: "thread_state_running",
	inspect.TraceReady:   "thread_state_runnable",
	inspect.TraceBlocked: "thread_state_sleeping",
	inspect.TraceDisk:    "thread_state_iowait",
	inspect.TraceUnknown: "thread_state_unknown",
}

// arrow joins a wake-up with the run that follows, once that run is written:
// an arrow has to end in a slice.
func (t *TraceWriter) arrow(s *inspect.TraceSlice) {
	if s.State == inspect.TraceReady {
		delete(t.pending, s.TID)
		pid, known := t.pids[s.By]
		if known && s.By != 0 && (s.Cause == inspect.CauseWoken || s.Cause == inspect.CauseBorn) {
			t.pending[s.TID] = wake{at: s.From, run: s.To, by: s.By, byPID: pid}
		}
		return
	}
	w, ok := t.pending[s.TID]
	if !ok {
		return
	}
	delete(t.pending, s.TID)
	if s.State != inspect.TraceRunning || s.From != w.run {
		return
	}
	// A wake-up on another CPU takes effect some microseconds after the waker
	// asked for it. One that wakes its parent at its end is dead by then, maybe
	// since before the trace began.
	at := w.at
	waker, shown := t.spans[w.by]
	if waker.end != 0 {
		at = min(at, waker.end-1)
	}
	if !shown || at < waker.from {
		return
	}
	t.counts.Arrows++
	t.begin('s', "wake-up", "wakeup", w.byPID, w.by, at)
	t.num("id", int(t.counts.Arrows))
	t.end()
	t.begin('f', "wake-up", "wakeup", s.PID, s.TID, s.From)
	t.num("id", int(t.counts.Arrows))
	t.str("bp", "e")
	t.end()
}

// event writes the marks. What slices show already is left out.
func (t *TraceWriter) event(e *inspect.TraceEvent) {
	switch e.Kind {
	case inspect.TraceOut:
		if e.State == inspect.TraceDead {
			x, ok := t.spans[e.TID]
			if !ok { // all that is known of it is its end
				x.from = e.NS
			}
			x.end = e.NS
			t.spans[e.TID] = x
		}
	case inspect.TraceNew, inspect.TraceIn, inspect.TraceSeed:
		if x, ok := t.spans[e.TID]; !ok || x.end != 0 { // or the number is used again
			t.spans[e.TID] = span{from: e.NS}
		}
	case inspect.TraceFork:
		name := "new thread"
		if e.Process {
			name = "fork"
		}
		if parent, ok := t.names[e.Other]; ok {
			if _, known := t.names[e.TID]; !known {
				t.names[e.TID] = parent // until its own is known
			}
		}
		t.mark(name, e, "parent_pid", e.Other)
	case inspect.TraceExec:
		t.mark("exec", e, "", 0)
	case inspect.TraceExit:
		t.mark("exit", e, "code", e.Other)
	case inspect.TraceMigrate:
		t.mark("migrate", e, "to_cpu", e.Other)
	}
}

func (t *TraceWriter) mark(name string, e *inspect.TraceEvent, key string, value int) {
	t.meet(e.PID, e.TID)
	t.begin('i', name, "mark", e.PID, e.TID, e.NS)
	t.str("s", "t")
	t.openArgs()
	if key != "" {
		t.num(key, value)
	}
	t.num("cpu", e.CPU)
	t.closeArgs()
	t.end()
	t.counts.Marks++
}

func (t *TraceWriter) exit(e *inspect.ProcessExit) {
	t.meet(e.ID.PID, e.ID.PID)
	t.names[e.ID.PID] = e.Comm
	t.begin('i', "process ends", "mark", e.ID.PID, e.ID.PID, e.NS)
	t.str("s", "p")
	t.openArgs()
	t.num("exit_code", e.ExitCode)
	t.num("signal", e.Signal)
	t.num("lifetime_ns", int(e.Lifetime))
	t.num("parent_pid", e.PPID)
	t.closeArgs()
	t.end()
	t.counts.Marks++
}

// label names a thread on the track of a CPU.
func (t *TraceWriter) label(tid int) string {
	n := strconv.Itoa(tid)
	if name := t.names[tid]; name != "" {
		return name + " " + n
	}
	return n
}

// metadata names the tracks: the CPUs come first.
func (t *TraceWriter) metadata() {
	if len(t.cpus) > 0 {
		t.meta("process_name", cpuProcess, 0, "name", "CPUs")
		t.metaNumber("process_sort_index", cpuProcess, 0, -1)
	}
	for _, cpu := range slices.Sorted(maps.Keys(t.cpus)) {
		t.meta("thread_name", cpuProcess, cpuThread+cpu, "name", "CPU "+strconv.Itoa(cpu))
		t.metaNumber("thread_sort_index", cpuProcess, cpuThread+cpu, cpu)
	}
	all := slices.SortedFunc(maps.Keys(t.seen), func(a, b thread) int {
		return cmp.Or(cmp.Compare(a.pid, b.pid), cmp.Compare(a.tid, b.tid))
	})
	for i, th := range all {
		if i == 0 || all[i-1].pid != th.pid {
			name := t.names[th.pid]
			if name == "" {
				name = "process"
			}
			t.meta("process_name", th.pid, 0, "name", name)
		}
		if name := t.names[th.tid]; name != "" {
			t.meta("thread_name", th.pid, th.tid, "name", name)
		}
	}
}

// about tells where the trace comes from and what is missing in it.
func (t *TraceWriter) about(s *inspect.TraceSums) {
	d := &s.Drops
	t.buf = append(t.buf[:0], '{')
	t.some = false
	t.text("tool", "taskscope "+t.info.Version)
	t.text("traced", t.info.Title)
	t.text("source", s.Source)
	t.text("clock", "CLOCK_MONOTONIC")
	t.text("start", t.start.UTC().Format(time.RFC3339Nano))
	for _, x := range []struct {
		key string
		n   uint64
	}{
		{"start_mono_ns", uint64(t.zero)},
		{"elapsed_ns", uint64(s.Elapsed)},
		{"resolution_ns", uint64(s.Resolution)},
		{"events", d.Events},
		{"events_dropped", d.EventsDropped},
		{"process_ends_dropped", d.ExitsDropped},
		{"threads_without_room", d.ThreadsFull},
		{"processes_without_room", d.ProcessesFull},
		{"switches_not_seen", d.ChainBreaks},
		{"switches_not_seen_beside_traced", d.TracedBreaks},
		{"programs_not_run", d.ProgramMisses},
		{"unknown_stretches", d.Gaps},
		{"samples", d.Samples},
		{"samples_missed", d.SamplesMissed},
	} {
		t.text(x.key, strconv.FormatUint(x.n, 10))
	}
	complete := "yes"
	if d.Lost() {
		complete = "no: see the counts above"
	}
	t.text("complete", complete)
	t.buf = append(t.buf, '}')
	t.write(t.buf)
}

// text adds a member to the object about the trace: the viewers show strings.
func (t *TraceWriter) text(key, value string) {
	if t.some {
		t.buf = append(t.buf, ',')
	}
	t.some = true
	t.buf = appendString(t.buf, key)
	t.buf = append(t.buf, ':')
	t.buf = appendString(t.buf, value)
}
