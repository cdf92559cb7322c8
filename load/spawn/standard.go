package spawn

import (
	"fmt"
	"slices"

	"taskscope/load"

	"golang.org/x/sys/unix"
)

// standard gives the calling thread the policy and the nice value that a plan
// takes for granted, SCHED_OTHER and 0: workers inherit what the thread that
// starts them has. The controller itself may have been started by nice or chrt;
// its other threads keep what they have. restore gives the thread its own back.
//
// Without privilege a thread may not take less nice than it has. That is an
// error (EPERM or EACCES) for a plan that promises something of it; another one
// runs with what there is.
func standard(p *load.Plan) (restore func(), err error) {
	old, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return nil, fmt.Errorf("read the scheduling attributes: %w", err)
	}
	const policyOther = 0
	if old.Policy == policyOther && old.Nice == 0 {
		return func() {}, nil
	}
	// To leave SCHED_IDLE or a real-time policy gives a nice value as well.
	plain := &unix.SchedAttr{Size: old.Size, Policy: policyOther}
	if err := unix.SchedSetAttr(0, plain, 0); err != nil {
		if !promisesScheduling(p) {
			return func() {}, nil
		}
		return nil, fmt.Errorf("taskscope was started with policy %d and nice %d, which the workers would inherit, and it may not go back to 0: start it without nice and chrt: %w",
			old.Policy, old.Nice, err)
	}
	return func() { _ = unix.SchedSetAttr(0, old, 0) }, nil //nolint:errcheck // it had them a moment ago
}

// promisesScheduling says whether a plan promises a policy, priority or nice
// value.
func promisesScheduling(p *load.Plan) bool {
	return slices.ContainsFunc(p.Promises, func(q load.Promise) bool {
		return q.Field == "policy" || q.Field == "priority" || q.Field == "nice"
	})
}
