package bpf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ErrNoProcess: there is no such process (any more) in our PID namespace, or
// the iterator does not show it.
var ErrNoProcess = errors.New("no such process")

// ErrClosed: the source or tracer has been closed.
var ErrClosed = errors.New("closed")

// ErrUnsettled: threads of the process exited during every one of the tries,
// so that no consistent sum could be read. Trying again later may succeed.
var ErrUnsettled = errors.New("threads exit faster than they can be summed")

// Reason says why BPF is not available. All but Failed are conclusive: trying
// again gives the same answer until somebody changes the system.
type Reason uint8

// The reasons.
const (
	Failed       Reason = iota // any other error: inconclusive
	NoObject                   // no object for this architecture
	NoBTF                      // kernel without type information
	NotPermitted               // EPERM: capabilities, user namespace, LSM
	Lockdown                   // kernel lockdown forbids reading kernel memory
	NotSupported               // kernel lacks a program type, helper or field, or its verifier refuses
	Mismatch                   // it runs, but our own record contradicts /proc/self
)

var reasonText = [...]string{
	Failed:       "failed",
	NoObject:     "no BPF object for this architecture",
	NoBTF:        "the kernel has no type information (/sys/kernel/btf/vmlinux)",
	NotPermitted: "not permitted",
	Lockdown:     "kernel lockdown is in confidentiality mode",
	NotSupported: "not supported by this kernel",
	Mismatch:     "the records contradict /proc",
}

// String is the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasonText) {
		return reasonText[r]
	}
	return "reason " + strconv.Itoa(int(r))
}

// Error is why something of this package could not be started.
type Error struct {
	Reason Reason
	Op     string // the step that failed: "load tasks"
	Detail string // what is known beyond the reason: "CAP_BPF is missing"
	Err    error  // the cause, may be nil
}

// Error gives step, reason, detail and cause in one line.
func (e *Error) Error() string {
	s := e.Op + ": " + e.Reason.String()
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	if e.Err != nil {
		s += ": " + firstLine(e.Err.Error())
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Conclusive reports whether asking again would give the same answer.
func (e *Error) Conclusive() bool { return e.Reason != Failed }

// Remedy is what would make it work, "" when nothing simple would.
func (e *Error) Remedy() string {
	switch e.Reason {
	case NotPermitted:
		if inUserNamespace() {
			return "run in the initial user namespace"
		}
		return "run as root, or: setcap cap_bpf,cap_perfmon+ep taskscope"
	case NoBTF:
		return "a kernel built with CONFIG_DEBUG_INFO_BTF"
	case Lockdown:
		return "boot without lockdown=confidentiality"
	case NotSupported:
		return "a newer kernel"
	case Failed, NoObject, Mismatch:
	}
	return ""
}

// firstLine keeps messages to one line: the verifier's log has thousands.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// explain turns the failure of a step into an *Error.
func explain(op string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	e := &Error{Op: op, Err: err}
	var refused *ebpf.VerifierError
	switch {
	case lockedDown() && (errors.Is(err, unix.EPERM) || errors.As(err, &refused)):
		e.Reason = Lockdown
	case errors.Is(err, unix.EPERM):
		// The library's hint at RLIMIT_MEMLOCK misleads since Linux 5.11.
		e.Reason, e.Detail, e.Err = NotPermitted, whyNotPermitted(), unix.EPERM
	case errors.As(err, &refused), errors.Is(err, ebpf.ErrNotSupported),
		errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		e.Reason = NotSupported
	}
	return e
}

// Bits of the capabilities, linux/capability.h.
const (
	capSysAdmin = 21
	capPerfmon  = 38
	capBPF      = 39
)

// whyNotPermitted names what is missing, from our own status.
func whyNotPermitted() string {
	var why []string
	if inUserNamespace() {
		why = append(why, "in a user namespace, where BPF is refused even to root")
	}
	if status, err := os.ReadFile("/proc/thread-self/status"); err == nil {
		why = append(why, missingCaps(string(status))...)
	}
	if v, err := os.ReadFile("/proc/sys/kernel/unprivileged_bpf_disabled"); err == nil {
		why = append(why, "kernel.unprivileged_bpf_disabled="+strings.TrimSpace(string(v)))
	}
	return strings.Join(why, ", ")
}

// missingCaps lists which of the two capabilities the CapEff line lacks.
func missingCaps(status string) []string {
	_, line, found := strings.Cut(status, "CapEff:")
	if !found {
		return nil
	}
	line, _, _ = strings.Cut(line, "\n")
	eff, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if err != nil || eff&(1<<capSysAdmin) != 0 {
		return nil
	}
	var why []string
	if eff&(1<<capBPF) == 0 {
		why = append(why, "CAP_BPF is missing")
	}
	if eff&(1<<capPerfmon) == 0 {
		why = append(why, "CAP_PERFMON is missing")
	}
	return why
}

// InUserNamespace reports whether we run in a user namespace other than the
// initial one, where no capability allows BPF.
func InUserNamespace() bool { return inUserNamespace() }

// inUserNamespace: the initial user namespace has a fixed number
// (PROC_USER_INIT_INO, linux/proc_ns.h).
func inUserNamespace() bool {
	link, err := os.Readlink("/proc/self/ns/user")
	return err == nil && link != "user:[4026531837]"
}

func lockedDown() bool {
	b, err := os.ReadFile("/sys/kernel/security/lockdown")
	return err == nil && strings.Contains(string(b), "[confidentiality]")
}

// mismatch is an *Error for a record that is not what /proc says.
func mismatch(op, format string, args ...any) error {
	return &Error{Reason: Mismatch, Op: op, Detail: fmt.Sprintf(format, args...)}
}

func missingBTF(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ebpf.ErrNotSupported) {
		return &Error{Reason: NoBTF, Op: "read kernel types", Err: err}
	}
	return explain("read kernel types", err)
}
