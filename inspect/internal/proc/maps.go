package proc

import (
	"bytes"
	"strings"
)

// VMA is one line of /proc/PID/maps.
type VMA struct {
	Start, End uint64
	Perms      [4]byte // "rwxp": p private, s shared mapping
	Offset     uint64  // into the file, bytes
	DevMajor   uint32
	DevMinor   uint32
	Inode      uint64
	// Name is the kernel's text: a path, "[heap]", "" for anonymous. Blanks
	// are kept; a newline in a path appears as `\012` (see UnescapePath).
	Name string
}

// UnescapePath turns `\012` in a VMA's name back into newlines. The kernel does
// not escape backslashes, so a file that is literally named so looks the same:
// ambiguous is true when there was one.
func UnescapePath(name string) (path string, ambiguous bool) {
	if !strings.Contains(name, `\012`) {
		return name, false
	}
	return strings.ReplaceAll(name, `\012`, "\n"), true
}

// Maps is /proc/PID/maps.
type Maps struct {
	VMAs []VMA
	// Torn counts lines left out because they began below the end of the one
	// before: the process changed its mappings between two partial reads.
	Torn int
}

// ParseMaps parses maps; it reuses the slice.
func ParseMaps(b []byte, m *Maps) error {
	*m = Maps{VMAs: m.VMAs[:0]}
	var last uint64
	var names interner
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		var v VMA
		if !parseVMA(line, &v, &names) {
			return malformed(FileMaps, "line")
		}
		if v.Start < last {
			m.Torn++
			continue
		}
		last = v.End
		m.VMAs = append(m.VMAs, v)
	}
	return nil
}

// interner shares the string of neighbouring VMAs of the same file.
type interner struct{ last string }

func (n *interner) name(b []byte) string {
	if string(b) != n.last {
		n.last = string(b)
	}
	return n.last
}

// parseVMA parses "start-end perms offset major:minor inode   name".
func parseVMA(line []byte, v *VMA, names *interner) (ok bool) {
	addr, rest := nextField(line)
	dash := bytes.IndexByte(addr, '-')
	if dash < 0 {
		return false
	}
	if v.Start, ok = parseHex(addr[:dash]); !ok {
		return false
	}
	if v.End, ok = parseHex(addr[dash+1:]); !ok || v.End < v.Start {
		return false
	}
	perms, rest := nextField(rest)
	if len(perms) != len(v.Perms) {
		return false
	}
	copy(v.Perms[:], perms)
	word, rest := nextField(rest)
	if v.Offset, ok = parseHex(word); !ok {
		return false
	}
	word, rest = nextField(rest)
	if !parseDevice(word, v) {
		return false
	}
	word, rest = nextField(rest)
	if v.Inode, ok = parseUint(word); !ok {
		return false
	}
	// The name is padded to a column and never begins with a blank.
	v.Name = names.name(bytes.TrimLeft(rest, " "))
	return true
}

func parseDevice(b []byte, v *VMA) bool {
	colon := bytes.IndexByte(b, ':')
	if colon < 0 {
		return false
	}
	major, ok := parseHex(b[:colon])
	if !ok || major > 1<<32-1 {
		return false
	}
	minor, ok := parseHex(b[colon+1:])
	v.DevMajor, v.DevMinor = uint32(major), uint32(minor)
	return ok && minor <= 1<<32-1
}

// Maps reads and parses the maps of a process.
func (r *Reader) Maps(pid int, m *Maps) error {
	b, err := r.File(pid, FileMaps)
	if err != nil {
		return err
	}
	return ParseMaps(b, m)
}
