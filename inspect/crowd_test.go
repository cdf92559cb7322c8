package inspect_test

import (
	"strconv"
	"testing"

	"taskscope/inspect"
	"taskscope/inspect/inspecttest"
)

// TestFirstPassOverCrowd: of very many processes the first pass of an interface
// reads what a row needs, the next one the rest.
func TestFirstPassOverCrowd(t *testing.T) {
	f := inspecttest.NewFakeProc(t)
	for i := range 2500 {
		f.Put(inspecttest.FakeProcess{PID: 1000 + i, Comm: "p" + strconv.Itoa(i), Cmdline: "prog\x00", Pages: 3})
	}
	r := crowdReader(t, inspect.Options{ProcRoot: f.Root, Background: true})
	q := inspect.Request{Want: inspect.WantTree}
	first := read(t, r, q)
	p := first.ByPID(1000)
	if first.Want == q.Want || p == nil || p.Comm != "p0" || p.State != 'S' || p.Cmdline.Why != inspect.NotRead || p.UID.Why != inspect.NotRead || p.RSSBytes.Why != inspect.NotRead || p.User != "" {
		t.Errorf("first pass: want %b, %+v", first.Want, p)
	}
	s := read(t, r, q)
	if p = s.ByPID(1000); s.Want != q.Want || !p.Cmdline.OK() || !p.UID.OK() || !p.RSSBytes.OK() {
		t.Errorf("second pass: want %b, %+v", s.Want, p)
	}
	if once := read(t, crowdReader(t, inspect.Options{ProcRoot: f.Root, OneShot: true}), q); once.Want != q.Want {
		t.Errorf("the only pass of a command: want %b", once.Want)
	}
}

func crowdReader(t *testing.T, o inspect.Options) *inspect.Reader {
	t.Helper()
	r, err := inspect.NewReader(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
