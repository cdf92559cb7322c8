package verify

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"taskscope/inspect"
	"taskscope/load"
)

// NoiseGatePercent is how much of the CPUs a load runs on others may use
// before a missed statistical or bound check about a count is blamed on them.
// A missed check about CPU time is blamed on them only when the time they had
// on those CPUs explains it: see miss.
const NoiseGatePercent = 5

// NoisyTask is somebody else's task that used the CPUs meanwhile.
type NoisyTask struct {
	PID        int     `json:"pid"`
	Comm       string  `json:"comm"`
	CPUPercent float64 `json:"cpu_percent"`
	CPULast    *int    `json:"cpu_last"` // the CPU it ran on last; nil: not known
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
	// taken is the time that others had on the CPUs the load runs on, summed
	// over those CPUs, in ns; window the time in which they had it.
	taken, window float64
	// stolen is the part of it that no task had: interrupts and the hypervisor,
	// who are booked to the task that has the CPU when the kernel cannot tell.
	stolen float64
	// crowded says that the load itself asks for more CPUs than it may use.
	crowded string
}

// maxNoisy is how many noisy tasks are named.
const maxNoisy = 5

// miss is by how much a value lies outside its tolerance, in terms of what
// others on the same CPUs can have done about it.
type miss struct {
	// cpuTime: the value is a time on a CPU, or waiting for one, or a share of
	// such; ns is what is missing of it or too much.
	cpuTime bool
	ns      float64
	// over: it is more CPU time than expected, which other tasks never cause.
	over bool
	// impossible: no other task makes such a value, however busy it is: more
	// CPU time than there can be.
	impossible bool
	// part is how many preemptions are missing, in parts of what was expected: so
	// often somebody else may have had the CPU at that moment. 0: another value.
	part float64
}

// miss says what of a missed value others would have to explain.
func (j *judge) miss(q *load.Promise, exp, got reading, tol float64) miss {
	if !exp.ok || !got.ok || exp.isText || got.isText {
		return miss{}
	}
	off := got.num - exp.num
	beyond := max(0, math.Abs(off)-tol)
	switch q.Field {
	case "run_ns", "cpu_time_ns":
		return miss{cpuTime: true, ns: beyond, over: off > 0, impossible: off > 0 && q.Kind == load.Bound}
	case "ready_ns", "run_plus_ready_ns":
		return miss{cpuTime: true, ns: beyond}
	case "cores_used", "lock_utilisation_percent", "value":
		return miss{impossible: off > 0}
	case "cores_busy", "lost_updates":
		return miss{impossible: off < 0}
	case "elapsed_ns": // others make it longer, never shorter
		return miss{impossible: off < 0}
	case "share_percent":
		all := *q
		all.Field, all.Process, all.Thread = "run_ns", -1, -1
		if total := j.observe(&all); total.ok && !total.isText {
			return miss{cpuTime: true, ns: beyond / 100 * total.num}
		}
	}
	if q.Field == "involuntary_switches" && exp.num != 0 && off < 0 {
		return miss{part: beyond / math.Abs(exp.num)}
	}
	return miss{}
}

// excuse gives the verdict on a miss, and why it proves nothing, "" when it
// does.
func (g *gate) excuse(m miss) (string, Verdict) {
	switch {
	case m.impossible:
		return "", Fail
	case g.crowded != "":
		return g.crowded, Undecided
	case g.GatePercent == nil:
		return "and how busy the machine was is not known: " + g.Why, Undecided
	case m.over && m.ns <= g.stolen:
		return fmt.Sprintf("%s is what that takes, and interrupts and the hypervisor had %s of the CPUs it runs on", millis(m.ns), millis(g.stolen)), Undecided
	case m.over:
		return fmt.Sprintf("others cannot have caused that: interrupts and the hypervisor had %s of the CPUs it runs on, and it takes %s", millis(g.stolen), millis(m.ns)), Fail
	case m.cpuTime && m.ns <= g.taken:
		return fmt.Sprintf("%s is what that takes, and others had %s of the CPUs it runs on%s", millis(m.ns), millis(g.taken), g.names()), Undecided
	case m.cpuTime:
		return fmt.Sprintf("others cannot have caused that: they had %s of the CPUs it runs on, and it takes %s", millis(g.taken), millis(m.ns)), Fail
	case *g.GatePercent > NoiseGatePercent, m.part > 0 && m.part*g.window <= g.taken:
		return fmt.Sprintf("but others used %.0f %% of the CPUs it runs on%s", *g.GatePercent, g.names()), Undecided
	}
	return "", Fail
}

