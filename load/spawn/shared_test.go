package spawn

import (
	"fmt"
	"os"
	"testing"
	"time"

	"taskscope/load"
)

// sharing is a plan with objects whose workers are threads of the root or
// processes below it; each gets its operations from work.
func sharing(as string, n int, objects []load.Object, work func(i int) []load.Op) *load.Plan {
	p := root()
	p.Objects = objects
	for i := range n {
		t := thread(fmt.Sprintf("w-%d", i), work(i)...)
		if as == "threads" {
			p.Processes[0].Threads = append(p.Processes[0].Threads, t)
		} else {
			p.Processes = append(p.Processes, load.ProcessPlan{Role: t.Name, Threads: []load.ThreadPlan{t}})
		}
	}
	return p
}

func bothShapes(t *testing.T, f func(t *testing.T, as string)) {
	t.Helper()
	for _, as := range []string{"threads", "processes"} {
		t.Run(as, func(t *testing.T) {
			t.Parallel()
			f(t, as)
		})
	}
}

// workers are the reports of all threads that have work.
func workers(m *load.Manifest) (list []load.ManifestThread) {
	for _, p := range m.Processes {
		for _, th := range p.Threads {
			if th.Role == "worker" {
				list = append(list, th)
			}
		}
	}
	return list
}

// TestLockExcludes: what the owners count without any other protection is
// exact, and every voluntary switch is a wait for the lock, but for the park.
func TestLockExcludes(t *testing.T) {
	t.Parallel()
	bothShapes(t, func(t *testing.T, as string) {
		const n, rounds = 4, 300
		r := startRun(t, sharing(as, n, []load.Object{{Kind: load.ObjectLock}}, func(int) []load.Op {
			return []load.Op{{Kind: load.OpLock, A: rounds, B: 20e3, C: 5e3}}
		}), Options{})
		before := switches(t, r.Manifest())
		m := through(t, r)
		after := switches(t, m)
		if m.Objects[0].Value != n*rounds {
			t.Errorf("%d acquisitions counted under the lock, want %d", m.Objects[0].Value, n*rounds)
		}
		for _, th := range workers(m) {
			if got := after[th.TID] - before[th.TID]; got != th.Report.Waits+1 || th.Report.Acquired != rounds {
				t.Errorf("%s: %d voluntary switches, %d waits, %d acquisitions", th.Name, got, th.Report.Waits, th.Report.Acquired)
			}
		}
	})
}

// TestTurnsGoRound: together the workers use one CPU, each exactly its share.
func TestTurnsGoRound(t *testing.T) {
	t.Parallel()
	bothShapes(t, func(t *testing.T, as string) {
		const n, amount = 3, 60e6
		m := through(t, startRun(t, sharing(as, n, []load.Object{{Kind: load.ObjectLock}}, func(int) []load.Op {
			return []load.Op{{Kind: load.OpTurns, A: amount, B: 2e6}}
		}), Options{}))
		var first, last int64
		for i, th := range workers(m) {
			if i == 0 || th.Report.StartNS < first {
				first = th.Report.StartNS
			}
			last = max(last, th.Report.JobEndNS)
			if over := int64(th.Report.CPUNS) - amount; over < 0 || over > 1e6 {
				t.Errorf("%s used %d ns, want %d", th.Name, th.Report.CPUNS, int64(amount))
			}
		}
		if last-first < n*amount {
			t.Errorf("done after %d ns: two had the lock at once", last-first)
		}
	})
}

// TestTenThousandAdditions is the program of the study notes: 10,000 threads
// that add 1 each make 10,000 when there is a lock.
func TestTenThousandAdditions(t *testing.T) {
	n := 10_000
	if h := hostLimits(); testing.Short() || h.tasks.value < uint64(n)*2 || h.memory.value < 2<<30 {
		n = 500
	}
	for mode, way := range map[string]uint64{"racy": load.AddRacy, "locked": load.AddLocked, "atomic": load.AddAtomic} {
		t.Run(mode, func(t *testing.T) {
			r := startRun(t, sharing("threads", n, []load.Object{{Kind: load.ObjectCounter}, {Kind: load.ObjectLock}}, func(int) []load.Op {
				return []load.Op{{Kind: load.OpAdd, A: 1, B: way, C: 1}}
			}), Options{})
			m := through(t, r)
			got := m.Objects[0].Value
			if got > uint64(n) || mode != "racy" && got != uint64(n) {
				t.Errorf("%d workers that add 1 make %d", n, got)
			}
			t.Logf("%d workers: %d, %d lost", n, got, uint64(n)-got)
		})
	}
}

