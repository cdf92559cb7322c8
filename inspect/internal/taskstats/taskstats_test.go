package taskstats

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func open(t testing.TB) *Conn {
	t.Helper()
	c, err := Open()
	if err != nil {
		t.Skipf("taskstats cannot be used here: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Process(os.Getpid()); errors.Is(err, unix.EPERM) {
		t.Skip("taskstats: needs CAP_NET_ADMIN")
	}
	return c
}

func TestProcessAgreesWithGetrusage(t *testing.T) {
	c := open(t)
	complete, err := c.Complete()
	if err != nil {
		t.Fatal(err)
	}
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
		t.Fatal(err)
	}
	got, err := c.Process(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
		t.Fatal(err)
	}
	if got.Voluntary > uint64(after.Nvcsw) || got.Involuntary > uint64(after.Nivcsw) {
		t.Errorf("got %+v, more than getrusage afterwards: %d, %d", got, after.Nvcsw, after.Nivcsw)
	}
	// The last switches of exiting threads are not noted: see Complete.
	const lost = 20
	if complete && (got.Voluntary+lost < uint64(before.Nvcsw) || got.Involuntary+lost < uint64(before.Nivcsw)) {
		t.Errorf("got %+v, less than getrusage before: %d, %d", got, before.Nvcsw, before.Nivcsw)
	}
	if got.RunNS == 0 || got.Slices == 0 {
		t.Errorf("no run time or no time slices: %+v", got)
	}
}

func TestProcessGone(t *testing.T) {
	c := open(t)
	if _, err := c.Process(1 << 30); !errors.Is(err, ErrGone) {
		t.Errorf("got %v, want ErrGone", err)
	}
}

func TestAttribute(t *testing.T) {
	var b []byte
	put := func(kind uint16, value ...byte) {
		b = binary.NativeEndian.AppendUint16(b, uint16(attrLen+len(value)))
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = append(b, value...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	put(1, 7)
	put(2|unix.NLA_F_NESTED, 8, 9)
	if got := attribute(b, 2); string(got) != "\x08\x09" {
		t.Errorf("attribute 2 = %v", got)
	}
	if got := attribute(b, 3); got != nil {
		t.Errorf("attribute 3 = %v", got)
	}
	for n := range b {
		attribute(b[:n], 2) // must not panic on cut messages
	}
}

func TestParseShort(t *testing.T) {
	if _, err := parse(make([]byte, 100)); err == nil {
		t.Error("no error for a short answer")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(make([]byte, 560))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = parse(attribute(attribute(b, unix.TASKSTATS_TYPE_AGGR_TGID), unix.TASKSTATS_TYPE_STATS))
	})
}
