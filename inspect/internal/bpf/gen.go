package bpf

// The objects are committed, so building needs no C compiler. Regenerating
// them needs clang and llvm-strip of the major version named here; a test
// rebuilds and compares where they are installed. -mcpu=v1 keeps the oldest
// kernels in.
//
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go@v0.22.0 -target bpfel -cc clang-14 -strip llvm-strip-14 -no-global-types tasks tasks.bpf.c -- -O2 -g -Wall -Werror -Iheaders
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go@v0.22.0 -target bpfel -cc clang-14 -strip llvm-strip-14 -no-global-types percpu percpu.bpf.c -- -O2 -g -Wall -Werror -Iheaders
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go@v0.22.0 -target bpfel -cc clang-14 -strip llvm-strip-14 -no-global-types totals totals.bpf.c -- -O2 -g -Wall -Werror -Iheaders
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go@v0.22.0 -target bpfel -cc clang-14 -strip llvm-strip-14 -no-global-types tracer tracer.bpf.c -- -O2 -g -Wall -Werror -Iheaders
