package inspect

import "time"

func diffHost(a, b *Host, dt time.Duration) HostDelta {
	var reset bool
	r := rater{dt: dt, reset: &reset}
	out := HostDelta{
		SwitchRate: r.rate(a.ContextSwitches, b.ContextSwitches),
		ForkRate:   r.rate(a.Forks, b.Forks),
		CPUPercent: Unknown[float64](b.CPU.Why),
	}
	if b.CPU.OK() {
		out.CPUPercent = Unknown[float64](NeedsTwoSamples)
		if a.CPU.OK() {
			out.CPUPercent = busyShare(a.CPU.V, b.CPU.V)
		}
	}
	if len(b.PerCPU) == 0 {
		return out
	}
	out.PerCPU = make([]Known[float64], len(b.PerCPU))
	for i := range b.PerCPU {
		out.PerCPU[i] = Unknown[float64](NeedsTwoSamples)
		if i < len(a.PerCPU) {
			out.PerCPU[i] = busyShare(a.PerCPU[i], b.PerCPU[i])
		}
	}
	return out
}

// busyShare is the busy part of the time accounted for between two readings.
// The idle counters of the kernel may go back a little; what results is cut to
// 0…100.
func busyShare(a, b CPUTimes) Known[float64] {
	total := b.Total() - a.Total()
	if total <= 0 {
		return Unknown[float64](NeedsTwoSamples)
	}
	return Know(max(0, min(100, 100*(b.Busy()-a.Busy())/total)))
}
