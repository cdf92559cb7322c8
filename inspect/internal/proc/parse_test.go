package proc

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseStat(t *testing.T) {
	var got Stat
	if err := ParseStat([]byte(statText(42, "a) R 1 (b")), &got); err != nil {
		t.Fatal(err)
	}
	want := Stat{
		PID: 42, Comm: []byte("a) R 1 (b"), State: 'S', PPID: 1, PGRP: 2, Session: 3, TTYNr: 34817, TPGID: -1,
		Flags: 4194560, MinFlt: 11, ChildMinFlt: 12, MajFlt: 13, ChildMajFlt: 14, UTime: 15, STime: 16,
		ChildUTime: 17, ChildSTime: 18, Priority: 20, Nice: 0, NumThreads: 1, StartTicks: 1042, VSize: 4096000,
		RSSPages: 77, RSSLimit: math.MaxUint64, StartCode: 21, EndCode: 22, StartStack: 23, WChan: 1,
		ExitSignal: 17, Processor: 1, StartData: 31, EndData: 32, StartBrk: 33, ArgStart: 34, ArgEnd: 35,
		EnvStart: 36, EnvEnd: 37, ExitCode: 9, Fields: 52,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// hostileNames are names that the kernel accepts.
var hostileNames = []string{
	"a) R 1 (b", "x\ny", `x\ny`, " sp ", "\xff\xfe\x1b[2J", "ten kB", "a:\tb", "tab\tx", "",
	"123456789012345", ")", "(", ") S 1 (", `\`, `\\`, "kworker/1:1-cgroup_pidlist_destroy", "a\x7f\x01b",
}

func TestParseStatNames(t *testing.T) {
	for _, name := range hostileNames {
		var s Stat
		if err := ParseStat([]byte(statText(7, name)), &s); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if string(s.Comm) != name || s.State != 'S' || s.StartTicks != 1007 {
			t.Errorf("%q: got %q, state %c, start %d", name, s.Comm, s.State, s.StartTicks)
		}
	}
}

func TestParseStatNumbers(t *testing.T) {
	tests := []struct {
		name, from, to string
		check          func(*Stat) bool
	}{
		{"real-time priority", " 20 0 1 0 ", " -51 -20 1 0 ", func(s *Stat) bool { return s.Priority == -51 && s.Nice == -20 }},
		{"negative tty", " 34817 ", " -2147483648 ", func(s *Stat) bool { return s.TTYNr == math.MinInt32 }},
		{"exit signal of an io worker", " 17 1 0 0 0 ", " -1 1 0 0 0 ", func(s *Stat) bool { return s.ExitSignal == -1 }},
		{"largest counter", " 11 12 13 ", " 18446744073709551615 12 13 ", func(s *Stat) bool { return s.MinFlt == math.MaxUint64 }},
		{"negative child time", " 17 18 20 0 1 0", " -1 18 20 0 1 0", func(s *Stat) bool { return s.ChildUTime == -1 }},
		{"more fields than we know", " 37 9\n", " 37 9 55 56\n", func(s *Stat) bool { return s.ExitCode == 9 && s.Fields == 52 }},
		{"no newline", " 37 9\n", " 37 9", func(s *Stat) bool { return s.ExitCode == 9 }},
		{"old kernel", " 31 32 33 34 35 36 37 9\n", "\n", func(s *Stat) bool { return s.Fields == 44 && s.StartData == 0 }},
	}
	for _, tc := range tests {
		text := strings.Replace(statText(7, "x"), tc.from, tc.to, 1)
		if text == statText(7, "x") {
			t.Fatalf("%s: the test changes nothing", tc.name)
		}
		var s Stat
		if err := ParseStat([]byte(text), &s); err != nil || !tc.check(&s) {
			t.Errorf("%s: %v %+v", tc.name, err, s)
		}
	}
}

func TestParseStatMalformed(t *testing.T) {
	good := statText(7, "x")
	for _, text := range []string{
		"", "\n", "7", "7 (x", "7 x) S 1", "(x) S 1", " (x) S 1", "x (x) S 1 2 3", "-7" + good[1:],
		good[:20], good[:40],
		strings.Replace(good, " 4194560 ", " -4194560 ", 1),              // unsigned field
		strings.Replace(good, " 11 12 ", " 18446744073709551616 12 ", 1), // overflow
		strings.Replace(good, " 11 12 ", " 11x 12 ", 1),
		strings.Replace(good, " 34817 ", " - ", 1),
		strings.Replace(good, ") S ", ")S ", 1),
		strings.Replace(good, ") S ", ")  ", 1),
	} {
		var s Stat
		if err := ParseStat([]byte(text), &s); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

const statusText = `Name:	x\ny\\z
Umask:	0022
State:	t (tracing stop)
Tgid:	7
Ngid:	0
Pid:	8
PPid:	1
TracerPid:	55
Uid:	3000000000	1	2	3
Gid:	4294967290	4	5	6
FDSize:	256
Groups:	0 4000000000 
NStgid:	7945	3
NSpid:	7946	4
NSpgid:	7945	3
NSsid:	0	0
Kthread:	0
VmPeak:	    2928 kB
VmSize:	    2900 kB
VmRSS:	    1764 kB
RssAnon:	     116 kB
HugetlbPages:	    2048 kB
CoreDumping:	1
THP_enabled:	1
Threads:	12
SigQ:	3/96365
SigPnd:	0000000000000000
ShdPnd:	8000000000000001
CapEff:	000001fffeffffff
NoNewPrivs:	1
Seccomp:	2
Speculation_Store_Bypass:	thread vulnerable
Cpus_allowed:	3
Cpus_allowed_list:	0-1,4
voluntary_ctxt_switches:	18446744073709551615
nonvoluntary_ctxt_switches:	0
`

func TestParseStatus(t *testing.T) {
	s := Status{Name: []byte("old name"), Groups: []uint32{9, 9, 9}, NSpid: []int{9}, VmSwap: 9}
	if err := ParseStatus([]byte(statusText), &s); err != nil {
		t.Fatal(err)
	}
	want := Status{
		Name: []byte("x\ny\\z"), State: 't', Tgid: 7, Pid: 8, PPid: 1, TracerPid: 55,
		UID: IDs{3000000000, 1, 2, 3}, GID: IDs{4294967290, 4, 5, 6}, Groups: []uint32{0, 4000000000},
		NStgid: []int{7945, 3}, NSpid: []int{7946, 4},
		VmPeak: 2928 << 10, VmSize: 2900 << 10, VmRSS: 1764 << 10, RssAnon: 116 << 10, HugetlbPages: 2 << 20,
		CoreDumping: true, Threads: 12, SigQ: 3, SigQMax: 96365, ShdPnd: 1<<63 | 1, CapEff: 0x1fffeffffff,
		NoNewPrivs: true, Seccomp: 2, CpusAllowedList: []byte("0-1,4"), Voluntary: math.MaxUint64,
	}
	if d := cmp.Diff(want, s, cmpopts.IgnoreUnexported(Status{})); d != "" {
		t.Error(d)
	}
	for f, has := range map[StatusField]bool{
		StatusKthread: true, StatusNonvoluntary: true, StatusSigPnd: true, StatusVmRSS: true,
		StatusVmSwap: false, StatusSigBlk: false, StatusVmHWM: false,
	} {
		if s.Has(f) != has {
			t.Errorf("Has(%s) = %v", statusLines[f].name, !has)
		}
	}
}

// escapeStatus is what the kernel does to a name in status.
func escapeStatus(name string) string {
	return strings.NewReplacer("\n", `\n`, `\`, `\\`).Replace(name)
}

func TestParseStatusNames(t *testing.T) {
	for _, name := range hostileNames {
		var s Status
		text := "Name:\t" + escapeStatus(name) + "\nPid:\t7\nVmRSS:\t 1 kB\n"
		if err := ParseStatus([]byte(text), &s); err != nil || string(s.Name) != name || s.VmRSS != 1024 {
			t.Errorf("%q: got %q, %v", name, s.Name, err)
		}
	}
}

func TestParseStatusMalformed(t *testing.T) {
	for _, text := range []string{
		"", "\n", "Name:\tx\n", "Pid:\t1\n", "Name:\tx\nPid:\tone\n", "Name:\tx\nPid:\t1\nVmRSS:\t1 MB\n",
		"Name:\tx\nPid:\t1\nUid:\t1 2 3\n", "Name:\tx\nPid:\t1\nUid:\t1 2 3 4294967296\n", "Name:x\nPid:\t1\n",
		"Name:\tx\nPid:\t1\nSigQ:\t1\n", "Name:\tx\nPid:\t1\nSigBlk:\t00000000000000001\n", "Name:\tx\nPid:\t1\nrest",
		"Name:\tx\nPid:\t1\nState:\tsleeping\n", "Name:\tx\nPid:\t1\nVmRSS:\t18014398509481984 kB\n",
	} {
		var s Status
		if err := ParseStatus([]byte(text), &s); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseCounters(t *testing.T) {
	var m Statm
	if err := ParseStatm([]byte("765 425 397 5 0 123 0\n"), &m); err != nil || m != (Statm{765, 425, 397, 5, 123}) {
		t.Error(m, err)
	}
	var s Schedstat
	if err := ParseSchedstat([]byte("82800000 7762 396\n"), &s); err != nil || s != (Schedstat{82800000, 7762, 396}) {
		t.Error(s, err)
	}
	var io IO
	text := "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n"
	if err := ParseIO([]byte(text), &io); err != nil || io != (IO{1, 2, 3, 4, 5, 6, 7}) {
		t.Error(io, err)
	}
	for _, bad := range []string{"", "1 2", "1 2 3 4 5 6 7 8", "a b c d e f g", "1 2 -3"} {
		if ParseStatm([]byte(bad), &m) == nil || ParseSchedstat([]byte(bad), &s) == nil || ParseIO([]byte(bad), &io) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if ParseIO([]byte(text[:len(text)-25]), &io) == nil {
		t.Error("io without its last line was accepted")
	}
	for in, want := range map[string]string{"x\n": "x", "x\n\n": "x\n", " sp \n": " sp ", "\n": "", "": ""} {
		if got := string(ParseComm([]byte(in))); got != want {
			t.Errorf("comm %q: %q", in, got)
		}
	}
}

func TestParseCmdline(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"\x00", []string{""}},
		{"\x00\x00\x00", []string{""}},
		{"a\x00", []string{"a"}},
		{"a", []string{"a"}},
		{"a b\x00pause\x00\x00c\nd\x00\xff\x00", []string{"a b", "pause", "", "c\nd", "\xff"}},
		{"\x00x\x00", []string{"", "x"}},
		{"nginx: master\x00\x00\x00\x00", []string{"nginx: master"}},
		{"postgres: x     \x00", []string{"postgres: x     "}},
	} {
		if d := cmp.Diff(tc.want, ParseCmdline([]byte(tc.in))); d != "" {
			t.Errorf("%q: %s", tc.in, d)
		}
	}
}

const mapsText = `55a61c5a1000-55a61c5a3000 r--p 00000000 fe:00 247278                     /usr/bin/head
55a61c5a3000-55a61c5a9000 r-xp 00002000 fe:00 247278                     /usr/bin/head
55a61c600000-55a61c621000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 rw-s 00000000 00:05 9                          /memfd:my  memfd (deleted)
7f0000001000-7f0000002000 rw-s 00000000 103:0a 18446744073709551615      /a b\012c
7f0000003000-7f0000004000 ---p 00000000 00:00 0 
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`

func TestParseMaps(t *testing.T) {
	var m Maps
	if err := ParseMaps([]byte(mapsText), &m); err != nil {
		t.Fatal(err)
	}
	perms := func(s string) (p [4]byte) { copy(p[:], s); return p }
	want := Maps{VMAs: []VMA{
		{0x55a61c5a1000, 0x55a61c5a3000, perms("r--p"), 0, 0xfe, 0, 247278, "/usr/bin/head"},
		{0x55a61c5a3000, 0x55a61c5a9000, perms("r-xp"), 0x2000, 0xfe, 0, 247278, "/usr/bin/head"},
		{0x55a61c600000, 0x55a61c621000, perms("rw-p"), 0, 0, 0, 0, "[heap]"},
		{0x7f0000000000, 0x7f0000001000, perms("rw-s"), 0, 0, 5, 9, "/memfd:my  memfd (deleted)"},
		{0x7f0000001000, 0x7f0000002000, perms("rw-s"), 0, 0x103, 0xa, math.MaxUint64, `/a b\012c`},
		{0x7f0000003000, 0x7f0000004000, perms("---p"), 0, 0, 0, 0, ""},
		{0xffffffffff600000, 0xffffffffff601000, perms("--xp"), 0, 0, 0, 0, "[vsyscall]"},
	}}
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
	if p, ambiguous := UnescapePath(m.VMAs[4].Name); p != "/a b\nc" || !ambiguous {
		t.Errorf("%q %v", p, ambiguous)
	}
	if p, ambiguous := UnescapePath(`/a\b`); p != `/a\b` || ambiguous {
		t.Errorf("%q %v", p, ambiguous)
	}
}

func TestParseMapsTorn(t *testing.T) {
	lines := strings.SplitAfter(mapsText, "\n")
	torn := lines[0] + lines[1] + lines[0] + lines[2]
	var m Maps
	if err := ParseMaps([]byte(torn), &m); err != nil || m.Torn != 1 || len(m.VMAs) != 3 {
		t.Errorf("%v, %d torn, %d VMAs", err, m.Torn, len(m.VMAs))
	}
	detail := "Rss:  4 kB\n"
	var s Smaps
	err := ParseSmaps([]byte(lines[0]+detail+lines[1]+detail+lines[0]+detail+lines[2]), &s)
	if err != nil || s.Torn != 1 || len(s.Entries) != 3 || s.Entries[2].RSS != 0 || s.Entries[1].RSS != 4096 {
		t.Errorf("%v %+v", err, s)
	}
}

func TestParseMapsMalformed(t *testing.T) {
	line := strings.SplitAfter(mapsText, "\n")[0]
	for _, bad := range []string{
		"\n", "x\n", strings.Replace(line, "-", " ", 1), strings.Replace(line, "r--p", "r--", 1),
		strings.Replace(line, "fe:00", "fe00", 1), strings.Replace(line, "247278", "x", 1), line[:30],
		"3-1" + line[strings.IndexByte(line, ' '):],
	} {
		var m Maps
		if err := ParseMaps([]byte(bad), &m); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseSmaps(t *testing.T) {
	lines := strings.SplitAfter(mapsText, "\n")
	text := lines[0] + `Size:                  8 kB
KernelPageSize:        4 kB
Rss:                   7 kB
Pss:                   6 kB
Pss_Dirty:             5 kB
Shared_Clean:          4 kB
Shared_Dirty:          3 kB
Private_Clean:         2 kB
Private_Dirty:         1 kB
Private_Hugetlb:    2048 kB
Swap:                  9 kB
THPeligible:           0
ProtectionKey:         0
VmFlags: rd mr mw me 
` + lines[3] + "VmFlags:\nLocked:  12 kB\n"
	var s Smaps
	if err := ParseSmaps([]byte(text), &s); err != nil || len(s.Entries) != 2 {
		t.Fatal(err, len(s.Entries))
	}
	want := Sizes{
		Size: 8 << 10, KernelPageSize: 4 << 10, RSS: 7 << 10, PSS: 6 << 10, PSSDirty: 5 << 10, SharedClean: 4 << 10,
		SharedDirty: 3 << 10, PrivateClean: 2 << 10, PrivateDirty: 1 << 10, PrivateHugetlb: 2 << 20, Swap: 9 << 10,
	}
	if d := cmp.Diff(want, s.Entries[0].Sizes); d != "" {
		t.Error(d)
	}
	if got := s.Entries[0].USS(); got != 2<<10+1<<10+2<<20 {
		t.Errorf("USS %d", got)
	}
	if f := s.Entries[0].VMFlags; f != "rd mr mw me" {
		t.Errorf("flags %q", f)
	}
	if e := s.Entries[1]; e.VMFlags != "" || e.Locked != 12<<10 || e.Name != "/memfd:my  memfd (deleted)" {
		t.Errorf("%+v", e)
	}
	var m Maps
	if err := ParseMaps([]byte(lines[0]+lines[3]), &m); err != nil || m.VMAs[1] != s.Entries[1].VMA {
		t.Error("maps and smaps disagree", err)
	}
	for _, bad := range []string{"Rss: 1 kB\n", lines[0] + "Rss: x kB\n", lines[0] + "Rss 1\n", lines[0] + "\n", lines[0] + "Rss: 1\n"} {
		if err := ParseSmaps([]byte(bad), &s); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseSmapsRollup(t *testing.T) {
	var s Sizes
	text := "55857d689000-7ffd26552000 ---p 00000000 00:00 0                          [rollup]\nRss:    1672 kB\nPss:  251 kB\nPss_Anon:  7 kB\n"
	if err := ParseSmapsRollup([]byte(text), &s); err != nil || s.RSS != 1672<<10 || s.PSS != 251<<10 || s.PSSAnon != 7<<10 {
		t.Error(err, s)
	}
	for _, bad := range []string{"", "\n", "Rss: 1 kB\n", "1-2 ---p\n", "1-2 ---p\nRss: 1\n"} {
		if err := ParseSmapsRollup([]byte(bad), &s); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseSyscall(t *testing.T) {
	for in, want := range map[string]Syscall{
		"running\n":                          {Running: true, Number: -1},
		"-1 0x7ffc12345678 0x7f0011223344\n": {Number: -1, SP: 0x7ffc12345678, PC: 0x7f0011223344},
		"202 0x804b58 0x80 0x0 0x0 0x0 0xffffffffffffffff 0x7ffc1 0x4c9d43\n": {Number: 202, Args: [6]uint64{0x804b58, 0x80, 0, 0, 0, math.MaxUint64}, SP: 0x7ffc1, PC: 0x4c9d43},
		"0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n":                                 {},
		"1073742344 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8":                          {Number: 1073742344, Args: [6]uint64{1, 2, 3, 4, 5, 6}, SP: 7, PC: 8},
	} {
		var s Syscall
		if err := ParseSyscall([]byte(in), &s); err != nil || s != want {
			t.Errorf("%q: %+v, %v", in, s, err)
		}
	}
	for _, bad := range []string{"", "\n", "x", "-2 0x1 0x2", "-1 0x1", "1 0x1 0x2", "-1 1 2", "-1 0x 0x1"} {
		var s Syscall
		if err := ParseSyscall([]byte(bad), &s); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseWaits(t *testing.T) {
	for in, want := range map[string]string{"0": "", "": "", "futex_do_wait": "futex_do_wait", "x\n": "x", "0x": "0x"} {
		if got := ParseWchan([]byte(in)); got != want {
			t.Errorf("wchan %q: %q", in, got)
		}
	}
	got := ParseStack([]byte("[<0>] futex_do_wait+0x46/0x90\n[<0>] do_futex+0xfd/0x250\n\nplain\n"))
	if d := cmp.Diff([]string{"futex_do_wait+0x46/0x90", "do_futex+0xfd/0x250", "plain"}, got); d != "" {
		t.Error(d)
	}
}

func TestParseCgroup(t *testing.T) {
	got, err := ParseCgroup([]byte("9:name=systemd:/a:b\n2:cpu,cpuacct:/..\n1::/\n0::/x (deleted)\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Cgroup{
		{9, "name=systemd", "/a:b", false}, {2, "cpu,cpuacct", "/..", false}, {1, "", "/", false}, {0, "", "/x", true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"\n", "1:x\n", "x:y:z\n", ":::\n"} {
		if _, err := ParseCgroup([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
