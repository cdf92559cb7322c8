package inspect

import (
	"context"
	"slices"
	"time"

	"taskscope/inspect/internal/proc"
)

// focused is what is remembered of the process in focus from pass to pass.
type focused struct {
	id       ID
	segments []Segment
	memory   Memory
	why      Why
	at       int64         // when the segments were read
	cost     time.Duration // what that took
}

// segmentPause is how much longer than reading the segments took we wait before
// reading them again: walking the memory of a large process makes its mmap
// calls wait.
const segmentPause = 20

// focus reads the Detail of the process in focus. Nothing of it can hold up
// the pass for longer than the pool's limit.
func (r *Reader) focus(ctx context.Context, s *Snapshot, q Request) {
	i := s.Index(q.Focus)
	if i < 0 {
		return
	}
	p := s.Processes[i]
	d := &Detail{ID: p.ID, SegmentsWhy: NotRead, Memory: Memory{Why: NotRead}, Migrations: Unknown[map[int]uint64](NotRead), Pressure: Unknown[GroupPressure](NotRead)}
	s.Detail = d
	f := &focusRead{r: r, ctx: ctx, s: s, p: p, d: d, alive: livingThread(p)}
	if q.Detail&DetailWaits != 0 && p.Threads != nil {
		p = f.readWaits()
		f.p, s.Processes[i] = p, p
	}
	if q.Detail&DetailSegments != 0 {
		f.readSegments()
		if p.Threads != nil {
			f.p.Threads = withStackStart(f.p.Threads, d.Segments, q.Detail&DetailWaits != 0)
		}
	}
	if q.Detail&DetailCredentials != 0 || q.Detail&DetailLimits != 0 {
		f.readStatus()
	}
	if q.Detail&DetailFiles != 0 {
		f.readFiles()
	}
	if q.Detail&DetailLimits != 0 {
		f.readLimits(q.Only == nil)
	}
	if q.Detail&DetailNamespaces != 0 {
		f.readNamespaces()
	}
	if q.Detail&DetailEnviron != 0 {
		f.readEnviron()
	}
	if q.Detail&DetailSched != 0 {
		f.readSched()
	}
	if q.Detail&DetailPressure != 0 {
		f.readPressure()
	}
}

// focusRead is one reading of a Detail.
type focusRead struct {
	r      *Reader
	ctx    context.Context
	s      *Snapshot
	p      *Process
	d      *Detail
	alive  int // PID, or a living thread of a zombie leader
	status proc.Status
}

// livingThread is the thread through whose files the process is still to be
// seen when its leader has exited.
func livingThread(p *Process) int {
	if p.LeaderState == 'Z' {
		for i := range p.Threads {
			if s := p.Threads[i].State; s != 'Z' && s != 'X' {
				return p.Threads[i].ID.TID
			}
		}
	}
	return p.ID.PID
}

// why is the reason behind an error; what a process without memory does not
// have, it does not lack.
func (f *focusRead) why(file proc.File, err error) Why {
	why := f.r.own.whyNot(file, err)
	if why == NotSupported || why == Gone {
		if lack := lacksMemory(f.p, f.alive); lack != NotSupported {
			return lack
		}
	}
	return why
}

func (f *focusRead) readStatus() {
	err := f.r.direct.Status(f.alive, &f.status)
	st := &f.status
	if err != nil {
		*st = proc.Status{}
	}
	why := f.why(proc.FileStatus, err)
	d := f.d
	d.UIDs = lineOr(st, proc.StatusUid, [4]uint32(st.UID), why)
	d.GIDs = lineOr(st, proc.StatusGid, [4]uint32(st.GID), why)
	d.Groups = lineOr(st, proc.StatusGroups, slices.Clone(st.Groups), why)
	d.OOMScore = f.number(proc.FileOOMScore)
	d.OOMAdj = f.number(proc.FileOOMScoreAdj)
	d.Autogroup = f.line(proc.FileAutogroup)
	d.Cgroups = f.lines(proc.FileCgroup)
	d.Cwd, d.Root = f.link(proc.FileCwd), f.link(proc.FileRoot)
}

// link reads a link, which can block while the target is in execve.
func (f *focusRead) link(file proc.File) Known[string] {
	text, err := proc.Do(f.ctx, f.r.pool, f.alive, file, func(r *proc.Reader) (string, error) {
		return r.Link(f.alive, file)
	})
	return Known[string]{V: text, Why: f.why(file, err)}
}

func (f *focusRead) readEnviron() {
	env, err := proc.Do(f.ctx, f.r.pool, f.alive, proc.FileEnviron, func(r *proc.Reader) ([]string, error) {
		env, _, err := r.Environ(f.alive)
		return env, err
	})
	f.d.Environ = Known[[]string]{V: env, Why: f.why(proc.FileEnviron, err)}
}

// namespaceNames are the entries of ns/, in alphabetical order.
var namespaceNames = [...]string{
	"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts",
}

func (f *focusRead) readNamespaces() {
	list, err := proc.Do(f.ctx, f.r.pool, f.alive, proc.FileNS, func(r *proc.Reader) ([]Namespace, error) {
		var out []Namespace
		var last error
		for _, name := range namespaceNames {
			text, err := r.SubLink(f.alive, proc.FileNS, name)
			if err != nil {
				last = err
				continue
			}
			if inode, ok := linkNumber(text); ok {
				out = append(out, Namespace{Type: name, Inode: inode})
			}
		}
		if out != nil {
			last = nil // a kernel without one kind of namespace lacks its entry
		}
		return out, last
	})
	f.d.Namespaces = Known[[]Namespace]{V: list, Why: f.why(proc.FileNS, err)}
}