func millis(ns float64) string { return fmt.Sprintf("%.3g ms", ns/1e6) }

// names are those of the noisiest tasks.
func (g *gate) names() string {
	var names []string
	for _, t := range g.Tasks[:min(3, len(g.Tasks))] {
		on := ""
		if t.CPULast != nil {
			on = fmt.Sprintf(" on CPU %d", *t.CPULast)
		}
		names = append(names, fmt.Sprintf("%s (pid %d, %.0f %%%s)", t.Comm, t.PID, t.CPUPercent, on))
	}
	if len(names) == 0 {
		return ": interrupts, the hypervisor, or tasks that came and went"
	}
	return ": " + strings.Join(names, ", ")
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
			noisy := NoisyTask{PID: p.ID.PID, Comm: p.Comm, CPUPercent: used}
			if cpu, ok := p.CPULast.Get(); ok {
				noisy.CPULast = &cpu
			}
			n.Tasks = append(n.Tasks, noisy)
		}
	}
	slices.SortFunc(n.Tasks, func(a, b NoisyTask) int {
		return cmp.Or(cmp.Compare(b.CPUPercent, a.CPUPercent), cmp.Compare(a.PID, b.PID))
	})
	n.Tasks = n.Tasks[:min(maxNoisy, len(n.Tasks))]
	n.OtherCPUPercent, n.OwnCPUPercent = &other, &own
	cpus := 1
	if used := j.usedCPUs(); used != nil {
		cpus = len(used)
	} else if changes.Cur.Host.CPUs > 0 {
		cpus = changes.Cur.Host.CPUs
	}
	taken, known := j.takenPercent(&changes.Host, tree)
	if !known {
		taken = other
	}
	percent := taken / float64(cpus)
	n.GatePercent = &percent
	window := float64(changes.Interval)
	return gate{Noise: n, taken: taken / 100 * window, window: window, stolen: j.stolen(before[len(before)-1], after[0]), crowded: j.crowded(changes.Cur.Host.CPUs)}
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

// takenPercent is what others used of the CPUs the load runs on, of one CPU:
// the CPUs' own busy time less the tree's. So a task counts that hops from CPU
// to CPU, and one that lived between the two samples, and interrupts, and time
// stolen by the hypervisor. False where the CPUs' times are not known; then
// what others used of all CPUs is the best there is.
func (j *judge) takenPercent(h *inspect.HostDelta, tree float64) (float64, bool) {
	used := j.usedCPUs()
	busy, n := 0.0, 0
	for i, c := range h.PerCPU {
		if v, ok := c.Get(); ok && (used == nil || slices.Contains(used, i)) {
			busy += v
			n++
		}
	}
	return max(0, busy-tree), n > 0
}

// stolen is the time of the CPUs the load runs on that went to interrupts and
// to the hypervisor, in ns.
func (j *judge) stolen(before, after *inspect.Snapshot) float64 {
	used, sum := j.usedCPUs(), 0.0
	for i := range min(len(before.Host.PerCPU), len(after.Host.PerCPU)) {
		if used == nil || slices.Contains(used, i) {
			a, b := &before.Host.PerCPU[i], &after.Host.PerCPU[i]
			sum += max(0, b.Steal-a.Steal) + max(0, b.IRQ-a.IRQ) + max(0, b.SoftIRQ-a.SoftIRQ)
		}
	}
	return sum * 1e9
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
