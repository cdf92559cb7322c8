package inspect

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"taskscope/inspect/internal/proc"
)

// GroupPressure is how long tasks of one control group of version 2 had to wait
// for memory, since the group was made.
type GroupPressure struct {
	Path    string // in the hierarchy; "/" is the whole machine, as far as we see it
	Members []int  // PIDs of its processes; those of groups below it are not among them
	// StallNS is the time in which at least one of its tasks waited: the total of
	// the line "some" of memory.pressure.
	StallNS uint64
}

// readPressure reads memory.pressure and cgroup.procs of the process' group.
func (f *focusRead) readPressure() {
	if !f.r.fs.Live() { // its groups are not those that are mounted here
		f.d.Pressure = Unknown[GroupPressure](SourceLacks)
		return
	}
	b, err := f.r.direct.File(f.alive, proc.FileCgroup)
	var groups []proc.Cgroup
	if err == nil {
		groups, err = proc.ParseCgroup(b)
	}
	if err != nil {
		f.d.Pressure = Unknown[GroupPressure](f.why(proc.FileCgroup, err))
		return
	}
	mounts, err := f.r.fs.ReadRoot("self/mountinfo")
	if err != nil {
		f.d.Pressure = Unknown[GroupPressure](whyHost(err))
		return
	}
	for _, g := range groups {
		if g.Hierarchy != 0 || g.Deleted {
			continue
		}
		if dir, ok := unifiedDir(string(mounts), g.Path); ok {
			f.d.Pressure = groupPressure(dir, g.Path)
			return
		}
	}
	f.d.Pressure = Unknown[GroupPressure](NotSupported)
}

// unifiedDir is where a group of version 2 is seen, by the text of mountinfo.
func unifiedDir(mountinfo, path string) (string, bool) {
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) == 0 || g[0] != "cgroup2" {
			continue
		}
		if rel, err := filepath.Rel(f[3], path); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return filepath.Join(f[4], rel), true
		}
	}
	return "", false
}

func groupPressure(dir, path string) Known[GroupPressure] {
	text, err := os.ReadFile(filepath.Join(dir, "memory.pressure"))
	if err != nil {
		return Unknown[GroupPressure](whyHost(err))
	}
	stall, ok := pressureTotal(text)
	if !ok {
		return Unknown[GroupPressure](Malformed)
	}
	g := GroupPressure{Path: path, StallNS: stall}
	if text, err = os.ReadFile(filepath.Join(dir, "cgroup.procs")); err != nil {
		return Unknown[GroupPressure](whyHost(err))
	}
	for l := range bytes.Lines(text) {
		pid, err := strconv.Atoi(string(bytes.TrimSpace(l)))
		if err != nil {
			return Unknown[GroupPressure](Malformed)
		}
		g.Members = append(g.Members, pid)
	}
	return Know(g)
}

// pressureTotal finds the total, in microseconds, of the line
// "some avg10=0.00 avg60=0.00 avg300=0.00 total=74567", and gives nanoseconds.
func pressureTotal(text []byte) (uint64, bool) {
	for l := range bytes.Lines(text) {
		f := bytes.Fields(l)
		if len(f) == 0 || string(f[0]) != "some" {
			continue
		}
		for _, word := range f[1:] {
			if v, ok := bytes.CutPrefix(word, []byte("total=")); ok {
				n, err := strconv.ParseUint(string(v), 10, 54)
				return n * 1000, err == nil
			}
		}
	}
	return 0, false
}
