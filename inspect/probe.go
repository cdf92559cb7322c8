package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/bpf"
	"taskscope/inspect/internal/proc"
)

// Capability is one thing the kernel may or may not let us do.
type Capability struct {
	ID     string // "proc_smaps_other_users"
	Title  string
	State  string // available, absent, unknown
	Reason string // why not, in words
	Remedy string // the one command or change that would give it alone
	// Needs are the capabilities, as setcap(8) names them, that would give it
	// when the file of the program had them; nil where they would not help.
	Needs []string
}

// Report is what the kernel lets this program do.
type Report struct {
	Capabilities []Capability // all that are known, in a fixed order
	// Grant is the one command that gives whatever a capability of the program's
	// file would give: the Needs of all, and what the file has already. Without
	// anything to give, or no way to, it is "" and NoGrant says why.
	Grant, NoGrant string
	Gives          []string // the IDs of what it gives
}

// The states of a Capability.
const (
	Available     = "available"
	Absent        = "absent"
	UnknownState  = "unknown"
	maxCandidates = 16
)

// Probe tries each capability by doing it, on procRoot ("/proc" when empty).
// It leaves nothing changed. The list is complete, in a fixed order, also when
// ctx ends early: what was not tried is unknown.
func Probe(ctx context.Context, procRoot string) *Report {
	p := &prober{ctx: ctx}
	fs, err := proc.Open(procRoot)
	if err == nil {
		p.fs = fs
		p.pool = proc.NewPool(fs, proc.PoolOptions{})
		p.findOthers()
	}
	rep := &Report{Capabilities: make([]Capability, 0, len(probes))}
	own := ownGrant()
	for _, pr := range probes {
		c := Capability{ID: pr.id, Title: pr.title, State: UnknownState}
		switch {
		case ctx.Err() != nil:
			c.Reason = "not tried: " + ctx.Err().Error()
		case err != nil:
			c.Reason = err.Error()
		default:
			var would remedy
			c.State, c.Reason, would = pr.try(p)
			c.Remedy, c.Needs = own.remedy(would)
		}
		rep.Capabilities = append(rep.Capabilities, c)
	}
	rep.Grant, rep.NoGrant, rep.Gives = own.all(rep.Capabilities)
	if fs != nil && p.pool.Close() == nil {
		fs.Close()
	}
	return rep
}

// attempt is a probe: what came of it, why not, what would give it.
type attempt = func(p *prober) (state, reason string, would remedy)

// probes are all capabilities, in the order in which they are shown.
var probes = []struct {
	id, title string
	try       attempt
}{
	{"all_processes", "see the processes of all users", (*prober).allProcesses},
	{"proc_smaps_own", "memory segments of own processes", (*prober).ownSmaps},
	{"proc_smaps_other_users", "memory segments and PSS of other users' processes", others(proc.FileSmaps, "cap_sys_ptrace")},
	{"proc_io_other_users", "storage traffic of other users' processes", others(proc.FileIO, "cap_sys_ptrace,cap_dac_read_search")},
	{"proc_fd_other_users", "open files of other users' processes", others(proc.FileFD, "cap_sys_ptrace,cap_dac_read_search")},
	{"proc_syscall_other_users", "system call and stack pointer of other users' threads", others(proc.FileSyscall, "cap_sys_ptrace,cap_dac_read_search")},
	{"proc_stack", "kernel stacks", (*prober).kernelStack},
	{"schedstat", "time running and time ready of threads", (*prober).schedstat},
	{"cpu_clock", "CPU time in nanoseconds", (*prober).cpuClock},
	{"taskstats", "exact context switches over exited threads", (*prober).taskstats},
	{"bpf", "use BPF at all", (*prober).bpf},
	{"bpf_source", "read all tasks through BPF", (*prober).bpfSource},
	{"bpf_totals", "exact context switches over exited threads, through BPF", (*prober).bpfTotals},
	{"bpf_trace", "trace the scheduler: every switch and wake-up", (*prober).bpfTrace},
	{"pidfd", "act on a process without hitting another", (*prober).pidfd},
	{"psi", "pressure stall information", (*prober).psi},
	{"delay_accounting", "delays by block I/O and swapping", (*prober).delayAccounting},
	{"cgroup_v2", "control groups version 2", (*prober).cgroup2},
	{"nice_raise", "favour a process (negative nice values)", (*prober).raiseNice},
	{"realtime", "real-time scheduling policies", (*prober).realtime},
	{"cpus", "more than one CPU to run on", (*prober).cpus},
}

