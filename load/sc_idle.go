package load

func scIdle() Scenario {
	return Scenario{
		Name:  "idle",
		Title: "Tasks that do nothing at all",
		Teaches: "A blocked task costs no CPU: it is not switched to, takes no page faults, and its counters stand still however long it waits. " +
			"What moves on the machine meanwhile is somebody else, and is the noise against which other runs are judged.",
		Params: []Param{
			asParam(), workersParam("4", 1, maxWorkers), secondsParam("how long they wait"), cpusParam(""),
		},
		Quick: []string{"seconds=1s"},
		Build: func(v Values) (*Plan, error) {
			p := newPlan("idle", v)
			p.crew(v.Text("as"), v.Int("workers"), func(int) ThreadPlan {
				return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{hold(v)}}
			})
			p.waits()
			return p.finish(), nil
		},
	}
}
