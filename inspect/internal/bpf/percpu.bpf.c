//go:build ignore

/* Finds, for every CPU, the distance from a per-CPU pointer to that CPU's own
 * copy (__per_cpu_offset), without kallsyms: a per-CPU array of our own knows
 * both the pointer (bpf_array.pptrs[0]) and each CPU's address. Run once by
 * percpu.go. An object of its own because it needs more (SYSCALL programs,
 * 5.14; bpf_map_lookup_percpu_elem, 5.19) than the source does. */

#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define MAX_CPUS 1024

volatile const u32 ncpu = 0;
u64 percpu_off[MAX_CPUS] = {};

/* Addresses pass through memory: the verifier allows no arithmetic on map
 * pointers themselves. */
volatile u64 tmp = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} probe SEC(".maps");

SEC("syscall")
int find_percpu_off(void *ctx)
{
	u32 zero = 0, c;
	u64 base = 0;

	tmp = (u64)&probe;
	if (bpf_probe_read_kernel(&base, sizeof(base),
				  (void *)(tmp + bpf_core_field_offset(struct bpf_array, pptrs))))
		return 1;
	for (c = 0; c < MAX_CPUS; c++) {
		void *p;

		if (c >= ncpu)
			break;
		p = bpf_map_lookup_percpu_elem(&probe, &zero, c);
		if (!p)
			return 2;
		tmp = (u64)p;
		percpu_off[c] = tmp - base;
	}
	return 0;
}
