package load

import (
	"errors"
	"time"
)

func scServer() Scenario {
	return Scenario{
		Name:  "server",
		Title: "A TCP server that gives each connection a thread",
		Teaches: "A server may keep a thread for every open connection: each waits, blocked in a network read, for what its client says, so threads are as many as connections, and both cost descriptors. " +
			"When a connection is closed its thread ends. " +
			"A server of single requests has a thread only for the moment of a request, and is back at its base in between.",
		Params: []Param{
			{Name: "mode", Kind: ParamEnum, Default: "connection", Enum: []string{"connection", "request"}, Doc: "whether clients keep their connection, or make one for each request"},
			{Name: "connections", Kind: ParamInt, Default: "8", Min: 1, Max: 1000, Also: []string{"conns"}, Doc: "connections that are made"},
			{Name: "open", Kind: ParamInt, Default: "0", Min: 0, Max: 1000, Doc: "connections that are still open at the end (mode=connection)"},
			stayParam(), cpusParam(""),
		},
		Quick: []string{"seconds=1s", "open=3"},
		Build: buildServer,
	}
}

// What every worker process has open: three times /dev/null, the lifeline, the
// gate, the release and the notification.
const workerFiles = 7

// requestsAtOnce is how many threads a server of single requests may have at
// once: that of a request, and those that are not gone yet.
const requestsAtOnce = 3

func buildServer(v Values) (*Plan, error) {
	n, open := v.Int("connections"), v.Int("open")
	keep := v.Text("mode") == "connection"
	switch {
	case open > n:
		return nil, errors.New("open must be at most connections")
	case open > 0 && !keep && v.Given("open"):
		return nil, errors.New("open is for mode=connection: a request leaves no connection")
	case !keep:
		open = 0
	}
	places := uint64(n)
	if !keep {
		places = requestsAtOnce
	}
	p := newPlan("server", v)
	listener := p.object(Object{Kind: ObjectListener, Role: "server"})
	p.Processes[0].Role = "server"
	p.crew(asThreads, 1, func(int) ThreadPlan {
		return ThreadPlan{Name: "acceptor", CPUs: v.CPUs("cpus"), Ops: []Op{
			{Kind: OpServe, Object: listener, A: uint64(n), B: places}, hold(v), {Kind: OpDrain, A: uint64(open)},
		}}
	})
	client := ThreadPlan{Role: "clients", Name: "clients", CPUs: v.CPUs("cpus")}
	if keep {
		client.Ops = []Op{
			{Kind: OpConnect, Object: listener, A: uint64(n)},
			hold(v),
			{Kind: OpConnect, Object: listener, B: uint64(n - open), C: uint64(closePause)},
		}
	} else {
		client.Ops = []Op{{Kind: OpRequest, Object: listener, A: uint64(n)}, hold(v)}
	}
	p.Processes = append(p.Processes, ProcessPlan{Role: "clients", Parent: 0, Threads: []ThreadPlan{client}})
	p.serverPromises(n, open, keep)
	p.atLeast(v.Duration("seconds") + time.Duration(n-open)*closePause)
	p.Budget.Tasks = n // the threads of the connections, which are not in the plan
	p.Budget.MemoryBytes = uint64(n) * threadBytes
	p.Budget.Files = 2 * n
	return p.finish(), nil
}

// closePause is the time between two connections being closed.
const closePause = 2 * time.Millisecond

func (p *Plan) serverPromises(n, open int, keep bool) {
	base := float64(len(p.Processes[0].Threads))
	at := func(process int, field string, kind CheckKind, when When, expect float64, because string) {
		p.promise(Promise{
			Process: process, Thread: -1, Field: field, Scope: "process_live", Kind: kind, When: when,
			Expect: Exactly(expect), Because: because,
		})
	}
	if keep {
		p.seenIn("most_in_network", 0, n, p.Duration, "the thread of every connection waits for its client")
		at(0, "threads", Equality, WhenLive, base+float64(n), "a thread for each connection, besides the main thread and the one that accepts")
		for i := range p.Processes {
			at(i, "fds", Equality, WhenLive, float64(workerFiles+1+n), "a connection has two ends, each a descriptor of one process")
		}
	} else {
		at(0, "threads", Bound, WhenLive, base+requestsAtOnce, "a request takes a thread for a moment")
	}
	at(0, "threads", Equality, WhenParked, base+float64(open), "with every connection that is closed its thread ends")
	for i := range p.Processes {
		at(i, "fds", Equality, WhenParked, float64(workerFiles+1+open), "what is closed has no descriptor any more")
		for j := range p.Processes[i].Threads {
			p.promise(Promise{
				Process: i, Thread: j, Field: "voluntary_switches", Scope: "thread", Kind: Identity, When: WhenDelta,
				Expect: Exactly(finalPark).Plus(1, "waits"), Self: selfVoluntary(1),
				Because: "it waits for the network, while it stays, and when it parks",
			})
		}
	}
	acceptor, client := site{0, 1}, site{1, 0}
	p.told(acceptor, "connections", Equality, Exactly(float64(n)), Formula{}.Plus(1, "done"), "every connection is accepted")
	p.told(acceptor, "requests", Equality, Exactly(float64(n)), Formula{}.Plus(1, "result"), "one request on each connection is answered")
	p.told(client, "requests", Equality, Exactly(float64(n)), Formula{}.Plus(1, "done"), "one request on each connection has its answer")
}
