package spawn

import (
	"errors"
	"testing"
	"time"

	"taskscope/load"
)

// TestPause: a paused run is stopped, goes on to its end, and can be
// ended while it is paused.
func TestPause(t *testing.T) {
	t.Parallel()
	r := startRun(t, root(thread("w", load.Op{Kind: load.OpSleepRel, A: 200, B: 2e6})), Options{})
	state := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			f, ok := statFields(r.RootPID())
			if ok && (f[0] == "T") == (want == "T") {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("state %v, want %s", f, want)
			}
		}
	}
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	state("T")
	if err := r.Resume(); err != nil {
		t.Fatal(err)
	}
	state("S")
	if err := r.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if rep := r.Manifest().Processes[0].Threads[1].Report; rep.Phase != 3 || rep.Voluntary < 200 { // being stopped is a switch too
		t.Errorf("after a pause: %+v", rep)
	}
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	state("T")
	if left, err := r.Stop(testContext(t)); err != nil || left != (LeftBehind{}) {
		t.Errorf("ended while paused: left %+v, %v", left, err)
	}
	if err := r.Resume(); !errors.Is(err, ErrEnded) {
		t.Errorf("an ended run goes on: %v", err)
	}
}
