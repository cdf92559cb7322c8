package proc

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestDo(t *testing.T) {
	for _, where := range []string{"open", "read"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, 2, 1, PoolOptions{Limit: 30 * time.Millisecond})
			cmdline := func(pid int) ([]string, error) {
				return Do(context.Background(), g.pool, pid, FileCmdline, func(r *Reader) ([]string, error) {
					args, _, err := r.Cmdline(pid)
					return args, err
				})
			}
			if args, err := cmdline(100); err != nil || !slices.Equal(args, []string{"p100", "-x"}) {
				t.Fatal(args, err)
			}
			q := g.hang("100/cmdline", where == "read")
			for range 3 {
				if args, err := cmdline(100); !errors.Is(err, ErrStuck) || args != nil {
					t.Fatal(args, err)
				}
			}
			if n := g.running(); n != 1 {
				t.Errorf("%d goroutines inside one stuck file", n)
			}
			// The same lock is refused, another one is not, nor another process.
			for f, refused := range map[File]bool{
				FileCmdline: true, FileMaps: true, FileSmapsRollup: true, FileStat: false, FileStatus: false, FileIO: false,
			} {
				if g.pool.Refuses(100, f) != refused {
					t.Errorf("%s refused: %v", f, !refused)
				}
			}
			if args, err := cmdline(101); err != nil || len(args) != 2 {
				t.Error(args, err)
			}
			q.release("back\x00")
			g.eventually("recovery", func() bool {
				args, err := cmdline(100)
				return err == nil && slices.Equal(args, []string{"back"})
			})
			g.close()
			if _, err := cmdline(101); !errors.Is(err, ErrStuck) {
				t.Errorf("Do on a closed Pool: %v", err)
			}
		})
	}
}

func TestDoCancel(t *testing.T) {
	g := newRig(t, 1, 1, PoolOptions{Limit: time.Hour})
	q := g.hang("100/stat", true)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	var s Stat
	_, err := Do(ctx, g.pool, 100, FileStat, func(r *Reader) (int, error) { return 0, r.Stat(100, &s) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := Do(ctx, g.pool, 100, FileStatus, func(*Reader) (int, error) { return 1, nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	q.release(statText(100, "x"))
	g.pool.limit = time.Millisecond // of Close
	g.close()
}
