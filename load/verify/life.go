package verify

import (
	"fmt"

	"taskscope/inspect"
	"taskscope/load"
)

// lifeFields are derived fields about processes that end, or are not named by
// the plan.
func lifeFields() []DerivedField {
	return []DerivedField{
		{
			ID: "present", Unit: "count", Doc: "1 while the process is there, a zombie included, 0 when it is gone; the same by PID and start time.",
			get: present,
		},
		{
			ID: "exit_status", Doc: "How a process ended: \"exit 0\", \"signal 11\". Told by wait4 in its parent, or by the runner where nobody has reaped it.",
			get: exitStatus,
		},
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

func exitStatus(j *judge, _ *inspect.Snapshot, q *load.Promise) reading {
	e := j.m.Processes[q.Process].Exit
	if e == nil {
		return absent(fmt.Sprintf("nobody has seen process %d end", j.m.Processes[q.Process].PID))
	}
	return words(e.String())
}
