package inspect

import (
	"os"
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
	} {
		if got := tc.g.remedy("cap_perfmon,cap_bpf"); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
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
		if r := own.remedy(c.name); r == "" || strings.ContainsAny(r, "\n%") {
			t.Errorf("%s: %q", c.name, r)
		}
	}
}
