package inspect

import "taskscope/inspect/internal/proc"

// readLimits reads limits and what of them is used. all: the snapshot holds
// every process, so that those of one user can be counted.
func (f *focusRead) readLimits(all bool) {
	list, err := f.r.cold.Limits(f.p.ID.PID)
	if err != nil {
		f.d.Limits = Unknown[[]Limit](whyHost(err))
		return
	}
	out := make([]Limit, len(list))
	for i, l := range list {
		out[i] = Limit{Name: l.Name, Soft: l.Soft, Hard: l.Hard, Unit: l.Unit, Used: f.used(l.Name, all)}
	}
	f.d.Limits = Know(out)
}

// used is the present use of a limit.
func (f *focusRead) used(name string, all bool) Known[uint64] {
	p, st := f.p, &f.status
	switch name {
	case "max_cpu_time":
		t := p.CPUTimeNS
		t.V /= 1e9
		return t
	case "max_data_size":
		return p.DataBytes
	case "max_stack_size":
		return p.StackBytes
	case "max_resident_set":
		return p.RSSBytes
	case "max_address_space":
		return p.VSizeBytes
	case "max_locked_memory":
		return line(st, proc.StatusVmLck, st.VmLck)
	case "max_pending_signals":
		return line(st, proc.StatusSigQ, st.SigQ)
	case "max_open_files":
		return f.openFiles()
	case "max_processes":
		if all {
			return tasksOf(f.s, p.UID)
		}
		return Unknown[uint64](NotRead)
	}
	return Unknown[uint64](NotSupported) // of the others the kernel tells no use
}

func (f *focusRead) openFiles() Known[uint64] {
	if files, ok := f.d.Files.Get(); ok && len(files) < maxFiles {
		return Know(uint64(len(files)))
	}
	if n, ok := f.p.FDs.Get(); ok {
		return Know(uint64(n))
	}
	return Unknown[uint64](f.d.Files.Why)
}

// tasksOf counts the threads of all processes of a user, which is what the
// kernel's limit on processes counts.
func tasksOf(s *Snapshot, uid Known[uint32]) Known[uint64] {
	if !uid.OK() {
		return Unknown[uint64](uid.Why)
	}
	n := uint64(0)
	for _, p := range s.Processes {
		switch {
		case !p.UID.OK():
			return Unknown[uint64](p.UID.Why)
		case p.UID.V == uid.V:
			n += uint64(max(0, p.ThreadCount.Or(0)))
		}
	}
	return Know(n)
}
