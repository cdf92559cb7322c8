package spawn

import (
	"bytes"
	"debug/elf"

	"taskscope/load"
)

// imageSizes reads from a program's headers what the kernel will map of it, in
// whole pages. It gives nil for what is no such program.
func imageSizes(image []byte, page uint64) *load.Image {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil
	}
	var sizes load.Image
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		bytes := (p.Vaddr+p.Memsz+page-1)&^(page-1) - p.Vaddr&^(page-1)
		switch {
		case p.Flags&elf.PF_W != 0:
			sizes.DataBytes += bytes
		case p.Flags&elf.PF_X != 0:
			sizes.CodeBytes += bytes
		}
	}
	return &sizes
}
