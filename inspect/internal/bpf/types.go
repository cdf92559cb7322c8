package bpf

import (
	"context"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/rlimit"
)

// Types holds the kernel's type information once it has been decoded, which
// costs about 16 ms. Share one among all openings; drop it afterwards to free
// the memory. The zero Types is ready to use.
type Types struct{ cache btf.Cache }

// load prepares one collection: types first, because everything needs them and
// their absence is the clearest reason of all.
func (t *Types) load(ctx context.Context, op string, spec *ebpf.CollectionSpec) (*ebpf.Collection, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: &t.cache})
	if err != nil {
		return nil, explain(op, err)
	}
	return coll, nil
}

func (t *Types) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := t.cache.Kernel(); err != nil {
		return missingBTF(err)
	}
	// Before Linux 5.11 maps count against RLIMIT_MEMLOCK; later this does
	// nothing. If it fails, so will the load, with the better message.
	_ = rlimit.RemoveMemlock()
	return ctx.Err()
}

func orNew(t *Types) *Types {
	if t == nil {
		return new(Types)
	}
	return t
}
