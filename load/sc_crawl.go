package load

import (
	"errors"
	"fmt"
	"time"
)

func scCrawl() Scenario {
	return Scenario{
		Name:  "crawl",
		Title: "Fetch several web pages at once",
		Teaches: "Fetching a page is almost only waiting for the server. Four threads that fetch a page each wait at the same time, so four pages take the time of one. " +
			"The server is part of the load: it answers on the loopback device after a known delay. " +
			"One CPU is enough, and so would be an interpreter with a global lock.",
		Params: []Param{
			asParam(), workersParam("4", 1, 200),
			{Name: "urls", Kind: ParamInt, Default: "4", Min: 1, Max: 2000, Doc: "pages, divided among the workers"},
			{Name: "delay", Kind: ParamDuration, Default: "500ms", Min: 1e6, Max: 60e9, Doc: "how long the server takes for a page"},
			stayParam(), cpusParam(""),
		},
		Quick: []string{"delay=500ms", "seconds=800ms"},
		Build: buildCrawl,
	}
}

// answerBytes is the size of an answer, header included, as in native/ops_net.h.
const answerBytes = 44

func buildCrawl(v Values) (*Plan, error) {
	n, urls, delay := v.Int("workers"), v.Int("urls"), v.Duration("delay")
	if urls < n {
		return nil, errors.New("urls must be at least the number of workers")
	}
	p := newPlan("crawl", v)
	listener := p.object(Object{Kind: ObjectListener, Role: "web server"})
	taken := p.object(Object{Kind: ObjectCounter, Role: "pages asked for"})
	share := func(i int) int { return urls*(i+1)/n - urls*i/n }
	workers := p.crew(v.Text("as"), n, func(i int) ThreadPlan {
		return ThreadPlan{CPUs: v.CPUs("cpus"), Ops: []Op{{Kind: OpFetch, Object: listener, A: uint64(share(i)), B: answerBytes}}}
	})
	web := ProcessPlan{Role: "web server", Parent: 0, Threads: []ThreadPlan{{Role: "leader", Name: "web"}}}
	for i := range n {
		name := fmt.Sprintf("web-%03d", i)
		web.Threads = append(web.Threads, ThreadPlan{
			Role: name, Name: name, CPUs: v.CPUs("cpus"),
			Ops: []Op{{Kind: OpAnswer, Object: listener, A: uint64(urls), B: uint64(delay), C: uint64(taken)}},
		})
	}
	p.Processes = append(p.Processes, web)
	staying := workers
	for j := range n {
		staying = append(staying, site{len(p.Processes) - 1, j + 1})
	}
	p.thenStay(v, staying)
	p.onlyCountedWaits("each waits for the network or the end of its delay, while it stays, and when it parks")
	together := time.Duration(urls/n) * delay // that all of them fetch
	for i := range p.Processes[:len(p.Processes)-1] {
		if fetchers := len(p.Processes[i].Threads[1:]); i == 0 && fetchers > 0 {
			p.seenIn("most_in_network", 0, fetchers, together, "all of them wait for their pages at the same time")
		} else if i > 0 {
			p.seenIn("most_in_network", i, 1, together, "it waits for its page")
		}
	}
	for i, s := range workers {
		p.told(s, "pages", Equality, Exactly(float64(share(i))), Formula{}.Plus(1, "done"), "its share of the pages")
		p.told(s, "bytes", Equality, Exactly(float64(share(i)*answerBytes)), Formula{}.Plus(1, "bytes"), "every page is read to its end")
	}
	rounds := (urls + n - 1) / n
	// Whoever is woken is ready until a CPU is free: a bound, not an equality
	// (4 of 10 were, for tens of milliseconds, at a load average of 10).
	p.promise(Promise{
		Process: -1, Thread: -1, Field: "ready_tasks", Scope: "subtree", Kind: Bound, When: WhenLive,
		Because: "everybody waits: for the page, or for the time to send it",
	})
	p.toldAtLeast(wholeTree, "elapsed_ns", Exactly(float64(rounds)*float64(delay)), jobSpan(), "no page comes before its delay is over")
	p.told(wholeTree, "elapsed_ns", Bound, Exactly(float64(rounds+1)*float64(delay)), jobSpan(),
		"had two workers waited one after the other, it would have taken a delay more")
	p.atLeast(time.Duration(rounds) * delay)
	p.Budget.Files = 2 * n
	return p.finish(), nil
}
