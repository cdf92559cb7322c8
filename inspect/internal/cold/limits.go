package cold

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Unlimited is the value of a limit that is infinite.
const Unlimited uint64 = math.MaxUint64

// Limit is one line of /proc/PID/limits.
type Limit struct {
	Name       string // the kernel's text in snake case: "max_open_files"
	Soft, Hard uint64 // Unlimited where infinite
	Unit       string // "bytes", "files", …; "" for the priorities
}

// Limits reads limits, in the kernel's order. The parser is our own: procfs
// knows the soft limits only.
func (f FS) Limits(pid int) ([]Limit, error) {
	b, err := os.ReadFile(filepath.Join(f.root, strconv.Itoa(pid), "limits"))
	if err != nil {
		return nil, f.classify("limits", pid, err)
	}
	return parseLimits(string(b))
}

// parseLimits parses the table below the heading. The name may contain blanks,
// so the columns are found in the heading.
func parseLimits(text string) ([]Limit, error) {
	heading, rows, _ := strings.Cut(text, "\n")
	soft, hard, unit := strings.Index(heading, "Soft"), strings.Index(heading, "Hard"), strings.Index(heading, "Units")
	if soft < 0 || hard < soft || unit < hard {
		return nil, fmt.Errorf("%w: limits: heading", ErrMalformed)
	}
	var out []Limit
	for row := range strings.Lines(rows) {
		row = strings.TrimRight(row, " \n")
		if len(row) <= hard {
			return nil, fmt.Errorf("%w: limits: short line", ErrMalformed)
		}
		l := Limit{Name: strings.ReplaceAll(strings.ToLower(strings.TrimSpace(row[:soft])), " ", "_")}
		words := strings.Fields(row[soft:])
		if len(words) < 2 || len(words) > 3 {
			return nil, fmt.Errorf("%w: limits: columns", ErrMalformed)
		}
		var err error
		if l.Soft, err = parseLimit(words[0]); err != nil {
			return nil, err
		}
		if l.Hard, err = parseLimit(words[1]); err != nil {
			return nil, err
		}
		if len(words) == 3 {
			l.Unit = words[2]
		}
		out = append(out, l)
	}
	return out, nil
}

func parseLimit(s string) (uint64, error) {
	if s == "unlimited" {
		return Unlimited, nil
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: limits: %w", ErrMalformed, err)
	}
	return v, nil
}
