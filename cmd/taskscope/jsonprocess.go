package main

import (
	"io"

	"taskscope/inspect"
)

// processJSON writes processes and threads as the field table describes them:
// every field is there, and what is unknown says why. It is reused from row to
// row.
type processJSON struct {
	process, thread []jsonField
	withThreads     bool
	children        map[int][]int // PIDs by parent, ascending; nil: not known
	obj, threadObj  jsonObject
	// nulls and reasons are the members, and their reasons, that are unknown in
	// every process of the snapshot, written out once.
	nulls, reasons []byte
}

// jsonField is one field of the table with its member name.
type jsonField struct {
	key string
	get func(inspect.Row) inspect.Value
}

// documentWant is what a document about all processes asks for: what it promises.
// The rest of stat and status would need two more files of every process where
// the tasks come from BPF.
const documentWant = inspect.WantAll &^ (inspect.WantStatRest | inspect.WantStatusRest)

// newDocumentJSON prepares the writer of a document about all processes. Where no
// fields were chosen it leaves out those that the document does not ask for, and
// the rates but for the share of a CPU when there is no second sample: a null with
// its reason in every one of ten thousand processes tells nobody anything.
func newDocumentJSON(c *inspect.Changes, chosen []*inspect.Field, withThreads bool) *processJSON {
	if chosen != nil {
		return newProcessJSON(c, chosen, withThreads)
	}
	all := inspect.Fields()
	for i := range all {
		f := &all[i]
		if f.Want&^c.Cur.Want == 0 && (!f.Rate || c.Prev != nil || f.ID == "cpu_percent") {
			chosen = append(chosen, f)
		}
	}
	return newProcessJSON(c, chosen, withThreads)
}

// newProcessJSON prepares the writer. With chosen fields only those are
// written, besides the identity.
func newProcessJSON(c *inspect.Changes, chosen []*inspect.Field, withThreads bool) *processJSON {
	s := c.Cur
	e := &processJSON{withThreads: withThreads}
	if chosen == nil || hasField(chosen, "children") {
		e.children = childrenOf(s)
	}
	add := func(f *inspect.Field) {
		switch {
		case f.ID == "children": // numbers, and for all processes at once
		case neverKnown(c, f):
			e.addNull(f)
		default:
			e.process = append(e.process, jsonField{f.ID, f.Get})
		}
		if f.Thread {
			e.thread = append(e.thread, jsonField{f.ID, f.Get})
		}
	}
	if chosen == nil {
		all := inspect.Fields()
		for i := range all {
			add(&all[i])
		}
		return e
	}
	for _, f := range withIdentity(chosen) {
		add(f)
	}
	return e
}

// neverKnown reports whether a field is unknown in every process, because its
// files were not read or because there is no second sample.
func neverKnown(c *inspect.Changes, f *inspect.Field) bool {
	if f.Rate && c.Prev == nil {
		return true
	}
	// Without a focus no process got more than the others.
	return f.Want != 0 && f.Want&c.Cur.Want == 0 && c.Cur.Detail == nil
}

func (e *processJSON) addNull(f *inspect.Field) {
	v := f.Get(inspect.Row{Process: &inspect.Process{}})
	e.nulls = append(e.nulls, `"`+f.ID+`":null,`...)
	e.reasons = append(e.reasons, `"`+f.ID+`":`...)
	e.reasons = append(appendJSONString(e.reasons, v.Why.Text()), ',')
}

func hasField(fields []*inspect.Field, id string) bool {
	for _, f := range fields {
		if f.ID == id {
			return true
		}
	}
	return false
}

// withIdentity puts the fields that identify a row before the chosen ones.
func withIdentity(chosen []*inspect.Field) []*inspect.Field {
	var out []*inspect.Field
	for _, id := range []string{"pid", "tid", "start_ticks"} {
		if f, ok := inspect.FieldByID(id); ok && !hasField(chosen, id) {
			out = append(out, f)
		}
	}
	return append(out, chosen...)
}

func childrenOf(s *inspect.Snapshot) map[int][]int {
	m := make(map[int][]int)
	for _, p := range s.Processes {
		if parent, ok := p.PPID.Get(); ok && parent != 0 && parent != p.ID.PID {
			m[parent] = append(m[parent], p.ID.PID)
		}
	}
	return m
}

// append writes one process at the end of b. depth is its depth in the tree,
// negative where there is none; more adds further members, nil for none.
func (e *processJSON) append(b []byte, r inspect.Row, depth int, more func(*jsonObject)) []byte {
	o := &e.obj
	o.begin(b)
	o.b = append(o.b, e.nulls...) // each ends with a comma
	o.reasons = e.reasons
	for i := range e.process {
		f := &e.process[i]
		o.value(f.key, f.get(r))
	}
	if r.Process.CmdlineCut {
		o.bool("cmdline_truncated", true)
	}
	if e.children != nil {
		o.ints("children", e.children[r.Process.ID.PID])
	}
	if depth >= 0 {
		o.int("depth", int64(depth))
	}
	if e.withThreads {
		e.threads(o, "thread_list", r, nil)
	}
	if more != nil {
		more(o)
	}
	return o.end()
}

