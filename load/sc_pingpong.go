package load

import "errors"

func scPingpong() Scenario {
	return Scenario{
		Name:  "pingpong",
		Title: "Two workers that answer each other, over a pipe, socket, queue or memory",
		Teaches: "Each message makes one worker wait for the other, so on one CPU every message is a context switch, and their number is proven: what the channels cost can be compared. " +
			"Processes change the address space with every switch, threads do not. " +
			"Over shm the players only look at shared memory: nobody waits in the kernel.",
		Params: []Param{
			{Name: "over", Kind: ParamEnum, Default: "pipe", Enum: []string{"pipe", "socket", "mqueue", "shm", "futex"}, Synonyms: map[string]string{"unix": "socket", "mq": "mqueue"}, Doc: "what carries the messages"},
			asParam(),
			{Name: "k", Kind: ParamInt, Default: "10000", Min: 1, Max: 5e6, Doc: "messages in each direction"},
			{Name: "policy", Kind: ParamEnum, Default: "other", Enum: []string{"other", "batch", "fifo"}, Doc: "scheduling policy; with fifo, which needs a privilege, every count is exact"},
			stayParam(),
			{Name: "cpus", Kind: ParamCPUs, Default: "0", Doc: "one CPU for both players (0), or one for each (0,1); empty: any"},
		},
		Quick:    []string{"seconds=800ms"},
		Realtime: []string{"seconds=800ms", "policy=fifo"},
		Build:    buildPingpong,
	}
}

// The players post and await the first word of this many before they begin.
const pingWords = 3

func buildPingpong(v Values) (*Plan, error) {
	cpus, k := v.CPUs("cpus"), uint64(v.Int("k"))
	if len(cpus) > 2 {
		return nil, errors.New("cpus must name at most two CPUs: one for both players, or one for each")
	}
	if v.Text("policy") == "fifo" && len(cpus) != 1 {
		return nil, errors.New("policy=fifo needs both players on one CPU (example: cpus=0)")
	}
	p := newPlan("pingpong", v)
	words := p.object(Object{Kind: ObjectWords, Role: "turns", Count: pingWords})
	ops := pingOps(p, v, words, k)
	players := p.crew(v.Text("as"), 2, func(i int) ThreadPlan {
		t := ThreadPlan{Ops: ops[i]}
		if len(cpus) > 0 {
			t.CPUs = []int{cpus[i%len(cpus)]}
		}
		switch v.Text("policy") {
		case "fifo":
			t.Policy, t.RTPrio = 1, 10
		case "batch":
			t.Policy = 3
		}
		return t
	})
	for _, s := range players {
		p.told(s, "messages", Equality, Exactly(float64(k)), Formula{}.Plus(1, "done"), "every message is answered before the next is sent")
	}
	p.toldAtLeast(players[0], "cost_per_switch_ns", Exactly(0), Formula{}.Plus(1/float64(2*k), "result"),
		"the time of one message and its answer, halved: what handing over costs here, the system calls included")
	p.thenStay(v, players)
	p.pingSwitches(v, players, k)
	p.Budget.CPUs = float64(max(1, len(cpus)))
	if p.Budget.Realtime = v.Text("policy") == "fifo"; p.Budget.Realtime {
		p.Budget.CPUs = 1
	}
	return p.finish(), nil
}

// pingOps are the operations of the two players. The second is at its first
// wait, or on its way there, when the first begins.
func pingOps(p *Plan, v Values, words int, k uint64) [2][]Op {
	first, second, how := words, words, uint64(PingSleep)
	switch over := v.Text("over"); over {
	case "pipe", "mqueue":
		first, second = p.channel(over, "answers"), p.channel(over, "messages")
	case "socket":
		first = p.channel(over, "messages and answers")
		second = first
	case "shm":
		if how = PingLook; len(v.CPUs("cpus")) < 2 {
			how = PingYield // the other one may need this CPU
		}
	}
	return [2][]Op{
		{
			{Kind: OpAwait, Object: words, B: 1},
			{Kind: OpPing, Object: first, A: k, B: uint64(second), C: PingFirst | how},
		},
		{
			{Kind: OpPost, Object: words},
			{Kind: OpPing, Object: second, A: k, B: uint64(first), C: PingSecond | how},
		},
	}
}

// pingSwitches promises as much about the switches as the place and the policy
// allow.
func (p *Plan) pingSwitches(v Values, players []site, k uint64) {
	shm, oneCPU, fifo := v.Text("over") == "shm", len(v.CPUs("cpus")) == 1, v.Text("policy") == "fifo"
	waits := func(site) Formula { return Formula{}.Plus(1, "waits") }
	switch {
	case shm:
		p.switches(Identity, "looking at memory is no wait: only those before and after the game are left, and the final park", waits)
	case fifo:
		p.switches(Identity, "on one CPU, in order of arrival, each message is one wait; those before and after the game and the final park are added",
			func(s site) Formula {
				f := waits(s)
				if len(p.Processes[s.process].Threads[s.thread].Ops) > 0 {
					f.Const = float64(k)
				}
				return f
			})
	default:
		p.switches(Identity, "the kernel tells the worker itself the same number, before the final park", func(site) Formula {
			return Formula{}.Plus(1, "voluntary_switches")
		})
	}
	for _, s := range players {
		if !shm && !fifo {
			p.promise(Promise{
				Process: s.process, Thread: s.thread, Field: "voluntary_switches", Scope: "thread", Kind: Bound, When: WhenDelta,
				Expect: Exactly(float64(k+finalPark)).Plus(1, "waits"), Self: selfVoluntary(1),
				Because: "each message is waited for once at the most; those before and after the game and the final park are added",
			})
		}
		if oneCPU {
			p.pingHandsOver(s, k)
		}
		p.slices(s)
	}
	if fifo && !shm {
		for _, s := range players {
			p.promise(Promise{
				Process: s.process, Thread: s.thread, Field: "involuntary_switches", Scope: "thread", Kind: Bound, When: WhenDelta,
				TolAbs: parkPreemptions, Because: "nobody of the same priority takes the CPU of a FIFO thread",
			})
		}
	}
}

// pingHandsOver promises that a player on a shared CPU leaves it for every
// message: by waiting, or by being preempted by the one it has just woken,
// which with the policy "other" happens to 39 to 48 % of the messages.
func (p *Plan) pingHandsOver(s site, k uint64) {
	self := Exactly(finalPark).Plus(1, "voluntary_switches").Plus(1, "involuntary_switches")
	p.promise(Promise{
		Process: s.process, Thread: s.thread, Field: "switches", Scope: "thread", Kind: Bound, AtLeast: true, When: WhenDelta,
		Expect: Exactly(float64(k)), Self: &self,
		Because: "between two messages the other player has to run, and there is only one CPU",
	})
}
