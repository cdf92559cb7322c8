package proc

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// Each target feeds arbitrary bytes to a parser (which may refuse them, but not
// panic, and must not read beyond them), and then valid text made from the same
// input, which must come back unchanged.

func FuzzParseStat(f *testing.F) {
	for _, name := range hostileNames {
		f.Add([]byte(statText(7, name)), name, 7, int64(-100), uint64(1)<<63)
	}
	f.Fuzz(func(t *testing.T, raw []byte, name string, pid int, prio int64, start uint64) {
		var s Stat
		if ParseStat(raw, &s) == nil {
			if s.Fields < minStatFields || s.Fields > statFields || !bytes.Contains(raw, s.Comm) {
				t.Errorf("%q: %+v", raw, s)
			}
		}
		pid &= maxPID
		text := fmt.Sprintf("%d (%s) R 1 2 3 -4 -1 6 7 8 9 10 11 12 13 14 %d 0 5 0 %d 1 2 3", pid, name, prio, start)
		if err := ParseStat([]byte(text), &s); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if s.PID != pid || string(s.Comm) != name || s.State != 'R' || s.TTYNr != -4 ||
			int64(s.Priority) != prio || s.StartTicks != start || s.RSSLimit != 3 || s.Fields != 25 {
			t.Errorf("%q: %+v", text, s)
		}
	})
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte(statusText), "x", uint32(1), uint64(2))
	for _, name := range hostileNames {
		f.Add([]byte("Name:\t"+name+"\nPid:\t1\n"), name, uint32(3000000000), uint64(1)<<63)
	}
	f.Fuzz(func(t *testing.T, raw []byte, name string, uid uint32, n uint64) {
		var s Status
		if ParseStatus(raw, &s) == nil && (!s.Has(StatusName) || !s.Has(StatusPid)) {
			t.Errorf("%q: no name", raw)
		}
		samePart(t, raw, StatusLines(n))
		kb := n >> 10
		text := fmt.Sprintf("Name:\t%s\nNew:\tline\nPid:\t5\nUid:\t%d\t1\t2\t3\nGroups:\t%d %d \nVmRSS:\t%8d kB\n"+
			"SigCgt:\t%016x\nvoluntary_ctxt_switches:\t%d\n", escapeStatus(name), uid, uid, uid, kb, n, n)
		if err := ParseStatus([]byte(text), &s); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if string(s.Name) != name || s.UID != (IDs{uid, 1, 2, 3}) || len(s.Groups) != 2 || s.Groups[1] != uid ||
			s.VmRSS != kb<<10 || s.SigCgt != n || s.Voluntary != n || s.Has(StatusVmSwap) {
			t.Errorf("%q: %+v", text, s)
		}
	})
}

// samePart: what is parsed of a part of the lines is what is parsed of all.
func samePart(t *testing.T, raw []byte, want StatusLines) {
	t.Helper()
	var all, part Status
	errAll, err := ParseStatus(raw, &all), ParseStatusLines(raw, &part, want)
	if errAll == nil && err != nil {
		t.Fatalf("%q: lines %b: %v", raw, want, err)
	}
	if errAll != nil {
		return
	}
	if want |= LinesOf(StatusName, StatusPid); part.have != all.have&uint64(want) {
		t.Errorf("%q: lines %b: has %b of %b", raw, want, part.have, all.have)
	}
	for f, get := range map[StatusField]func(*Status) any{
		StatusUid:             func(s *Status) any { return s.UID },
		StatusNSpid:           func(s *Status) any { return fmt.Sprint(s.NSpid) },
		StatusVmRSS:           func(s *Status) any { return s.VmRSS },
		StatusCpusAllowedList: func(s *Status) any { return string(s.CpusAllowedList) },
		StatusVoluntary:       func(s *Status) any { return s.Voluntary },
	} {
		from := &all
		if want>>f&1 == 0 {
			from = &Status{}
		}
		if get(&part) != get(from) {
			t.Errorf("%q: lines %b: %s is %v, want %v", raw, want, statusLines[f].name, get(&part), get(from))
		}
	}
}

func FuzzParseCounters(f *testing.F) {
	f.Add([]byte("765 425 397 5 0 123 0\n"), uint64(1), uint64(2))
	f.Add([]byte("rchar: 1\nwchar: 2\n"), ^uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, raw []byte, a, b uint64) {
		var m Statm
		var s Schedstat
		var io IO
		_, _, _ = ParseStatm(raw, &m), ParseSchedstat(raw, &s), ParseIO(raw, &io)
		if ParseStatm(fmt.Appendf(nil, "%d %d 3 4 0 6 0\n", a, b), &m) != nil || m != (Statm{a, b, 3, 4, 6}) {
			t.Error(m)
		}
		if ParseSchedstat(fmt.Appendf(nil, "%d %d %d\n", a, b, a), &s) != nil || s != (Schedstat{a, b, a}) {
			t.Error(s)
		}
		text := fmt.Appendf(nil, "rchar: %d\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: %d\n", a, b)
		if ParseIO(text, &io) != nil || io != (IO{a, 2, 3, 4, 5, 6, b}) {
			t.Error(io)
		}
	})
}

