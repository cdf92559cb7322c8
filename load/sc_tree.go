package load

import "fmt"

func scTree() Scenario {
	return Scenario{
		Name:  "tree",
		Title: "A tree of processes with known edges",
		Teaches: "A process may start several children, and each of them knows its parent's PID; so processes form a tree. " +
			"Browsers and servers are built like this: several processes, each with several threads.",
		Params: []Param{
			{Name: "depth", Kind: ParamInt, Default: "2", Min: 0, Max: 12, Doc: "generations below the root"},
			{Name: "width", Kind: ParamInt, Default: "3", Min: 1, Max: 1000, Doc: "children of every process that has any"},
			{Name: "threads", Kind: ParamInt, Default: "2", Min: 1, Max: 1000, Doc: "threads of every process, the main thread included"},
			secondsParam("how long they wait"),
		},
		Quick: []string{"seconds=800ms", "depth=2", "width=3", "threads=3"},
		Build: buildTree,
	}
}

func buildTree(v Values) (*Plan, error) {
	depth, width, threads := v.Int("depth"), v.Int("width"), v.Int("threads")
	total, level := 1, 1
	for range depth {
		level *= width
		total += level
		if total*threads > maxWorkers {
			return nil, fmt.Errorf("depth=%d width=%d threads=%d makes more than %d tasks", depth, width, threads, maxWorkers)
		}
	}
	p := newPlan("tree", v)
	p.Processes[0].Threads = treeThreads(0, threads, v)
	p.Processes[0].Threads[0].Name = "tree"
	first, last := 0, 1
	for range depth {
		for parent := first; parent < last; parent++ {
			for range width {
				i := len(p.Processes)
				p.Processes = append(p.Processes, ProcessPlan{
					Role: fmt.Sprintf("node-%03d", i), Parent: parent, Threads: treeThreads(i, threads, v),
				})
			}
		}
		first, last = last, len(p.Processes)
	}
	p.waits()
	return p.finish(), nil
}

func treeThreads(node, n int, v Values) []ThreadPlan {
	out := make([]ThreadPlan, n)
	for j := range out {
		name := fmt.Sprintf("node-%03d", node)
		if j > 0 {
			name += fmt.Sprintf("-t%d", j)
		}
		out[j] = ThreadPlan{Role: name, Name: name, Ops: []Op{hold(v)}}
	}
	out[0].Role = "leader"
	return out
}
