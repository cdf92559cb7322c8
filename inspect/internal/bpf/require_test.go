package bpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mustWork: root in the initial namespaces, with both capabilities, on a
// kernel with type information: then a failure is a bug of ours.
func mustWork() bool {
	if inUserNamespace() || lockedDown() {
		return false
	}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return false
	}
	status, err := os.ReadFile("/proc/self/status")
	return err == nil && os.Geteuid() == 0 && len(missingCaps(string(status))) == 0
}

// require skips with the reason, or fails where there is no excuse.
func require(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if mustWork() {
		t.Fatalf("BPF must work here: %v", err)
	}
	t.Skipf("no BPF: %v", err)
}

// sharedTypes saves every test the decoding of the kernel's types.
var sharedTypes = new(Types)

func openSource(t testing.TB) *Source {
	t.Helper()
	s, err := Open(context.Background(), sharedTypes)
	require(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openTotals(t testing.TB) *TotalsSource {
	t.Helper()
	s, err := OpenTotals(context.Background(), sharedTypes)
	var e *Error
	if errors.As(err, &e) && e.Reason == NotSupported && !kernelAtLeast(6, 7) {
		t.Skipf("no exact totals: %v", err)
	}
	require(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newTracer(t testing.TB, opt TracerOptions) *Tracer {
	t.Helper()
	opt.Types = sharedTypes
	tr, err := NewTracer(context.Background(), opt)
	require(t, err)
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var a, b int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); err != nil {
		return false
	}
	return a > major || (a == major && b >= minor)
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("did not come: %s", what)
}
