package cold

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// FS reads one mount of procfs.
type FS struct {
	root string
	fs   procfs.FS
}

// Open checks that root, "/proc" when empty, is a directory.
func Open(root string) (FS, error) {
	if root == "" {
		root = procfs.DefaultMountPoint
	}
	p, err := procfs.NewFS(root)
	if err != nil {
		return FS{}, fmt.Errorf("cold: open %s: %w", root, err)
	}
	return FS{root: root, fs: p}, nil
}

// proc finds the process, a thread that is not a leader included.
func (f FS) proc(what string, pid int) (procfs.Proc, error) {
	p, err := f.fs.Proc(pid)
	return p, f.classify(what, pid, err)
}

// IO is /proc/PID/io: bytes and calls of the whole process, exited threads
// included.
type IO struct {
	ReadChars, WriteChars uint64 // rchar, wchar: through read and write calls
	ReadCalls, WriteCalls uint64 // syscr, syscw
	ReadBytes, WriteBytes uint64 // read_bytes, write_bytes: storage
	CancelledWriteBytes   int64  // truncated before they were written
}

// IO reads io.
func (f FS) IO(pid int) (IO, error) {
	p, err := f.proc("io", pid)
	if err != nil {
		return IO{}, err
	}
	s, err := p.IO()
	if err != nil {
		return IO{}, f.classify("io", pid, err)
	}
	return IO{
		ReadChars: s.RChar, WriteChars: s.WChar, ReadCalls: s.SyscR, WriteCalls: s.SyscW,
		ReadBytes: s.ReadBytes, WriteBytes: s.WriteBytes, CancelledWriteBytes: s.CancelledWriteBytes,
	}, nil
}

// Cgroup is one line of /proc/PID/cgroup.
type Cgroup struct {
	Hierarchy   int      // 0: cgroup v2
	Controllers []string // of a v1 hierarchy
	Path        string   // without the mark of a removed cgroup
	Deleted     bool     // the cgroup was removed: the kernel appends " (deleted)"
}

// Cgroups reads cgroup.
func (f FS) Cgroups(pid int) ([]Cgroup, error) {
	p, err := f.proc("cgroup", pid)
	if err != nil {
		return nil, err
	}
	list, err := p.Cgroups()
	if err != nil {
		return nil, f.classify("cgroup", pid, err)
	}
	out := make([]Cgroup, len(list))
	for i, c := range list {
		path, deleted := strings.CutSuffix(c.Path, " (deleted)")
		out[i] = Cgroup{Hierarchy: c.HierarchyID, Controllers: c.Controllers, Path: path, Deleted: deleted}
	}
	return out, nil
}

// Namespace is one entry of /proc/PID/ns.
type Namespace struct {
	Name  string // of the entry: "pid", "pid_for_children", …
	Type  string // of the namespace: "pid" for both
	Inode uint64 // equal for all members
}

// Namespaces reads ns/, sorted by name.
func (f FS) Namespaces(pid int) ([]Namespace, error) {
	p, err := f.proc("ns", pid)
	if err != nil {
		return nil, err
	}
	m, err := p.Namespaces()
	if err != nil {
		return nil, f.classify("ns", pid, err)
	}
	out := make([]Namespace, 0, len(m))
	for name, n := range m {
		out = append(out, Namespace{Name: name, Type: n.Type, Inode: uint64(n.Inode)})
	}
	slices.SortFunc(out, func(a, b Namespace) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}
