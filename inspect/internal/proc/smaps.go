package proc

import (
	"bytes"
)

// Sizes are the sizes that smaps gives of a VMA, and smaps_rollup of all
// together, in bytes. Private and shared here mean "mapped once" and "mapped
// more than once", which is not the type of the mapping.
type Sizes struct {
	Size           uint64 // smaps only
	KernelPageSize uint64 // smaps only
	MMUPageSize    uint64 // smaps only
	RSS            uint64
	PSS            uint64
	PSSDirty       uint64
	PSSAnon        uint64 // smaps_rollup only
	PSSFile        uint64 // smaps_rollup only
	PSSShmem       uint64 // smaps_rollup only
	SharedClean    uint64
	SharedDirty    uint64
	PrivateClean   uint64
	PrivateDirty   uint64
	Referenced     uint64
	Anonymous      uint64
	KSM            uint64
	LazyFree       uint64
	AnonHugePages  uint64 // contained in RSS
	ShmemPMDMapped uint64
	FilePMDMapped  uint64
	SharedHugetlb  uint64 // not contained in RSS
	PrivateHugetlb uint64 // not contained in RSS
	Swap           uint64 // shared memory included
	SwapPSS        uint64
	Locked         uint64
}

// USS is what belongs to the process alone: private pages, also huge ones.
func (s *Sizes) USS() uint64 { return s.PrivateClean + s.PrivateDirty + s.PrivateHugetlb }

// SmapsEntry is one VMA of /proc/PID/smaps.
type SmapsEntry struct {
	VMA
	Sizes
	VMFlags string // two letters each, separated by blanks: "rd mr mw me"
}

// Smaps is /proc/PID/smaps.
type Smaps struct {
	Entries []SmapsEntry
	Torn    int // see Maps.Torn
}

// ParseSmaps parses smaps; it reuses the slice.
func ParseSmaps(b []byte, s *Smaps) error {
	*s = Smaps{Entries: s.Entries[:0]}
	var last uint64
	var names, flags interner
	var skipped SmapsEntry
	var cur *SmapsEntry
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		if isVMALine(line) {
			var v VMA
			if !parseVMA(line, &v, &names) {
				return malformed(FileSmaps, "mapping")
			}
			if v.Start < last {
				s.Torn++
				cur = &skipped
				continue
			}
			last = v.End
			s.Entries = append(s.Entries, SmapsEntry{VMA: v})
			cur = &s.Entries[len(s.Entries)-1]
			continue
		}
		if cur == nil || !cur.detail(line, &flags) {
			return malformed(FileSmaps, "line")
		}
	}
	return nil
}

// isVMALine tells a mapping ("55a6-55b0 r--p …") from a detail ("Rss: …"): the
// first word of a detail ends with a colon and no address contains one.
func isVMALine(line []byte) bool {
	word, _ := nextField(line)
	return len(word) > 0 && word[len(word)-1] != ':'
}

// detail parses one line of an entry; unknown ones are skipped.
func (e *SmapsEntry) detail(line []byte, flags *interner) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return false
	}
	if string(line[:colon]) == "VmFlags" {
		e.VMFlags = flags.name(bytes.TrimSpace(line[colon+1:]))
		return true
	}
	return e.Sizes.set(line[:colon], line[colon+1:])
}

func (s *Sizes) set(key, value []byte) (ok bool) {
	p := s.field(key)
	if p == nil {
		return true
	}
	*p, ok = kilobytes(value)
	return ok
}

func (s *Sizes) field(key []byte) *uint64 {
	switch string(key) {
	case "Size":
		return &s.Size
	case "KernelPageSize":
		return &s.KernelPageSize
	case "MMUPageSize":
		return &s.MMUPageSize
	case "Rss":
		return &s.RSS
	case "Pss":
		return &s.PSS
	case "Pss_Dirty":
		return &s.PSSDirty
	case "Pss_Anon":
		return &s.PSSAnon
	case "Pss_File":
		return &s.PSSFile
	case "Pss_Shmem":
		return &s.PSSShmem
	case "Shared_Clean":
		return &s.SharedClean
	case "Shared_Dirty":
		return &s.SharedDirty
	case "Private_Clean":
		return &s.PrivateClean
	case "Private_Dirty":
		return &s.PrivateDirty
	case "Referenced":
		return &s.Referenced
	case "Anonymous":
		return &s.Anonymous
	case "KSM":
		return &s.KSM
	case "LazyFree":
		return &s.LazyFree
	case "AnonHugePages":
		return &s.AnonHugePages
	case "ShmemPmdMapped":
		return &s.ShmemPMDMapped
	case "FilePmdMapped":
		return &s.FilePMDMapped
	case "Shared_Hugetlb":
		return &s.SharedHugetlb
	case "Private_Hugetlb":
		return &s.PrivateHugetlb
	case "Swap":
		return &s.Swap
	case "SwapPss":
		return &s.SwapPSS
	case "Locked":
		return &s.Locked
	}
	return nil
}

// ParseSmapsRollup parses smaps_rollup: the sums over all VMAs.
func ParseSmapsRollup(b []byte, s *Sizes) error {
	*s = Sizes{}
	first, b := nextLine(b)
	if !isVMALine(first) {
		return malformed(FileSmapsRollup, "no first line")
	}
	seen := false
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		colon := bytes.IndexByte(line, ':')
		if colon < 0 || !s.set(line[:colon], line[colon+1:]) {
			return malformed(FileSmapsRollup, "line")
		}
		seen = seen || string(line[:colon]) == "Rss"
	}
	if !seen {
		return malformed(FileSmapsRollup, "no Rss")
	}
	return nil
}

// Smaps reads and parses the smaps of a process. Dear: milliseconds per GB.
func (r *Reader) Smaps(pid int, s *Smaps) error {
	b, err := r.File(pid, FileSmaps)
	if err != nil {
		return err
	}
	return ParseSmaps(b, s)
}

// SmapsRollup reads and parses the smaps_rollup of a process. Dear. ErrAbsent:
// it has no memory (kernel thread, zombie).
func (r *Reader) SmapsRollup(pid int, s *Sizes) error {
	b, err := r.File(pid, FileSmapsRollup)
	if err != nil {
		return err
	}
	return ParseSmapsRollup(b, s)
}
