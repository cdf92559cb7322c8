package inspect

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/taskstats"
)

func (p *prober) taskstats() (string, string, remedy) {
	c, err := taskstats.Open()
	if err != nil {
		return Absent, "no taskstats: " + err.Error(), remedy{change: "a kernel built with CONFIG_TASKSTATS"}
	}
	defer c.Close()
	complete, err := c.Complete()
	switch {
	case errors.Is(err, unix.EPERM):
		return Absent, "permission denied: needs CAP_NET_ADMIN", remedy{caps: "cap_net_admin"}
	case err != nil:
		return UnknownState, err.Error(), remedy{}
	case !complete:
		return Absent, "this kernel forgets what exited threads counted", remedy{change: "a stable kernel of late 2026"}
	}
	return Available, "", remedy{}
}

// bpf creates the smallest map there is, and lets it go.
func (p *prober) bpf() (string, string, remedy) {
	const mapCreate, mapArray = 0, 2
	attr := struct{ kind, keySize, valueSize, maxEntries, flags uint32 }{mapArray, 4, 4, 1, 0}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, mapCreate, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	switch errno {
	case 0:
		unix.Close(int(fd))
		if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
			return Absent, "the kernel has no BTF type information", remedy{change: "a kernel built with CONFIG_DEBUG_INFO_BTF"}
		}
		return Available, "", remedy{}
	case unix.EPERM, unix.EACCES:
		return Absent, "permission denied: needs CAP_BPF and CAP_PERFMON", remedy{caps: "cap_bpf,cap_perfmon"}
	case unix.ENOSYS:
		return Absent, NotSupported.Text(), remedy{change: "a kernel built with CONFIG_BPF_SYSCALL"}
	}
	return UnknownState, errno.Error(), remedy{}
}

func (p *prober) pidfd() (string, string, remedy) {
	fd, err := unix.PidfdOpen(unix.Getpid(), 0)
	if err == nil {
		err = unix.PidfdSendSignal(fd, 0, nil, 0)
		unix.Close(fd)
	}
	if err == unix.ENOSYS {
		return Absent, NotSupported.Text(), remedy{change: "Linux 5.3 or later"}
	}
	return verdict(err, remedy{})
}

func (p *prober) psi() (string, string, remedy) {
	_, err := p.fs.ReadRoot("pressure/cpu")
	return verdict(err, remedy{change: "boot with psi=1"})
}

func (p *prober) delayAccounting() (string, string, remedy) {
	would := remedy{change: "sudo sysctl kernel.task_delayacct=1"}
	b, err := p.fs.ReadRoot("sys/kernel/task_delayacct")
	if err != nil {
		return verdict(err, would)
	}
	if strings.TrimSpace(string(b)) == "0" {
		return Absent, "kernel.task_delayacct is 0", would
	}
	return Available, "", remedy{}
}

func (p *prober) cgroup2() (string, string, remedy) {
	b, err := p.fs.ReadRoot("self/mountinfo")
	if err != nil {
		return verdict(err, remedy{})
	}
	if !strings.Contains(string(b), " - cgroup2 ") {
		return Absent, "no cgroup2 file system is mounted", remedy{change: "sudo mount -t cgroup2 none /sys/fs/cgroup"}
	}
	return Available, "", remedy{}
}

// onThread runs f on a thread of its own, which ends afterwards, so that what
// f changes of it does not outlive it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

func (p *prober) raiseNice() (string, string, remedy) {
	err := onThread(func() error {
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 - nice
		if err != nil {
			return err
		}
		nice := 20 - raw
		if nice <= -20 {
			return nil // we have it already
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, nice-1); err != nil {
			return err
		}
		return unix.Setpriority(unix.PRIO_PROCESS, 0, nice)
	})
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return Absent, "permission denied: needs CAP_SYS_NICE", remedy{caps: "cap_sys_nice"}
	}
	return verdict(err, remedy{})
}

func (p *prober) realtime() (string, string, remedy) {
	err := onThread(func() error {
		old, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			return err
		}
		fifo := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
		if err := unix.SchedSetAttr(0, &fifo, 0); err != nil {
			return err
		}
		return unix.SchedSetAttr(0, old, 0)
	})
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return Absent, "permission denied: needs CAP_SYS_NICE (and a real-time share of its control group)",
			remedy{caps: "cap_sys_nice"}
	}
	return verdict(err, remedy{})
}

func (p *prober) cpus() (string, string, remedy) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return verdict(err, remedy{})
	}
	if n := set.Count(); n < 2 {
		return Absent, fmt.Sprintf("only %d CPU may be used", n), remedy{change: "taskset -p with more CPUs, or a larger machine"}
	}
	return Available, "", remedy{}
}
