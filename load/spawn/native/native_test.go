package native

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// TestImages checks what the committed images are: static programs with one
// text and one data segment and nothing to be relocated or interpreted.
func TestImages(t *testing.T) {
	t.Parallel()
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		f, err := elf.Open("worker_" + arch + ".elf")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Machine != machine || f.Type != elf.ET_EXEC || f.Class != elf.ELFCLASS64 {
			t.Errorf("%s: %v, %v, %v", arch, f.Machine, f.Type, f.Class)
		}
		loads := 0
		for _, p := range f.Progs {
			switch p.Type {
			case elf.PT_LOAD:
				loads++
				if p.Flags&elf.PF_W != 0 && p.Flags&elf.PF_X != 0 {
					t.Errorf("%s: a segment is both writable and executable", arch)
				}
			case elf.PT_GNU_STACK:
				if p.Flags&elf.PF_X != 0 {
					t.Errorf("%s: executable stack", arch)
				}
			default:
				t.Errorf("%s: unexpected segment %v", arch, p.Type)
			}
		}
		if loads != 2 {
			t.Errorf("%s: %d segments are loaded, want 2", arch, loads)
		}
		if i, err := os.Stat("worker_" + arch + ".elf"); err != nil || i.Size() > 32<<10 {
			t.Errorf("%s: %v, %v: want at most 32 kB", arch, i.Size(), err)
		}
	}
}

func TestImageIsTheCommittedOne(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("worker_" + runtime.GOARCH + ".elf")
	if err != nil {
		if Image() != nil {
			t.Errorf("an image without a file: %v", err)
		}
		return
	}
	if !bytes.Equal(b, Image()) {
		t.Error("the embedded image differs from the file")
	}
}

// TestRebuild compiles worker.c again: the same tools must give the same bytes.
func TestRebuild(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command("go", "run", "build.go", "-arch", arch, "-out", dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Skipf("no compiler for %s: %v: %s", arch, err, out)
			}
			name := "worker_" + arch
			if was, is := read(t, name+".toolchain"), read(t, filepath.Join(dir, name+".toolchain")); !bytes.Equal(was, is) {
				t.Skipf("other tools than the committed image was built with: %q, here %q", was, is)
			}
			if !bytes.Equal(read(t, name+".elf"), read(t, filepath.Join(dir, name+".elf"))) {
				t.Errorf("%s.elf is not what worker.c gives: run go generate", name)
			}
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
