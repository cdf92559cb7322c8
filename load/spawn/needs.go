package spawn

import (
	"errors"
	"fmt"
	"os"
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
	return ""
}
