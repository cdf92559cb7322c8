// Package load describes known workloads as pure data: what a scenario starts,
// and what it promises about it. It starts nothing and knows nothing of the
// inspector.
//
//	Scenario.Build(values) → *Plan (tasks, operations, promises, budget)
//	  → spawn.Start → *Manifest (live pids, tids, self-reports)
//	  → observed by somebody who is told only the root PID
//	  → verify.Judge(manifest, samples) → verdicts
//
// # Phases of a run
//
// Every worker thread sets itself up (name, affinity, policy), reports its TID
// and parks at the gate: phase "ready". When the gate opens it takes its own
// getrusage(RUSAGE_THREAD), executes its operations, takes it again, writes its
// report, and parks until the run is released: phase "parked". Between the two
// parked states the observer therefore sees exactly the operations' effect plus
// one blocking wait (the final park).
//
// # Concurrency
//
// All values are plain data; Build functions are pure.
package load
