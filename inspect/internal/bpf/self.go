package bpf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// checkSelf reads our own record and compares it with what /proc says about
// this very thread. Counters are read before and after, and must lie between.
func (s *Source) checkSelf() error {
	const op = "check own record"
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := readSelf()
	if err != nil {
		return explain(op, err)
	}
	tasks, err := s.One(unix.Getpid(), 0, nil)
	if err != nil {
		return explain(op, err)
	}
	after, err := readSelf()
	if err != nil {
		return explain(op, err)
	}
	for i := range tasks {
		if tasks[i].TID == uint32(unix.Gettid()) {
			return compareSelf(op, &tasks[i], before, after)
		}
	}
	return mismatch(op, "no record of our own thread %d", unix.Gettid())
}

// selfFacts are the facts about a thread that the probe compares.
type selfFacts struct {
	ppid       int
	startTicks uint64
	voluntary  uint64
}

func readSelf() (selfFacts, error) {
	stat, err := os.ReadFile("/proc/thread-self/stat")
	if err != nil {
		return selfFacts{}, err
	}
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return selfFacts{}, err
	}
	return parseSelf(stat, string(status))
}

// parseSelf takes fields 4 and 22 of stat and one line of status.
func parseSelf(stat []byte, status string) (f selfFacts, err error) {
	i := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[i+1:]))
	if i < 0 || len(fields) < 20 {
		return f, errors.New("stat not understood")
	}
	if f.ppid, err = strconv.Atoi(fields[1]); err != nil {
		return f, err
	}
	if f.startTicks, err = strconv.ParseUint(fields[19], 10, 64); err != nil {
		return f, err
	}
	_, v, _ := strings.Cut(status, "\nvoluntary_ctxt_switches:")
	v, _, _ = strings.Cut(v, "\n")
	f.voluntary, err = strconv.ParseUint(strings.TrimSpace(v), 10, 64)
	return f, err
}

func compareSelf(op string, t *Task, before, after selfFacts) error {
	switch {
	case t.TGID != uint32(unix.Getpid()):
		return mismatch(op, "process %d, is %d", t.TGID, unix.Getpid())
	case int(t.PPID) != before.ppid && int(t.PPID) != after.ppid:
		return mismatch(op, "parent %d, /proc says %d", t.PPID, after.ppid)
	case t.StartTicks() != after.startTicks:
		return mismatch(op, "start %d ticks, /proc says %d", t.StartTicks(), after.startTicks)
	case t.NVCSw < before.voluntary || t.NVCSw > after.voluntary:
		return mismatch(op, "%d switches, /proc says %d to %d", t.NVCSw, before.voluntary, after.voluntary)
	case t.UID != uint32(unix.Getuid()) || t.EUID != uint32(unix.Geteuid()):
		return mismatch(op, "uid %d/%d, is %d/%d", t.UID, t.EUID, unix.Getuid(), unix.Geteuid())
	}
	return nil
}

// boottimeOffset is how far our time namespace shifts the time since boot, in
// ns: /proc shifts start times by it.
func boottimeOffset() (int64, error) {
	b, err := os.ReadFile("/proc/self/timens_offsets")
	if errors.Is(err, fs.ErrNotExist) { // kernel without time namespaces
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return parseBoottimeOffset(string(b))
}

func parseBoottimeOffset(text string) (int64, error) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		// The name was a number in the first kernels: CLOCK_BOOTTIME is 7.
		if len(f) != 3 || (f[0] != "boottime" && f[0] != "7") {
			continue
		}
		sec, err1 := strconv.ParseInt(f[1], 10, 64)
		ns, err2 := strconv.ParseInt(f[2], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return 0, err
		}
		return sec*1e9 + ns, nil
	}
	return 0, fmt.Errorf("timens_offsets: no line of the boot clock in %q", text)
}
