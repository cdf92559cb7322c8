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

// remedy is what would give something: capabilities of the program's file, in a
// list as setcap writes it, or another change, or the one as well as the other.
type remedy struct{ caps, change string }

// showAll is what undoes hidepid.
const showAll = "sudo mount -o remount,hidepid=0 /proc"

// remedy is the one command or change that would do, and the capabilities to
// give to the file where that would do.
func (g *grant) remedy(would remedy) (text string, needs []string) {
	if would.caps == "" {
		return would.change, nil
	}
	want := inOrder(strings.Split(would.caps, ","))
	refused := g.refused(want)
	switch {
	case refused == "":
		return g.command(want), want
	case would.change != "":
		return would.change, nil
	}
	return refused, nil
}

// refused is what must change before the file can give capabilities, "" when
// they only need to be given.
func (g *grant) refused(want []string) string {
	var beyond []string
	held := true
	for _, c := range capNames {
		if bit := uint64(1) << c.bit; slices.Contains(want, c.name) {
			held = held && g.permitted&bit != 0
			if g.bounding&bit == 0 {
				beyond = append(beyond, strings.ToUpper(c.name))
			}
		}
	}
	switch {
	case g.userNS:
		return "run in the initial user namespace"
	case held:
		return "the capabilities are there: allow it in the seccomp filter, security module or control group that refuses it"
	case len(beyond) > 0:
		return "start taskscope, or its container, with " + strings.Join(beyond, " and ") + " in the bounding set"
	case g.noNewPrivs:
		return "start taskscope without no_new_privs, as root"
	case g.noSetuid:
		return "run as root, or copy taskscope to a file system not mounted nosuid and use setcap there"
	}
	return ""
}

// command gives the file capabilities. It keeps what the file has given
// already, because setcap replaces it.
func (g *grant) command(want []string) string {
	for _, c := range capNames {
		if !g.root && g.permitted&(1<<c.bit) != 0 {
			want = append(slices.Clip(want), c.name)
		}
	}
	return "sudo setcap " + strings.Join(inOrder(want), ",") + "+ep " + shellWord(g.path)
}

// all is the one command that gives what any of the list needs, or why there is
// none, and the IDs of what it gives.
func (g *grant) all(list []Capability) (command, why string, gives []string) {
	var want []string
	for i := range list {
		if len(list[i].Needs) > 0 {
			want = append(want, list[i].Needs...)
			gives = append(gives, list[i].ID)
		}
	}
	if len(want) == 0 {
		return "", "nothing is absent that a capability of the program's file would give", nil
	}
	return g.command(want), "", gives
}

// inOrder are capabilities in the order of capNames, each once.
func inOrder(list []string) []string {
	var out []string
	for _, c := range capNames {
		if slices.Contains(list, c.name) {
			out = append(out, c.name)
		}
	}
	return out
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

// bpfWould is what would allow BPF where it failed.
func bpfWould(e *bpf.Error) remedy {
	if e.Reason == bpf.NotPermitted {
		return remedy{caps: "cap_perfmon,cap_bpf"}
	}
	return remedy{change: e.Remedy()}
}

// bpfRemedy is that in words, for this process.
func bpfRemedy(e *bpf.Error) string {
	own := ownGrant()
	text, _ := own.remedy(bpfWould(e))
	return text
}
