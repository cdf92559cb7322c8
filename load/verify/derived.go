package verify

import (
	"slices"
	"strings"

	"taskscope/inspect"
	"taskscope/load"
)

// DerivedField is a value that promises may name and that is computed here
// from several values of the inspector.
type DerivedField struct {
	ID, Unit, Doc string

	segments bool // needs the Detail of the process
	wide     bool // of the whole host
	// want and detail are what the observer must read for it besides the rest.
	want   inspect.Want
	detail inspect.DetailWant
	// all reads it from all samples of the phase at once.
	all      func(*judge, *load.Promise) reading
	get      func(*judge, *inspect.Snapshot, *load.Promise) reading
	between  func(j *judge, before, after *inspect.Snapshot, q *load.Promise) reading
	expected func(*judge, *load.Promise) reading
	self     func(*judge, *load.Promise) reading
	// history: a tracer must have delivered every change of state.
	history bool
	// relation and fits say what is meant by as expected, where it is not
	// equality or a bound.
	relation string
	fits     func(exp, got reading) bool
	// told says that only the workers can know the value, and why; report
	// computes it where a formula cannot.
	told   string
	report func(*judge) reading
}

// DerivedFields is the table of derived fields. Every other field a promise
// names is one of inspect.Fields.
func DerivedFields() []DerivedField {
	return slices.Concat(basicFields(), lifeFields(), memoryFields(), paceFields(), pressureFields(), transitionFields(), toldFields(), waitFields())
}

func basicFields() []DerivedField {
	return []DerivedField{
		{
			ID: "descendants", Unit: "count", Doc: "Processes below the root, by the parent PIDs the kernel gives.",
			get: descendants, self: selfDescendants,
		},
		{
			ID: "children", Unit: "count", Doc: "Processes whose parent is this one.",
			get: children, self: selfChildren,
		},
		{
			ID: "ppid", Doc: "PID of the parent; expected is the live PID of the process that is the parent in the plan.",
			get: ppid, expected: expectedParent,
			self: func(j *judge, q *load.Promise) reading { return number(float64(j.parentAt(q.Process, q.When))) },
		},
		{
			ID: "thread_names", Doc: "Names of all threads of a process, sorted, with commas between.",
			get: threadNames, self: selfThreadNames,
		},
		{
			ID: "state_all", Doc: "State letters of the subject's tasks, each once, sorted; over several samples all that were seen.",
			get: stateAll,
		},
		{
			ID: "ready_tasks", Unit: "count", Doc: "Tasks of the tree in state R: running or ready.",
			get: readyTasks,
		},
		{
			ID: "slices_minus_switches", Unit: "count", Doc: "Time slices less voluntary and involuntary switches: how often it got a CPU without leaving one.",
			get: combine(part{"timeslices", 1}, part{"voluntary_switches", -1}, part{"involuntary_switches", -1}),
		},
		{
			ID: "switches", Unit: "count", Doc: "Voluntary and involuntary switches together.",
			get: combine(part{"voluntary_switches", 1}, part{"involuntary_switches", 1}),
		},
		{
			ID: "exact_migrations", Unit: "count", Doc: "Moves between CPUs, as the scheduler itself counts them (nr_migrations in sched of the thread).", segments: true,
			get: migrations,
		},
		{
			ID: "cores_used", Unit: "cores", Doc: "Run time of all tasks of the run between the gate and the end, divided by how long their job took by their own account.",
			get: combine(part{"run_ns", 1}), between: coresUsed,
		},
		{
			ID: "cores_busy", Unit: "cores", Doc: "Time in which the CPUs that the run may use were not idle, divided by how long its job took by its own account.",
			get: combine(part{"run_ns", 1}), between: coresBusy,
		},
		{
			ID: "address_spaces", Unit: "count", Doc: "Processes of the tree, each of which has its own memory.",
			get: addressSpaces, self: func(j *judge, _ *load.Promise) reading { return number(float64(len(j.m.Processes))) },
		},
		{
			ID: "run_plus_ready_ns", Unit: "ns", Doc: "Time on a CPU plus time ready for one.",
			get: combine(part{"run_ns", 1}, part{"ready_ns", 1}),
		},
		{
			ID: "share_percent", Unit: "percent", Doc: "Run time between two samples, of the run time of all tasks of the run.",
			get: combine(part{"run_ns", 1}), between: sharePercent,
		},
		{
			ID: "segment_size_bytes", Unit: "bytes", Doc: "Size of the segment at an address the worker reports.", segments: true,
			get: atSlot(func(m inspect.SegmentMem) uint64 { return m.Size }),
		},
		{
			ID: "segment_rss_bytes", Unit: "bytes", Doc: "Resident part of the segment at an address the worker reports.", segments: true,
			get: atSlot(func(m inspect.SegmentMem) uint64 { return m.RSS }),
		},
		{
			ID: "heap_size_bytes", Unit: "bytes", Doc: "Size of the heap segments; 0 when the process has none yet.", segments: true,
			get: ofSegments(isHeap, func(m inspect.SegmentMem) uint64 { return m.Size }),
		},
		{
			ID: "heap_rss_bytes", Unit: "bytes", Doc: "Resident part of the heap segments; 0 when the process has none yet.", segments: true,
			get: ofSegments(isHeap, func(m inspect.SegmentMem) uint64 { return m.RSS }),
		},
		{
			ID: "main_stack_rss_bytes", Unit: "bytes", Doc: "Resident part of the main thread's stack.", segments: true,
			get: ofSegments(isMainStack, func(m inspect.SegmentMem) uint64 { return m.RSS }),
		},
		{
			ID: "tasks_alive", Unit: "count", Doc: "Processes of the run that are still there, the same by PID and start time.",
			get: tasksAlive,
		},
	}
}

