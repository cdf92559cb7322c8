package taskstats

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sleeper is a quiet target.
func sleeper(t testing.TB) int {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", cmd.Process.Pid))
		if err == nil && strings.Contains(string(b), "nanosleep") {
			return cmd.Process.Pid
		}
		// wchan may be hidden: then the name and the state must do.
		b, _ = os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if strings.Contains(string(b), "(sleep) S ") && time.Now().After(end.Add(-19*time.Second)) {
			return cmd.Process.Pid
		}
		if time.Now().After(end) {
			t.Fatal("the target does not sleep")
		}
	}
}

// TestThread compares a quiet thread with /proc.
func TestThread(t *testing.T) {
	c := open(t)
	pid := sleeper(t)
	got, err := c.Threads([]int{pid}, nil)
	if err != nil || got[0].Err != nil {
		t.Fatal(err, got)
	}
	status := keyed(t, pid, "status")
	sched := strings.Fields(read(t, pid, "schedstat"))
	io := keyed(t, pid, "io")
	again, err := c.Threads([]int{pid}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != again[0] {
		t.Skip("the target did not stand still")
	}
	s := got[0]
	for _, f := range []struct {
		name string
		got  uint64
		want string
	}{
		{"voluntary", s.Voluntary, status["voluntary_ctxt_switches"]},
		{"involuntary", s.Involuntary, status["nonvoluntary_ctxt_switches"]},
		{"ppid", uint64(s.PPID), status["PPid"]},
		{"uid", uint64(s.UID), strings.Fields(status["Uid"])[0]},
		{"gid", uint64(s.GID), strings.Fields(status["Gid"])[0]},
		{"run", s.RunNS, sched[0]},
		{"ready", s.ReadyNS, sched[1]},
		{"slices", s.Slices, sched[2]},
		{"peak vsize", s.PeakVSizeBytes >> 10, strings.Fields(status["VmPeak"])[0]},
		{"rchar", s.ReadChars, rounded(io["rchar"])},
		{"wchar", s.WriteChars, rounded(io["wchar"])},
		{"read_bytes", s.ReadBytes, rounded(io["read_bytes"])},
		{"write_bytes", s.WriteBytes, rounded(io["write_bytes"])},
	} {
		if strconv.FormatUint(f.got, 10) != f.want {
			t.Errorf("%s: %d, /proc says %s", f.name, f.got, f.want)
		}
	}
	if s.Comm != "sleep" || s.ID != pid || s.Version == 0 || s.MinorFaults == 0 || s.PeakRSSBytes == 0 {
		t.Errorf("%+v", s)
	}
}

// rounded is what taskstats makes of a number.
func rounded(text string) string {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return err.Error()
	}
	return strconv.FormatUint(n&^1023, 10)
}

func read(t *testing.T, pid int, file string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func keyed(t *testing.T, pid int, file string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for line := range strings.Lines(read(t, pid, file)) {
		k, v, _ := strings.Cut(line, ":")
		m[k] = strings.TrimSpace(v)
	}
	return m
}

// TestMany: more than one batch, some of them gone, answers in order.
func TestMany(t *testing.T) {
	c := open(t)
	pid := sleeper(t)
	const none = 1 << 22
	var ids []int
	for i := range 3*batch + 5 {
		ids = append(ids, []int{pid, none, unix.Getpid()}[i%3])
	}
	got, err := c.Processes(ids, make([]Stats, 2))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(ids)+2 || got[0] != (Stats{}) {
		t.Fatalf("%d answers to %d questions", len(got)-2, len(ids))
	}
	for i, s := range got[2:] {
		if s.ID != ids[i] || errors.Is(s.Err, ErrGone) != (ids[i] == none) || (s.Err == nil) != (s.Version > 0) {
			t.Fatalf("answer %d: %+v, asked for %d", i, s, ids[i])
		}
	}
	if got, err := c.Threads(nil, nil); err != nil || got != nil {
		t.Errorf("nothing asked: %v, %v", got, err)
	}
}

// little skips what has bytes written down in one order.
func little(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("big-endian machine")
	}
}

func TestRequest(t *testing.T) {
	little(t)
	got := hex.EncodeToString(appendGet(nil, 0x1234, 7, unix.TASKSTATS_CMD_ATTR_TGID, 99))
	want := "1c000000" + "3412" + "0100" + "07000000" + "00000000" + "01" + "01" + "0000" + "0800" + "0200" + "63000000"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// attr makes an attribute.
func attr(typ uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(attrLen+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, typ), value...)
	return append(b, make([]byte, align(len(value))-len(value))...)
}

// int8AsIs makes a byte of the type of the first argument.
func int8AsIs[T int8 | uint8](_ T, c rune) T { return T(c) }

