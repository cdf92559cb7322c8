//go:build !(386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64 || wasm)

package bpf

import "github.com/cilium/ebpf"

// The objects are built for little-endian machines. Elsewhere everything fails
// with the reason NoObject, and the names below are never looked up.
const (
	percpuProgFindPercpuOff = "percpuProgFindPercpuOff"
	percpuVarNcpu           = "percpuVarNcpu"
	percpuVarPercpuOff      = "percpuVarPercpuOff"
	tasksProgDumpTasks      = "tasksProgDumpTasks"
	tasksProgGlanceTasks    = "tasksProgGlanceTasks"
	tasksVarExactRss        = "tasksVarExactRss"
	tasksVarLeftOut         = "tasksVarLeftOut"
	tasksVarNcpu            = "tasksVarNcpu"
	tasksVarPercpuOff       = "tasksVarPercpuOff"
	totalsProgDumpTotals    = "totalsProgDumpTotals"
	tracerMapCpus           = "tracerMapCpus"
	tracerMapEvents         = "tracerMapEvents"
	tracerMapPairs          = "tracerMapPairs"
	tracerMapTgids          = "tracerMapTgids"
	tracerMapThreads        = "tracerMapThreads"
	tracerProgOnExit        = "tracerProgOnExit"
	tracerProgOnExitOld     = "tracerProgOnExitOld"
	tracerProgOnSwitch      = "tracerProgOnSwitch"
	tracerProgOnSwitchOld   = "tracerProgOnSwitchOld"
	tracerProgOnWaking      = "tracerProgOnWaking"
	tracerProgSeed          = "tracerProgSeed"
	tracerVarDoAggregates   = "tracerVarDoAggregates"
	tracerVarDoBirths       = "tracerVarDoBirths"
	tracerVarDoEvents       = "tracerVarDoEvents"
	tracerVarDoPairs        = "tracerVarDoPairs"
	tracerVarEnabled        = "tracerVarEnabled"
	tracerVarFollow         = "tracerVarFollow"
	tracerVarMode           = "tracerVarMode"
	tracerVarSeedFound      = "tracerVarSeedFound"
	tracerVarSeedRoot       = "tracerVarSeedRoot"
	tracerVarStep           = "tracerVarStep"
	tracerVarWatermark      = "tracerVarWatermark"
)

var errNoObject = &Error{Reason: NoObject, Op: "read objects"}

func loadTasks() (*ebpf.CollectionSpec, error)  { return nil, errNoObject }
func loadPercpu() (*ebpf.CollectionSpec, error) { return nil, errNoObject }
func loadTotals() (*ebpf.CollectionSpec, error) { return nil, errNoObject }
func loadTracer() (*ebpf.CollectionSpec, error) { return nil, errNoObject }
