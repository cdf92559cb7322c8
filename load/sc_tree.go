package load

import "fmt"

func scTree() Scenario {
	return Scenario{
		Name:  "tree",
		Title: "A tree of processes with known edges",
		Teaches: "A process may start several children, and each of them knows its parent's PID; so processes form a tree. " +
			"Browsers and servers are built like this: several processes, each with several threads. " +
			"A child belongs to the session and the process group of its parent, unless it makes its own.",
		Params: []Param{
			{Name: "depth", Kind: ParamInt, Default: "2", Min: 0, Max: 12, Doc: "generations below the root"},
			{Name: "width", Kind: ParamInt, Default: "3", Min: 1, Max: 1000, Doc: "children of every process that has any"},
			{Name: "threads", Kind: ParamInt, Default: "2", Min: 1, Max: 1000, Doc: "threads of every process, the main thread included"},
			{Name: "setsid", Kind: ParamEnum, Default: "false", Enum: []string{"false", "true"}, Doc: "whether every process below the root leads a session of its own"},
			secondsParam("how long they wait"),
		},
		Quick: []string{"seconds=800ms", "depth=2", "width=3", "threads=3", "setsid=true"},
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
					Role: fmt.Sprintf("node-%03d", i), Parent: parent, Threads: treeThreads(i, threads, v), Setsid: v.Text("setsid") == "true",
				})
			}
		}
		first, last = last, len(p.Processes)
	}
	p.waits()
	p.sessions()
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "started_before_elder", Scope: "subtree", Kind: Equality, When: WhenReady,
		Because: "a parent starts before its children, and starts them in the order of the plan",
	})
	return p.finish(), nil
}

// sessions promises the session and the process group of every process below
// the root.
func (p *Plan) sessions() {
	because := "it is born into the session and the group of its parent"
	for i := 1; i < len(p.Processes); i++ {
		if p.Processes[i].Setsid {
			because = "it has made a session and a group of its own, which bear its PID"
		}
		for _, field := range []string{"session_pid", "group_pid"} {
			p.promise(Promise{
				Process: i, Thread: -1, Field: field, Scope: "process", Kind: Equality, When: WhenReady, Because: because,
			})
		}
	}
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
