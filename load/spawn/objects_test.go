package spawn

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

func everyObject() []load.Object {
	return []load.Object{
		{Kind: load.ObjectLock, Role: "lock"},
		{Kind: load.ObjectShared, Role: "array", Bytes: 100},
		{Kind: load.ObjectCounter, Role: "counter"},
		{Kind: load.ObjectWords, Role: "words", Count: 3},
		{Kind: load.ObjectBarrier, Role: "barrier"},
		{Kind: load.ObjectPipe, Role: "pipe"},
		{Kind: load.ObjectSocket, Role: "socket"},
		{Kind: load.ObjectQueue, Role: "queue", Bytes: 8, Count: 2},
		{Kind: load.ObjectListener, Role: "listener"},
	}
}

// TestObjectsDoNotOverlap: each has its own cache lines, shared memory its own
// pages, all within the arena.
func TestObjectsDoNotOverlap(t *testing.T) {
	t.Parallel()
	p := root(threads(3)...)
	p.Objects = everyObject()
	fd, err := unix.MemfdCreate("objects-test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	a, err := newArena(fd, p)
	if err != nil {
		t.Fatal(err)
	}
	defer a.unmap()
	end := a.head.objectsOff + uint64(len(a.objects))*64
	used := map[uint64]int{}
	for i, o := range a.objects {
		size := objectMemory(&p.Objects[i])
		if o.memory%objectLine != 0 || o.memory < end || o.memory+size > uint64(len(a.mem)) {
			t.Errorf("object %d at %d, size %d: arena ends at %d", i, o.memory, size, len(a.mem))
		}
		if p.Objects[i].Kind == load.ObjectShared && o.memory%uint64(os.Getpagesize()) != 0 {
			t.Errorf("shared memory at %d is not on a page of its own", o.memory)
		}
		for at := o.memory; at < o.memory+size; at += objectLine {
			if by, ok := used[at]; ok {
				t.Errorf("objects %d and %d share the line at %d", by, i, at)
			}
			used[at] = i
		}
	}
}

// TestObjectsAreOpen: every process has the descriptors, and nothing else of
// the objects is left in the file system.
func TestObjectsAreOpen(t *testing.T) {
	t.Parallel()
	plain := startRun(t, tree(1, 2), Options{})
	p := tree(1, 2)
	p.Objects = everyObject()
	r := startRun(t, p, Options{})
	want := planDescriptors(p)
	for i, proc := range r.Manifest().Processes {
		got, before := countFiles(t, proc.PID), countFiles(t, plain.Manifest().Processes[i].PID)
		if got-before != want {
			t.Errorf("process %d has %d descriptors more, want %d", i, got-before, want)
		}
	}
	for i := range p.Objects {
		if unlinkQueue(r.ID(), i) {
			t.Errorf("message queue %d still has its name", i)
		}
	}
	if port := r.Manifest().Objects[8].Value; port == 0 || port > 65535 {
		t.Errorf("port %d", port)
	}
	if n := len(r.Manifest().Objects); n != len(p.Objects) {
		t.Errorf("%d objects in the manifest", n)
	}
}

func countFiles(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Skipf("descriptors: %v", err)
	}
	return len(entries)
}

func TestObjectsRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []load.Object{
		{},
		{Kind: 99},
		{Kind: load.ObjectWords},
		{Kind: load.ObjectShared},
		{Kind: load.ObjectShared, Bytes: 1 << 50},
		{Kind: load.ObjectQueue, Count: 1},
		{Kind: load.ObjectQueue, Count: 1 << 12, Bytes: 1 << 12},
	} {
		p := root()
		p.Objects = []load.Object{o}
		if _, err := Start(testContext(t), p, Options{}); err == nil || !strings.Contains(err.Error(), "object 0") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	p := root()
	p.Objects = make([]load.Object, maxObjects+1)
	if _, err := Start(testContext(t), p, Options{}); err == nil {
		t.Error("too many objects were accepted")
	}
	p.Objects = []load.Object{{Kind: load.ObjectLock}}
	if _, err := Start(testContext(t), p, Options{Tier: TierGo}); !errors.Is(err, load.ErrUsage) {
		t.Errorf("tier go: %v", err)
	}
}
