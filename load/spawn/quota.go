package spawn

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// errNoQuota says that no control group with a CPU quota can be had. It is an
// EPERM: the machine does not permit it, nothing is wrong with the plan.
var errNoQuota = fmt.Errorf("no control group with a CPU quota may be made here (needs a delegated cpu controller): %w", unix.EPERM)

// quota is the control group that limits the CPU time of a run: the run's own
// version 2 directory, where it has the cpu controller, or one of version 1.
type quota struct {
	v1 *cgroup // nil: it is the run's own
}

// newQuota makes the group and sets its limit; tasks come into it with admit.
func newQuota(r *Run, own *cgroup, q *load.Quota) (*quota, error) {
	period, time := micros(q.Period.Microseconds()), micros(q.Time.Microseconds())
	if own != nil && unix.Access(filepath.Join(own.dir, "cpu.max"), unix.W_OK) == nil {
		if err := os.WriteFile(filepath.Join(own.dir, "cpu.max"), []byte(time+" "+period), 0); err != nil {
			return nil, fmt.Errorf("CPU quota: %w", err)
		}
		return &quota{}, nil
	}
	parent, ok := cpuDir()
	if !ok {
		return nil, errNoQuota
	}
	group, err := makeCgroup(r, parent)
	if err != nil {
		return nil, errors.Join(errNoQuota, err)
	}
	for _, f := range [][2]string{{"cpu.cfs_period_us", period}, {"cpu.cfs_quota_us", time}} {
		if err := os.WriteFile(filepath.Join(group.dir, f[0]), []byte(f[1]), 0); err != nil {
			group.remove()
			return nil, errors.Join(errNoQuota, err)
		}
	}
	return &quota{v1: group}, nil
}

func micros(n int64) string { return strconv.FormatInt(n, 10) }

// cpuDir is this process' own directory of the version 1 cpu controller.
func cpuDir() (string, bool) {
	mounts, own := readCgroups()
	path, ok := cgroupPath(own, "cpu")
	for _, m := range mounts {
		if ok && !m.unified && contains(m.controllers, "cpu") {
			return m.directory(path), true
		}
	}
	return "", false
}

// admit moves every process of the run into the group. They wait at the gate,
// so that none of them forks meanwhile.
func (q *quota) admit(r *Run) error {
	if q.v1 == nil { // started in it
		return nil
	}
	for i := range r.arena.procs {
		pid := atomic.LoadUint32(&r.arena.procs[i].pid)
		if err := os.WriteFile(filepath.Join(q.v1.dir, "cgroup.procs"), []byte(strconv.Itoa(int(pid))), 0); err != nil {
			return fmt.Errorf("CPU quota of process %d: %w", pid, err)
		}
	}
	return nil
}

func (q *quota) remove() {
	if q.v1 != nil {
		q.v1.remove()
	}
}