// TestPartsMakeTheSum: each channel carries the parts to the parent.
func TestPartsMakeTheSum(t *testing.T) {
	t.Parallel()
	const upto, want = 10_000_000, 49_999_995_000_000
	for _, o := range []load.Object{
		{Kind: load.ObjectPipe}, {Kind: load.ObjectSocket}, {Kind: load.ObjectQueue, Bytes: 8, Count: 2},
	} {
		t.Run(fmt.Sprint(o.Kind), func(t *testing.T) {
			t.Parallel()
			p := sharing("processes", 5, []load.Object{o}, func(i int) []load.Op {
				return []load.Op{{Kind: load.OpSum, A: uint64(i) * upto / 5, B: uint64(i+1) * upto / 5}, {Kind: load.OpSend}}
			})
			p.Processes[0].Threads[0].Ops = []load.Op{{Kind: load.OpReceive, A: 5}}
			m := through(t, startRun(t, p, Options{}))
			if got := m.Processes[0].Threads[0].Report; got.Result != want || got.Done != 5 {
				t.Errorf("the parent has %d from %d messages, want %d", got.Result, got.Done, want)
			}
		})
	}
}

// TestOwnVariable: threads see one variable, processes one each.
func TestOwnVariable(t *testing.T) {
	t.Parallel()
	bothShapes(t, func(t *testing.T, as string) {
		const n, each = 4, 1000
		m := through(t, startRun(t, sharing(as, n, []load.Object{{Kind: load.ObjectBarrier}}, func(int) []load.Op {
			return []load.Op{{Kind: load.OpAddOwn, A: each}, {Kind: load.OpMeet, A: n}, {Kind: load.OpReadOwn}}
		}), Options{}))
		want := map[string]uint64{"threads": n * each, "processes": each}[as]
		for _, th := range workers(m) {
			if th.Report.Result != want || th.Report.Slots["0"] == 0 {
				t.Errorf("%s finds %d, want %d; slots %v", th.Name, th.Report.Result, want, th.Report.Slots)
			}
		}
		if m.Objects[0].Value != 1 {
			t.Errorf("they met %d times", m.Objects[0].Value)
		}
	})
}

// TestChunksCoverTheArray: an odd size, so that the last chunk is a short one.
func TestChunksCoverTheArray(t *testing.T) {
	t.Parallel()
	bothShapes(t, func(t *testing.T, as string) {
		const items, chunk = 4999, 64
		m := through(t, startRun(t, sharing(as, 3, []load.Object{{Kind: load.ObjectShared, Bytes: items}, {Kind: load.ObjectCounter}}, func(int) []load.Op {
			return []load.Op{{Kind: load.OpChunks, A: items, B: chunk, C: 1}}
		}), Options{}))
		var done, twice, sum, chunks uint64
		for _, th := range workers(m) {
			done, twice = done+th.Report.Done, twice+th.Report.Late
			sum, chunks = sum+th.Report.Result, chunks+th.Report.Acquired
		}
		if done != items || twice != 0 || sum != items*(items-1)/2 || chunks != (items+chunk-1)/chunk {
			t.Errorf("%d elements, %d twice, sum %d, %d chunks", done, twice, sum, chunks)
		}
	})
}

// TestPlayersTakeTurns: every message is answered, whatever carries it, and a
// message over memory that is only looked at makes nobody wait.
func TestPlayersTakeTurns(t *testing.T) {
	t.Parallel()
	const k = 500
	words := load.Object{Kind: load.ObjectWords, Count: 3}
	for name, tt := range map[string]struct {
		objects       []load.Object
		first, second int
		how           uint64
	}{
		"pipe":   {[]load.Object{words, {Kind: load.ObjectPipe}, {Kind: load.ObjectPipe}}, 1, 2, 0},
		"socket": {[]load.Object{words, {Kind: load.ObjectSocket}}, 1, 1, 0},
		"queue":  {[]load.Object{words, {Kind: load.ObjectQueue, Bytes: 8, Count: 1}, {Kind: load.ObjectQueue, Bytes: 8, Count: 1}}, 1, 2, 0},
		"futex":  {[]load.Object{words}, 0, 0, load.PingSleep},
		"yield":  {[]load.Object{words}, 0, 0, load.PingYield},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothShapes(t, func(t *testing.T, as string) {
				p := sharing(as, 2, tt.objects, func(i int) []load.Op {
					if i == 0 {
						return []load.Op{
							{Kind: load.OpAwait, B: 1},
							{Kind: load.OpPing, Object: tt.first, A: k, B: uint64(tt.second), C: load.PingFirst | tt.how},
						}
					}
					return []load.Op{
						{Kind: load.OpPost},
						{Kind: load.OpPing, Object: tt.second, A: k, B: uint64(tt.first), C: load.PingSecond | tt.how},
					}
				})
				for _, th := range workers(through(t, startRun(t, p, Options{}))) {
					rep := th.Report
					if rep.Done != k || rep.Voluntary > k+rep.Waits || tt.how == load.PingYield && rep.Voluntary != rep.Waits {
						t.Errorf("%s: %d messages, %d voluntary switches, %d counted waits", th.Name, rep.Done, rep.Voluntary, rep.Waits)
					}
				}
			})
		})
	}
}

