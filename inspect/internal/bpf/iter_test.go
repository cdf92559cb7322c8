package bpf

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pieces answers reads with what is in it, one element per read: bytes, or an
// error.
type pieces []any

func (p *pieces) read(buf []byte) (int, error) {
	if len(*p) == 0 {
		return 0, nil
	}
	switch v := (*p)[0].(type) {
	case error:
		*p = (*p)[1:]
		return -1, v
	case []byte:
		n := copy(buf, v)
		if n == len(v) {
			*p = (*p)[1:]
		} else {
			(*p)[0] = v[n:]
		}
		return n, nil
	}
	panic("neither bytes nor error")
}

type record struct{ a, b, c uint64 }

const recordSize = int(unsafe.Sizeof(record{}))

// records makes n of them with different bytes.
func records(n int) []record {
	r := make([]record, n)
	for i := range r {
		r[i] = record{uint64(i), uint64(i) << 20, ^uint64(i)}
	}
	return r
}

func asBytes(r []record) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(r))), len(r)*recordSize)
}

func TestReadRecords(t *testing.T) {
	want := records(5)
	all := asBytes(want)
	tests := []struct {
		name string
		in   pieces
	}{
		{"at once", pieces{all}},
		{"whole records", pieces{all[:recordSize], all[recordSize:]}},
		{"cut", pieces{all[:1], all[1:30], all[30:31], all[31:]}},
		{"try again first", pieces{unix.EAGAIN, unix.EAGAIN, all}},
		{"interrupted in a cut", pieces{all[:30], unix.EINTR, all[30:], unix.EAGAIN}},
	}
	for _, tt := range tests {
		for _, size := range []int{recordSize, recordSize + 1, 2*recordSize - 1, 1000} {
			in := append(pieces(nil), tt.in...)
			got, err := collectRecords(in.read, newBuffer(size), []record{{a: 99}})
			if err != nil || len(got) != 6 || got[0].a != 99 || !bytes.Equal(asBytes(got[1:]), all) {
				t.Errorf("%s, buffer %d: %v, %v", tt.name, size, got, err)
			}
		}
	}
	in := pieces{all[:50]}
	if got, err := collectRecords(in.read, newBuffer(100), []record(nil)); !errors.Is(err, errCutRecord) || len(got) != 2 {
		t.Errorf("end in a record: %v, %v", got, err)
	}
	in = pieces{all[:24], io.ErrUnexpectedEOF}
	if got, err := collectRecords(in.read, newBuffer(100), []record(nil)); !errors.Is(err, io.ErrUnexpectedEOF) || len(got) != 1 {
		t.Errorf("error: %v, %v", got, err)
	}
}

func FuzzReadRecords(f *testing.F) {
	f.Add(uint8(3), uint16(24), []byte{1, 24, 47})
	f.Add(uint8(200), uint16(1000), []byte{})
	f.Fuzz(func(t *testing.T, n uint8, size uint16, cuts []byte) {
		want := records(int(n))
		rest := asBytes(want)
		var in pieces
		for _, c := range cuts {
			k := min(int(c), len(rest))
			if k == 0 {
				in = append(in, unix.EAGAIN)
				continue
			}
			in = append(in, rest[:k])
			rest = rest[k:]
		}
		if len(rest) > 0 {
			in = append(in, rest)
		}
		got, err := collectRecords(in.read, newBuffer(recordSize+int(size)), []record(nil))
		if err != nil || !bytes.Equal(asBytes(got), asBytes(want)) {
			t.Fatalf("got %d of %d records, %v", len(got), len(want), err)
		}
	})
}

// collectRecords appends all records to dst.
func collectRecords(read func([]byte) (int, error), buf []byte, dst []record) ([]record, error) {
	err := readRecords(read, buf, func(batch []record) { dst = append(dst, batch...) })
	return dst, err
}
