package verify

import (
	"fmt"
	"slices"
	"strings"

	"taskscope/inspect"
	"taskscope/load"
)

// lifeFields are derived fields about processes that end, that change their
// parent, or that the plan does not name.
func lifeFields() []DerivedField {
	return append([]DerivedField{
		{
			ID: "present", Unit: "count", Doc: "1 while the process is there, a zombie included, 0 when it is gone; the same by PID and start time.",
			get: present,
		},
		{
			ID: "session_pid", Doc: "Session; expected is the PID of the nearest process above, itself included, that makes one by plan, else the root's session.",
			get: combine(part{"session", 1}), expected: ledBy("session"),
		},
		{
			ID: "group_pid", Doc: "Process group; expected as for session_pid.",
			get: combine(part{"pgid", 1}), expected: ledBy("pgid"),
		},
		{
			ID: "started_before_elder", Unit: "count", Doc: "Processes that started before their parent, or before a sibling that precedes them in the plan.",
			get: startedBeforeElder,
		},
		{
			ID: "exit_status", Doc: "How a process ended: \"exit 0\", \"signal 11\". Told by wait4 in its parent, or by the runner where nobody has reaped it.",
			get: exitStatus,
		},
		{
			ID: "command_words", Unit: "count", Doc: "Words of the command line; a process without memory has none.",
			want: inspect.WantCmdline, get: commandWords,
		},
		{
			ID: "memory_left_bytes", Unit: "bytes", Doc: "Resident size, 0 of a process that has ended and has none.",
			get: memoryLeft,
		},
		{
			ID: "traced_by", Doc: "PID of the process that traces it as a debugger does; expected is the root of the run.",
			get:      combine(part{"tracer_pid", 1}),
			expected: func(j *judge, q *load.Promise) reading { return number(float64(j.m.Processes[0].PID) + q.Expect.Const) },
		},
		{
			ID: "waits_in", Doc: "What a task waits for, by the kernel function it sleeps in (wchan): vfork, stop, trace, wait; another function by its name.",
			segments: true, detail: inspect.DetailWaits, get: waitsIn,
		},
		{
			ID: "seen_besides_plan", Unit: "count", Doc: "Processes of the tree that the plan does not name and that were seen in any sample, each once by PID and start time.",
			get: besidesPlan, all: seenBesidesPlan,
		},
		{
			ID: "host_forks", Unit: "count", Doc: "Processes and threads made on the whole host since it started.", wide: true,
			get: func(_ *judge, s *inspect.Snapshot, _ *load.Promise) reading {
				if !s.Host.Forks.OK() {
					return unread(s.Host.Forks.Why)
				}
				return number(float64(s.Host.Forks.V))
			},
		},
	}, reportedFields()...)
}

// reportedFields cannot be observed from outside: they are what the worker
// says of itself, so that it can be compared with the plan and be shown.
func reportedFields() []DerivedField {
	const (
		counted = "the kernel keeps no count of it for one process"
		timed   = "how long a call takes is known to the caller only"
	)
	return []DerivedField{
		{ID: "reaped", Unit: "count", Doc: "Children it has waited for.", told: counted},
		{ID: "made", Unit: "count", Doc: "Tasks it was told to make and has made.", told: counted},
		{ID: "most_at_a_time", Unit: "count", Doc: "The most processes that it has had at a time.", told: counted},
		{ID: "moved_bytes", Unit: "bytes", Doc: "Bytes that it has touched, and that its read and write calls have moved.", told: counted},
		{ID: "thread_creation_ns", Unit: "ns", Doc: "Mean time of the call that makes a thread.", told: timed},
		{ID: "process_creation_ns", Unit: "ns", Doc: "Mean time of the call that makes a process.", told: timed},
	}
}

func present(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	switch {
	case j.ids[q.Process] == (inspect.ID{}):
		return unknown("the process was never seen")
	case j.process(s, q.Process) == nil:
		return number(0)
	}
	return number(1)
}

// ledBy gives the leader of a process' session or group by the plan. The root's
// own is what it has been given.
func ledBy(field string) func(*judge, *load.Promise) reading {
	return func(j *judge, q *load.Promise) reading {
		for i := q.Process; i >= 0; i = j.m.Plan.Processes[i].Parent {
			if j.m.Plan.Processes[i].Setsid {
				return number(float64(j.m.Processes[i].PID) + q.Expect.Const)
			}
		}
		root := load.Promise{Process: 0, Thread: -1, Field: field, When: q.When}
		r := j.observe(&root)
		r.num += q.Expect.Const
		return r
	}
}

func startedBeforeElder(j *judge, s *inspect.Snapshot, _ *load.Promise) reading {
	n := 0
	younger := map[int]uint64{} // parent → start of its latest child
	for i := range j.m.Processes {
		p := j.process(s, i)
		if p == nil {
			return absent("a process of the plan is not in the sample")
		}
		parent := j.m.Plan.Processes[i].Parent
		if parent < 0 {
			continue
		}
		if p.ID.Start < max(j.ids[parent].Start, younger[parent]) {
			n++
		}
		younger[parent] = max(younger[parent], p.ID.Start)
	}
	return number(float64(n))
}

