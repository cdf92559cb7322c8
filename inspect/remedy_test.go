package inspect

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRemedy(t *testing.T) {
	all := ^uint64(0)
	bit := func(b uint) uint64 { return 1 << b }
	for _, tc := range []struct {
		name string
		g    grant
		want string
	}{
		{"nobody", grant{bounding: all, path: "/usr/bin/taskscope"}, "sudo setcap cap_perfmon,cap_bpf+ep /usr/bin/taskscope"},
		{
			"what the file gives already is kept",
			grant{bounding: all, permitted: bit(unix.CAP_SYS_PTRACE) | bit(unix.CAP_BPF), path: "/x"},
			"sudo setcap cap_sys_ptrace,cap_perfmon,cap_bpf+ep /x",
		},
		{"root has its own", grant{bounding: all, permitted: bit(unix.CAP_SYS_PTRACE), root: true, path: "/x"}, "sudo setcap cap_perfmon,cap_bpf+ep /x"},
		{"a name for the shell", grant{bounding: all, path: "/a b/it's"}, `sudo setcap cap_perfmon,cap_bpf+ep '/a b/it'\''s'`},
		{"a container", grant{bounding: all &^ bit(unix.CAP_BPF), path: "/x"}, "start taskscope, or its container, with CAP_BPF in the bounding set"},
		{"no new privileges", grant{bounding: all, noNewPrivs: true}, "start taskscope without no_new_privs, as root"},
		{"nosuid", grant{bounding: all, noSetuid: true}, "run as root, or copy taskscope to a file system not mounted nosuid and use setcap there"},
		{"a user namespace", grant{bounding: all, userNS: true, noNewPrivs: true}, "run in the initial user namespace"},
		{
			"refused by something else",
			grant{bounding: all, permitted: all, root: true},
			"the capabilities are there: allow it in the seccomp filter, security module or control group that refuses it",
		},
	} {
		got, needs := tc.g.remedy(remedy{caps: "cap_bpf,cap_perfmon"})
		if got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
		// They are named where they can be given, and only there.
		if want := []string{"cap_perfmon", "cap_bpf"}; slices.Equal(needs, want) != strings.HasPrefix(got, "sudo setcap ") {
			t.Errorf("%s: needs %q, and %s", tc.name, needs, got)
		}
	}
}

// TestRemedyOtherWays: another change helps where capabilities do not.
func TestRemedyOtherWays(t *testing.T) {
	free, closed := grant{bounding: ^uint64(0), path: "/x"}, grant{bounding: ^uint64(0), userNS: true}
	for _, tc := range []struct {
		name  string
		g     grant
		would remedy
		want  string
	}{
		{"a change only", free, remedy{change: "boot with psi=1"}, "boot with psi=1"},
		{"the narrower of two", free, remedy{caps: "cap_sys_ptrace", change: showAll}, "sudo setcap cap_sys_ptrace+ep /x"},
		{"the one of two that helps", closed, remedy{caps: "cap_sys_ptrace", change: showAll}, showAll},
		{"nothing", free, remedy{}, ""},
	} {
		got, needs := tc.g.remedy(tc.would)
		if got != tc.want || (len(needs) > 0) != strings.Contains(tc.want, "setcap") {
			t.Errorf("%s: %q, needs %q", tc.name, got, needs)
		}
	}
}

// TestOneCommand: one command gives what all rows need, and nothing else.
func TestOneCommand(t *testing.T) {
	rows := []Capability{
		{ID: "there", State: Available},
		{ID: "smaps", State: Absent, Needs: []string{"cap_sys_ptrace"}},
		{ID: "psi", State: Absent, Remedy: "boot with psi=1"},
		{ID: "trace", State: Absent, Needs: []string{"cap_perfmon", "cap_bpf"}},
		{ID: "source", State: Absent, Needs: []string{"cap_perfmon", "cap_bpf"}},
	}
	g := grant{bounding: ^uint64(0), permitted: 1 << unix.CAP_NET_ADMIN, path: "/a b"}
	command, why, gives := g.all(rows)
	if want := "sudo setcap cap_net_admin,cap_sys_ptrace,cap_perfmon,cap_bpf+ep '/a b'"; command != want || why != "" {
		t.Errorf("%s (%s), want %s", command, why, want)
	}
	if want := []string{"smaps", "trace", "source"}; !slices.Equal(gives, want) {
		t.Errorf("gives %q, want %q", gives, want)
	}
	if len(rows[3].Needs) != 2 || rows[3].Needs[0] != "cap_perfmon" {
		t.Errorf("the rows were changed: %q", rows[3].Needs)
	}
	if command, why, gives := g.all(rows[:1]); command != "" || why == "" || gives != nil {
		t.Errorf("nothing is missing, and yet: %q %q %q", command, why, gives)
	}
}

func TestGrantOfStatus(t *testing.T) {
	g := grant{bounding: 1}
	g.readStatus("Name:\tx\nCapPrm:\t000000c000000000\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t1\n")
	if g.permitted != 1<<unix.CAP_BPF|1<<unix.CAP_PERFMON || g.bounding != 0xa80425fb || !g.noNewPrivs {
		t.Errorf("%+v", g)
	}
	own := ownGrant()
	if exe, err := os.Executable(); err != nil || own.path != exe || own.root != (os.Geteuid() == 0) {
		t.Errorf("%+v", own)
	}
	for _, c := range capNames {
		if r, _ := own.remedy(remedy{caps: c.name}); r == "" || strings.ContainsAny(r, "\n%") {
			t.Errorf("%s: %q", c.name, r)
		}
	}
}
