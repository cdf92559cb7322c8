package spawn

import (
	"os"
	"path/filepath"
	"strings"
)

// cgroupMount is one mounted cgroup hierarchy.
type cgroupMount struct {
	dir         string
	root        string   // the part of the hierarchy that is mounted
	controllers []string // of version 1
	unified     bool     // version 2
}

// cgroupMounts reads the hierarchies from the text of /proc/self/mountinfo.
func cgroupMounts(mountinfo string) []cgroupMount {
	var list []cgroupMount
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 {
			continue
		}
		switch g[0] {
		case "cgroup2":
			list = append(list, cgroupMount{dir: f[4], root: f[3], unified: true})
		case "cgroup":
			list = append(list, cgroupMount{dir: f[4], root: f[3], controllers: strings.Split(g[2], ",")})
		}
	}
	return list
}

// cgroupPath finds the path of a hierarchy in the text of /proc/self/cgroup:
// of a version 1 controller, or of version 2 for "".
func cgroupPath(text, controller string) (string, bool) {
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		if controller == "" && f[0] == "0" && f[1] == "" {
			return f[2], true
		}
		for _, c := range strings.Split(f[1], ",") {
			if controller != "" && c == controller {
				return f[2], true
			}
		}
	}
	return "", false
}

// ownCgroups are the directories of this process' cgroup and its ancestors
// that can limit a controller ("pids"), version 1 and 2.
func ownCgroups(controller string) []string {
	mounts, own := readCgroups()
	var list []string
	for _, m := range mounts {
		name := controller
		if m.unified {
			name = ""
		} else if !contains(m.controllers, controller) {
			continue
		}
		path, ok := cgroupPath(own, name)
		if !ok {
			continue
		}
		for dir := m.directory(path); strings.HasPrefix(dir, m.dir); dir = filepath.Dir(dir) {
			list = append(list, dir)
			if dir == m.dir || dir == "/" {
				break
			}
		}
	}
	return list
}

// directory is where a path of the hierarchy is seen below the mount.
func (m cgroupMount) directory(path string) string {
	if rel, err := filepath.Rel(m.root, path); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.Join(m.dir, rel)
	}
	return m.dir
}

func readCgroups() ([]cgroupMount, string) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, ""
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, ""
	}
	return cgroupMounts(string(mountinfo)), string(own)
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
