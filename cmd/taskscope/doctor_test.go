package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRights: whatever the rights, all commands work, and doctor says which
// capability the tracer lacks and the one command that gives it.
func TestRights(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give rights away")
	}
	nobody := func(caps ...uintptr) *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: caps}
	}
	mapped := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	for _, tc := range []struct {
		name          string
		attr          *syscall.SysProcAttr
		lacks, remedy string
	}{
		{"nobody", nobody(), "CAP_BPF is missing, CAP_PERFMON is missing", "setcap cap_perfmon,cap_bpf+ep"},
		{"only CAP_BPF", nobody(unix.CAP_BPF), "(CAP_PERFMON is missing", "setcap cap_perfmon,cap_bpf+ep"},
		{"only CAP_PERFMON", nobody(unix.CAP_PERFMON), "(CAP_BPF is missing", "setcap cap_perfmon,cap_bpf+ep"},
		{"both", nobody(unix.CAP_BPF, unix.CAP_PERFMON), "", ""},
		{
			"a user namespace", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: mapped, GidMappings: mapped},
			"in a user namespace", "run in the initial user namespace",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			pid, _ := tracedShell(t)
			needTracer(t, pid)
			checkTracerVerdict(t, tc.attr, tc.lacks, tc.remedy)
			traced := exitDone
			if tc.lacks != "" {
				traced = exitSkipped
			}
			for args, want := range map[string]int{
				"tree": exitDone, "list --json": exitDone, "show PID --for 20ms --json": exitDone,
				"watch PID --interval 100ms --count 1 --json": exitDone, "trace PID --for 50ms": traced,
			} {
				code, stdout, stderr := runAs(t, tc.attr, strings.Fields(strings.ReplaceAll(args, "PID", pid))...)
				if code != want || stdout == "" || want == exitDone && stderr != "" {
					t.Errorf("%s: exit code %d, want %d: %s", args, code, want, stderr)
				}
			}
		})
	}
}

// checkTracerVerdict checks what doctor says of the tracer; it is available when
// nothing lacks. A container may lack more than the test has taken away.
func checkTracerVerdict(t *testing.T, attr *syscall.SysProcAttr, lacks, remedy string) {
	t.Helper()
	code, stdout, stderr := runAs(t, attr, "doctor", "--json")
	if code != exitDone || stderr != "" {
		t.Fatalf("doctor: exit code %d, %s", code, stderr)
	}
	for _, x := range decode(t, []byte(stdout))["capabilities"].([]any) {
		c := x.(map[string]any)
		if c["id"] != "bpf_trace" {
			continue
		}
		reason, given := c["reason"].(string), c["remedy"].(string)
		switch {
		case lacks == "" && (c["state"] != "available" || reason+given != ""):
			t.Errorf("not available: %v", c)
		case lacks != "" && (c["state"] != "absent" || !strings.Contains(reason, lacks)):
			t.Errorf("state %v, reason %q, want %q", c["state"], reason, lacks)
		case strings.Contains(given, "bounding set") || strings.Contains(given, "nosuid") || strings.Contains(given, "no_new_privs"):
		case !strings.Contains(given, remedy):
			t.Errorf("remedy %q, want %q", given, remedy)
		}
		return
	}
	t.Error("doctor does not know the tracer")
}

// TestGrant: the one command that doctor prints gives everything that it says it
// gives, and then there is no more to give.
func TestGrant(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give capabilities to a file")
	}
	if _, err := exec.LookPath("setcap"); err != nil {
		t.Skip(err)
	}
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "it's taskscope")
	if err := os.WriteFile(path, exe, 0o755); err != nil {
		t.Fatal(err)
	}
	before, command := doctorOf(t, path)
	if command == nil {
		t.Skipf("no command gives anything here: %v", before["why"])
	}
	gives := before["grant_gives"].([]any)
	run, ok := strings.CutPrefix(command.(string), "sudo ")
	if !ok || len(gives) == 0 {
		t.Fatalf("%q gives %v", command, gives)
	}
	if out, err := exec.Command("/bin/sh", "-c", run).CombinedOutput(); err != nil {
		t.Skipf("the file cannot have capabilities here: %s%v", out, err)
	}
	after, again := doctorOf(t, path)
	for _, x := range after["capabilities"].([]any) {
		c := x.(map[string]any)
		if slices.Contains(gives, c["id"]) && c["state"] != "available" {
			t.Errorf("%s did not give %v: %v", command, c["id"], c["reason"])
		}
	}
	if again != nil || after["why"].(map[string]any)["grant"] == nil {
		t.Errorf("there is more to give: %v", again)
	}
}

// doctorOf is what doctor says to an ordinary user of a file of the program, and
// the command it gives, nil for none.
func doctorOf(t *testing.T, path string) (doc map[string]any, command any) {
	t.Helper()
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	code, stdout, stderr := runFileAs(t, path, nobody, "doctor", "--json")
	if code != exitDone || stderr != "" {
		t.Fatalf("doctor: exit code %d, %s", code, stderr)
	}
	doc = decode(t, []byte(stdout))
	return doc, doc["grant"]
}
