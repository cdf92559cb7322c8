package proc

import (
	"slices"
	"testing"
	"time"
)

// TestLiveVanishing follows a process through its end: alive, zombie, reaped.
func TestLiveVanishing(t *testing.T) {
	t.Parallel()
	fs, r := openLive(t)
	c := startChild(t, "pause", nil, nil)
	held := NewHeld(100)
	defer held.Close()
	h := fs.NewReader()
	h.Hold(held)
	dir, err := r.OpenPID(c.pid)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	holdable := []File{FileStat, FileStatus, FileStatm, FileSchedstat, FileComm, FileIO, FileCgroup}
	for _, f := range holdable {
		if _, err := h.File(c.pid, f); err != nil {
			t.Errorf("alive: held %s: %v", f, err)
		}
	}
	if _, err := CPUClock(c.pid); err != nil {
		t.Errorf("alive: clock: %v", err)
	}

	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitZombie(t, r, c.pid)
	checkZombie(t, r, c.pid)

	c.stop() // reaps
	for _, f := range holdable {
		if _, err := h.File(c.pid, f); err != ErrGone {
			t.Errorf("reaped: held %s: %v", f, err)
		}
		if _, err := dir.File(f); err != ErrGone {
			t.Errorf("reaped: dir %s: %v", f, err)
		}
	}
	if n := held.Len(); n != 0 {
		t.Errorf("%d descriptors of a reaped process are held", n)
	}
	if tids, err := dir.TIDs(nil); err != ErrGone || len(tids) != 0 {
		t.Errorf("reaped: listing through the old directory: %v, %v", tids, err)
	}
	for f := FileStat; f <= FileLoginUID; f++ {
		if _, err := r.File(c.pid, f); err != ErrGone {
			t.Errorf("reaped: %s: %v", f, err)
		}
	}
	if _, err := r.TIDs(nil, c.pid); err != ErrGone {
		t.Errorf("reaped: task: %v", err)
	}
	if _, err := r.Link(c.pid, FileExe); err != ErrGone {
		t.Errorf("reaped: exe: %v", err)
	}
	if _, err := r.OpenPID(c.pid); err != ErrGone {
		t.Errorf("reaped: directory: %v", err)
	}
	if _, err := CPUClock(c.pid); err != ErrGone {
		t.Errorf("reaped: clock: %v", err)
	}
}

func waitZombie(t *testing.T, r *Reader, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		var st Stat
		if err := r.Stat(pid, &st); err != nil {
			t.Fatal(err)
		}
		// A leader that is a zombie may have living threads.
		if st.State == 'Z' && st.NumThreads == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the killed process did not become a zombie")
		}
	}
}

// checkZombie: no memory is not the same as gone.
func checkZombie(t *testing.T, r *Reader, pid int) {
	t.Helper()
	if args, _, err := r.Cmdline(pid); err != nil || args != nil {
		t.Errorf("zombie: cmdline %q, %v", args, err)
	}
	var s Sizes
	if err := r.SmapsRollup(pid, &s); err != ErrAbsent {
		t.Errorf("zombie: smaps_rollup: %v", err)
	}
	var m Maps
	if err := r.Maps(pid, &m); err != nil || len(m.VMAs) != 0 {
		t.Errorf("zombie: maps: %d, %v", len(m.VMAs), err)
	}
	if _, err := r.Link(pid, FileExe); err != ErrAbsent {
		t.Errorf("zombie: exe: %v", err)
	}
	var st Status
	if err := r.Status(pid, &st); err != nil || st.State != 'Z' || st.Has(StatusVmRSS) || !st.Has(StatusThreads) {
		t.Errorf("zombie: status: %v, %+v", err, st)
	}
	if tids, err := r.TIDs(nil, pid); err != nil || !slices.Contains(tids, pid) {
		t.Errorf("zombie: task: %v, %v", tids, err)
	}
	if _, err := CPUClock(pid); err != nil {
		t.Errorf("zombie: clock: %v", err)
	}
}