// threads writes the list of threads as a member of o.
func (e *processJSON) threads(o *jsonObject, key string, r inspect.Row, more func(*jsonObject, *inspect.Thread)) {
	if r.Process.Threads == nil {
		o.null(key, r.Process.ThreadsWhy.Text())
		return
	}
	o.key(key)
	o.b = append(o.b, '[')
	for i := range r.Process.Threads {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		t := &e.threadObj
		t.begin(o.b)
		row := threadRow(r, i)
		for j := range e.thread {
			f := &e.thread[j]
			t.value(f.key, f.get(row))
		}
		if more != nil {
			more(t, row.Thread)
		}
		o.b = t.end()
	}
	o.b = append(o.b, ']')
}

// threadRow is the row of the i-th thread of the process of r.
func threadRow(r inspect.Row, i int) inspect.Row {
	r.Thread = &r.Process.Threads[i]
	if r.Delta != nil && i < len(r.Delta.Threads) {
		r.ThreadDelta = &r.Delta.Threads[i]
	}
	return r
}

// processRow is the row of the i-th process of the newer snapshot of c.
func processRow(c *inspect.Changes, i int) inspect.Row {
	r := inspect.Row{Snapshot: c.Cur, Process: c.Cur.Processes[i]}
	if c.Prev != nil && i < len(c.Deltas) {
		r.Delta = c.Deltas[i]
	}
	return r
}

// header writes the members that say when, how and where a snapshot was taken.
func (o *jsonObject) header(s *inspect.Snapshot) {
	o.time("taken", s.Taken)
	o.str("source", s.Source)
	o.int("cost_ns", int64(s.Cost.Wall))
	o.object("host", func(o *jsonObject) { o.host(s) })
}

func (o *jsonObject) host(s *inspect.Snapshot) {
	h := &s.Host
	if h.CPUs > 0 {
		o.int("cpus", int64(h.CPUs))
	} else {
		o.null("cpus", inspect.NotRead.Text())
	}
	for _, x := range []struct{ key, text string }{{"boot_id", s.BootID}, {"hostname", h.Hostname}, {"kernel", h.Kernel}} {
		if x.text != "" {
			o.name(x.key, x.text)
		} else {
			o.null(x.key, inspect.NotRead.Text())
		}
	}
	if t, ok := h.BootTime.Get(); ok {
		o.time("boot_time", t)
	} else {
		o.null("boot_time", h.BootTime.Why.Text())
	}
	knownFloat(o, "uptime_seconds", h.UptimeSeconds)
	knownUint(o, "memory_total_bytes", h.MemTotal)
	knownUint(o, "memory_available_bytes", h.MemAvailable)
	knownUint(o, "memory_free_bytes", h.MemFree)
	knownUint(o, "swap_total_bytes", h.SwapTotal)
	knownUint(o, "swap_free_bytes", h.SwapFree)
	knownFloat(o, "load_1", h.Load1)
	knownFloat(o, "load_5", h.Load5)
	knownFloat(o, "load_15", h.Load15)
	knownUint(o, "context_switches", h.ContextSwitches)
	knownUint(o, "forks", h.Forks)
	knownUint(o, "running_tasks", h.RunningTasks)
	knownUint(o, "blocked_tasks", h.BlockedTasks)
	knownFloat(o, "cpu_pressure_percent", h.PressureCPU)
	knownFloat(o, "memory_pressure_percent", h.PressureMemory)
	knownFloat(o, "io_pressure_percent", h.PressureIO)
}

// writeProcessesJSON prints the document of `tree --json` and `list --json`.
// each calls its argument once per process, in order.
func writeProcessesJSON(w io.Writer, s *inspect.Snapshot, e *processJSON, each func(put func(r inspect.Row, depth int))) error {
	const chunk = 64 << 10
	var o jsonObject
	o.begin(make([]byte, 0, 2*chunk))
	o.header(s)
	o.key("processes")
	b := append(o.b, '[')
	first := true
	var failure error
	each(func(r inspect.Row, depth int) {
		if failure != nil {
			return
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '\n')
		b = e.append(b, r, depth, nil)
		if len(b) >= chunk {
			_, failure = w.Write(b)
			b = b[:0]
		}
	})
	if failure != nil {
		return failure
	}
	_, err := w.Write(append(b, "\n]}\n"...))
	return err
}
