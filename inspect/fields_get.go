package inspect

import "time"

// This file turns members of Process, Thread and their deltas into getters of
// the field table. A getter never allocates unless its value is a list.

type (
	intOf   = func(*Process) Known[int]
	uintOf  = func(*Process) Known[uint64]
	tIntOf  = func(*Thread) Known[int]
	tUintOf = func(*Thread) Known[uint64]
	rateOf  = func(*Delta) Known[float64]
	tRateOf = func(*ThreadDelta) Known[float64]
)

func intValue(k Known[int]) Value     { return Value{Kind: KindInt, Why: k.Why, I: int64(k.V)} }
func uintValue(k Known[uint64]) Value { return Value{Kind: KindUint, Why: k.Why, U: k.V} }
func floatValue(k Known[float64]) Value {
	return Value{Kind: KindFloat, Why: k.Why, F: k.V}
}
func stringValue(k Known[string]) Value { return Value{Kind: KindString, Why: k.Why, S: k.V} }
func boolValue(k Known[bool]) Value     { return Value{Kind: KindBool, Why: k.Why, B: k.V} }
func idValue(k Known[uint32]) Value     { return Value{Kind: KindUint, Why: k.Why, U: uint64(k.V)} }

func text(s string) Value { return Value{Kind: KindString, Why: OK, S: s} }

// ofProcess makes a getter that is defined for process rows only.
func ofProcess(kind Kind, get func(Row) Value) func(Row) Value {
	return func(r Row) Value {
		if r.Thread != nil {
			return Value{Kind: kind, Why: OfProcess}
		}
		return get(r)
	}
}

func procInt(p intOf) func(Row) Value {
	return ofProcess(KindInt, func(r Row) Value { return intValue(p(r.Process)) })
}

func procUint(p uintOf) func(Row) Value {
	return ofProcess(KindUint, func(r Row) Value { return uintValue(p(r.Process)) })
}

func bothInt(p intOf, t tIntOf) func(Row) Value {
	return func(r Row) Value {
		if r.Thread != nil {
			return intValue(t(r.Thread))
		}
		return intValue(p(r.Process))
	}
}

func bothUint(p uintOf, t tUintOf) func(Row) Value {
	return func(r Row) Value {
		if r.Thread != nil {
			return uintValue(t(r.Thread))
		}
		return uintValue(p(r.Process))
	}
}

func procRate(p rateOf) func(Row) Value {
	return ofProcess(KindFloat, func(r Row) Value { return deltaValue(r.Delta, p) })
}

func bothRate(p rateOf, t tRateOf) func(Row) Value {
	return func(r Row) Value {
		if r.Thread == nil {
			return deltaValue(r.Delta, p)
		}
		if r.ThreadDelta == nil {
			return Value{Kind: KindFloat, Why: NeedsTwoSamples}
		}
		return floatValue(t(r.ThreadDelta))
	}
}

func deltaValue(d *Delta, p rateOf) Value {
	if d == nil {
		return Value{Kind: KindFloat, Why: NeedsTwoSamples}
	}
	return floatValue(p(d))
}

// startTime is the wall-clock instant of a start given in clock ticks since
// boot. The boot instant is measured once per run, so that the start time of a
// process does not move when the clock is stepped.
func startTime(s *Snapshot, ticks Known[uint64]) Value {
	switch {
	case !ticks.OK():
		return Value{Kind: KindTime, Why: ticks.Why}
	case s == nil:
		return Value{Kind: KindTime}
	case !s.Host.BootTime.OK():
		return Value{Kind: KindTime, Why: s.Host.BootTime.Why}
	}
	t := s.Host.BootTime.V.Add(time.Duration(ticks.V) * clockTick)
	return Value{Kind: KindTime, Why: OK, T: t}
}

// clockTick is the unit of starttime, utime and stime: USER_HZ is 100 on every
// architecture that Go supports on Linux, whatever the kernel's own HZ.
const clockTick = 10 * time.Millisecond

// allThreads explains why a value over the threads is not there.
func allThreads(p *Process, k Known[uint64]) Known[uint64] {
	if k.Why == NotRead && p.ThreadsWhy != OK && p.ThreadsWhy != NotRead {
		k.Why = p.ThreadsWhy
	}
	return k
}