func exitStatus(j *judge, _ *inspect.Snapshot, q *load.Promise) reading {
	e := j.m.Processes[q.Process].Exit
	if e == nil {
		return absent(fmt.Sprintf("nobody has seen process %d end", j.m.Processes[q.Process].PID))
	}
	r := words(e.String())
	r.source = e.By
	return r
}

func memoryLeft(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	return j.row(s, q.Process, -1, func(row inspect.Row) reading {
		m := row.Process.RSSBytes
		if !m.OK() && m.Why != inspect.Zombie {
			return unread(m.Why)
		}
		return number(float64(m.Or(0)))
	})
}

// commandWords: a zombie has no command line, which the inspector may give as
// an empty one or as none.
func commandWords(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	return j.row(s, q.Process, -1, func(row inspect.Row) reading {
		c := row.Process.Cmdline
		switch {
		case c.OK():
			return number(float64(len(c.V)))
		case c.Why == inspect.Zombie:
			return number(0)
		}
		return unread(c.Why)
	})
}

// waits names the functions in which the kernels there are let a task wait.
func waits(function string) string {
	for reason, names := range map[string][]string{
		"vfork": {"kernel_clone", "_do_fork", "do_fork", "wait_for_vfork_done"},
		"stop":  {"do_signal_stop"},
		"trace": {"ptrace_stop", "ptrace_do_notify"},
		"wait":  {"do_sys_poll", "do_poll", "poll_schedule_timeout", "schedule_hrtimeout_range_clock", "schedule_hrtimeout_range"},
	} {
		// A compiler may split a function and name the part after it.
		if base, _, _ := strings.Cut(function, "."); slices.Contains(names, base) {
			return reason
		}
	}
	return function
}

func waitsIn(j *judge, s *inspect.Snapshot, q *load.Promise) reading {
	return j.row(s, q.Process, 0, func(row inspect.Row) reading {
		w := row.Thread.Wait.WChan
		if !w.OK() {
			return unread(w.Why)
		}
		return words(waits(w.V))
	})
}

// strangers are the processes of the tree in a snapshot that the plan does not
// name.
func (j *judge) strangers(s *inspect.Snapshot) []inspect.ID {
	var out []inspect.ID
	for _, i := range j.tree(s) {
		id := s.Processes[i].ID
		if k, ok := j.byPID[id.PID]; !ok || j.ids[k] != id {
			out = append(out, id)
		}
	}
	return out
}

func besidesPlan(j *judge, s *inspect.Snapshot, _ *load.Promise) reading {
	return number(float64(len(j.strangers(s))))
}

func seenBesidesPlan(j *judge, q *load.Promise) reading {
	live := j.narrow[q.When]
	if len(live) == 0 {
		return unknown(noSample(q.When))
	}
	seen := map[inspect.ID]bool{}
	for _, s := range live {
		for _, id := range j.strangers(s) {
			seen[id] = true
		}
	}
	r := number(float64(len(seen)))
	r.source, r.note = live[0].Source, fmt.Sprintf(" (%d samples)", len(live))
	return r
}

// parentAt is the parent of a process by its own account: the one that started
// it, or at the gate no longer, the one it has been given since.
func (j *judge) parentAt(i int, when load.When) int {
	if p := &j.m.Processes[i]; when == load.WhenReady || p.AdopterPID == 0 {
		return p.PPID
	}
	return j.m.Processes[i].AdopterPID
}

// thereAt tells whether a process is there by its parent's account. While the
// operations run, one that is going to be reaped still is, unless its parent
// has said from when on live samples count: then it has seen to that before.
func (j *judge) thereAt(i int, when load.When) bool {
	e := j.m.Processes[i].Exit
	switch {
	case when == load.WhenReady || e == nil || e.By != "parent":
		return true
	case when == load.WhenParked:
		return false
	}
	return j.reapedLater(i)
}

// reapedLater tells whether a process is reaped after the live samples.
func (j *judge) reapedLater(i int) bool {
	parent := j.m.Plan.Processes[i].Parent
	for _, op := range j.m.Plan.Processes[parent].Threads[0].Ops {
		switch op.Kind {
		case load.OpReap:
			return false
		case load.OpMark:
			return true
		}
	}
	return true
}

func selfDescendants(j *judge, q *load.Promise) reading {
	if j.m.Plan.Unnamed > 0 && q.When != load.WhenReady {
		return reading{} // not all of them are in the manifest
	}
	n := -1 // the root is none
	for i := range j.m.Processes {
		if j.thereAt(i, q.When) {
			n++
		}
	}
	return number(float64(n))
}