// derivedIndex finds the rows of the table.
func derivedIndex() map[string]*DerivedField {
	table := DerivedFields()
	m := make(map[string]*DerivedField, len(table))
	for i := range table {
		m[table[i].ID] = &table[i]
	}
	return m
}

// tree gives the indices of the root's subtree in a snapshot by parent PIDs.
func (j *judge) tree(s *inspect.Snapshot) []int {
	root := j.process(s, 0)
	if root == nil {
		return nil
	}
	kids := map[int][]int{}
	for i, p := range s.Processes {
		if parent, ok := p.PPID.Get(); ok && p != root {
			kids[parent] = append(kids[parent], i)
		}
	}
	found := []int{s.Index(root.ID.PID)}
	for k := 0; k < len(found) && len(found) <= len(s.Processes); k++ {
		found = append(found, kids[s.Processes[found[k]].ID.PID]...)
	}
	return found
}

func descendants(j *judge, s *inspect.Snapshot, _ *load.Promise) reading {
	t := j.tree(s)
	if t == nil {
		return absent("the root is not in the sample")
	}
	return number(float64(len(t) - 1))
}

func children(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	return j.row(s, q.Process, -1, func(row inspect.Row) reading {
		n := 0
		for _, p := range s.Processes {
			if parent, ok := p.PPID.Get(); ok && parent == row.Process.ID.PID {
				n++
			}
		}
		return number(float64(n))
	})
}

func selfChildren(j *judge, q *load.Promise) reading {
	if j.m.Plan.Unnamed > 0 && q.When != load.WhenReady {
		return reading{} // not all of them are in the manifest
	}
	n := 0
	for i := range j.m.Processes {
		if j.parentAt(i, q.When) == j.m.Processes[q.Process].PID && j.thereAt(i, q.When) {
			n++
		}
	}
	return number(float64(n))
}

func ppid(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	return j.row(s, q.Process, -1, func(row inspect.Row) reading {
		if !row.Process.PPID.OK() {
			return unread(row.Process.PPID.Why)
		}
		return number(float64(row.Process.PPID.V))
	})
}

// expectedParent is the parent by the plan; the root's is the controller, by
// the manifest.
func expectedParent(j *judge, q *load.Promise) reading {
	parent := j.m.Plan.Processes[q.Process].Parent
	for q.When != load.WhenReady && parent >= 0 && j.m.Plan.Processes[parent].End != nil {
		// It has lost that one. The nearest subreaper above takes it.
		for parent = j.m.Plan.Processes[parent].Parent; parent > 0 && !j.m.Plan.Processes[parent].Subreaper; {
			parent = j.m.Plan.Processes[parent].Parent
		}
	}
	if parent < 0 {
		return number(float64(j.m.Processes[q.Process].PPID) + q.Expect.Const)
	}
	return number(float64(j.m.Processes[parent].PID) + q.Expect.Const)
}

