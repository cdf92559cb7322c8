package load

import "os"

// pageBytes is the size of a page.
func pageBytes() uint64 { return uint64(os.Getpagesize()) }

// pssShift is how many binary places the kernel keeps of a page's share
// (PSS_SHIFT, fs/proc/task_mmu.c).
const pssShift = 12

// pss is the proportional share that smaps gives for one segment: each part is
// so many bytes of pages that so many mappings share. The kernel rounds down
// twice: the share of each page to 1/4096 byte, and the sum to a kilobyte.
func pss(parts ...share) uint64 {
	var sum uint64
	for _, p := range parts {
		sum += p.bytes / pageBytes() * (pageBytes() << pssShift / uint64(p.mappings))
	}
	return sum >> pssShift >> 10 << 10
}

// share is memory that several mappings share.
type share struct {
	bytes    uint64
	mappings int
}

// part is a percentage of a size, in whole pages.
func part(bytes uint64, percent float64) uint64 {
	return uint64(float64(bytes/pageBytes())*percent/100) * pageBytes()
}

// segment promises the sizes of a segment whose address a thread reports.
func (p *Plan) segment(s site, when When, slot int, sizes map[string]uint64, because string) {
	for _, field := range []string{
		"segment_size_bytes", "segment_rss_bytes", "segment_pss_bytes", "segment_anonymous_bytes",
		"segment_private_dirty_bytes", "segment_shared_dirty_bytes", "segment_huge_bytes",
	} {
		size, ok := sizes[field]
		if !ok {
			continue
		}
		p.promise(Promise{
			Process: s.process, Thread: s.thread, Field: field, Scope: "segment", Kind: Equality, When: when, Slot: slot,
			Expect: Exactly(float64(size)), Because: because,
		})
	}
}

// change promises by how much a number of a process grows while it works.
func (p *Plan) change(process int, field string, by float64, because string) {
	p.promise(Promise{
		Process: process, Thread: -1, Field: field, Scope: "process", Kind: Equality, When: WhenDelta,
		Expect: Exactly(by), Because: because,
	})
}

// faults promises the minor faults of a thread.
func (p *Plan) faults(s site, n float64, because string) {
	self := Formula{}.Plus(1, "minor_faults")
	p.promise(Promise{
		Process: s.process, Thread: s.thread, Field: "minor_faults", Scope: "thread", Kind: Equality, When: WhenDelta,
		Expect: Exactly(n), Self: &self, Because: because,
	})
}

func bytesParam(name, def string, least float64, doc string) Param {
	return Param{Name: name, Kind: ParamBytes, Default: def, Min: least, Max: 1 << 40, Step: memStep, Doc: doc}
}
