package inspecttest

import (
	"context"
	"sync"
	"testing"

	"taskscope/inspect"
)

var probeOnce = sync.OnceValue(func() *inspect.Report { return inspect.Probe(context.Background(), "") })

// RequireCap skips the test, with the probe's reason, when a capability is not
// available; it fails when there is no capability of that name.
func RequireCap(t testing.TB, id string) {
	t.Helper()
	for _, c := range probeOnce().Capabilities {
		if c.ID != id {
			continue
		}
		if c.State != inspect.Available {
			t.Skipf("%s is %s: %s", c.Title, c.State, c.Reason)
		}
		return
	}
	t.Fatalf("there is no capability %q", id)
}
