package spawn

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"taskscope/load"
	"taskscope/load/spawn/native"

	"golang.org/x/sys/unix"
)

// TestLayout compares every offset of the arena with what the native worker
// says of itself.
func TestLayout(t *testing.T) {
	t.Parallel()
	if native.Image() == nil {
		t.Skip("no worker image for this architecture")
	}
	fd, err := imageFD("layout")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	checkLayout(t, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd))
}

// TestImageFromAFile: where a memfd may not be executed, a file that is gone
// from its directory at once serves.
func TestImageFromAFile(t *testing.T) {
	t.Parallel()
	if native.Image() == nil {
		t.Skip("no worker image for this architecture")
	}
	fd, err := imageFile()
	if err != nil {
		t.Skipf("no place for a file to execute: %v", err)
	}
	defer unix.Close(fd)
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)
	if link, err := os.Readlink(path); err != nil || !strings.HasSuffix(link, " (deleted)") {
		t.Errorf("image file %q, %v: want it unlinked", link, err)
	}
	checkLayout(t, path)
}

func checkLayout(t *testing.T, image string) {
	t.Helper()
	var out []byte
	eventually(t, 5*time.Second, "no other test starting a process holds the file", func() bool {
		var err error
		out, err = exec.Command(image, "--layout").Output()
		if err != nil && !errors.Is(err, unix.ETXTBSY) {
			t.Fatal(err)
		}
		return err == nil
	})
	want := map[string]uint64{"magic": arenaMagic, "version": arenaVersion}
	for name, v := range map[string]any{
		"header": arenaHeader{}, "process": arenaProcess{}, "thread": arenaThread{}, "op": arenaOp{}, "object": arenaObject{}, "slot": arenaSlot{},
	} {
		typ := reflect.TypeOf(v)
		want[name] = uint64(typ.Size())
		for i := range typ.NumField() {
			if f := typ.Field(i); f.Name != "_" {
				want[name+"."+f.Name] = uint64(f.Offset)
			}
		}
	}
	cName := strings.NewReplacer("_", "")
	seen := 0
	for line := range strings.Lines(string(out)) {
		var name string
		var value uint64
		if _, err := fmt.Sscan(line, &name, &value); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		found := false
		for w, v := range want {
			if strings.EqualFold(cName.Replace(name), w) {
				found = true
				seen++
				if v != value {
					t.Errorf("%s: %d in C, %d in Go", name, value, v)
				}
			}
		}
		if !found {
			t.Errorf("%s: only in C", name)
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d Go fields are in C", seen, len(want))
	}
}

func TestArenaHoldsThePlan(t *testing.T) {
	t.Parallel()
	p := tree(1, 2, load.Op{Kind: load.OpStack, A: 5000})
	p.Processes[2].Threads[1].CPUs = []int{0, 65}
	fd, err := unix.MemfdCreate("arena-test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	a, err := newArena(fd, p)
	if err != nil {
		t.Fatal(err)
	}
	defer a.unmap()
	b, err := openArena(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer b.unmap()
	if len(b.procs) != 3 || len(b.threads) != 6 || len(b.slots) != 6 {
		t.Fatalf("%d processes, %d threads, %d slots", len(b.procs), len(b.threads), len(b.slots))
	}
	if r := b.procs[0]; r.firstChild != 1 || b.procs[1].nextSibling != 2 || b.procs[2].nextSibling != -1 || r.parent != -1 {
		t.Errorf("links: %+v", b.procs)
	}
	th := b.threads[5]
	if th.pinned != 1 || th.cpus[0] != 1 || th.cpus[1] != 2 || th.stackBytes != pageUp(5000) || th.opsCount != 1 {
		t.Errorf("thread: %+v", th)
	}
	for i, want := range [][2]int{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}, {2, 1}} {
		if x, y := locate(p, i); x != want[0] || y != want[1] {
			t.Errorf("locate(%d) = %d, %d; want %v", i, x, y, want)
		}
	}
	b.head.version++
	if c, err := openArena(fd); err == nil {
		c.unmap()
		t.Error("an arena of another version was accepted")
	}
}
