package spawn

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"taskscope/load"
)

// ErrLacks says that this machine lacks what a plan needs.
var ErrLacks = errors.New("not possible on this machine")

// checkNeeds refuses a plan that makes no sense here, with the reason.
func checkNeeds(p *load.Plan) error {
	for _, need := range p.Needs {
		if need == load.NeedHugePages {
			if why := noHugePages("/sys/kernel/mm/transparent_hugepage"); why != "" {
				return fmt.Errorf("%w: %s", ErrLacks, why)
			}
		}
	}
	return nil
}

// noHugePages says why memory cannot be had in huge pages of 2 MiB, "" when it can.
func noHugePages(dir string) string {
	enabled, err := os.ReadFile(dir + "/enabled")
	switch {
	case err != nil:
		return fmt.Sprintf("this kernel has no transparent huge pages: %v", err)
	case strings.Contains(string(enabled), "[never]"):
		return "transparent huge pages are switched off (" + dir + "/enabled)"
	}
	const size = 2 << 20
	if n, ok := readUint(dir + "/hpage_pmd_size"); ok && n != size {
		return fmt.Sprintf("huge pages here have %d bytes, not %d", n, size)
	}
	// Since Linux 6.8 there may be sizes in between, of which smaps does not tell.
	between, _ := filepath.Glob(dir + "/hugepages-*kB/enabled") //nolint:errcheck // the pattern is right
	for _, name := range between {
		text, err := os.ReadFile(name)
		if filepath.Base(filepath.Dir(name)) != "hugepages-2048kB" && err == nil && !strings.Contains(string(text), "[never]") {
			return "pages of other sizes save faults too (" + name + ")"
		}
	}
	return ""
}
