package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"taskscope/inspect"
	"taskscope/load"
)

// NoiseGatePercent is how much of the CPUs a load runs on others may use
// before a missed statistical or bound check is blamed on them. The widest
// statistical tolerance in use is 3 %, so less noise than this cannot explain
// a miss by much more.
const NoiseGatePercent = 5

// NoisyTask is somebody else's task that used the CPUs meanwhile.
type NoisyTask struct {
	PID        int     `json:"pid"`
	Comm       string  `json:"comm"`
	CPUPercent float64 `json:"cpu_percent"`
}

// Noise is the CPU others used during the measured phase, of one CPU: all
// processes outside the tree, taskscope's own included.
type Noise struct {
	OtherCPUPercent *float64 `json:"other_cpu_percent"`
	// OwnCPUPercent is the part of it that taskscope's own processes used: the
	// controller and the observer.
	OwnCPUPercent *float64 `json:"own_cpu_percent"`
	// GatePercent is what others used of the CPUs the load runs on: the number
	// compared with NoiseGatePercent.
	GatePercent *float64    `json:"gate_percent"`
	Tasks       []NoisyTask `json:"tasks,omitempty"`
	Why         string      `json:"why,omitempty"`
}

// gate is the noise with what is needed to excuse a miss.
type gate struct {
	Noise
	// crowded says that the load itself asks for more CPUs than it may use.
	crowded string
}

// maxNoisy is how many noisy tasks are named.
const maxNoisy = 5

// excuse says why a miss proves nothing, "" when it does.
func (g *gate) excuse() string {
	switch {
	case g.crowded != "":
		return g.crowded
	case g.GatePercent == nil:
		return "and how busy the machine was is not known: " + g.Why
	case *g.GatePercent <= NoiseGatePercent:
		return ""
	}
	text := fmt.Sprintf("but others used %.0f %% of the CPUs it runs on", *g.GatePercent)
	if len(g.Tasks) > 0 {
		var names []string
		for _, t := range g.Tasks[:min(3, len(g.Tasks))] {
			names = append(names, fmt.Sprintf("%s (pid %d, %.0f %%)", t.Comm, t.PID, t.CPUPercent))
		}
		text += ": " + strings.Join(names, ", ")
	}
	return text
}

// measureNoise compares the last wide sample before the gate with the first
// one after the end.
func measureNoise(j *judge) gate {
	before, after := j.wide[load.WhenReady], j.wide[load.WhenParked]
	if len(before) == 0 || len(after) == 0 {
		return gate{Noise: Noise{Why: "no sample of the whole host before and after"}}
	}
	changes := inspect.Diff(before[len(before)-1], after[0])
	var (
		n                 Noise
		other, own, tree  float64
		controllerAndKids = j.ownProcesses(after[0])
	)
	for i := range changes.Deltas {
		used, ok := changes.Deltas[i].CPUPercent.Get()
		if !ok {
			continue
		}
		p := changes.Cur.Processes[i]
		if k, in := j.byPID[p.ID.PID]; in && j.ids[k] == p.ID {
			tree += used
			continue
		}
		other += used
		if controllerAndKids[p.ID.PID] {
			own += used
		}
		if used >= 0.5 {
			n.Tasks = append(n.Tasks, NoisyTask{PID: p.ID.PID, Comm: p.Comm, CPUPercent: used})
		}
	}
	slices.SortFunc(n.Tasks, func(a, b NoisyTask) int {
		return cmp.Or(cmp.Compare(b.CPUPercent, a.CPUPercent), cmp.Compare(a.PID, b.PID))
	})
	n.Tasks = n.Tasks[:min(maxNoisy, len(n.Tasks))]
	n.OtherCPUPercent, n.OwnCPUPercent = &other, &own
	g := j.gatePercent(&changes.Host, changes.Cur.Host.CPUs, tree, other)
	n.GatePercent = &g
	return gate{Noise: n, crowded: j.crowded(changes.Cur.Host.CPUs)}
}

// crowded compares what the load asks for with what there is.
func (j *judge) crowded(cpus int) string {
	if used := j.usedCPUs(); used != nil {
		cpus = len(used)
	}
	if want := j.m.Plan.Budget.CPUs; cpus > 0 && want > float64(cpus) {
		return fmt.Sprintf("but it asks for %.1f CPUs and may use %d", want, cpus)
	}
	return ""
}

// gatePercent is what others used of the CPUs the load runs on: the CPUs' own
// busy time less the tree's, so that interrupts, stolen time and tasks that
// lived between the two samples count; or all that others used where the CPUs'
// times are not known.
func (j *judge) gatePercent(h *inspect.HostDelta, cpus int, tree, other float64) float64 {
	used := j.usedCPUs()
	busy, n := 0.0, 0
	for i, c := range h.PerCPU {
		if v, ok := c.Get(); ok && (used == nil || slices.Contains(used, i)) {
			busy += v
			n++
		}
	}
	if n > 0 {
		return max(0, busy-tree) / float64(n)
	}
	if used != nil {
		return other / float64(len(used))
	}
	return other / float64(max(1, cpus))
}

// usedCPUs are the CPUs to which all working threads are confined, nil for any.
func (j *judge) usedCPUs() []int {
	var used []int
	for i := range j.m.Plan.Processes {
		for k, t := range j.m.Plan.Processes[i].Threads {
			if !hasWork(j.m.Plan, i, k) {
				continue
			}
			if len(t.CPUs) == 0 {
				return nil
			}
			used = append(used, t.CPUs...)
		}
	}
	slices.Sort(used)
	return slices.Compact(used)
}

// ownProcesses are the controller, who is the root's parent, and everybody it
// has started besides the run: the observer.
func (j *judge) ownProcesses(s *inspect.Snapshot) map[int]bool {
	own := map[int]bool{}
	if len(j.m.Processes) == 0 || j.m.Processes[0].PPID <= 1 {
		return own
	}
	own[j.m.Processes[0].PPID] = true
	for grown := true; grown; {
		grown = false
		for _, p := range s.Processes {
			_, run := j.byPID[p.ID.PID]
			if parent, ok := p.PPID.Get(); ok && own[parent] && !own[p.ID.PID] && !run {
				own[p.ID.PID], grown = true, true
			}
		}
	}
	return own
}
