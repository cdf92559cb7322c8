package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestShowTraced: where the scheduler can be traced, show tells each move and
// wake-up; elsewhere it says why not, and all the rest.
func TestShowTraced(t *testing.T) {
	t.Parallel()
	pid, _ := tracedShell(t)
	for _, tc := range []struct{ args, why string }{
		{"--for 500ms --source proc", "source proc"},
		{"--for 50ms", "shorter"},
	} {
		code, stdout, stderr := invoke(t, append([]string{"show", pid, "--json"}, strings.Fields(tc.args)...)...)
		d := decode(t, []byte(stdout))
		if why, _ := d["why"].(map[string]any)["trace"].(string); code != exitDone || stderr != "" || d["trace"] != nil || !strings.Contains(why, tc.why) {
			t.Errorf("%s: exit code %d, %s, trace %v, because %q", tc.args, code, stderr, d["trace"], why)
		}
	}
	needTracer(t, pid)
	code, stdout, stderr := invoke(t, "show", pid, "--for", "500ms", "--json")
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	d := decode(t, []byte(stdout))
	trace, ok := d["trace"].(map[string]any)
	if !ok {
		t.Fatalf("no trace: %v", d["why"])
	}
	p := trace["process"].(map[string]any)
	if trace["source"] != "trace" || num(t, p["wakes"]) == 0 || p["pid"] != json.Number(pid) || len(trace["threads"].([]any)) == 0 {
		t.Errorf("%v", trace)
	}
	if d["migrations"] != p["migrations"] {
		t.Errorf("%v moves, the tracer has seen %v", d["migrations"], p["migrations"])
	}
	_, stdout, _ = invoke(t, "show", pid, "--for", "500ms")
	for _, want := range []string{"wakes_per_second", "source_of_moves_and_wake_ups"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the text does not say %s", want)
		}
	}
}