// prober is what the probes share.
type prober struct {
	ctx    context.Context
	fs     *proc.FS
	pool   *proc.Pool
	others []int // user processes that are not ours
	hidden bool  // some are not listed, or listed and not readable
	types  bpf.Types
}

// findOthers looks for processes of other users; where everything belongs to
// one user, for any that we have not started.
func (p *prober) findOthers() {
	r := p.fs.NewReader()
	pids, err := r.PIDs(nil)
	if err != nil {
		return
	}
	self := unix.Getpid()
	p.hidden = !slices.Contains(pids, 1)
	var mine []int
	for _, pid := range pids {
		var st proc.Status
		err := r.Status(pid, &st)
		switch {
		case errors.Is(err, proc.ErrDenied):
			p.hidden = true
			continue
		case err != nil || st.Kthread || st.State == 'Z' || !st.Has(proc.StatusVmSize) || pid == self:
			continue
		}
		if int(st.UID[1]) != unix.Geteuid() {
			p.others = append(p.others, pid)
		} else if st.PPid != self {
			mine = append(mine, pid)
		}
	}
	if unix.Geteuid() == 0 && len(p.others) == 0 {
		p.others = mine
	}
	p.others = p.others[:min(len(p.others), maxCandidates)]
}

// readable tries to read a file of a process, but not for long.
func (p *prober) readable(pid int, f proc.File) error {
	_, err := proc.Do(p.ctx, p.pool, pid, f, func(r *proc.Reader) (struct{}, error) {
		var err error
		if f == proc.FileFD {
			_, err = r.FDs(nil, pid)
		} else {
			_, err = r.File(pid, f)
		}
		return struct{}{}, err
	})
	return err
}

// others tries a file of other users' processes: one that can be read is enough
// (a security module may protect single ones even from root).
func others(f proc.File, caps string) attempt {
	return func(p *prober) (string, string, remedy) {
		if len(p.others) == 0 && p.hidden {
			return Absent, "procfs is mounted with hidepid: processes of other users are hidden", remedy{caps: caps, change: showAll}
		}
		if len(p.others) == 0 {
			return UnknownState, "no process of another user runs or is visible", remedy{}
		}
		denied := false
		for _, pid := range p.others {
			err := p.readable(pid, f)
			if err == nil {
				return Available, "", remedy{}
			}
			denied = denied || errors.Is(err, proc.ErrDenied)
		}
		if !denied {
			return UnknownState, fmt.Sprintf("no %s of another user's process could be read", f), remedy{}
		}
		why := ownPowers().denied(f)
		text := why.Text()
		switch {
		case why != Denied:
		case bpf.InUserNamespace():
			text += ": the capabilities of a user namespace do not count for it"
		default:
			text += " in spite of the capabilities"
		}
		return Absent, text, remedy{caps: caps}
	}
}

func (p *prober) ownSmaps() (string, string, remedy) {
	return verdict(p.readable(unix.Getpid(), proc.FileSmaps), remedy{})
}

// verdict turns the error of an attempt into the outcome.
func verdict(err error, would remedy) (string, string, remedy) {
	switch proc.Classify(err) {
	case proc.ClassOK:
		return Available, "", remedy{}
	case proc.ClassDenied:
		return Absent, Denied.Text(), would
	case proc.ClassAbsent, proc.ClassGone:
		return Absent, NotSupported.Text(), would
	}
	return UnknownState, err.Error(), remedy{}
}

func (p *prober) allProcesses() (string, string, remedy) {
	switch _, err := p.fs.NewReader().PIDs(nil); {
	case err != nil:
		return verdict(err, remedy{})
	case p.hidden:
		return Absent, "procfs is mounted with hidepid: processes of other users are hidden", remedy{caps: "cap_sys_ptrace", change: showAll}
	}
	return Available, "", remedy{}
}

func (p *prober) kernelStack() (string, string, remedy) {
	state, reason, _ := verdict(p.readable(unix.Getpid(), proc.FileStack), remedy{})
	if state == Absent && reason == Denied.Text() {
		return Absent, ownPowers().denied(proc.FileStack).Text(), remedy{caps: "cap_sys_admin"}
	}
	return state, reason, remedy{}
}

func (p *prober) schedstat() (string, string, remedy) {
	return verdict(p.readable(unix.Getpid(), proc.FileSchedstat), remedy{change: "a kernel built with CONFIG_SCHED_INFO"})
}

func (p *prober) cpuClock() (string, string, remedy) {
	if !p.fs.Live() {
		return Absent, "the procfs in use is not of this PID namespace", remedy{}
	}
	_, err := proc.CPUClock(unix.Getpid())
	return verdict(err, remedy{})
}
