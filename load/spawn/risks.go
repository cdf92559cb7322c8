package spawn

import (
	"fmt"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// calmForks is how many processes per second a storm may make without being
// asked for. More of them crowd the process table, and slow down everybody who
// looks at it.
const calmForks = 200

// checkRisks refuses what does harm to others on this machine, unless the
// limits permit it by name. Real-time policies are checked with the budget.
func checkRisks(p *load.Plan, l Limits) error {
	for i := range p.Processes {
		for j := range p.Processes[i].Threads {
			t := &p.Processes[i].Threads[j]
			for _, list := range [][]load.Op{t.Setup, t.Ops} {
				for _, o := range list {
					if err := checkRisk(o, l, t.Name); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func checkRisk(o load.Op, l Limits, thread string) error {
	switch {
	case o.Kind == load.OpStorm && !l.ForkStorm && o.A > calmForks && o.C*1e9 > calmForks*o.B:
		return fmt.Errorf("%w: thread %q wants to make more than %d processes per second (%d at a time that live for %d ms); permit it with --fork-storm",
			ErrBudget, thread, calmForks, o.C, o.B/1e6)
	case o.Kind == load.OpFile && o.B&1 != 0 && !l.Disk && onDisk("/tmp"):
		return fmt.Errorf("%w: thread %q wants to write to a file in /tmp, which is on a disk that others use; permit it with --disk",
			ErrBudget, thread)
	}
	return nil
}

// onDisk tells whether files of a directory end up on a disk, as far as the
// kernel says.
func onDisk(dir string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return true
	}
	return int64(fs.Type) != unix.TMPFS_MAGIC && int64(fs.Type) != unix.RAMFS_MAGIC
}