func threadNames(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	return j.row(s, q.Process, -1, func(row inspect.Row) reading {
		if row.Process.Threads == nil {
			return unread(row.Process.ThreadsWhy)
		}
		names := make([]string, len(row.Process.Threads))
		for i := range row.Process.Threads {
			names[i] = row.Process.Threads[i].Comm
		}
		slices.Sort(names)
		return words(strings.Join(names, ","))
	})
}

func selfThreadNames(j *judge, q *load.Promise) reading {
	var names []string
	for _, t := range j.m.Processes[q.Process].Threads {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return words(strings.Join(names, ","))
}

// letters collects state letters, each once.
type letters map[string]bool

func (l letters) text() string {
	var list []string
	for s := range l {
		list = append(list, s)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

func stateAll(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	if q.Thread >= 0 {
		return j.row(s, q.Process, q.Thread, func(row inspect.Row) reading { return words(row.Thread.State.Letter()) })
	}
	seen := letters{}
	r := j.eachThread(s, q.Process, func(t *inspect.Thread) { seen[t.State.Letter()] = true })
	if !r.ok {
		return r
	}
	return words(seen.text())
}

func readyTasks(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	n := 0
	r := j.eachThread(s, q.Process, func(t *inspect.Thread) {
		if t.State == 'R' {
			n++
		}
	})
	if !r.ok {
		return r
	}
	return number(float64(n))
}

// eachThread visits the threads of one process, or with -1 of all processes of
// the run.
func (j *judge) eachThread(s *inspect.Snapshot, process int, visit func(*inspect.Thread)) reading {
	for i := range j.m.Processes {
		if process >= 0 && i != process || process < 0 && j.reaped(s, i) {
			continue
		}
		r := j.row(s, i, -1, func(row inspect.Row) reading {
			if row.Process.Threads == nil {
				return unread(row.Process.ThreadsWhy)
			}
			for k := range row.Process.Threads {
				visit(&row.Process.Threads[k])
			}
			return number(0)
		})
		if !r.ok {
			return r
		}
	}
	return number(0)
}

// part is one field of the inspector with its factor in a derived field.
type part struct {
	field  string
	factor float64
}

// combine adds fields of the inspector.
func combine(parts ...part) func(*judge, *inspect.Snapshot, *load.Promise) reading {
	return func(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
		total := number(0)
		for _, p := range parts {
			one := *q
			one.Field = p.field
			r := j.plain(s, &one)
			if !r.ok || r.isText {
				return r
			}
			total.num += p.factor * r.num
		}
		return total
	}
}

func sharePercent(j *judge, before, after *inspect.Snapshot, q *load.Promise) reading {
	one, all := *q, *q
	one.Field, all.Field, all.Process, all.Thread = "run_ns", "run_ns", -1, -1
	part, total := j.growth(&one, before, after), j.growth(&all, before, after)
	switch {
	case !part.ok:
		return part
	case !total.ok:
		return total
	case total.num <= 0:
		return unknown("no task of the run ran between the two samples")
	}
	return number(100 * part.num / total.num)
}

// growth is the difference of a plain field.
func (j *judge) growth(q *load.Promise, before, after *inspect.Snapshot) reading {
	a, b := j.plain(before, q), j.plain(after, q)
	switch {
	case !b.ok:
		return b
	case !a.ok:
		return a
	}
	b.num -= a.num
	return b
}

// migrations are those of one thread.
func migrations(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	d := s.Detail
	switch {
	case d == nil || q.Thread < 0 || d.ID != j.ids[q.Process]:
		return unknown("its scheduler file was not read")
	case !d.Migrations.OK():
		return unread(d.Migrations.Why)
	}
	n, ok := d.Migrations.V[j.tids[q.Process][q.Thread].TID]
	if !ok {
		return absent("the thread is not in the sample")
	}
	return number(float64(n))
}

func tasksAlive(j *judge, s *inspect.Snapshot, _ *load.Promise) reading {
	n := 0
	for i := range j.m.Processes {
		if j.ids[i] == (inspect.ID{}) {
			if s.ByPID(j.m.Processes[i].PID) != nil {
				n++
			}
		} else if j.process(s, i) != nil {
			n++
		}
	}
	return number(float64(n))
}