func FuzzParseCmdline(f *testing.F) {
	f.Add([]byte("a b\x00pause\x00\x00c\nd\x00\xff\x00"))
	f.Add([]byte("nginx: master\x00\x00\x00"))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		args := ParseCmdline(raw)
		if (len(raw) == 0) != (args == nil) {
			t.Fatalf("%q: %q", raw, args)
		}
		if got, want := strings.Join(args, "\x00"), strings.TrimRight(string(raw), "\x00"); got != want {
			t.Errorf("%q: %q", raw, args)
		}
	})
}

func FuzzParseMaps(f *testing.F) {
	f.Add([]byte(mapsText), uint64(0x1000), uint64(0x2000), "/a  b (deleted)")
	f.Add([]byte("1-2 r-xp 0 0:0 0"), uint64(1), ^uint64(0), "[heap]")
	f.Fuzz(func(t *testing.T, raw []byte, start, end uint64, name string) {
		var m Maps
		if ParseMaps(raw, &m) == nil {
			checkOrder(t, m.VMAs)
		}
		var s Smaps
		if ParseSmaps(raw, &s) == nil {
			vmas := make([]VMA, len(s.Entries))
			for i, e := range s.Entries {
				vmas[i] = e.VMA
			}
			checkOrder(t, vmas)
		}
		var sum Sizes
		_ = ParseSmapsRollup(raw, &sum)
		if start > end || strings.HasPrefix(name, " ") || strings.Contains(name, "\n") {
			return
		}
		line := fmt.Sprintf("%08x-%08x rw-s %08x 103:0a 77 %30s%s\n", start, end, end, "", name)
		if err := ParseMaps([]byte(line), &m); err != nil || len(m.VMAs) != 1 {
			t.Fatalf("%q: %v", line, err)
		}
		want := VMA{start, end, [4]byte{'r', 'w', '-', 's'}, end, 0x103, 0xa, 77, name}
		if m.VMAs[0] != want {
			t.Errorf("%q: %+v", line, m.VMAs[0])
		}
		if err := ParseSmaps([]byte(line+"Rss:  4 kB\n"), &s); err != nil || s.Entries[0].VMA != want || s.Entries[0].RSS != 4096 {
			t.Errorf("%q: %+v %v", line, s.Entries, err)
		}
	})
}

// checkOrder: mappings are in order and do not overlap.
func checkOrder(t *testing.T, vmas []VMA) {
	var last uint64
	for _, v := range vmas {
		if v.Start < last || v.End < v.Start {
			t.Errorf("%x-%x after %x", v.Start, v.End, last)
		}
		last = v.End
	}
}

func FuzzParseWait(f *testing.F) {
	f.Add([]byte("running\n"), int64(-1), uint64(1), uint64(2))
	f.Add([]byte("202 0x804b58 0x80 0x0 0x0 0x0 0x0 0x7ffc1 0x4c9d43\n"), int64(202), uint64(0), ^uint64(0))
	f.Add([]byte("[<0>] futex_do_wait+0x46/0x90\n"), int64(0), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, raw []byte, nr int64, sp, pc uint64) {
		var s Syscall
		_ = ParseSyscall(raw, &s)
		_ = ParseWchan(raw)
		for _, line := range ParseStack(raw) {
			if line == "" || strings.Contains(line, "\n") {
				t.Errorf("%q: %q", raw, line)
			}
		}
		text := fmt.Sprintf("-1 0x%x 0x%x\n", sp, pc)
		want := Syscall{Number: -1, SP: sp, PC: pc}
		if nr >= 0 {
			text = fmt.Sprintf("%d 0x1 0x2 0x3 0x4 0x5 0x%x 0x%x 0x%x\n", nr, pc, sp, pc)
			want = Syscall{Number: nr, Args: [6]uint64{1, 2, 3, 4, 5, pc}, SP: sp, PC: pc}
		}
		if err := ParseSyscall([]byte(text), &s); err != nil || s != want {
			t.Errorf("%q: %+v %v", text, s, err)
		}
	})
}

func FuzzParseCgroup(f *testing.F) {
	f.Add([]byte("9:name=systemd:/a:b\n0::/x (deleted)\n"), "/user.slice:a")
	f.Fuzz(func(t *testing.T, raw []byte, path string) {
		if lines, err := ParseCgroup(raw); err == nil && len(lines) > bytes.Count(raw, newline)+1 {
			t.Errorf("%q: %d lines", raw, len(lines))
		}
		if strings.Contains(path, "\n") || strings.HasSuffix(path, " (deleted)") {
			return
		}
		lines, err := ParseCgroup([]byte("4:cpu,cpuacct:" + path + "\n0::" + path + " (deleted)\n"))
		want := []Cgroup{{4, "cpu,cpuacct", path, false}, {0, "", path, true}}
		if err != nil || len(lines) != 2 || lines[0] != want[0] || lines[1] != want[1] {
			t.Errorf("%q: %+v %v", path, lines, err)
		}
	})
}

func FuzzDirents(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x18\x00\x0412\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, n := range direntNumbers(raw, nil) {
			if n < 0 || n > maxPID {
				t.Errorf("%q: %d", raw, n)
			}
		}
	})
}