// reply makes an answer with that much of the structure.
func reply(seq uint32, aggregate uint16, raw []byte) []byte {
	inner := slices.Concat(attr(1, []byte{9, 0, 0, 0}), attr(unix.TASKSTATS_TYPE_STATS, raw))
	body := attr(aggregate|0x8000, inner) // as a kernel with NLA_F_NESTED would
	b := binary.NativeEndian.AppendUint32(nil, uint32(headerLen+genericLen+len(body)))
	b = binary.NativeEndian.AppendUint16(b, 0x1234)
	b = binary.NativeEndian.AppendUint16(b, 0)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	return append(append(b, 2, 1, 0, 0), body...)
}

func refusal(seq uint32, errno unix.Errno) []byte {
	b := binary.NativeEndian.AppendUint32(nil, 36)
	b = binary.NativeEndian.AppendUint16(b, unix.NLMSG_ERROR)
	b = binary.NativeEndian.AppendUint16(b, 0)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(-int32(errno)))
	return append(b, make([]byte, 16)...)
}

// least is what parse asks for: up to the switches.
const least = int(unsafe.Offsetof(unix.Taskstats{}.Nivcsw)) + 8

func asBytes(s *unix.Taskstats) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(s)), unsafe.Sizeof(*s))
}

func TestParse(t *testing.T) {
	full := unix.Taskstats{
		Version: 16, Nvcsw: 5, Nivcsw: 6, Cpu_run_virtual_total: 7, Ac_utime: 8, Hiwater_rss: 9,
		Irq_delay_min: 10,
	}
	for i, c := range "x\ny" { // signed or not, by architecture
		full.Ac_comm[i] += int8AsIs(full.Ac_comm[i], c)
	}
	longer := append(slices.Clone(asBytes(&full)), make([]byte, 40)...)
	for name, raw := range map[string][]byte{"as we know it": asBytes(&full), "newer": longer, "older": asBytes(&full)[:least]} {
		for _, aggregate := range []uint16{unix.TASKSTATS_TYPE_AGGR_PID, unix.TASKSTATS_TYPE_AGGR_TGID} {
			m, rest, err := nextMessage(reply(3, aggregate, raw))
			if err != nil || len(rest) != 0 || m.seq != 3 {
				t.Fatalf("%s: %+v, %v", name, m, err)
			}
			s := Stats{ID: 4}
			if err := s.fill(m); err != nil || s.Err != nil {
				t.Fatalf("%s: %v, %v", name, err, s.Err)
			}
			want := Stats{ID: 4, Version: 16, Totals: Totals{Voluntary: 5, Involuntary: 6, RunNS: 7}, UserNS: 8000, PeakRSSBytes: 9 << 10, Comm: "x\ny"}
			if s != want {
				t.Errorf("%s:\ngot  %+v\nwant %+v", name, s, want)
			}
		}
	}
	m, _, err := nextMessage(reply(3, unix.TASKSTATS_TYPE_AGGR_PID, make([]byte, least-1)))
	if err != nil {
		t.Fatal(err)
	}
	s := Stats{}
	if err := s.fill(m); err != nil || s.Err == nil {
		t.Errorf("too short: %v, %v", err, s.Err)
	}
}

func TestRefusals(t *testing.T) {
	for errno, want := range map[unix.Errno]error{unix.ESRCH: ErrGone, unix.ENOMEM: unix.ENOMEM} {
		m, _, err := nextMessage(refusal(1, errno))
		s := Stats{}
		if err != nil || s.fill(m) != nil || !errors.Is(s.Err, want) {
			t.Errorf("%v: %v, %v", errno, s.Err, err)
		}
	}
	m, _, err := nextMessage(refusal(1, unix.EPERM))
	if err != nil || !errors.Is(new(Stats).fill(m), unix.EPERM) {
		t.Errorf("%+v, %v", m, err)
	}
}

func FuzzMessages(f *testing.F) {
	raw := unix.Taskstats{Version: 16}
	f.Add(reply(1, unix.TASKSTATS_TYPE_AGGR_PID, asBytes(&raw)))
	f.Add(slices.Concat(refusal(1, unix.ESRCH), reply(2, unix.TASKSTATS_TYPE_AGGR_TGID, asBytes(&raw))))
	f.Add([]byte{16, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		keep := bytes.Clone(b)
		for rest := b; len(rest) > 0; {
			m, next, err := nextMessage(rest)
			if err != nil {
				break
			}
			if len(next) >= len(rest) {
				t.Fatal("no progress")
			}
			rest = next
			_ = new(Stats).fill(m)
		}
		if !bytes.Equal(b, keep) {
			t.Fatal("input changed")
		}
	})
}

func BenchmarkThreads(b *testing.B) {
	c := open(b)
	ids := make([]int, 128)
	for i := range ids {
		ids[i] = unix.Getpid()
	}
	var dst []Stats
	for b.Loop() {
		var err error
		if dst, err = c.Threads(ids, dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ids)), "ns/task")
}
