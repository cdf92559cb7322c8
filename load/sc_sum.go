package load

import "errors"

func scSum() Scenario {
	return Scenario{
		Name:  "sum",
		Title: "Add up numbers in parts, by threads or by processes",
		Teaches: "The numbers are split among the workers. Threads put their parts together in memory that all of them see; processes have no such memory and send theirs to the parent, as messages through the kernel. " +
			"The result is the same: 4999999950000000 for the numbers below 100,000,000.",
		Params: []Param{
			asParam(), workersParam("2", 1, 64),
			{Name: "upto", Kind: ParamInt, Default: "100000000", Min: 1, Max: maxUpto, Doc: "the numbers from 0 to one less than this are added up"},
			{Name: "via", Kind: ParamEnum, Default: "queue", Enum: []string{"queue", "pipe", "socket"}, Doc: "how processes send their parts to the parent"},
			stayParam(), cpusParam(""),
		},
		Quick: []string{"seconds=800ms"},
		Build: buildSum,
	}
}

// maxUpto keeps the result below 2^53: JSON numbers are exact up to there.
const maxUpto = 120_000_000

// queueLength is the most messages in a queue that every kernel grants to
// everybody (fs.mqueue.msg_max is 10).
const queueLength = 8

// messageBytes is the size of a message.
const messageBytes = 8

// channel adds what messages go through.
func (p *Plan) channel(kind, role string) int {
	o := Object{Role: role}
	switch kind {
	case "pipe":
		o.Kind = ObjectPipe
	case "socket":
		o.Kind = ObjectSocket
	default:
		o.Kind, o.Bytes, o.Count = ObjectQueue, messageBytes, queueLength
	}
	return p.object(o)
}

// sumBelow is 0 + 1 + … + (n-1).
func sumBelow(n uint64) float64 { return float64(n * (n - 1) / 2) }

func buildSum(v Values) (*Plan, error) {
	n, upto := v.Int("workers"), uint64(v.Int("upto"))
	if upto < uint64(n) {
		return nil, errors.New("upto must be at least the number of workers")
	}
	p := newPlan("sum", v)
	threads := v.Text("as") == asThreads
	var put Op
	if threads {
		put = Op{Kind: OpCollect, Object: p.object(Object{Kind: ObjectCounter, Role: "total"})}
	} else {
		put = Op{Kind: OpSend, Object: p.channel(v.Text("via"), "results")}
		p.Processes[0].Threads[0].Ops = []Op{{Kind: OpReceive, Object: put.Object, A: uint64(n)}}
	}
	part := func(i int) uint64 { return upto * uint64(i) / uint64(n) }
	workers := p.crew(v.Text("as"), n, func(i int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{{Kind: OpSum, A: part(i), B: part(i + 1)}, put}}
	})
	for i, s := range workers {
		p.told(s, "result", Equality, Exactly(sumBelow(part(i+1))-sumBelow(part(i))), Formula{}.Plus(1, "result"), "the sum of its part")
	}
	if threads {
		p.told(wholeTree, "result", Equality, Exactly(sumBelow(upto)), Formula{}.Plus(1, objectKey(put.Object)),
			"n(n-1)/2, put together in memory that all threads see")
	} else {
		p.told(site{0, 0}, "result", Equality, Exactly(sumBelow(upto)), Formula{}.Plus(1, "result"),
			"n(n-1)/2, put together by the parent from the messages of its children")
		p.told(site{0, 0}, "messages", Equality, Exactly(float64(n)), Formula{}.Plus(1, "done"), "one message from each child")
		workers = append(workers, site{0, 0})
	}
	p.thenStay(v, workers)
	p.onlyCountedWaits("a worker that computes does not wait; a parent waits for messages, and all while they stay and when they park")
	p.Budget.CPUs = float64(parallel(v, n))
	return p.finish(), nil
}
