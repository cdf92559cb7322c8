package proc

import (
	"bytes"
)

// Cgroup is one line of /proc/PID/cgroup.
type Cgroup struct {
	Hierarchy   int    // 0: cgroup v2
	Controllers string // of a v1 hierarchy, "name=systemd" for a named one
	// Path in the hierarchy; "/.." and below: outside the reader's cgroup
	// namespace. May contain colons.
	Path string
	// Deleted: the cgroup was removed (the text " (deleted)" is cut off; a
	// cgroup that is named so cannot be told from it).
	Deleted bool
}

var deleted = []byte(" (deleted)")

// ParseCgroup parses cgroup: one line per v1 hierarchy, and one for v2.
func ParseCgroup(b []byte) ([]Cgroup, error) {
	var out []Cgroup
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		parts := bytes.SplitN(line, []byte{':'}, 3)
		if len(parts) != 3 {
			return nil, malformed(FileCgroup, "line")
		}
		n, ok := parseUint(parts[0])
		if !ok || n > maxPID {
			return nil, malformed(FileCgroup, "hierarchy")
		}
		path, gone := bytes.CutSuffix(parts[2], deleted)
		out = append(out, Cgroup{
			Hierarchy: int(n), Controllers: string(parts[1]), Path: string(path), Deleted: gone,
		})
	}
	return out, nil
}

// Cgroup reads and parses the cgroup file of a process.
func (r *Reader) Cgroup(pid int) ([]Cgroup, error) {
	b, err := r.File(pid, FileCgroup)
	if err != nil {
		return nil, err
	}
	return ParseCgroup(b)
}
