//go:build ignore

// Build compiles worker.c into worker_ARCH.elf and records the compiler beside
// it. It is run by go generate, and by the test that compares the result with
// what is committed.
//
//	go run build.go [-out DIR] [-arch amd64]
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// flags are what makes the image small, free of a runtime, and reproducible:
// no build id, no compiler name, no unwind tables, one text and one data segment.
var flags = []string{
	"-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wstack-usage=1400",
	"-static", "-nostdlib", "-nostartfiles", "-ffreestanding", "-fno-pic", "-no-pie",
	"-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables",
	"-fno-tree-loop-distribute-patterns", "-fno-ident",
	"-Wl,--build-id=none", "-Wl,-z,noexecstack", "-Wl,-z,norelro", "-Wl,-z,noseparate-code", "-s",
}

type target struct {
	compiler string
	flags    []string
}

var targets = map[string]target{
	"amd64": {"x86_64-linux-gnu-gcc", []string{"-fcf-protection=none"}},
	"arm64": {"aarch64-linux-gnu-gcc", []string{"-mno-outline-atomics"}},
}

func main() {
	out := flag.String("out", ".", "directory for the image")
	arch := flag.String("arch", "amd64", "architecture")
	flag.Parse()
	if err := build(*arch, *out); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func build(arch, out string) error {
	t, ok := targets[arch]
	if !ok {
		return fmt.Errorf("no architecture %q", arch)
	}
	compiler := t.compiler
	if _, err := exec.LookPath(compiler); err != nil && arch == "amd64" {
		compiler = "gcc"
	}
	version, err := toolchain(compiler)
	if err != nil {
		return err
	}
	image := filepath.Join(out, "worker_"+arch+".elf")
	args := append(append(append([]string{}, flags...), t.flags...), "-o", image, "worker.c")
	if text, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", compiler, err, text)
	}
	return os.WriteFile(filepath.Join(out, "worker_"+arch+".toolchain"), []byte(version), 0o644)
}

// toolchain names compiler and linker: the same two give the same bytes.
func toolchain(compiler string) (string, error) {
	var b strings.Builder
	for _, args := range [][]string{{"--version"}, {"-Wl,--version"}} {
		text, err := exec.Command(compiler, args...).Output()
		if err != nil {
			return "", fmt.Errorf("%s %s: %w", compiler, args[0], err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		_, line, _ = strings.Cut(line, " ") // without the name it was called by
		b.WriteString(line + "\n")
	}
	return b.String(), nil
}
