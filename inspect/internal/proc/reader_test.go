package proc

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestClassify(t *testing.T) {
	for err, want := range map[error]Class{
		nil: ClassOK, ErrGone: ClassGone, unix.ESRCH: ClassGone, unix.ENOENT: ClassGone, ErrDenied: ClassDenied,
		unix.EACCES: ClassDenied, unix.EPERM: ClassDenied, ErrAbsent: ClassAbsent, ErrStuck: ClassStuck,
		malformed(FileStat, "x"): ClassMalformed, unix.EIO: ClassOther, errors.New("x"): ClassOther,
	} {
		if got := Classify(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestReaderErrors(t *testing.T) {
	f := newTree(t)
	f.process(7)
	f.write("7/task/9/comm", "thread\n")
	f.write("8/comm", "x\n")
	f.write("notanumber/comm", "x\n")
	f.write("99999999999999999999/comm", "x\n")
	r := f.open().NewReader()
	if pids, err := r.PIDs([]int{-1}); err != nil || len(pids) != 3 || pids[1] != 7 || pids[2] != 8 {
		t.Errorf("PIDs: %v, %v", pids, err)
	}
	for _, tc := range []struct {
		what string
		err  error
		want error
	}{
		{"missing process", second(r.File(5, FileStat)), ErrGone},
		{"missing file", second(r.File(8, FileStat)), ErrAbsent},
		{"missing thread", second(r.ThreadFile(7, 5, FileStat)), ErrGone},
		{"missing file of a thread", second(r.ThreadFile(7, 9, FileStat)), ErrAbsent},
		{"missing link", second(r.Link(7, FileExe)), ErrAbsent},
		{"missing task", second(r.TIDs(nil, 8)), ErrAbsent},
		{"a thread", second(r.ThreadFile(7, 9, FileComm)), nil},
		{"a thread that exists", second(true, nil), nil},
	} {
		if tc.err != tc.want {
			t.Errorf("%s: %v, want %v", tc.what, tc.err, tc.want)
		}
	}
	if !r.Exists(7, 9) || r.Exists(7, 8) || !r.Exists(7, 0) || r.Exists(9, 0) {
		t.Error("Exists")
	}
	if err := os.Mkdir(f.path("8/task"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := r.TIDs(nil, 8); err != ErrGone {
		t.Errorf("empty task: %v", err)
	}
	if err := os.Mkdir(f.path("8/stat"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := r.File(8, FileStat); !errors.Is(err, unix.EISDIR) || Classify(err) != ClassOther {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Open(f.path("none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no root: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestReaderDenied(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	f := newTree(t)
	f.process(7)
	if err := os.Chmod(f.path("7/stat"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.open().NewReader().File(7, FileStat); err != ErrDenied {
		t.Error(err)
	}
}

// Files larger than the buffer are read whole, capped ones up to the cap.
func TestReaderSizes(t *testing.T) {
	f := newTree(t)
	big := strings.Repeat("0123456789abcdef", 200<<10/16)
	for _, name := range []string{"stat", "smaps", "cmdline"} {
		f.write("7/"+name, big)
	}
	f.write("8/cmdline", big[:maxCmdline])
	fs := f.open()
	held := NewHeld(10)
	defer held.Close()
	hr := fs.NewReader()
	hr.Hold(held)
	for _, r := range []*Reader{fs.NewReader(), hr} {
		for range 2 {
			for _, tc := range []struct {
				pid  int
				f    File
				want string
				cut  bool
			}{
				{7, FileStat, big, false},
				{7, FileSmaps, big, false},
				{7, FileCmdline, big[:maxCmdline], true},
				{8, FileCmdline, big[:maxCmdline], false},
			} {
				b, err := r.File(tc.pid, tc.f)
				if err != nil || string(b) != tc.want || r.Truncated != tc.cut {
					t.Errorf("%s: %d bytes, truncated %v, %v", tc.f, len(b), r.Truncated, err)
				}
			}
		}
	}
	r := fs.NewReader()
	if _, err := r.File(7, FileSmaps); err != nil {
		t.Fatal(err)
	}
	r.buf = make([]byte, 2*keepBuffer)
	if r.shrink(); len(r.buf) != firstBuffer {
		t.Error("a huge buffer is kept")
	}
}

func TestReadRoot(t *testing.T) {
	f := newTree(t)
	f.write("sys/kernel/random/boot_id", "abc\n")
	fs := f.open()
	if b, err := fs.ReadRoot("sys/kernel/random/boot_id"); err != nil || string(b) != "abc\n" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := fs.ReadRoot("pressure/cpu"); err != ErrAbsent {
		t.Error(err)
	}
	if fs.Live() || fs.Root() != f.root {
		t.Error("a directory is not live")
	}
}

func TestDir(t *testing.T) {
	f := newTree(t)
	f.process(7)
	f.write("7/task/9/comm", "thread\n")
	if err := os.Symlink("/bin/x", f.path("7/exe")); err != nil {
		t.Fatal(err)
	}
	r := f.open().NewReader()
	d, err := r.OpenPID(7)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if b, err := d.File(FileComm); err != nil || !bytes.Equal(b, []byte("p7\n")) {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := d.ThreadFile(9, FileComm); err != nil || !bytes.Equal(b, []byte("thread\n")) {
		t.Errorf("%q, %v", b, err)
	}
	if l, err := d.Link(FileExe); err != nil || l != "/bin/x" {
		t.Errorf("%q, %v", l, err)
	}
	if _, err := d.File(FileIO); err != ErrAbsent {
		t.Error(err)
	}
	if _, err := d.ThreadFile(10, FileComm); err != ErrGone {
		t.Error(err)
	}
	if tids, err := d.TIDs(nil); err != nil || len(tids) != 1 {
		t.Error(tids, err)
	}
	if err := os.RemoveAll(f.path("7")); err != nil {
		t.Fatal(err)
	}
	f.process(7) // the number is in use again
	if _, err := d.File(FileComm); err != ErrGone {
		t.Errorf("another process was read: %v", err)
	}
}

func TestTasks(t *testing.T) {
	f := newTree(t)
	f.process(7)
	f.write("7/task/9/comm", "thread\n")
	r := f.open().NewReader()
	tids, tasks, err := r.OpenTasks(nil, 7)
	if err != nil || len(tids) != 1 || tids[0] != 9 {
		t.Fatal(tids, err)
	}
	defer tasks.Close()
	for _, held := range []*Held{nil, NewHeld(4)} {
		r.Hold(held)
		if b, err := tasks.File(9, FileComm); err != nil || string(b) != "thread\n" {
			t.Errorf("%q, %v", b, err)
		}
		if _, err := tasks.File(9, FileIO); err != ErrAbsent {
			t.Error(err)
		}
		if _, err := tasks.File(10, FileComm); err != ErrGone {
			t.Error(err)
		}
		r.Hold(nil)
		if held != nil {
			held.Close()
		}
	}
	if err := os.RemoveAll(f.path("7")); err != nil {
		t.Fatal(err)
	}
	f.process(7) // the number is in use again
	f.write("7/task/9/comm", "another\n")
	if b, err := tasks.File(9, FileComm); err != ErrGone {
		t.Errorf("a thread of another process was read: %q, %v", b, err)
	}
	for _, pid := range []int{7, 8} {
		_ = os.RemoveAll(f.path("7/task/9"))
		if _, _, err := r.OpenTasks(nil, pid); err != ErrGone {
			t.Errorf("process %d: %v", pid, err)
		}
	}
}

func TestHeld(t *testing.T) {
	f := newTree(t)
	for pid := 1; pid <= 6; pid++ {
		f.process(pid)
	}
	h := NewHeld(3)
	r := f.open().NewReader()
	r.Hold(h)
	read := func(pid int, want string) {
		t.Helper()
		if b, err := r.File(pid, FileComm); err != nil || string(b) != want {
			t.Errorf("%d: %q, %v", pid, b, err)
		}
	}
	for pass := range 3 {
		h.NextPass()
		for pid := 1; pid <= 6; pid++ {
			read(pid, "p"+string(rune('0'+pid))+"\n")
		}
		// More files than places: the first ones stay, pass after pass.
		for pid := int32(1); pid <= 6; pid++ {
			if got := h.m[heldKey{pid, 0, FileComm}] != nil; got != (pid <= 3) {
				t.Errorf("pass %d: %d held: %v", pass, pid, got)
			}
		}
	}
	if err := os.WriteFile(f.path("2/comm"), []byte("new\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	read(2, "new\n")
	// What is not used for two passes makes room.
	h.NextPass()
	read(1, "p1\n")
	h.NextPass()
	read(6, "p6\n")
	if h.m[heldKey{6, 0, FileComm}] == nil || h.m[heldKey{1, 0, FileComm}] == nil || h.Len() != 3 {
		t.Errorf("held: %v", h.m)
	}
	for range idlePasses + 1 {
		h.NextPass()
	}
	if h.Len() != 0 {
		t.Errorf("%d idle descriptors", h.Len())
	}
	read(1, "p1\n")
	e := h.get(heldKey{1, 0, FileComm})
	h.Close()
	if e.fd < 0 {
		t.Error("a descriptor in use was closed")
	}
	h.done(e, false)
	if h.Len() != 0 {
		t.Error("Close left descriptors")
	}
	read(1, "p1\n") // still works, without holding
}

// Out of descriptors: the held ones give way.
func TestHeldEvict(t *testing.T) {
	f := newTree(t)
	f.process(1)
	f.process(2)
	h := NewHeld(10)
	defer h.Close()
	r := f.open().NewReader()
	r.Hold(h)
	if _, err := r.File(1, FileComm); err != nil {
		t.Fatal(err)
	}
	if !h.evict() || h.Len() != 0 || h.evict() {
		t.Error("evict")
	}
	if _, err := r.File(2, FileComm); err != nil || h.Len() != 0 {
		t.Errorf("the limit was not lowered: %d, %v", h.Len(), err)
	}
}

func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	fs, r := openLive(t)
	self := os.Getpid()
	held := NewHeld(100)
	defer held.Close()
	hr := fs.NewReader()
	hr.Hold(held)
	var st Stat
	var s Status
	var m Statm
	var sc Schedstat
	var io IO
	pids, tids := make([]int, 0, 100000), make([]int, 0, 1000)
	for name, fn := range map[string]func(){
		"stat":      func() { _ = r.Stat(self, &st) },
		"status":    func() { _ = r.Status(self, &s) },
		"statm":     func() { _ = r.Statm(self, &m) },
		"schedstat": func() { _ = r.Schedstat(self, &sc) },
		"io":        func() { _ = r.IO(self, &io) },
		"thread":    func() { _ = r.ThreadStat(self, self, &st) },
		"comm":      func() { _, _ = r.Comm(self) },
		"held stat": func() { _ = hr.Stat(self, &st) },
		"gone":      func() { _ = r.Stat(maxPID, &st) },
		"clock":     func() { _, _ = CPUClock(self) },
		"PIDs":      func() { pids, _ = r.PIDs(pids[:0]) },
		"TIDs":      func() { tids, _ = r.TIDs(tids[:0], self) },
	} {
		fn()
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if st.PID != self || s.Pid != self || m.Size == 0 || len(pids) == 0 || len(tids) == 0 {
		t.Error("something was not read")
	}
}
