package inspect

import "context"

func (r *Reader) focus(ctx context.Context, s *Snapshot, q Request) {}
