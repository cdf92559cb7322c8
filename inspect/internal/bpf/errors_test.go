package bpf

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func TestExplain(t *testing.T) {
	tests := []struct {
		err        error
		want       Reason
		conclusive bool
	}{
		{fmt.Errorf("create map: %w (MEMLOCK may be too low)", unix.EPERM), NotPermitted, true},
		{unix.ENOSYS, NotSupported, true},
		{fmt.Errorf("link: %w", unix.EINVAL), NotSupported, true},
		{ebpf.ErrNotSupported, NotSupported, true},
		{&ebpf.VerifierError{Cause: unix.EACCES, Log: []string{"bad"}}, NotSupported, true},
		{unix.ENOMEM, Failed, false},
		{io.EOF, Failed, false},
	}
	for _, tt := range tests {
		var e *Error
		if err := explain("load", tt.err); !errors.As(err, &e) {
			t.Errorf("%v: no *Error", tt.err)
			continue
		}
		if lockedDown() && tt.want != Failed {
			continue
		}
		if e.Reason != tt.want || e.Conclusive() != tt.conclusive || e.Op != "load" {
			t.Errorf("%v: %+v", tt.err, *e)
		}
		if s := e.Error(); strings.Contains(s, "\n") || !strings.HasPrefix(s, "load: "+tt.want.String()) || strings.Contains(s, "MEMLOCK") {
			t.Errorf("%v: says %q", tt.err, s)
		}
	}
	if explain("load", nil) != nil {
		t.Error("an error out of nothing")
	}
	inner := &Error{Reason: Mismatch, Op: "inner"}
	if got := explain("outer", fmt.Errorf("wrapped: %w", inner)); !errors.Is(got, inner) {
		t.Errorf("explained twice: %v", got)
	}
	var e *Error
	if !errors.As(missingBTF(fs.ErrNotExist), &e) || e.Reason != NoBTF {
		t.Errorf("no BTF: %+v", e)
	}
	for r := Failed; r <= Mismatch; r++ {
		if r.String() == "" || strings.HasPrefix(r.String(), "reason ") {
			t.Errorf("reason %d has no text", r)
		}
	}
}

func TestMissingCaps(t *testing.T) {
	tests := []struct {
		eff  string
		want []string
	}{
		{"0000000000000000", []string{"CAP_BPF is missing", "CAP_PERFMON is missing"}},
		{"0000008000000000", []string{"CAP_PERFMON is missing"}},
		{"0000004000000000", []string{"CAP_BPF is missing"}},
		{"000000c000000000", nil},
		{"0000000000200000", nil}, // CAP_SYS_ADMIN stands for both
		{"none", nil},
	}
	for _, tt := range tests {
		status := "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t" + tt.eff + "\nCapBnd:\t0\n"
		if got := missingCaps(status); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.eff, got, tt.want)
		}
	}
	if missingCaps("") != nil {
		t.Error("a verdict out of nothing")
	}
}

func TestParseSelf(t *testing.T) {
	stat := []byte("12 (a) b (c) S 5 12 12 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 1 0 777 1 2 3")
	status := "Name:\tx\nnonvoluntary_ctxt_switches:\t9\nvoluntary_ctxt_switches:\t41\n"
	got, err := parseSelf(stat, status)
	if want := (selfFacts{5, 777, 41}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "12 (x", "12 (x) S 5", "12 (x) S y" + strings.Repeat(" 1", 30)} {
		if _, err := parseSelf([]byte(bad), status); err == nil {
			t.Errorf("%q understood", bad)
		}
	}
	if _, err := parseSelf(stat, "Name:\tx\n"); err == nil {
		t.Error("status without switches understood")
	}
}

func TestParseBoottimeOffset(t *testing.T) {
	tests := []struct {
		text string
		want int64
		ok   bool
	}{
		{"monotonic           0         0\nboottime            0         0\n", 0, true},
		{"monotonic 1 2\nboottime -3 500000000\n", -2_500_000_000, true},
		{"1 0 0\n7 86400 1\n", 86_400_000_000_001, true},
		{"monotonic 0 0\n", 0, false},
		{"boottime x 0\n", 0, false},
	}
	for _, tt := range tests {
		if got, err := parseBoottimeOffset(tt.text); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: %d, %v", tt.text, got, err)
		}
	}
}

func TestCompareSelf(t *testing.T) {
	good := Task{
		TGID: uint32(unix.Getpid()), PPID: 3, Start: 70_000_000, NVCSw: 5,
		UID: uint32(unix.Getuid()), EUID: uint32(unix.Geteuid()),
	}
	facts := selfFacts{ppid: 3, startTicks: 7, voluntary: 5}
	if err := compareSelf("x", &good, facts, facts); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Task){
		"process": func(t *Task) { t.TGID++ }, "parent": func(t *Task) { t.PPID++ },
		"start": func(t *Task) { t.Start += nsPerTick }, "switches": func(t *Task) { t.NVCSw++ }, "uid": func(t *Task) { t.EUID++ },
	} {
		bad := good
		spoil(&bad)
		var e *Error
		if err := compareSelf("x", &bad, facts, facts); !errors.As(err, &e) || e.Reason != Mismatch || !strings.Contains(e.Detail, name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCapabilities opens everything as an unprivileged user with each set of
// capabilities: with both it must work, else the reason must name what lacks.
func TestCapabilities(t *testing.T) {
	openSource(t)
	openTotals(t)
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	exe := exportSelf(t)
	for _, tt := range []struct {
		name string
		caps []uintptr
		lack []string
	}{
		{"none", nil, []string{"CAP_BPF is missing", "CAP_PERFMON is missing"}},
		{"bpf", []uintptr{unix.CAP_BPF}, []string{"CAP_PERFMON is missing"}},
		{"perfmon", []uintptr{unix.CAP_PERFMON}, []string{"CAP_BPF is missing"}},
		{"both", []uintptr{unix.CAP_BPF, unix.CAP_PERFMON}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := helperCmd("open")
			cmd.Path = exe
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
				AmbientCaps: tt.caps,
			}
			checkOpen(t, output(t, cmd), tt.lack)
		})
	}
	t.Run("root of a user namespace", func(t *testing.T) {
		cmd := helperCmd("open")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}},
		}
		checkOpen(t, output(t, cmd), []string{"in a user namespace"})
	})
}

// exportSelf copies the test binary to where another user may run it.
func exportSelf(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bpf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "bpf.test")
	if err := errors.Join(os.WriteFile(exe, b, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return exe
}

type runner interface{ Output() ([]byte, error) }

func output(t *testing.T, cmd runner) []byte {
	t.Helper()
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("cannot run as somebody else: %v", err)
	}
	return out
}

// checkOpen judges what the helper "open" says.
func checkOpen(t *testing.T, out []byte, lack []string) {
	t.Helper()
	lines := 0
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); lines++ {
		what, how, _ := strings.Cut(sc.Text(), " ")
		if lack == nil {
			if how != "ok" {
				t.Errorf("%s: %s", what, how)
			}
			continue
		}
		reason, text, _ := strings.Cut(how, " ")
		if reason != fmt.Sprint(int(NotPermitted)) {
			t.Errorf("%s: %s", what, how)
		}
		text, remedy, _ := strings.Cut(text, " | ")
		for _, l := range lack {
			if !strings.Contains(text, l) {
				t.Errorf("%s: %q does not say %q", what, text, l)
			}
		}
		if remedy == "" {
			t.Errorf("%s: no remedy", what)
		}
	}
	if lines != 3 {
		t.Errorf("%d answers:\n%s", lines, out)
	}
}
