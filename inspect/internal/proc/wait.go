package proc

import "bytes"

// Syscall is /proc/PID/task/TID/syscall: where a thread waits.
type Syscall struct {
	Running bool // on a CPU right now: nothing else is known
	// Number of the system call it is inside of, -1: none (an exception, or
	// kernel mode without one).
	Number int64
	Args   [6]uint64
	// Stack pointer and program counter in user space; both 0 for a thread
	// that never was there (io_uring workers, kernel threads).
	SP, PC uint64
}

// ParseSyscall parses syscall: "running", "-1 sp pc" or "nr a b c d e f sp pc".
func ParseSyscall(b []byte, s *Syscall) error {
	*s = Syscall{Number: -1}
	word, rest := nextField(b)
	if string(word) == "running" {
		s.Running = true
		return nil
	}
	n, ok := parseInt(word)
	if !ok || n < -1 {
		return malformed(FileSyscall, "number")
	}
	s.Number = n
	if n >= 0 {
		for i := range s.Args {
			if s.Args[i], rest, ok = nextAddress(rest); !ok {
				return malformed(FileSyscall, "argument")
			}
		}
	}
	if s.SP, rest, ok = nextAddress(rest); !ok {
		return malformed(FileSyscall, "stack pointer")
	}
	if s.PC, _, ok = nextAddress(rest); !ok {
		return malformed(FileSyscall, "program counter")
	}
	return nil
}

// nextAddress parses the next word, "0x7ffc12".
func nextAddress(b []byte) (v uint64, rest []byte, ok bool) {
	word, rest := nextField(b)
	if len(word) < 3 || word[0] != '0' || word[1] != 'x' {
		return 0, rest, false
	}
	v, ok = parseHex(word[2:])
	return v, rest, ok
}

// ParseWchan returns the kernel function in which a task sleeps. "" means that
// it does not sleep or that we may not know: the kernel writes "0" for both.
func ParseWchan(b []byte) string {
	b = bytes.TrimSuffix(b, newline)
	if string(b) == "0" {
		return ""
	}
	return string(b)
}

// ParseStack returns the kernel stack in stack, innermost function first, as
// "function+offset/size"; addresses, which are hidden anyway, are left out.
func ParseStack(b []byte) []string {
	var out []string
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		if i := bytes.Index(line, []byte("] ")); i >= 0 && line[0] == '[' {
			line = line[i+2:]
		}
		if len(line) > 0 {
			out = append(out, string(line))
		}
	}
	return out
}

// Syscall reads and parses the syscall file of a thread.
func (r *Reader) Syscall(pid, tid int, s *Syscall) error {
	b, err := r.ThreadFile(pid, tid, FileSyscall)
	if err != nil {
		return err
	}
	return ParseSyscall(b, s)
}

// Wchan reads the wchan of a thread.
func (r *Reader) Wchan(pid, tid int) (string, error) {
	b, err := r.ThreadFile(pid, tid, FileWchan)
	return ParseWchan(b), err
}

// Stack reads the kernel stack of a thread.
func (r *Reader) Stack(pid, tid int) ([]string, error) {
	b, err := r.ThreadFile(pid, tid, FileStack)
	return ParseStack(b), err
}
