package inspect

import (
	"errors"

	"taskscope/inspect/internal/bpf"
)

// bpfSource loads the programs, runs them, compares our own record with /proc,
// and lets them go.
func (p *prober) bpfSource() (string, string, remedy) {
	if !p.fs.Live() {
		return Absent, errOtherNamespace.Error(), remedy{}
	}
	src, err := bpf.Open(p.ctx, &p.types)
	if err != nil {
		return bpfVerdict(err)
	}
	caps := src.Caps()
	_ = src.Close()
	if caps.ExactRSS != nil {
		return Available, "sizes are read from /proc: " + caps.ExactRSS.Error(), remedy{}
	}
	return Available, "", remedy{}
}

// bpfTotals does the same with the program for totals.
func (p *prober) bpfTotals() (string, string, remedy) {
	if !p.fs.Live() {
		return Absent, errOtherNamespace.Error(), remedy{}
	}
	src, err := bpf.OpenTotals(p.ctx, &p.types)
	if err != nil {
		return bpfVerdict(err)
	}
	_ = src.Close()
	return Available, "", remedy{}
}

// bpfTrace loads the tracer and attaches it, without letting it look at anything.
func (p *prober) bpfTrace() (string, string, remedy) {
	if !p.fs.Live() {
		return Absent, errOtherNamespace.Error(), remedy{}
	}
	t, err := bpf.NewTracer(p.ctx, bpf.TracerOptions{Aggregates: true, MaxThreads: 1, Types: &p.types})
	if err != nil {
		return bpfVerdict(err)
	}
	err = t.Try()
	_ = t.Close()
	if err != nil {
		return bpfVerdict(err)
	}
	return Available, "", remedy{}
}

// bpfVerdict turns a failure to open into the outcome: unknown unless trying
// again would give the same answer.
func bpfVerdict(err error) (string, string, remedy) {
	var e *bpf.Error
	if !errors.As(err, &e) || !e.Conclusive() {
		return UnknownState, err.Error(), remedy{}
	}
	return Absent, err.Error(), bpfWould(e)
}
