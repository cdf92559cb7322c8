package inspect

import (
	"errors"
	"strings"
	"testing"

	"taskscope/inspect/internal/bpf"
)

// RequireBPF takes the error of a Reader of the BPF source. Where BPF cannot be had
// for a reason that lies outside of this program it skips the test with that reason,
// elsewhere an error fails it.
func RequireBPF(t testing.TB, err error) {
	t.Helper()
	var e *bpf.Error
	switch {
	case err == nil:
		return
	case errors.As(err, &e) && (e.Reason == bpf.NotPermitted || e.Reason == bpf.NoBTF || e.Reason == bpf.NoObject || e.Reason == bpf.Lockdown),
		strings.Contains(err.Error(), "namespace"):
		t.Skip(err)
	}
	t.Fatal(err)
}
