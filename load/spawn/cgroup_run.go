package spawn

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"taskscope/load"
	"taskscope/load/spawn/native"

	"golang.org/x/sys/unix"
)

// cgroupPrefix begins the directory name of a run's cgroup:
// taskscope-RUNID-PID-START, with the identity of the controller.
const cgroupPrefix = "taskscope-"

// cgroup is the version 2 directory of a run: one write kills all that is in
// it. It is one guard of several, so a machine without it loses nothing else.
type cgroup struct {
	dir   string
	fd    int // of dir
	guard int // PID of the process that removes dir if the controller is killed; 0 without one
}

// newCgroup makes the run's directory below the controller's own cgroup and
// starts its guard; nil where that is not possible.
func newCgroup(r *Run) *cgroup {
	parent, ok := unifiedDir()
	if !ok || unix.Access(parent, unix.W_OK) != nil || native.Image() == nil {
		return nil
	}
	g, err := makeCgroup(r, parent)
	if err != nil {
		return nil
	}
	if g.fd, err = unix.Open(g.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		g.remove()
		return nil
	}
	if unix.Faccessat(g.fd, "cgroup.kill", unix.W_OK, 0) != nil { // before Linux 5.14
		g.remove()
		return nil
	}
	return g
}

// makeCgroup makes a directory for a run below parent, with a guard.
func makeCgroup(r *Run, parent string) (*cgroup, error) {
	start, _ := startTime(os.Getpid())
	name := fmt.Sprintf("%s%s-%d-%s", cgroupPrefix, r.id, os.Getpid(), start)
	g := &cgroup{dir: filepath.Join(parent, name), fd: -1}
	// The guard comes first: from the directory's first moment on, somebody
	// outlives the controller to remove it.
	var err error
	if g.guard, err = startGuard(r, parent, name); err != nil {
		return nil, err
	}
	if err = os.Mkdir(g.dir, 0o755); err != nil {
		g.remove()
		return nil, err
	}
	return g, nil
}

// unifiedDir is this process' own version 2 directory.
func unifiedDir() (string, bool) {
	mounts, own := readCgroups()
	path, ok := cgroupPath(own, "")
	for _, m := range mounts {
		if ok && m.unified {
			return m.directory(path), true
		}
	}
	return "", false
}

// insideRun tells whether this process belongs to a run itself.
func insideRun() bool {
	_, own := readCgroups()
	path, _ := cgroupPath(own, "")
	return runInPath(path)
}

// runInPath tells whether a cgroup path leads through that of a run.
func runInPath(path string) bool {
	for _, name := range strings.Split(path, "/") {
		if _, _, ok := parseCgroupName(name); ok {
			return true
		}
	}
	return false
}

// startGuard executes the native image in guard mode, outside the cgroup. It
// has no parent-death signal: the parent's death is what it waits for.
func startGuard(r *Run, parent, name string) (int, error) {
	dir, err := unix.Open(parent, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(dir)
	image, err := imageFD(r.id)
	if err != nil {
		return 0, err
	}
	defer unix.Close(image)
	null := uintptr(r.fds.null)
	args := []string{"taskscope-guard", guardArg + r.id, name, controllerIdentity()}
	return execImage(image, args, &syscall.ProcAttr{
		Files: []uintptr{null, null, null, uintptr(dir), uintptr(r.fds.live)},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

// kill ends everything in the cgroup at once.
func (g *cgroup) kill() {
	_ = os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte("1"), 0) //nolint:errcheck // pidfds follow
}

// thaw lets frozen tasks run again.
func (g *cgroup) thaw() {
	_ = os.WriteFile(filepath.Join(g.dir, "cgroup.freeze"), []byte("0"), 0) //nolint:errcheck // the kill reaches frozen tasks too
}

// remove removes the directory and ends the guard, in that order: until the
// directory is gone, the controller may be killed.
func (g *cgroup) remove() {
	if g.fd >= 0 {
		unix.Close(g.fd)
		g.fd = -1
	}
	removeCgroup(g.dir)
	endGuard(g.guard)
	g.guard = 0
}

// startQueueGuard starts a guard for the message queues of a run that has no
// cgroup: their root may be killed between making and unlinking one. 0: there
// is nothing to guard, or no guard to be had.
func startQueueGuard(r *Run) int {
	hasQueue := func(o load.Object) bool { return o.Kind == load.ObjectQueue }
	if native.Image() == nil || !slices.ContainsFunc(r.plan.Objects, hasQueue) {
		return 0
	}
	pid, err := startGuard(r, "/", cgroupPrefix+"none")
	if err != nil {
		return 0
	}
	return pid
}

// endGuard ends a guard that is not needed any more; 0 is none.
func endGuard(pid int) {
	if pid > 0 {
		_ = unix.Kill(pid, unix.SIGKILL)    //nolint:errcheck // our child, not yet reaped
		_, _ = unix.Wait4(pid, nil, 0, nil) //nolint:errcheck // same
	}
}

// removeCgroup removes an empty cgroup; the kernel may need a moment after the
// last task.
func removeCgroup(dir string) bool {
	for until := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		err := unix.Rmdir(dir)
		if err == nil || err == unix.ENOENT {
			return true
		}
		if err != unix.EBUSY && err != unix.EINTR || time.Now().After(until) {
			return false
		}
	}
}

// runCgroups lists the directories of a run ("" for every run) below this
// process' own cgroups.
func runCgroups(runID string) []string {
	var list []string
	for _, find := range []func() (string, bool){unifiedDir, cpuDir} {
		parent, ok := find()
		if !ok {
			continue
		}
		found, err := filepath.Glob(filepath.Join(parent, cgroupPrefix+"*"))
		if err == nil { // the pattern is right
			list = append(list, found...)
		}
	}
	return slices.DeleteFunc(list, func(dir string) bool { return !cgroupOf(dir, runID) })
}

// cgroupOf tells whether a directory belongs to a run ("" for any).
func cgroupOf(dir, runID string) bool {
	id, _, ok := parseCgroupName(filepath.Base(dir))
	return ok && (runID == "" || id == runID)
}

// allCgroups lists the directories of a run ("" for every run) wherever they
// are: whoever sweeps may belong to another session than whoever was killed.
func allCgroups(runID string) []string {
	mounts, _ := readCgroups()
	var list []string
	for _, m := range mounts {
		if !m.unified && !contains(m.controllers, "cpu") {
			continue
		}
		_ = filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error { //nolint:errcheck // the function returns none
			if err == nil && d.IsDir() && cgroupOf(path, runID) && !slices.Contains(list, path) {
				list = append(list, path)
			}
			return nil // gone meanwhile, or not ours to read
		})
	}
	return list
}

// parseCgroupName splits taskscope-RUNID-PID-START; a run id may contain "-".
func parseCgroupName(name string) (runID string, c controller, ok bool) {
	rest, ok := strings.CutPrefix(name, cgroupPrefix)
	if !ok {
		return "", c, false
	}
	i := strings.LastIndexByte(rest, '-')
	if i < 0 {
		return "", c, false
	}
	j := strings.LastIndexByte(rest[:i], '-')
	if j <= 0 {
		return "", c, false
	}
	c, ok = parseController(rest[j+1:i] + ":" + rest[i+1:])
	return rest[:j], c, ok
}

func countCgroups(runID string) int { return len(runCgroups(runID)) }
