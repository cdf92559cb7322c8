package model

import (
	"strings"
	"testing"

	"taskscope/inspect"
)

// TestDoctorGrant: rows refer to the one command, what else helps is said in the
// row, and the command is one for a shell however narrow the screen is.
func TestDoctorGrant(t *testing.T) {
	rep := &inspect.Report{
		Capabilities: []inspect.Capability{
			{Title: "fine", State: inspect.Available},
			{Title: "traced", State: inspect.Absent, Reason: "refused", Remedy: "sudo setcap own", Needs: []string{"cap_perfmon", "cap_bpf"}},
			{Title: "stalls", State: inspect.Absent, Reason: "off", Remedy: "boot with psi=1"},
		},
		Grant: "sudo setcap cap_net_admin,cap_perfmon,cap_bpf+ep '/a b/c,d'",
	}
	for _, width := range []int{0, 30, 60, 200} {
		lines := Doctor(rep, width)
		var all []string
		for _, l := range lines {
			all = append(all, l.Text())
		}
		flat := strings.Join(strings.Fields(strings.Join(all, " ")), " ")
		for _, want := range []string{
			"available fine", "absent traced refused would give it: cap_perfmon and cap_bpf, by the command at the end",
			"would give it: boot with psi=1", "(1 more by other means",
		} {
			if !strings.Contains(flat, want) {
				t.Errorf("%d columns: no %q in\n%s", width, want, strings.Join(all, "\n"))
			}
		}
		if strings.Contains(flat, "setcap own") {
			t.Errorf("%d columns: a command of a single row", width)
		}
		whole := strings.ReplaceAll(strings.Join(all, "\n"), "\\\n", "")
		if !strings.Contains(whole, "\n"+rep.Grant+"\n") {
			t.Errorf("%d columns: the command does not come out whole:\n%s", width, whole)
		}
	}
	if n := len(shellLines(rep.Grant, 50)); n != 2 {
		t.Errorf("broken into %d lines, want 2", n)
	}
	rep.Grant = ""
	for _, l := range Doctor(rep, 80) {
		if strings.Contains(l.Text(), "One command") || strings.Contains(l.Text(), "at the end") {
			t.Errorf("there is no command, and yet: %s", l.Text())
		}
	}
}