// TestServerThreads counts the threads of a server while its connections are
// open, and when all but two are closed.
func TestServerThreads(t *testing.T) {
	t.Parallel()
	const n, open = 12, 2
	p := root(thread("acceptor", load.Op{Kind: load.OpServe, A: n, B: n}, load.Op{Kind: load.OpAwait, Object: 1, B: 1}, load.Op{Kind: load.OpDrain, A: open}))
	p.Objects = []load.Object{{Kind: load.ObjectListener}, {Kind: load.ObjectWords, Count: 1}}
	p.Processes = append(p.Processes, load.ProcessPlan{Role: "clients", Threads: []load.ThreadPlan{thread("clients",
		load.Op{Kind: load.OpConnect, A: n}, load.Op{Kind: load.OpHold, A: 300e6}, load.Op{Kind: load.OpConnect, B: n - open},
		load.Op{Kind: load.OpPost, Object: 1})}})
	r := startRun(t, p, Options{})
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	most := 0
	eventually(t, 30*time.Second, "the run is parked", func() bool {
		most = max(most, countTasks(t, r.RootPID()))
		return isClosed(r.parked) || isClosed(r.failed)
	})
	m := through(t, r)
	if left := countTasks(t, r.RootPID()); left != 2+open {
		t.Errorf("%d threads at the end, want %d", left, 2+open)
	}
	if most > 2+n {
		t.Errorf("at most %d threads, want %d", most, 2+n)
	}
	if rep := m.Processes[0].Threads[1].Report; rep.Done != n || rep.Result != n {
		t.Errorf("%d connections, %d requests, want %d", rep.Done, rep.Result, n)
	}
}

// countTasks counts threads that come and go.
func countTasks(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// stuckPlan has every kind of wait that never ends by itself.
func stuckPlan() *load.Plan {
	waits := []load.Op{
		{Kind: load.OpMeet, Object: 0, A: 1000},
		{Kind: load.OpAwait, Object: 1, B: 1},
		{Kind: load.OpReceive, Object: 2, A: 1},
		{Kind: load.OpReceive, Object: 3, A: 1},
		{Kind: load.OpReceive, Object: 4, A: 1},
		{Kind: load.OpServe, Object: 5, A: 1, B: 1},
		{Kind: load.OpPing, Object: 1, A: 1, B: 1, C: load.PingSecond | load.PingSleep},
	}
	p := root()
	p.Objects = []load.Object{
		{Kind: load.ObjectBarrier},
		{Kind: load.ObjectWords, Count: 3},
		{Kind: load.ObjectPipe},
		{Kind: load.ObjectSocket},
		{Kind: load.ObjectQueue, Bytes: 8, Count: 1},
		{Kind: load.ObjectListener},
	}
	for i, op := range waits {
		p.Processes[0].Threads = append(p.Processes[0].Threads, thread(fmt.Sprintf("t-%d", i), op))
		p.Processes = append(p.Processes, load.ProcessPlan{Role: "stuck", Threads: []load.ThreadPlan{thread(fmt.Sprintf("p-%d", i), op)}})
	}
	return p
}

// TestStopWakesWhoWaitsForOthers: Stop leaves nothing, though nobody will ever
// send what they wait for.
func TestStopWakesWhoWaitsForOthers(t *testing.T) {
	t.Parallel()
	r := startRun(t, stuckPlan(), Options{})
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "all of them wait", func() bool {
		for _, p := range r.Manifest().Processes {
			for _, th := range p.Threads {
				if th.Role == "worker" && th.Report.Phase != phaseRunning {
					return false
				}
			}
		}
		return true
	})
}

// TestPaceNotesWhatItWrites: the log has every edge in order, and as many pages
// as there were faults.
func TestPaceNotesWhatItWrites(t *testing.T) {
	t.Parallel()
	const page, pages, step = 4096, 25, 10
	p := sharing("processes", 1, []load.Object{{Kind: load.ObjectLog, Count: 3}}, func(int) []load.Op {
		return []load.Op{{Kind: load.OpPace, A: pages * page, B: 2e6, C: step * page}}
	})
	p.Processes[1].Threads[0].Setup = []load.Op{{Kind: load.OpMap, A: pages * page, C: 1}}
	m := through(t, startRun(t, p, Options{}))
	log, sum, last := m.Objects[0].Log, uint64(0), m.GateMonoNS
	for i, e := range log {
		if e.FromNS < m.GateMonoNS+int64(i+1)*2e6-edgeMargin || e.FromNS < last || e.UntilNS < e.FromNS {
			t.Errorf("edge %d: %+v after %d", i, e, last)
		}
		sum, last = sum+e.Pages, e.UntilNS
	}
	if r := m.Processes[1].Threads[0].Report; len(log) != 3 || sum != pages || r.MinorFaults != pages {
		t.Errorf("%d edges, %d pages noted, %d faults; want 3, %d, %d", len(log), sum, r.MinorFaults, pages, pages)
	}
	p.Objects[0].Count = 2
	if err := validate(p); err == nil {
		t.Error("a log too short for its steps was accepted")
	}
}
