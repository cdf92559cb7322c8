package inspect

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taskscope/inspect/internal/proc"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each testdata/smaps/NAME.maps is the text of a maps or smaps file; lines that
// begin with "#sp TID HEX" give stack pointers. NAME.golden is what comes out.
func TestClassifyGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/smaps/*.maps")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			p := &Process{ID: ID{PID: 100}}
			entries := mappings(t, string(text), p)
			var b strings.Builder
			for _, s := range classify(entries, p) {
				owner, deleted := "", ""
				if s.OwnerTID != 0 {
					owner = fmt.Sprintf(" tid=%d", s.OwnerTID)
				}
				if s.Deleted {
					deleted = " deleted"
				}
				fmt.Fprintf(&b, "%x-%x %s %s %s%s%s %q\n", s.Start, s.End, s.Perms, s.Group, s.Kind, owner, deleted, s.Name)
			}
			golden := strings.TrimSuffix(name, ".maps") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got\n%swant\n%s", b.String(), want)
			}
		})
	}
}

func mappings(t *testing.T, text string, p *Process) []proc.SmapsEntry {
	t.Helper()
	var rest strings.Builder
	for line := range strings.Lines(text) {
		var tid int
		var sp uint64
		if n, _ := fmt.Sscanf(line, "#sp %d %x", &tid, &sp); n == 2 {
			p.Threads = append(p.Threads, Thread{ID: ThreadID{TID: tid}, SP: Know(sp)})
			continue
		}
		rest.WriteString(line)
	}
	var s proc.Smaps
	if err := proc.ParseSmaps([]byte(rest.String()), &s); err != nil {
		t.Fatal(err)
	}
	return s.Entries
}

func TestSumSegments(t *testing.T) {
	entries := []proc.SmapsEntry{
		{VMA: proc.VMA{Start: 0x1000, End: 0x3000, Perms: [4]byte([]byte("rw-p")), Name: "[heap]"}, Sizes: proc.Sizes{RSS: 8192, PSS: 8192, PrivateDirty: 8192}},
		{VMA: proc.VMA{Start: 0x5000, End: 0x6000, Perms: [4]byte([]byte("rw-s")), Name: "/memfd:x (deleted)"}, Sizes: proc.Sizes{RSS: 4096, PSS: 2048, SharedDirty: 4096}},
		{VMA: proc.VMA{Start: 0xffffffffff600000, End: 0xffffffffff601000, Perms: [4]byte([]byte("--xp")), Name: "[vsyscall]"}},
	}
	m := sumSegments(classify(entries, &Process{}), entries)
	if m.Total.Size != 0x3000 || m.Total.RSS != 12288 || m.Total.PSS != 10240 || m.USSBytes != 8192 {
		t.Errorf("total %+v, USS %d", m.Total, m.USSBytes)
	}
	var sum SegmentMem
	for _, g := range m.Groups {
		sum = sum.Add(g)
	}
	if sum != m.Total || len(m.Groups) != len(Groups()) {
		t.Errorf("%d groups add up to %+v, the total is %+v", len(m.Groups), sum, m.Total)
	}
}

func TestSyscallName(t *testing.T) {
	for nr, want := range map[int64]string{-1: "none", 100000: "#100000"} {
		if got := syscallName(nr); got != want {
			t.Errorf("%d: %q, want %q", nr, got, want)
		}
	}
	if len(syscallNames) > 0 && !strings.Contains(strings.Join(syscallNames[:], " "), "futex") {
		t.Error("the table has no futex")
	}
}

func TestFileKind(t *testing.T) {
	for target, want := range map[string]string{
		"socket:[1]": "socket", "pipe:[1]": "pipe", "anon_inode:[eventpoll]": "anon", "/memfd:x (deleted)": "memfd",
		"/tmp/x (deleted)": "deleted", "/dev/null": "device", "/dev/shm/x": "file", "/etc/passwd": "file",
	} {
		if got := fileKind(target, Know(uint64(0o100000))); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	if got := fileKind("/tmp", Know(uint64(0o200000))); got != "directory" {
		t.Errorf("a directory: %s", got)
	}
	flags, pos := parseFDInfo([]byte("pos:\t12\nflags:\t0100002\nmnt_id:\t1\n"))
	if flags != Know(uint64(0o100002)) || pos != Know(int64(12)) {
		t.Errorf("fdinfo: %v %v", flags, pos)
	}
	if flags, _ := parseFDInfo(nil); flags.OK() {
		t.Error("no fdinfo gives flags")
	}
}

func TestParsePasswd(t *testing.T) {
	names := parsePasswd([]byte("root:x:0:0::/:\n# comment\ntoor:x:0:0::/:\nbig:x:4000000000:1::/:\nshort:x\n:x:5:5::\nbad:x:y:1::\n"))
	if len(names) != 2 || names[0] != "root" || userName(names, 4000000000) != "big" || userName(names, 7) != "7" {
		t.Errorf("got %v", names)
	}
}
