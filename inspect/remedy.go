package inspect

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"taskscope/inspect/internal/bpf"
)

// capNames are the capabilities that something here may need, as setcap(8)
// writes them, in its order of numbers.
var capNames = []struct {
	bit  uint
	name string
}{
	{unix.CAP_DAC_READ_SEARCH, "cap_dac_read_search"},
	{unix.CAP_NET_ADMIN, "cap_net_admin"},
	{unix.CAP_SYS_PTRACE, "cap_sys_ptrace"},
	{unix.CAP_SYS_ADMIN, "cap_sys_admin"},
	{unix.CAP_SYS_NICE, "cap_sys_nice"},
	{unix.CAP_PERFMON, "cap_perfmon"},
	{unix.CAP_BPF, "cap_bpf"},
}

// grant is what decides how this program could be given a capability.
type grant struct {
	permitted, bounding uint64
	root                bool // it has what it has as root, not from the file
	noNewPrivs          bool // what a file may grant is ignored
	noSetuid            bool // so it is on the file system of the program
	userNS              bool // not the initial one, where these capabilities count
	path                string
}

// ownGrant is that of this process.
func ownGrant() grant {
	g := grant{root: os.Geteuid() == 0, userNS: bpf.InUserNamespace(), bounding: ^uint64(0), path: "taskscope"}
	if b, err := os.ReadFile("/proc/thread-self/status"); err == nil {
		g.readStatus(string(b))
	}
	if path, err := os.Executable(); err == nil {
		g.path = path
		var st unix.Statfs_t
		g.noSetuid = unix.Statfs(path, &st) == nil && st.Flags&unix.ST_NOSUID != 0
	}
	return g
}

func (g *grant) readStatus(text string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "CapPrm":
			g.permitted, _ = strconv.ParseUint(value, 16, 64)
		case "CapBnd":
			if v, err := strconv.ParseUint(value, 16, 64); err == nil {
				g.bounding = v
			}
		case "NoNewPrivs":
			g.noNewPrivs = value == "1"
		}
	}
}

// remedy is the one command or change that gives the capabilities of a list as
// setcap writes it. The command keeps what the file has given already, because
// setcap replaces it.
func (g *grant) remedy(list string) string {
	var beyond, all []string
	want := strings.Split(list, ",")
	for _, c := range capNames {
		bit := uint64(1) << c.bit
		wanted := slices.Contains(want, c.name)
		if wanted && g.bounding&bit == 0 {
			beyond = append(beyond, strings.ToUpper(c.name))
		}
		if wanted || !g.root && g.permitted&bit != 0 {
			all = append(all, c.name)
		}
	}
	switch {
	case g.userNS:
		return "run in the initial user namespace"
	case len(beyond) > 0:
		return "start taskscope, or its container, with " + strings.Join(beyond, " and ") + " in the bounding set"
	case g.noNewPrivs:
		return "start taskscope without no_new_privs, as root"
	case g.noSetuid:
		return "run as root, or copy taskscope to a file system not mounted nosuid and use setcap there"
	}
	return "sudo setcap " + strings.Join(all, ",") + "+ep " + shellWord(g.path)
}

// shellWord is a path as a shell takes it for one word.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._+-", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// setcap is the remedy for this process.
func setcap(list string) string {
	g := ownGrant()
	return g.remedy(list)
}

// bpfRemedy is what would allow BPF where it failed.
func bpfRemedy(e *bpf.Error) string {
	if e.Reason == bpf.NotPermitted {
		return setcap("cap_perfmon,cap_bpf")
	}
	return e.Remedy()
}
