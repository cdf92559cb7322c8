package inspect_test

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"taskscope/inspect"
)

func TestTraceSmoke(t *testing.T) {
	for _, src := range []string{inspect.TraceExact, inspect.TraceSampled} {
		t.Run(src, func(t *testing.T) {
			pid := startSleeper(t)
			tr, err := inspect.OpenTracer(context.Background(), inspect.TraceOptions{ID: inspect.ID{PID: pid}, Events: true, Source: src})
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			if err := tr.Start(); err != nil {
				t.Fatal(err)
			}
			tl := inspect.NewTimeline(10e9, 10000)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := tr.Run(ctx, tl.Add); err != nil && !errors.Is(err, inspect.ErrTraceEnded) {
				t.Fatal(err)
			}
			s, err := tr.Sums()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", s)
			for _, k := range tl.Tracks(0, tl.Newest()) {
				t.Logf("%d %q alive %v: %d spans, last %+v", k.TID, k.Comm, k.Alive, len(k.Spans), k.Spans[max(0, len(k.Spans)-5):])
			}
		})
	}
}

func startSleeper(t *testing.T) int {
	t.Helper()
	c := exec.Command("sh", "-c", "while :; do sleep 0.01; for i in 1 2 3 4 5 6 7 8 9; do :; done; done")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c.Process.Pid
}
