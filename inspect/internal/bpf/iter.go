package bpf

import (
	"errors"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// The library attaches iterators without a task filter, so the two bpf(2)
// calls are made here. Numbers and layouts: uapi/linux/bpf.h.
const (
	bpfLinkCreate = 28
	bpfIterCreate = 33
)

// iterFilter is bpf_iter_link_info.task. tgid selects all threads of one
// process, tid one thread, both as our PID namespace numbers them; both zero
// is every task. The filter is silently ignored before Linux 6.1.
type iterFilter struct {
	tid, tgid, pidFD uint32
}

// linkAttr is the part of union bpf_attr that BPF_LINK_CREATE uses for
// iterators, and zeros to its full length.
type linkAttr struct {
	progFD, targetFD, attachType, flags uint32
	iterInfo                            unsafe.Pointer
	iterInfoLen                         uint32
	_                                   [36]byte
}

// linkIter attaches an iterator program. The descriptor must be closed.
func linkIter(prog *ebpf.Program, filter iterFilter) (int, error) {
	attr := linkAttr{progFD: uint32(prog.FD()), attachType: uint32(ebpf.AttachTraceIter)}
	if filter != (iterFilter{}) {
		attr.iterInfo = unsafe.Pointer(&filter)
		attr.iterInfoLen = uint32(unsafe.Sizeof(filter))
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, bpfLinkCreate, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(prog)
	runtime.KeepAlive(&filter)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// openIter makes a descriptor for one pass over a link.
func openIter(link int) (int, error) {
	attr := struct{ linkFD, flags uint32 }{linkFD: uint32(link)}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, bpfIterCreate, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// bufferSize is that of one read: the kernel's own buffer has 32 KiB, so every
// read of that size or more returns whole records.
const bufferSize = 256 << 10

// newBuffer makes a read buffer whose start is aligned for any record.
func newBuffer(size int) []byte {
	words := make([]uint64, (size+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)[:size]
}

// readRecords hands the records of type T that read delivers to take, until read
// reports the end (0 bytes). They lie in buf, so take copies what it keeps.
// Records may be cut anywhere between two reads. buf must come from newBuffer
// and hold at least one record; T must have no pointers and be as the program
// lays it out.
func readRecords[T any](read func([]byte) (int, error), buf []byte, take func([]T)) error {
	var zero T
	size := int(unsafe.Sizeof(zero))
	rest := 0 // bytes of a cut record at the start of buf
	for {
		n, err := read(buf[rest:])
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			// EAGAIN: the program saw very many tasks and wrote nothing yet.
			continue
		case err != nil:
			return err
		case n == 0 && rest != 0:
			return errCutRecord
		case n == 0:
			return nil
		}
		n += rest
		whole := n / size
		take(unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(buf))), whole))
		rest = copy(buf, buf[whole*size:n])
	}
}

var errCutRecord = errors.New("the last record is cut short")

// eachRecord makes one pass over a link.
func eachRecord[T any](link int, buf []byte, take func([]T)) error {
	fd, err := openIter(link)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return readRecords(func(p []byte) (int, error) { return unix.Read(fd, p) }, buf, take)
}

// runIter makes one pass over a link and appends its records to dst.
func runIter[T any](link int, buf []byte, dst []T) ([]T, error) {
	err := eachRecord(link, buf, func(batch []T) { dst = append(dst, batch...) })
	return dst, err
}

// runFiltered makes one pass with a filter of its own.
func runFiltered[T any](prog *ebpf.Program, filter iterFilter, buf []byte, dst []T) ([]T, error) {
	link, err := linkIter(prog, filter)
	if err != nil {
		return dst, err
	}
	defer unix.Close(link)
	return runIter(link, buf, dst)
}
